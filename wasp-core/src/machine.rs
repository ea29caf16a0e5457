//! One virtual machine with one vCPU and one run of memory: registers in, `KVM_RUN`, exit out.
//!
//! The steady state makes no other system call. General registers travel in the shared `kvm_run`
//! page (KVM_CAP_SYNC_REGS); special registers are set once, since ring 3 cannot change them.

use std::sync::Arc;
use std::time::Duration;

use kvm_bindings::{KVM_INTERNAL_ERROR_EMULATION, kvm_userspace_memory_region};
use kvm_ioctls::{SyncReg, VcpuExit, VcpuFd, VmFd};
use virtine_rt::abi::{EXCEPTION_PORT, HYPERCALL_PORT};

use crate::Error;
use crate::arch::{descriptors, registers};
use crate::exit::{Exception, Exit, Fault};
use crate::kvm::Host;
use crate::memory::GuestMemory;
use crate::watchdog::{Slot, Watchdog};

/// A virtual machine, ready to run a guest in ring 3.
pub(crate) struct Machine {
    // Dropped in this order: the VM must be gone before its memory is unmapped.
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: GuestMemory,
    watchdog: &'static Watchdog,
    slot: Arc<Slot>,
}

impl Machine {
    /// Makes a machine whose memory is `memory` and whose PML4 lies at `page_tables` in it.
    pub(crate) fn new(memory: GuestMemory, page_tables: u64) -> Result<Self, Error> {
        let host = Host::get()?;
        let watchdog = Watchdog::get()?;
        let vm = host.create_vm()?;
        let region = kvm_userspace_memory_region {
            slot: 0,
            guest_phys_addr: 0,
            memory_size: memory.size(),
            userspace_addr: memory.host_address(),
            flags: 0,
        };
        // SAFETY: the mapping stays in place until after the VM is closed: see the fields' order.
        unsafe { vm.set_user_memory_region(region) }
            .map_err(Error::ioctl("KVM_SET_USER_MEMORY_REGION"))?;
        let mut vcpu = vm.create_vcpu(0).map_err(Error::ioctl("KVM_CREATE_VCPU"))?;
        vcpu.set_cpuid2(&host.cpu().cpuid)
            .map_err(Error::ioctl("KVM_SET_CPUID2"))?;
        let reset = vcpu.get_sregs().map_err(Error::ioctl("KVM_GET_SREGS"))?;
        vcpu.set_sregs(&registers::special(&reset, page_tables, host.cpu()))
            .map_err(Error::ioctl("KVM_SET_SREGS"))?;
        if let Some(xcr0) = host.cpu().xcr0 {
            // After CR4.OSXSAVE.
            vcpu.set_xcrs(&registers::extended_control(xcr0))
                .map_err(Error::ioctl("KVM_SET_XCRS"))?;
        }
        vcpu.set_sync_valid_reg(SyncReg::Register);
        let slot = watchdog.enter(&raw mut vcpu.get_kvm_run().immediate_exit);
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            watchdog,
            slot,
        })
    }

    /// The guest's memory, while it does not run.
    pub(crate) const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The guest's memory, while it does not run.
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// Starts the guest at `entry` and waits until it exits, at most `limit`.
    ///
    /// An entry is never the instruction that the guest left by, so KVM drops the I/O that is still
    /// pending from there without moving RIP.
    pub(crate) fn run(&mut self, entry: &registers::Entry, limit: Duration) -> Result<Exit, Error> {
        self.vcpu.sync_regs_mut().regs = entry.registers();
        self.vcpu.set_sync_dirty_reg(SyncReg::Register);
        self.watchdog.arm(&self.slot, limit);
        let result = self.run_until_exit();
        let late = self.watchdog.disarm(&self.slot);
        if late {
            self.vcpu.set_kvm_immediate_exit(0);
        }
        match result? {
            Some(exit) => Ok(exit),
            None => Ok(Exit::TimedOut),
        }
    }

    /// `None` where the watchdog ended the run.
    fn run_until_exit(&mut self) -> Result<Option<Exit>, Error> {
        let stop = loop {
            match self.vcpu.run() {
                Ok(exit) => break Stop::from(exit),
                // A signal for somebody else, unless the watchdog has asked for the exit. The
                // registers stay as they are.
                Err(errno) if matches!(errno.errno(), libc::EINTR | libc::EAGAIN) => {
                    if self.vcpu.get_kvm_run().immediate_exit != 0 {
                        return Ok(None);
                    }
                }
                Err(errno) => return Err(Error::ioctl("KVM_RUN")(errno)),
            }
        };
        match stop {
            Stop::Out {
                port: HYPERCALL_PORT,
                width: 1,
            } => Ok(Some(self.hypercall())),
            Stop::Out {
                port: EXCEPTION_PORT,
                ..
            } if self.in_stub() => self.exception().map(Some),
            Stop::Out { port, width } | Stop::In { port, width } => {
                Ok(Some(Exit::Fault(Fault::Port { port, width })))
            }
            Stop::Fault(fault) => Ok(Some(Exit::Fault(fault))),
            Stop::InternalError => Ok(Some(Exit::Fault(self.internal_error()))),
        }
    }

    fn hypercall(&mut self) -> Exit {
        let regs = &self.vcpu.sync_regs_mut().regs;
        Exit::Hypercall {
            number: regs.rdi,
            arguments: [regs.rsi, regs.rdx, regs.rcx],
        }
    }

    fn in_stub(&mut self) -> bool {
        descriptors::is_stub(self.vcpu.sync_regs_mut().regs.rip)
    }

    /// Reads what the stub left. The frame lies in a supervisor page, so it is the processor's word.
    fn exception(&self) -> Result<Exit, Error> {
        let sregs = self
            .vcpu
            .get_sregs()
            .map_err(Error::ioctl("KVM_GET_SREGS"))?;
        let mut at = descriptors::FRAME;
        let [vector, error_code, rip, _cs, _rflags, rsp, _ss] =
            [(); descriptors::FRAME_WORDS].map(|()| {
                let word = self.memory.read_word(at);
                at += 8;
                word
            });
        let vector = vector as u8;
        let exception = Exception {
            vector,
            error_code,
            rip,
            rsp,
            address: sregs.cr2,
        };
        Ok(Exit::Fault(Fault::Exception(exception)))
    }

    fn internal_error(&mut self) -> Fault {
        let run = self.vcpu.get_kvm_run();
        // SAFETY: the exit was KVM_EXIT_INTERNAL_ERROR, for which KVM fills this variant; all bit
        // patterns are valid integers.
        let suberror = unsafe { run.__bindgen_anon_1.internal.suberror };
        let what = match suberror {
            KVM_INTERNAL_ERROR_EMULATION => "an instruction that KVM cannot emulate",
            _ => "an internal error",
        };
        Fault::Kvm {
            reason: format!("{what} (suberror {suberror})"),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.watchdog.leave(&self.slot);
    }
}

/// An exit of KVM, cut loose from the `kvm_run` page that it borrows.
enum Stop {
    Out { port: u16, width: usize },
    In { port: u16, width: usize },
    Fault(Fault),
    InternalError,
}

impl From<VcpuExit<'_>> for Stop {
    fn from(exit: VcpuExit<'_>) -> Self {
        match exit {
            VcpuExit::IoOut(port, data) => Self::Out {
                port,
                width: data.len(),
            },
            VcpuExit::IoIn(port, data) => Self::In {
                port,
                width: data.len(),
            },
            VcpuExit::MmioRead(address, _) | VcpuExit::MmioWrite(address, _) => {
                Self::Fault(Fault::Mmio { address })
            }
            VcpuExit::Shutdown => Self::Fault(Fault::TripleFault),
            VcpuExit::InternalError => Self::InternalError,
            VcpuExit::FailEntry(reason, _) => Self::Fault(Fault::Kvm {
                reason: format!("the processor refused the guest's state (reason {reason:#x})"),
            }),
            other => Self::Fault(Fault::Kvm {
                reason: format!("{other:?}"),
            }),
        }
    }
}
