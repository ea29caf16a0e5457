//! One vCPU: registers in, `KVM_RUN`, exit out.
//!
//! In the steady state this makes no other system call. General registers pass through the shared `kvm_run` page
//! (KVM_CAP_SYNC_REGS). All others are set only when necessary.

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
    /// The last run stopped at a point where the vCPU may hold state that no register shows.
    unsettled: bool,
}

impl Vcpu {
    /// Creates the vCPU of `vm`. `special` derives its first special registers from those after a reset.
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

    /// Its slot with the watchdog.
    #[inline]
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The watchdog that watches it.
    pub(crate) const fn watchdog(&self) -> &'static Watchdog {
        self.watchdog
    }

    /// The vCPU's file, for ioctls.
    pub(super) const fn fd(&self) -> &VcpuFd {
        &self.fd
    }

    /// The general registers as of the last stop.
    #[inline]
    pub(crate) fn general(&mut self) -> &kvm_regs {
        &self.fd.sync_regs_mut().regs
    }

    /// The hypercall at which the guest stopped: RDI, RSI, RDX and RCX.
    pub(crate) fn hypercall(&mut self) -> Hypercall {
        let registers = self.general();
        Hypercall {
            number: registers.rdi,
            arguments: [registers.rsi, registers.rdx, registers.rcx],
        }
    }

    /// The system call at which the guest stopped. The number is an `int`, as in Linux.
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

    /// Sets only RAX for the next run, which answers a hypercall. RIP may still be at the `out`; KVM then finishes it
    /// by itself.
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
        // If KVM offers no XSAVE, there is no such register to set.
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

    /// All model-specific registers that are restored after guests in ring 0.
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

    /// Sets only FS's base.
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

    /// x87, SSE and AVX registers, laid out as XSAVE does. Wherever these are set, all others are in their initial
    /// state.
    pub(crate) fn extended(&self) -> Result<kvm_xsave, Error> {
        let area = self.fd.get_xsave();
        let mut area = area.map_err(ioctl::refused("KVM_GET_XSAVE"))?;
        extended_states::name_sse(&mut area);
        Ok(area)
    }

    pub(crate) fn set_extended(&self, registers: &kvm_xsave) -> Result<(), Error> {
        // SAFETY: KVM reads 4,096 bytes, which is the size of the struct. It would read more only for a vCPU whose
        // CPUID has a state that the process must request, such as AMX's tiles, and ours has none (KVM API document,
        // KVM_SET_XSAVE).
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
                // Meant for the previous run: its deadline passed just as it returned.
                (Stop::Interrupted, Some(Ended::TimedOut)) if !deadline.is_past() => {}
                (Stop::Interrupted, Some(ended)) => return Ok(Stop::Ended(ended)),
                // If the guest stopped by itself at the last moment, that counts. A cancellation has not taken effect
                // yet, so it is asked for again.
                (stop, ended) => {
                    if ended == Some(Ended::Cancelled) {
                        self.slot.ask_again();
                    }
                    return Ok(stop);
                }
            }
        }
    }

    /// Whether the guest stopped where something may be pending that no later start clears. That is a debug exception,
    /// if the guest leaves after a `mov ss` in single steps (Intel SDM vol. 3, 28.3.4), which the CPU keeps and KVM
    /// does not show. Or it is a half-delivered event, if a signal ended the run.
    #[inline]
    fn is_unsettled(&mut self, stop: &Result<Stop, Error>) -> bool {
        matches!(stop, Ok(Stop::Interrupted)) || self.general().rflags & registers::TRAP_FLAG != 0
    }

    /// Whether the last run may have left something pending that no later start clears. The machine must then not be
    /// used for another guest.
    #[inline]
    pub(crate) const fn may_hold_events(&self) -> bool {
        self.unsettled
    }

    /// Completes the I/O at which the guest stopped, so that all registers are as after it (KVM API document, 5, the
    /// note on KVM_EXIT_IO).
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
