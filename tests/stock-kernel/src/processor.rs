//! The vendors of CPUs whose virtualization can be emulated, and the modules that KVM loads for each.

/// A CPU with hardware virtualization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Processor {
    /// AMD-V, used by kvm_amd and emulated by QEMU.
    Amd,
    /// VT-x, used by kvm_intel and emulated by Bochs.
    Intel,
}

impl Processor {
    pub(crate) const ALL: [Self; 2] = [Self::Amd, Self::Intel];

    /// KVM's modules in load order, below the kernel's own module folder. The last is the vendor's, which takes the
    /// parameters. A kernel may lack one of the others: `ccp` serves features that not all builds have.
    pub(crate) fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Amd => &[
                "virt/lib/irqbypass.ko",
                "drivers/crypto/ccp/ccp.ko",
                "arch/x86/kvm/kvm.ko",
                "arch/x86/kvm/kvm-amd.ko",
            ],
            Self::Intel => &[
                "virt/lib/irqbypass.ko",
                "arch/x86/kvm/kvm.ko",
                "arch/x86/kvm/kvm-intel.ko",
            ],
        }
    }
}
