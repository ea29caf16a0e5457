//! The floor, measured with the code of wasp-core's own benchmark.

use kvm_bindings::CpuId;
use kvm_ioctls::Kvm;

#[path = "../../../wasp-core/benches/calls/floor.rs"]
mod floor;

pub(crate) use floor::Floor;

/// `/dev/kvm`, open, and the CPUID that bare machines get.
pub(crate) struct Bare {
    kvm: Kvm,
    cpuid: CpuId,
}

impl Bare {
    pub(crate) fn open() -> Result<Self, String> {
        let kvm = Kvm::new().map_err(|error| format!("cannot open /dev/kvm: {error}"))?;
        let cpuid = kvm
            .get_supported_cpuid(256)
            .map_err(|error| format!("cannot read KVM's CPUID: {error}"))?;
        Ok(Self { kvm, cpuid })
    }

    /// A bare machine in ring 3, whose code is one `out`.
    pub(crate) fn machine(&self) -> Floor {
        Floor::new(&self.kvm, &self.cpuid)
    }
}
