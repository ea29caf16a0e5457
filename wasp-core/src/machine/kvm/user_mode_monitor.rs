//! Monitors a guest in ring 3. The guest starts through the gate, its page tables grow when it touches new memory, its
//! exceptions become faults, and its port accesses become the requests that they stand for.

use kvm_bindings::{kvm_regs, kvm_sregs};
use virtine_rt::abi::{EXCEPTION_PORT, HYPERCALL_PORT, PAGE_SIZE, SYSTEM_CALL_PORT};

use crate::Error;
use crate::base::exit::{Direction, Exception, Fault};
use crate::limits::deadline::Deadline;
use crate::machine::kvm::vcpu::Vcpu;
use crate::machine::kvm::vcpu_state::VcpuState;
use crate::machine::kvm::x86_64::cpuid::GuestCpu;
use crate::machine::kvm::x86_64::descriptors::{FRAME_WORDS, Ring, Supervisor, flat_segments};
use crate::machine::kvm::x86_64::gate::{Gate, GateForm};
use crate::machine::kvm::x86_64::paging::PageTables;
use crate::machine::kvm::x86_64::registers;
use crate::machine::kvm::x86_64::system_calls::SystemCalls;
use crate::machine::plan::Interface;
use crate::machine::stop::{PortAccess, Stop};
use crate::memory::guest_memory::GuestMemory;
use crate::memory::runs::Runs;

/// The pages that ring 3 cannot reach and that confine it.
#[derive(Clone, Debug)]
pub(crate) struct UserModeMonitor {
    supervisor: Supervisor,
    tables: PageTables,
}

/// The exception frame that the CPU left on the exception stack.
struct Frame {
    exception: Exception,
    rflags: u64,
}

impl UserModeMonitor {
    pub(crate) const fn new(supervisor: Supervisor, tables: PageTables) -> Self {
        Self { supervisor, tables }
    }

    /// Initial memory contents: addresses and bytes.
    pub(crate) fn hidden(&self, form: GateForm) -> Vec<(u64, Vec<u8>)> {
        let mut contents = self.tables.initial();
        contents.extend(self.supervisor.contents(form));
        contents
    }

    /// The special registers to start with.
    pub(crate) fn special(&self, reset: &kvm_sregs, cpu: &GuestCpu) -> kvm_sregs {
        registers::user64(reset, cpu, self.tables.root(), &self.supervisor)
    }

    /// The entry page for system calls, if the guest may make them.
    pub(crate) const fn system_calls(&self) -> Option<SystemCalls> {
        self.supervisor.system_calls()
    }

    /// The guest's page tables.
    pub(crate) const fn tables(&self) -> &PageTables {
        &self.tables
    }

    /// The gate's page.
    #[inline]
    pub(crate) const fn gate(&self) -> Gate {
        self.supervisor.gate()
    }

    /// Adds the pages that the guest has written since the machine was created.
    #[inline]
    pub(crate) fn dirty_runs(&self, memory: &GuestMemory, runs: &mut Runs) {
        self.tables
            .for_each_dirty(memory, |page| runs.push(page..page + PAGE_SIZE));
    }

    /// Drops what the guest has written in these pages, and clears their dirty bits.
    ///
    /// If a bit is cleared while a translation is live, the next write is lost. No translation is live here. KVM is
    /// notified of pages that the host unmaps (its MMU notifier). It drops its own page-table entries and the CPU's
    /// translations before the guest runs again (Intel SDM vol. 3, 30.4.3; AMD APM vol. 2, 15.16).
    pub(crate) fn drop_pages(&self, memory: &mut GuestMemory, runs: &Runs) -> Result<(), Error> {
        memory.discard_runs(runs)?;
        runs.iter().for_each(|run| self.tables.clean(memory, run));
        Ok(())
    }

    /// Starts a guest with `registers` in a machine that another guest may have used, and runs it, at most until
    /// `deadline`. `clean` is the state of all other registers.
    ///
    /// The guest never starts at the instruction at which the previous one left, so KVM drops an `out` that is still
    /// pending there without moving RIP. This does not end the shadow of an `sti`. For that reason the guest starts
    /// with interrupts on, whatever its caller has chosen.
    #[inline]
    pub(crate) fn start(
        &self,
        vcpu: &mut Vcpu,
        memory: &mut GuestMemory,
        (clean, registers): (&VcpuState, &kvm_regs),
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        let gate = self.gate();
        let (address, start) = gate.start(registers);
        let _ = memory.put(address, &start);
        let entry = kvm_regs {
            rip: gate.base,
            rflags: registers.rflags | registers::INTERRUPT_FLAG,
            ..*registers
        };
        vcpu.set_general(entry);
        match self.run(vcpu, memory, deadline)? {
            Stop::Fault(Fault::Exception(exception)) if gate.is_refused(&exception) => {
                clean.apply(vcpu)?;
                vcpu.set_general(kvm_regs {
                    rip: registers.rip,
                    ..entry
                });
                self.run(vcpu, memory, deadline)
            }
            stop => Ok(stop),
        }
    }

    /// Runs the guest until it stops for a reason that is not handled here, or until `deadline`.
    #[inline]
    pub(crate) fn run(
        &self,
        vcpu: &mut Vcpu,
        memory: &mut GuestMemory,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        loop {
            match vcpu.run(deadline)? {
                Stop::Port(access) if self.is_exception(vcpu, &access) => {
                    let frame = self.frame(vcpu, memory)?;
                    if !self.is_filled_in(memory, &frame.exception) {
                        return Ok(Stop::Fault(Fault::Exception(frame.exception)));
                    }
                    go_on_behind(vcpu, &frame)?;
                }
                Stop::Port(access) => return Ok(self.meaning(vcpu, access)),
                Stop::Halted => return Ok(Stop::Fault(unexpected("hlt in ring 3"))),
                stop => return Ok(stop),
            }
        }
    }

    /// What a port access asks for.
    #[inline]
    fn meaning(&self, vcpu: &mut Vcpu, access: PortAccess) -> Stop {
        match (self.supervisor.interface(), access) {
            (Interface::Ports, access) => Stop::Port(access),
            (_, access) if is_byte_out(&access, HYPERCALL_PORT) => {
                Stop::Hypercall(vcpu.hypercall())
            }
            (Interface::SystemCalls, access) if is_byte_out(&access, SYSTEM_CALL_PORT) => {
                Stop::SystemCall(vcpu.system_call())
            }
            (_, PortAccess { port, width, .. }) => Stop::Fault(Fault::Port {
                port,
                width: width.into(),
            }),
        }
    }

    /// Whether a stub reports an exception. No guest can reach a stub by itself.
    #[inline]
    fn is_exception(&self, vcpu: &mut Vcpu, access: &PortAccess) -> bool {
        access.port == EXCEPTION_PORT && self.supervisor.is_stub(vcpu.general().rip)
    }

    /// Whether the exception was only a missing page table, which is now filled in.
    fn is_filled_in(&self, memory: &mut GuestMemory, exception: &Exception) -> bool {
        exception.is_page_not_present() && self.tables.fill(memory, exception.address)
    }

    /// Reads what the stub left. The frame lies in a supervisor page, so the CPU wrote it, not the guest.
    fn frame(&self, vcpu: &Vcpu, memory: &GuestMemory) -> Result<Frame, Error> {
        let address = vcpu.special()?.cr2;
        let mut at = self.supervisor.frame();
        let [vector, error_code, rip, _cs, rflags, rsp, _ss] = [(); FRAME_WORDS].map(|()| {
            let word = memory.read_word(at);
            at += 8;
            word
        });
        let vector = vector as u8;
        let exception = Exception {
            place: None,
            overflowed_stack: None,
            vector,
            error_code,
            rip,
            rsp,
            address,
        };
        Ok(Frame { exception, rflags })
    }
}

/// Returns the vCPU to the point of the exception. KVM's emulator does not support `iretq`, and on hosts without
/// hardware virtualization an emulator runs ring 0, so the host does the return.
fn go_on_behind(vcpu: &mut Vcpu, frame: &Frame) -> Result<(), Error> {
    let [cs, ss] = flat_segments(Ring::User64);
    let special = vcpu.special()?;
    vcpu.set_special(&kvm_sregs { cs, ss, ..special })?;
    let general = *vcpu.general();
    vcpu.set_general(kvm_regs {
        rip: frame.exception.rip,
        rsp: frame.exception.rsp,
        // Not every host shows IOPL in RFLAGS.
        rflags: frame.rflags | registers::USER_RFLAGS,
        ..general
    });
    Ok(())
}

/// Whether this is an `out` of one byte to `port`, as the runtime makes it.
const fn is_byte_out(access: &PortAccess, port: u16) -> bool {
    access.port == port
        && matches!(access.direction, Direction::Out)
        && access.width == 1
        && access.count == 1
}

fn unexpected(reason: &str) -> Fault {
    Fault::Kvm {
        reason: reason.to_owned(),
    }
}
