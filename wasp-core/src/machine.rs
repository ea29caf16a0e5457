//! One virtual machine with one vCPU and one run of memory: registers in, `KVM_RUN`, exit out.
//!
//! The steady state makes no other system call. General registers travel in the shared `kvm_run`
//! page (KVM_CAP_SYNC_REGS); all others are set when they must be.

use std::sync::Arc;

use kvm_bindings::{
    KVM_EXIT_IO_OUT, KVM_INTERNAL_ERROR_EMULATION, Msrs, kvm_debugregs, kvm_fpu, kvm_msr_entry,
    kvm_regs, kvm_run, kvm_sregs, kvm_userspace_memory_region, kvm_vcpu_events, kvm_xcrs,
    kvm_xsave,
};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd, VmFd};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::arch::cpuid::GuestCpu;
use crate::arch::{extended_states, registers};
use crate::blueprint::Blueprint;
use crate::cancel::Canceller;
use crate::deadline::Deadline;
use crate::exit::{Direction, Fault, PortAccess};
use crate::kvm::{Host, uninterrupted};
use crate::memory::GuestMemory;
use crate::msrs::{self, ModelState};
use crate::process;
use crate::watchdog::{Ended, Slot, Watchdog};

/// Where the kernel may put three pages of its own on Intel processors that cannot run real mode
/// natively (KVM API document, KVM_SET_TSS_ADDR): below 4 GiB, where no such guest's memory is.
const TASK_STATE_PAGES: u64 = 0xfffb_d000;
/// Where it puts one more there, unless told otherwise (KVM_SET_IDENTITY_MAP_ADDR): right below.
pub(crate) const IDENTITY_MAP_PAGE: u64 = 0xfffb_c000;

/// A virtual machine.
pub(crate) struct Machine {
    // Dropped in this order: the VM must be gone before its memory is unmapped.
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: GuestMemory,
    watchdog: &'static Watchdog,
    slot: Arc<Slot>,
    /// Pages to be put back, between two attempts at that; else empty, and kept for its capacity.
    pub(crate) dirty: Vec<u64>,
    /// Its last run stopped where the vCPU may hold what no register shows.
    unsettled: bool,
    /// Resets in a row that found few of the dirty pages changed.
    idle_resets: u32,
}

/// Whether a machine starts with paging on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Paging {
    On,
    /// Its memory then ends below [`IDENTITY_MAP_PAGE`].
    Off,
}

/// Why the vCPU stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    Port(PortAccess),
    Halted,
    Interrupted,
    Ended(Ended),
    Fault(Fault),
}

impl Machine {
    /// Makes a machine with this memory, which is laid out as `blueprint` has it.
    pub(crate) fn new(memory: GuestMemory, blueprint: &Blueprint) -> Result<Self, Error> {
        let host = Host::get()?;
        let watchdog = Watchdog::get()?;
        let vm = host.create_vm()?;
        if blueprint.paging() == Paging::Off {
            uninterrupted(|| vm.set_tss_address(TASK_STATE_PAGES as usize))
                .map_err(Error::ioctl("KVM_SET_TSS_ADDR"))?;
        }
        if let Some(page) = identity_map_page(memory.size()) {
            uninterrupted(|| vm.set_identity_map_address(page))
                .map_err(Error::ioctl("KVM_SET_IDENTITY_MAP_ADDR"))?;
        }
        let region = kvm_userspace_memory_region {
            slot: 0,
            guest_phys_addr: 0,
            memory_size: memory.size(),
            userspace_addr: memory.host_address(),
            flags: 0,
        };
        // SAFETY: the mapping stays in place until after the VM is closed: see the fields' order.
        uninterrupted(|| unsafe { vm.set_user_memory_region(region) })
            .map_err(Error::ioctl("KVM_SET_USER_MEMORY_REGION"))?;
        let mut vcpu = new_vcpu(&vm, host.cpu(), blueprint)?;
        if blueprint.watched().is_none() {
            host.msrs(&vcpu)?.shield(&vm)?;
        }
        let slot = watchdog.enter(&raw mut vcpu.get_kvm_run().immediate_exit);
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            watchdog,
            slot,
            dirty: Vec::new(),
            unsettled: false,
            idle_resets: 0,
        })
    }

    /// The guest's memory, while it does not run.
    #[inline]
    pub(crate) const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The guest's memory, while it does not run.
    #[inline]
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// Takes note of a reset that found `changed` of `dirty` pages changed; tells whether so few were
    /// for the last `patience` resets that the others are better dropped.
    pub(crate) fn is_bloated_by(&mut self, dirty: usize, changed: usize, patience: u32) -> bool {
        self.idle_resets = match changed < dirty / 4 {
            true => self.idle_resets + 1,
            false => 0,
        };
        let bloated = self.idle_resets >= patience;
        if bloated {
            self.idle_resets = 0;
        }
        bloated
    }

    /// A handle that ends the runs of whoever uses the machine now.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller::new(self.watchdog, Arc::clone(&self.slot))
    }

    /// This machine's place with the watchdog.
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The general registers as of the last stop.
    #[inline]
    pub(crate) fn general(&mut self) -> &kvm_regs {
        &self.vcpu.sync_regs_mut().regs
    }

    /// The general registers for the next run.
    #[inline]
    pub(crate) fn set_general(&mut self, registers: kvm_regs) {
        self.vcpu.sync_regs_mut().regs = registers;
        self.vcpu.set_sync_dirty_reg(SyncReg::Register);
    }

    /// Sets RAX alone for the next run, by which a hypercall is answered. RIP may still be at the `out`, which
    /// KVM then finishes by itself.
    pub(crate) fn answer(&mut self, answer: u64) {
        let registers = kvm_regs {
            rax: answer,
            ..*self.general()
        };
        self.set_general(registers);
    }

    pub(crate) fn special(&self) -> Result<kvm_sregs, Error> {
        self.vcpu.get_sregs().map_err(Error::ioctl("KVM_GET_SREGS"))
    }

    pub(crate) fn set_special(&self, registers: &kvm_sregs) -> Result<(), Error> {
        self.vcpu
            .set_sregs(registers)
            .map_err(Error::ioctl("KVM_SET_SREGS"))
    }

    pub(crate) fn extended_controls(&self) -> Result<kvm_xcrs, Error> {
        self.vcpu.get_xcrs().map_err(Error::ioctl("KVM_GET_XCRS"))
    }

    pub(crate) fn set_extended_controls(&self, registers: &kvm_xcrs) -> Result<(), Error> {
        // Where KVM offers no XSAVE, there is no such register to set.
        match registers.nr_xcrs {
            0 => Ok(()),
            _ => self
                .vcpu
                .set_xcrs(registers)
                .map_err(Error::ioctl("KVM_SET_XCRS")),
        }
    }

    pub(crate) fn debug(&self) -> Result<kvm_debugregs, Error> {
        self.vcpu
            .get_debug_regs()
            .map_err(Error::ioctl("KVM_GET_DEBUGREGS"))
    }

    pub(crate) fn set_debug(&self, registers: &kvm_debugregs) -> Result<(), Error> {
        self.vcpu
            .set_debug_regs(registers)
            .map_err(Error::ioctl("KVM_SET_DEBUGREGS"))
    }

    pub(crate) fn events(&self) -> Result<kvm_vcpu_events, Error> {
        self.vcpu
            .get_vcpu_events()
            .map_err(Error::ioctl("KVM_GET_VCPU_EVENTS"))
    }

    pub(crate) fn set_events(&self, events: &kvm_vcpu_events) -> Result<(), Error> {
        self.vcpu
            .set_vcpu_events(events)
            .map_err(Error::ioctl("KVM_SET_VCPU_EVENTS"))
    }

    /// All model-specific registers that are put back after guests in ring 0.
    pub(crate) fn msrs(&self) -> Result<ModelState, Error> {
        Host::get()?.msrs(&self.vcpu)?.read(&self.vcpu)
    }

    pub(crate) fn set_msrs(&self, msrs: &ModelState) -> Result<(), Error> {
        msrs.write(&self.vcpu)
    }

    pub(crate) fn float(&self) -> Result<kvm_fpu, Error> {
        self.vcpu.get_fpu().map_err(Error::ioctl("KVM_GET_FPU"))
    }

    pub(crate) fn set_float(&self, registers: &kvm_fpu) -> Result<(), Error> {
        self.vcpu
            .set_fpu(registers)
            .map_err(Error::ioctl("KVM_SET_FPU"))
    }

    /// Sets FS's base alone.
    pub(crate) fn set_fs_base(&self, base: u64) -> Result<(), Error> {
        const FS_BASE: u32 = 0xc000_0100;
        let entry = kvm_msr_entry {
            index: FS_BASE,
            data: base,
            ..Default::default()
        };
        let entry = Msrs::from_entries(&[entry]).expect("one is fewer than KVM's limit");
        msrs::set_all(&self.vcpu, &entry)
    }

    /// x87, SSE and AVX registers as XSAVE lays them out. All others are in their initial state wherever
    /// these are set.
    pub(crate) fn extended(&self) -> Result<kvm_xsave, Error> {
        let area = self.vcpu.get_xsave();
        let mut area = area.map_err(Error::ioctl("KVM_GET_XSAVE"))?;
        extended_states::name_sse(&mut area);
        Ok(area)
    }

    pub(crate) fn set_extended(&self, registers: &kvm_xsave) -> Result<(), Error> {
        // SAFETY: KVM reads 4,096 bytes, which is what the struct has. It would read more only for a vCPU
        // whose CPUID has a state that the process must ask for, such as AMX's tiles, and ours has none
        // (KVM API document, KVM_SET_XSAVE).
        unsafe { self.vcpu.set_xsave(registers) }.map_err(Error::ioctl("KVM_SET_XSAVE"))
    }

    /// Runs the guest until it stops, or until `deadline`.
    #[inline]
    pub(crate) fn run(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        loop {
            self.watchdog.arm(&self.slot, deadline);
            let stop = self.enter();
            self.unsettled = self.is_unsettled(&stop);
            let ended = self.watchdog.disarm(&self.slot);
            if ended.is_some() {
                self.vcpu.set_kvm_immediate_exit(0);
            }
            match (stop?, ended) {
                // Meant for the run before: its deadline passed just as it came back.
                (Stop::Interrupted, Some(Ended::TimedOut)) if !deadline.is_past() => {}
                (Stop::Interrupted, Some(ended)) => return Ok(Stop::Ended(ended)),
                // Where the guest stopped by itself at the last moment, that counts. Whoever has asked for the end
                // of its run has not had it yet.
                (stop, ended) => {
                    if ended == Some(Ended::Cancelled) {
                        self.slot.ask_again();
                    }
                    return Ok(stop);
                }
            }
        }
    }

    /// Whether the guest stopped where something may be pending that no later start clears: a debug exception,
    /// where it leaves behind a `mov ss` in single steps (Intel SDM vol. 3, 28.3.4), which the processor keeps
    /// and KVM does not show; or an event half delivered, where a signal ended the run.
    #[inline]
    fn is_unsettled(&mut self, stop: &Result<Stop, Error>) -> bool {
        matches!(stop, Ok(Stop::Interrupted)) || self.general().rflags & registers::TRAP_FLAG != 0
    }

    /// Whether something may be pending from the last run that no later start clears. The machine is then not
    /// to be used for another guest.
    #[inline]
    pub(crate) const fn may_hold_events(&self) -> bool {
        self.unsettled
    }

    /// Completes the I/O that the guest stopped for, so that all registers are as behind it (KVM
    /// API document, 5, the note on KVM_EXIT_IO).
    pub(crate) fn complete_io(&mut self) -> Result<(), Error> {
        self.vcpu.set_kvm_immediate_exit(1);
        let result = self.vcpu.run().map(drop);
        self.vcpu.set_kvm_immediate_exit(0);
        match result {
            Err(errno) if errno.errno() == libc::EINTR => Ok(()),
            Ok(()) => Ok(()),
            Err(errno) => Err(Error::ioctl("KVM_RUN")(errno)),
        }
    }

    #[inline]
    fn enter(&mut self) -> Result<Stop, Error> {
        match self.vcpu.run() {
            Ok(VcpuExit::IoOut(..) | VcpuExit::IoIn(..)) => {
                Ok(Stop::Port(port_access(self.vcpu.get_kvm_run())))
            }
            Ok(VcpuExit::Hlt) => Ok(Stop::Halted),
            Ok(VcpuExit::Intr) => Ok(Stop::Interrupted),
            Ok(VcpuExit::InternalError) => Ok(Stop::Fault(internal_error(self.vcpu.get_kvm_run()))),
            Ok(exit) => Ok(Stop::Fault(Fault::from(exit))),
            Err(errno) if matches!(errno.errno(), libc::EINTR | libc::EAGAIN) => {
                Ok(Stop::Interrupted)
            }
            Err(errno) => Err(Error::ioctl("KVM_RUN")(errno)),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if process::is_child() {
            return;
        }
        self.watchdog.leave(&self.slot);
    }
}

/// Where the identity map's page is to go so that it is not in the way of this much memory; nothing where it
/// is not. Only a guest that switches paging off would use it, and then has its own memory read there: an
/// address of 32 bits.
fn identity_map_page(memory: u64) -> Option<u64> {
    (memory > IDENTITY_MAP_PAGE).then(|| memory.next_multiple_of(PAGE_SIZE))
}

fn new_vcpu(vm: &VmFd, cpu: &GuestCpu, blueprint: &Blueprint) -> Result<VcpuFd, Error> {
    let vcpu = uninterrupted(|| vm.create_vcpu(0));
    let mut vcpu = vcpu.map_err(Error::ioctl("KVM_CREATE_VCPU"))?;
    uninterrupted(|| vcpu.set_cpuid2(&cpu.cpuid)).map_err(Error::ioctl("KVM_SET_CPUID2"))?;
    let reset = vcpu.get_sregs().map_err(Error::ioctl("KVM_GET_SREGS"))?;
    let special = blueprint.special(&reset, cpu);
    vcpu.set_sregs(&special)
        .map_err(Error::ioctl("KVM_SET_SREGS"))?;
    if let Some(xcr0) = cpu.xcr0
        && registers::has_osxsave(&special)
    {
        vcpu.set_xcrs(&registers::extended_control(xcr0))
            .map_err(Error::ioctl("KVM_SET_XCRS"))?;
    }
    if let Some(entry) = blueprint.system_calls() {
        msrs::set_all(&vcpu, &entry.msrs())?;
    }
    vcpu.set_sync_valid_reg(SyncReg::Register);
    Ok(vcpu)
}

/// Reads what `kvm_run` says of an access to a port, and has an `in` read zeros.
fn port_access(run: &mut kvm_run) -> PortAccess {
    // SAFETY: the exit was KVM_EXIT_IO, for which KVM fills this variant; all bit patterns are valid
    // integers.
    let io = unsafe { run.__bindgen_anon_1.io };
    let direction = match u32::from(io.direction) {
        KVM_EXIT_IO_OUT => Direction::Out,
        _ => Direction::In,
    };
    let length = usize::from(io.size) * io.count as usize;
    // SAFETY: KVM has placed `length` bytes at this offset from the start of `run`, inside the pages
    // that the vCPU's file maps behind it, and writes them only inside KVM_RUN.
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

fn internal_error(run: &kvm_run) -> Fault {
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
    // The instruction's bytes count among the data only where KVM says so.
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

impl From<VcpuExit<'_>> for Fault {
    fn from(exit: VcpuExit<'_>) -> Self {
        match exit {
            VcpuExit::MmioRead(address, _) | VcpuExit::MmioWrite(address, _) => {
                Self::Mmio { address }
            }
            VcpuExit::Shutdown => Self::TripleFault,
            VcpuExit::FailEntry(reason, _) => Self::FailedEntry { reason },
            other => Self::Kvm {
                reason: format!("{other:?}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_map_lies_behind_memory_that_would_hold_it() {
        for (memory, page) in [
            (PAGE_SIZE, None),
            (IDENTITY_MAP_PAGE, None),
            (
                IDENTITY_MAP_PAGE + PAGE_SIZE,
                Some(IDENTITY_MAP_PAGE + PAGE_SIZE),
            ),
            (4 << 30, Some(4 << 30)),
            ((4 << 30) + 0x5000, Some((4 << 30) + 0x5000)),
        ] {
            assert_eq!(identity_map_page(memory), page, "{memory:#x}");
        }
    }
}
