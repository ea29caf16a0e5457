//! Decodes what `kvm_run` reports about an exit (KVM API document, 5).

use kvm_bindings::{KVM_EXIT_IO_OUT, KVM_INTERNAL_ERROR_EMULATION, kvm_run};
use kvm_ioctls::VcpuExit;

use crate::base::exit::{Direction, Fault};
use crate::machine::stop::PortAccess;

/// Reads the port access that `kvm_run` reports, and makes an `in` read zeros.
pub(super) fn port_access(run: &mut kvm_run) -> PortAccess {
    // SAFETY: the exit was KVM_EXIT_IO, for which KVM fills this variant; all bit patterns are valid
    // integers.
    let io = unsafe { run.__bindgen_anon_1.io };
    let direction = match u32::from(io.direction) {
        KVM_EXIT_IO_OUT => Direction::Out,
        _ => Direction::In,
    };
    let length = usize::from(io.size) * io.count as usize;
    // SAFETY: KVM has placed `length` bytes at this offset from the start of `run`, inside the pages that the vCPU's
    // file maps there, and writes them only inside KVM_RUN.
    let first = unsafe { (&raw mut *run).cast::<u8>().add(io.data_offset as usize) };
    // SAFETY: as above.
    let data = unsafe { std::slice::from_raw_parts_mut(first, length) };
    let mut value = [0; 4];
    match direction {
        Direction::Out => {
            let first = data.iter().take(io.size.into());
            value
                .iter_mut()
                .zip(first)
                .for_each(|(to, from)| *to = *from);
        }
        Direction::In => data.fill(0),
    }
    PortAccess {
        port: io.port,
        direction,
        width: io.size,
        count: io.count,
        data: u32::from_le_bytes(value),
    }
}

/// Describes what KVM could not do, and for which instruction.
pub(super) fn internal_error(run: &kvm_run) -> Fault {
    // SAFETY: the exit was KVM_EXIT_INTERNAL_ERROR, for which KVM fills this variant; all bit
    // patterns are valid integers.
    let failure = unsafe { run.__bindgen_anon_1.emulation_failure };
    if failure.suberror != KVM_INTERNAL_ERROR_EMULATION {
        return Fault::Kvm {
            reason: format!("internal error {}", failure.suberror),
        };
    }
    // SAFETY: plain integers, as above.
    let told = unsafe { failure.__bindgen_anon_1.__bindgen_anon_1 };
    // The data includes the instruction's bytes only if KVM says so.
    let bytes = match failure.ndata >= 3 && failure.flags & 1 != 0 {
        true => told
            .insn_bytes
            .iter()
            .take(told.insn_size.into())
            .copied()
            .collect(),
        false => Vec::new(),
    };
    Fault::Emulation { bytes }
}

/// The fault for an exit that was not expected.
pub(super) fn fault(exit: &VcpuExit<'_>) -> Fault {
    match exit {
        VcpuExit::MmioRead(address, _) | VcpuExit::MmioWrite(address, _) => {
            Fault::Mmio { address: *address }
        }
        VcpuExit::Shutdown => Fault::TripleFault,
        VcpuExit::FailEntry(reason, _) => Fault::FailedEntry { reason: *reason },
        other => Fault::Kvm {
            reason: format!("{other:?}"),
        },
    }
}
