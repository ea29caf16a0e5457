//! One vCPU: registers in, `KVM_RUN`, exit out.
//!
//! The steady state makes no other system call. General registers travel in the shared `kvm_run`
//! page (KVM_CAP_SYNC_REGS); all others are set when they must be.

use std::sync::Arc;

use kvm_bindings::{
    Msrs, kvm_debugregs, kvm_fpu, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_vcpu_events, kvm_xcrs,
    kvm_xsave,
};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd, VmFd};

use crate::Error;
use crate::base::ended::Ended;
use crate::base::fork;
use crate::base::hypercall::Hypercall;
use crate::limits::deadline::Deadline;
use crate::limits::watchdog::Watchdog;
use crate::limits::watchdog::slot::Slot;
use crate::machine::kvm::exits;
use crate::machine::kvm::host::{Host, uninterrupted};
use crate::machine::kvm::ioctl;
use crate::machine::kvm::msrs::{self, ModelState};
use crate::machine::kvm::x86_64::cpuid::GuestCpu;
use crate::machine::kvm::x86_64::{extended_states, registers};
use crate::machine::stop::{Stop, SystemCall};

/// The vCPU of one machine.
pub(crate) struct Vcpu {
    fd: VcpuFd,
    watchdog: &'static Watchdog,
    slot: Arc<Slot>,
    /// Its last run stopped where it may hold what no register shows.
    unsettled: bool,
}

impl Vcpu {
    /// Makes the vCPU of `vm`; `special` makes the registers that it starts with of those after a reset.
    pub(super) fn new(
        vm: &VmFd,
        cpu: &GuestCpu,
        special: impl FnOnce(&kvm_sregs) -> kvm_sregs,
    ) -> Result<Self, Error> {
        let watchdog = Watchdog::get()?;
        let vcpu = uninterrupted(|| vm.create_vcpu(0));
        let mut fd = vcpu.map_err(ioctl::refused("KVM_CREATE_VCPU"))?;
        uninterrupted(|| fd.set_cpuid2(&cpu.cpuid)).map_err(ioctl::refused("KVM_SET_CPUID2"))?;
        let reset = fd.get_sregs().map_err(ioctl::refused("KVM_GET_SREGS"))?;
        let special = special(&reset);
        fd.set_sregs(&special)
            .map_err(ioctl::refused("KVM_SET_SREGS"))?;
        if let Some(xcr0) = cpu.xcr0
            && registers::has_osxsave(&special)
        {
            fd.set_xcrs(&registers::extended_control(xcr0))
                .map_err(ioctl::refused("KVM_SET_XCRS"))?;
        }
        fd.set_sync_valid_reg(SyncReg::Register);
        let slot = watchdog.enter(&raw mut fd.get_kvm_run().immediate_exit);
        Ok(Self {
            fd,
            watchdog,
            slot,
            unsettled: false,
        })
    }

    /// Its place with the watchdog.
    #[inline]
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Who watches it.
    pub(crate) const fn watchdog(&self) -> &'static Watchdog {
        self.watchdog
    }

    /// The file by which KVM is asked.
    pub(super) const fn fd(&self) -> &VcpuFd {
        &self.fd
    }

    /// The general registers as of the last stop.
    #[inline]
    pub(crate) fn general(&mut self) -> &kvm_regs {
        &self.fd.sync_regs_mut().regs
    }

    /// The hypercall that the guest has stopped at: RDI, RSI, RDX and RCX.
    pub(crate) fn hypercall(&mut self) -> Hypercall {
        let registers = self.general();
        Hypercall {
            number: registers.rdi,
            arguments: [registers.rsi, registers.rdx, registers.rcx],
        }
    }

    /// The system call that the guest has stopped at. The number is an `int`, as in Linux.
    pub(crate) fn system_call(&mut self) -> SystemCall {
        let registers = self.general();
        let kvm_regs {
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..
        } = *registers;
        SystemCall {
            number: u64::from(registers.rax as u32),
            arguments: [rdi, rsi, rdx, r10, r8, r9],
        }
    }

    /// The general registers for the next run.
    #[inline]
    pub(crate) fn set_general(&mut self, registers: kvm_regs) {
        self.fd.sync_regs_mut().regs = registers;
        self.fd.set_sync_dirty_reg(SyncReg::Register);
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
        self.fd.get_sregs().map_err(ioctl::refused("KVM_GET_SREGS"))
    }

    pub(crate) fn set_special(&self, registers: &kvm_sregs) -> Result<(), Error> {
        self.fd
            .set_sregs(registers)
            .map_err(ioctl::refused("KVM_SET_SREGS"))
    }

    pub(crate) fn extended_controls(&self) -> Result<kvm_xcrs, Error> {
        self.fd.get_xcrs().map_err(ioctl::refused("KVM_GET_XCRS"))
    }

    pub(crate) fn set_extended_controls(&self, registers: &kvm_xcrs) -> Result<(), Error> {
        // Where KVM offers no XSAVE, there is no such register to set.
        match registers.nr_xcrs {
            0 => Ok(()),
            _ => self
                .fd
                .set_xcrs(registers)
                .map_err(ioctl::refused("KVM_SET_XCRS")),
        }
    }

    pub(crate) fn debug(&self) -> Result<kvm_debugregs, Error> {
        self.fd
            .get_debug_regs()
            .map_err(ioctl::refused("KVM_GET_DEBUGREGS"))
    }

    pub(crate) fn set_debug(&self, registers: &kvm_debugregs) -> Result<(), Error> {
        self.fd
            .set_debug_regs(registers)
            .map_err(ioctl::refused("KVM_SET_DEBUGREGS"))
    }

    pub(crate) fn events(&self) -> Result<kvm_vcpu_events, Error> {
        self.fd
            .get_vcpu_events()
            .map_err(ioctl::refused("KVM_GET_VCPU_EVENTS"))
    }

    pub(crate) fn set_events(&self, events: &kvm_vcpu_events) -> Result<(), Error> {
        self.fd
            .set_vcpu_events(events)
            .map_err(ioctl::refused("KVM_SET_VCPU_EVENTS"))
    }

    /// All model-specific registers that are put back after guests in ring 0.
    pub(crate) fn msrs(&self) -> Result<ModelState, Error> {
        Host::get()?.msrs(&self.fd)?.read(&self.fd)
    }

    pub(crate) fn set_msrs(&self, msrs: &ModelState) -> Result<(), Error> {
        msrs.write(&self.fd)
    }

    pub(crate) fn float(&self) -> Result<kvm_fpu, Error> {
        self.fd.get_fpu().map_err(ioctl::refused("KVM_GET_FPU"))
    }

    pub(crate) fn set_float(&self, registers: &kvm_fpu) -> Result<(), Error> {
        self.fd
            .set_fpu(registers)
            .map_err(ioctl::refused("KVM_SET_FPU"))
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
        msrs::set_all(&self.fd, &entry)
    }

    /// x87, SSE and AVX registers as XSAVE lays them out. All others are in their initial state wherever
    /// these are set.
    pub(crate) fn extended(&self) -> Result<kvm_xsave, Error> {
        let area = self.fd.get_xsave();
        let mut area = area.map_err(ioctl::refused("KVM_GET_XSAVE"))?;
        extended_states::name_sse(&mut area);
        Ok(area)
    }

    pub(crate) fn set_extended(&self, registers: &kvm_xsave) -> Result<(), Error> {
        // SAFETY: KVM reads 4,096 bytes, which is what the struct has. It would read more only for a vCPU
        // whose CPUID has a state that the process must ask for, such as AMX's tiles, and ours has none
        // (KVM API document, KVM_SET_XSAVE).
        unsafe { self.fd.set_xsave(registers) }.map_err(ioctl::refused("KVM_SET_XSAVE"))
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
                self.fd.set_kvm_immediate_exit(0);
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
        self.fd.set_kvm_immediate_exit(1);
        let result = self.fd.run().map(drop);
        self.fd.set_kvm_immediate_exit(0);
        match result {
            Err(errno) if errno.errno() == libc::EINTR => Ok(()),
            Ok(()) => Ok(()),
            Err(errno) => Err(ioctl::refused("KVM_RUN")(errno)),
        }
    }

    #[inline]
    fn enter(&mut self) -> Result<Stop, Error> {
        match self.fd.run() {
            Ok(VcpuExit::IoOut(..) | VcpuExit::IoIn(..)) => {
                Ok(Stop::Port(exits::port_access(self.fd.get_kvm_run())))
            }
            Ok(VcpuExit::Hlt) => Ok(Stop::Halted),
            Ok(VcpuExit::Intr) => Ok(Stop::Interrupted),
            Ok(VcpuExit::InternalError) => {
                Ok(Stop::Fault(exits::internal_error(self.fd.get_kvm_run())))
            }
            Ok(exit) => Ok(Stop::Fault(exits::fault(&exit))),
            Err(errno) if matches!(errno.errno(), libc::EINTR | libc::EAGAIN) => {
                Ok(Stop::Interrupted)
            }
            Err(errno) => Err(ioctl::refused("KVM_RUN")(errno)),
        }
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        if !fork::is_child() {
            self.watchdog.leave(&self.slot);
        }
    }
}
