//! All vCPU state that a guest can change, as the host reads and sets it.
//!
//! Setting it takes system calls, so no warm call of a guest in ring 3 uses this: see the
//! [gate](crate::machine::kvm::x86_64::gate).

use kvm_bindings::{
    KVM_VCPUEVENT_VALID_SHADOW, kvm_debugregs, kvm_sregs, kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};

use crate::Error;
use crate::machine::kvm::msrs::ModelState;
use crate::machine::kvm::vcpu::Vcpu;

/// A vCPU's registers except the general ones.
pub(crate) struct VcpuState {
    pub(crate) special: kvm_sregs,
    pub(crate) extended: kvm_xsave,
    /// Pending exceptions and interrupts, and what holds interrupts back.
    events: kvm_vcpu_events,
    /// State that only ring 0 can change. `None` for guests that never run there.
    privileged: Option<Privileged>,
}

struct Privileged {
    controls: kvm_xcrs,
    debug: kvm_debugregs,
    msrs: ModelState,
}

impl VcpuState {
    /// The vCPU's state: all of it that the guest can change. `in_ring3` means that the guest is confined to ring 3.
    pub(crate) fn of(vcpu: &Vcpu, in_ring3: bool) -> Result<Self, Error> {
        match in_ring3 {
            true => Self::of_ring3(vcpu),
            false => Self::of_ring0(vcpu),
        }
    }

    fn of_ring3(vcpu: &Vcpu) -> Result<Self, Error> {
        Ok(Self {
            special: vcpu.special()?,
            extended: vcpu.extended()?,
            events: no_events(),
            privileged: None,
        })
    }

    fn of_ring0(vcpu: &Vcpu) -> Result<Self, Error> {
        let privileged = Privileged {
            controls: vcpu.extended_controls()?,
            debug: vcpu.debug()?,
            msrs: vcpu.msrs()?,
        };
        Ok(Self {
            events: vcpu.events()?,
            privileged: Some(privileged),
            ..Self::of_ring3(vcpu)?
        })
    }

    /// Puts a vCPU into this state.
    ///
    /// Special registers come first: they switch on what the others need.
    pub(crate) fn apply(&self, vcpu: &Vcpu) -> Result<(), Error> {
        vcpu.set_special(&self.special)?;
        if let Some(privileged) = &self.privileged {
            vcpu.set_extended_controls(&privileged.controls)?;
            vcpu.set_debug(&privileged.debug)?;
            vcpu.set_msrs(&privileged.msrs)?;
        }
        vcpu.set_events(&self.events)?;
        vcpu.set_extended(&self.extended)
    }

    /// Whether the gate restores this state for a guest in ring 3. The gate clears selectors and bases, except FS's
    /// base.
    pub(crate) fn is_gates(&self) -> bool {
        let kvm_sregs { ds, es, fs, gs, .. } = self.special;
        let selectors = [ds, es, fs, gs].map(|segment| segment.selector);
        let bases = [ds, es, gs].map(|segment| segment.base);
        selectors == [0; 4] && bases == [0; 3]
    }

    /// FS's base.
    pub(crate) const fn fs_base(&self) -> u64 {
        self.special.fs.base
    }
}

/// Nothing pending, and no shadow of an `sti` or a `mov ss`, which holds interrupts back for one instruction. A vCPU
/// cannot be entered in the shadow of an `sti` if the next guest has interrupts off (Intel SDM vol. 3, 27.3.1.5).
fn no_events() -> kvm_vcpu_events {
    kvm_vcpu_events {
        flags: KVM_VCPUEVENT_VALID_SHADOW,
        ..Default::default()
    }
}
