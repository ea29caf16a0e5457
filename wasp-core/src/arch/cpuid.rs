//! The processor that guests see: what KVM offers, less what is none of a virtine's business.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

/// Extended states given to guests: x87, SSE and AVX (Intel SDM vol. 1, 13.3). AVX-512 and AMX
/// would make each state larger and their first use slower, and no guest is compiled for them.
const WANTED_XCR0: u64 = 0b111;

const LEAF_FEATURES: u32 = 1;
const LEAF_EXTENDED_FEATURES: u32 = 7;
const LEAF_XSAVE: u32 = 0xd;
const LEAF_AMD_FEATURES: u32 = 0x8000_0001;
/// KVM's own leaves: paravirtual clock and the like, which write to guest memory behind the dirty
/// bits' back.
const HYPERVISOR_LEAVES: std::ops::RangeInclusive<u32> = 0x4000_0000..=0x4fff_ffff;

const ECX_VMX: u32 = 1 << 5;
const ECX_XSAVE: u32 = 1 << 26;
const ECX_SVM: u32 = 1 << 2;
const EBX_FSGSBASE: u32 = 1 << 0;
/// AVX-512's foundation and the parts of it that stand in EBX of leaf 7.
const EBX_AVX512: u32 =
    1 << 16 | 1 << 17 | 1 << 21 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 30 | 1 << 31;

/// The processor of all guests.
#[derive(Debug)]
pub(crate) struct GuestCpu {
    /// What CPUID tells them.
    pub(crate) cpuid: CpuId,
    /// The extended states they may use; `None` where KVM offers no XSAVE. That a guest cannot
    /// switch them on does not mean that they are off: a KVM that runs ring 3 on the bare processor
    /// (kvm_pvm) offers none, and everything works. Whether it does, shows when a guest starts.
    pub(crate) xcr0: Option<u64>,
    /// Whether CR4.FSGSBASE can be set. As above, it may be on without.
    pub(crate) fsgsbase: bool,
}

impl GuestCpu {
    /// Chooses from what KVM offers.
    pub(crate) fn new(offered: &CpuId) -> Self {
        let xsave = find(offered, LEAF_FEATURES, 0).is_some_and(|leaf| leaf.ecx & ECX_XSAVE != 0);
        let fsgsbase = find(offered, LEAF_EXTENDED_FEATURES, 0)
            .is_some_and(|leaf| leaf.ebx & EBX_FSGSBASE != 0);
        // At least x87 and SSE, which every processor with XSAVE has.
        let states = find(offered, LEAF_XSAVE, 0).map_or(0, |leaf| u64::from(leaf.eax));
        let xcr0 = (states & WANTED_XCR0) | 0b11;
        let mut cpuid = offered.clone();
        cpuid.retain(|leaf| !HYPERVISOR_LEAVES.contains(&leaf.function));
        for leaf in cpuid.as_mut_slice() {
            mask(leaf, xcr0);
        }
        Self {
            cpuid,
            xcr0: xsave.then_some(xcr0),
            fsgsbase,
        }
    }
}

fn find(cpuid: &CpuId, function: u32, index: u32) -> Option<&kvm_cpuid_entry2> {
    cpuid
        .as_slice()
        .iter()
        .find(|leaf| leaf.function == function && leaf.index == index)
}

fn mask(leaf: &mut kvm_cpuid_entry2, xcr0: u64) {
    match (leaf.function, leaf.index) {
        (LEAF_FEATURES, _) => leaf.ecx &= !ECX_VMX,
        (LEAF_EXTENDED_FEATURES, 0) => leaf.ebx &= !EBX_AVX512,
        (LEAF_XSAVE, 0) => {
            leaf.eax &= xcr0 as u32;
            leaf.edx = 0;
        }
        (LEAF_AMD_FEATURES, _) => leaf.ecx &= !ECX_SVM,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(function: u32, eax: u32, ebx: u32, ecx: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 {
            function,
            eax,
            ebx,
            ecx,
            ..Default::default()
        }
    }

    fn offered(leaves: &[kvm_cpuid_entry2]) -> CpuId {
        CpuId::from_entries(leaves).expect("few leaves")
    }

    #[test]
    fn virtualization_and_paravirtual_leaves_are_hidden() {
        let leaves = [
            leaf(1, 0, 0, ECX_XSAVE | ECX_VMX),
            leaf(7, 0, EBX_FSGSBASE | EBX_AVX512, 0),
            leaf(0xd, 0xe7, 0, 0),
            leaf(0x4000_0001, 0xff, 0, 0),
            leaf(0x8000_0001, 0, 0, ECX_SVM | 1),
        ];
        let GuestCpu {
            cpuid,
            xcr0,
            fsgsbase,
        } = GuestCpu::new(&offered(&leaves));
        assert_eq!(xcr0, Some(0b111));
        assert!(fsgsbase);
        assert_eq!(find(&cpuid, 1, 0).map(|leaf| leaf.ecx), Some(ECX_XSAVE));
        assert_eq!(find(&cpuid, 7, 0).map(|leaf| leaf.ebx), Some(EBX_FSGSBASE));
        assert_eq!(find(&cpuid, 0xd, 0).map(|leaf| leaf.eax), Some(0b111));
        assert_eq!(find(&cpuid, 0x4000_0001, 0), None);
        assert_eq!(find(&cpuid, 0x8000_0001, 0).map(|leaf| leaf.ecx), Some(1));
    }

    #[test]
    fn what_is_not_offered_is_not_asked_for() {
        let cpu = GuestCpu::new(&offered(&[leaf(0xd, 0xe7, 0, 0)]));
        assert_eq!(cpu.xcr0, None);
        assert!(!cpu.fsgsbase);
    }
}
