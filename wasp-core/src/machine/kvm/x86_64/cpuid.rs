//! The CPU that guests see: what KVM offers, without the features that virtines must not have.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

use crate::machine::kvm::x86_64::extended_states::{KEPT, Processor};
use crate::machine::kvm::x86_64::gate::GateForm;
use crate::machine::kvm::x86_64::hidden_features;

const LEAF_FEATURES: u32 = 1;
const LEAF_EXTENDED_FEATURES: u32 = 7;
const LEAF_XSAVE: u32 = 0xd;

/// Bytes of an XSAVE area up to the end of AVX.
const KEPT_SIZE: u32 = 832;

const ECX_XSAVE: u32 = 1 << 26;
const EBX_FSGSBASE: u32 = 1 << 0;

/// The CPU of all guests.
#[derive(Debug)]
pub(crate) struct GuestCpu {
    /// The CPUID leaves that guests see.
    pub(crate) cpuid: CpuId,
    /// The extended states that guests may use. `None` if KVM offers no XSAVE. That a guest cannot switch them on does
    /// not mean that they are off: a KVM that runs ring 3 on the bare CPU (kvm_pvm) offers no XSAVE, and everything
    /// works. Whether it does shows when a guest starts.
    pub(crate) xcr0: Option<u64>,
    /// Whether CR4.FSGSBASE can be set. As above, it may be on even if not.
    pub(crate) fsgsbase: bool,
    /// What the gate must do on this CPU.
    pub(crate) gate: GateForm,
}

impl GuestCpu {
    /// Chooses from what KVM offers on this CPU.
    pub(crate) fn new(offered: &CpuId, processor: &Processor) -> Self {
        let xsave = find(offered, LEAF_FEATURES, 0).is_some_and(|leaf| leaf.ecx & ECX_XSAVE != 0);
        let fsgsbase = find(offered, LEAF_EXTENDED_FEATURES, 0)
            .is_some_and(|leaf| leaf.ebx & EBX_FSGSBASE != 0);
        // At least x87 and SSE, which every CPU with XSAVE has.
        let states = find(offered, LEAF_XSAVE, 0).map_or(0, |leaf| u64::from(leaf.eax));
        // AVX-512 and AMX would make each state larger and their first use slower.
        let xcr0 = (states & KEPT) | 0b11;
        let mut cpuid = offered.clone();
        cpuid.retain(|leaf| !hidden_features::is_left_out(leaf.function) && is_kept(leaf));
        for leaf in cpuid.as_mut_slice() {
            hidden_features::hide(leaf);
            limit_states(leaf, xcr0);
        }
        let xcr0 = xsave.then_some(xcr0);
        Self {
            cpuid,
            xcr0,
            fsgsbase,
            gate: GateForm::new(xcr0, processor),
        }
    }
}

fn find(cpuid: &CpuId, function: u32, index: u32) -> Option<&kvm_cpuid_entry2> {
    cpuid
        .as_slice()
        .iter()
        .find(|leaf| leaf.function == function && leaf.index == index)
}

/// Whether to keep a leaf. Leaves of extended states that guests do not have are dropped.
fn is_kept(leaf: &kvm_cpuid_entry2) -> bool {
    leaf.function != LEAF_XSAVE || leaf.index < 2 || 1 << leaf.index.min(63) & KEPT != 0
}

/// Limits XSAVE's leaf to these states. KVM fills in the sizes of areas, except the largest.
fn limit_states(leaf: &mut kvm_cpuid_entry2, xcr0: u64) {
    match (leaf.function, leaf.index) {
        (LEAF_XSAVE, 0) => {
            leaf.eax &= xcr0 as u32;
            leaf.ecx = leaf.ecx.min(KEPT_SIZE);
            leaf.edx = 0;
        }
        // States of IA32_XSS.
        (LEAF_XSAVE, 1) => (leaf.ecx, leaf.edx) = (0, 0),
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

    const AVX512_WITHOUT_XSAVEC: Processor = Processor {
        xcr0: 0xe7,
        xsavec: false,
        tells_in_use: true,
        ospke: false,
        ends: [0; 63],
    };

    #[test]
    fn virtualization_and_paravirtual_leaves_are_hidden() {
        let leaves = [
            leaf(1, 0, 0, ECX_XSAVE | 1 << 5),
            leaf(7, 0, EBX_FSGSBASE | 1 << 16, 0),
            leaf(0xd, 0xe7, 2688, 2688),
            leaf(0x4000_0001, 0xff, 0, 0),
            leaf(0x8000_0001, 0, 0, 1 << 2 | 1),
        ];
        let GuestCpu {
            cpuid,
            xcr0,
            fsgsbase,
            gate,
        } = GuestCpu::new(&offered(&leaves), &AVX512_WITHOUT_XSAVEC);
        assert_eq!(xcr0, Some(0b111));
        assert!(fsgsbase);
        assert_eq!(gate, GateForm::new(Some(0b111), &AVX512_WITHOUT_XSAVEC));
        assert_eq!(find(&cpuid, 1, 0).map(|leaf| leaf.ecx), Some(ECX_XSAVE));
        assert_eq!(find(&cpuid, 7, 0).map(|leaf| leaf.ebx), Some(EBX_FSGSBASE));
        let xsave = find(&cpuid, 0xd, 0).map(|leaf| (leaf.eax, leaf.ecx));
        assert_eq!(xsave, Some((0b111, 832)));
        assert_eq!(find(&cpuid, 0x4000_0001, 0), None);
        assert_eq!(find(&cpuid, 0x8000_0001, 0).map(|leaf| leaf.ecx), Some(1));
    }

    #[test]
    fn what_is_not_offered_is_not_asked_for() {
        let cpu = GuestCpu::new(&offered(&[leaf(0xd, 0xe7, 0, 0)]), &AVX512_WITHOUT_XSAVEC);
        assert_eq!(cpu.xcr0, None);
        assert!(!cpu.fsgsbase);
    }

    #[test]
    fn states_that_guests_do_not_have_have_no_leaf() {
        let state = |index| kvm_cpuid_entry2 {
            index,
            ..leaf(0xd, 64, 832, u32::MAX)
        };
        let leaves: Vec<_> = (0..20).map(state).collect();
        let cpu = GuestCpu::new(&offered(&leaves), &AVX512_WITHOUT_XSAVEC);
        let left: Vec<u32> = cpu.cpuid.as_slice().iter().map(|leaf| leaf.index).collect();
        assert_eq!(left, [0, 1, 2]);
        assert_eq!(find(&cpu.cpuid, 0xd, 1).map(|leaf| leaf.ecx), Some(0));
    }
}
