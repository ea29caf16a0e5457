//! The makers of processors whose virtualization can be emulated, and what KVM loads for each.

/// A processor with hardware virtualization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Processor {
    /// AMD-V, by kvm_amd; QEMU emulates it.
    Amd,
    /// VT-x, by kvm_intel; Bochs emulates it.
    Intel,
}

impl Processor {
    pub(crate) const ALL: [Self; 2] = [Self::Amd, Self::Intel];

    /// KVM's modules in the order of loading, below the kernel's own folder of modules. The last is
    /// the maker's, which takes the parameters. A kernel may lack another: `ccp` serves features that
    /// not all builds have.
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
