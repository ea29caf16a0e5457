//! A guest in ring 3 and the watch over it: it starts through the gate, its page tables grow where it
//! touches new memory, and its exceptions come out as what they are.

use kvm_bindings::{kvm_regs, kvm_sregs};
use virtine_rt::abi::EXCEPTION_PORT;

use crate::Error;
use crate::arch::cpuid::GuestCpu;
use crate::arch::descriptors::{FRAME_WORDS, Ring, Supervisor, flat_segments};
use crate::arch::gate::{Gate, GateForm};
use crate::arch::paging::PageTables;
use crate::arch::registers;
use crate::arch::system_calls::SystemCalls;
use crate::deadline::Deadline;
use crate::exit::{Exception, Fault, PortAccess};
use crate::machine::{Machine, Stop};
use crate::memory::GuestMemory;
use crate::vcpu_state::VcpuState;

/// What ring 3 cannot reach and what holds it there.
#[derive(Clone, Debug)]
pub(crate) struct Ring3 {
    supervisor: Supervisor,
    tables: PageTables,
}

/// What the processor left on the exception stack.
struct Frame {
    exception: Exception,
    rflags: u64,
}

impl Ring3 {
    pub(crate) const fn new(supervisor: Supervisor, tables: PageTables) -> Self {
        Self { supervisor, tables }
    }

    /// What lies in memory at the start: addresses and contents.
    pub(crate) fn hidden(&self, form: GateForm) -> Vec<(u64, Vec<u8>)> {
        let mut contents = self.tables.initial();
        contents.extend(self.supervisor.contents(form));
        contents
    }

    /// The special registers to start with.
    pub(crate) fn special(&self, reset: &kvm_sregs, cpu: &GuestCpu) -> kvm_sregs {
        registers::user64(reset, cpu, self.tables.root(), &self.supervisor)
    }

    /// The entry of system calls, where the guest may make them.
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

    /// Adds to `pages` those that the guest has written since the machine was made.
    #[inline]
    pub(crate) fn dirty_pages(&self, memory: &GuestMemory, pages: &mut Vec<u64>) {
        self.tables.for_each_dirty(memory, |page| pages.push(page));
    }

    /// Starts a guest with `registers` in a machine that another one may have used, and runs it, at
    /// most until `deadline`; `clean` is the state of all its other registers.
    ///
    /// The guest never starts at the instruction that one left by, so KVM drops an `out` that is still
    /// pending from there without moving RIP. It does not end the shadow of an `sti` then, for which the guest
    /// starts with interrupts on, whatever its caller has chosen.
    #[inline]
    pub(crate) fn start(
        &self,
        machine: &mut Machine,
        clean: &VcpuState,
        registers: &kvm_regs,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        let gate = self.gate();
        let (address, start) = gate.start(registers);
        let _ = machine.memory_mut().put(address, &start);
        let entry = kvm_regs {
            rip: gate.base,
            rflags: registers.rflags | registers::INTERRUPT_FLAG,
            ..*registers
        };
        machine.set_general(entry);
        match self.run(machine, deadline)? {
            Stop::Fault(Fault::Exception(exception)) if gate.is_refused(&exception) => {
                clean.apply(machine)?;
                machine.set_general(kvm_regs {
                    rip: registers.rip,
                    ..entry
                });
                self.run(machine, deadline)
            }
            stop => Ok(stop),
        }
    }

    /// Runs the guest until it stops for a reason that is not settled here, or until `deadline`.
    #[inline]
    pub(crate) fn run(&self, machine: &mut Machine, deadline: &Deadline) -> Result<Stop, Error> {
        let stop = machine.run(deadline)?;
        match self.exception(machine, &stop)? {
            None => Ok(stop),
            Some(frame) => self.settle(machine, frame, deadline),
        }
    }

    /// Goes on behind page faults that only asked for page tables.
    fn settle(
        &self,
        machine: &mut Machine,
        mut frame: Frame,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        while self.is_filled_in(machine, &frame.exception) {
            self.go_on_behind(machine, &frame)?;
            let stop = machine.run(deadline)?;
            match self.exception(machine, &stop)? {
                None => return Ok(stop),
                Some(next) => frame = next,
            }
        }
        Ok(Stop::Fault(Fault::Exception(frame.exception)))
    }

    fn is_filled_in(&self, machine: &mut Machine, exception: &Exception) -> bool {
        exception.is_page_not_present() && self.tables.fill(machine.memory_mut(), exception.address)
    }

    /// Puts the vCPU back to where the exception found it. KVM's emulator knows no `iretq`, and it is
    /// an emulator that runs ring 0 on hosts without hardware virtualization; so the host returns.
    fn go_on_behind(&self, machine: &mut Machine, frame: &Frame) -> Result<(), Error> {
        let [cs, ss] = flat_segments(Ring::User64);
        let special = machine.special()?;
        machine.set_special(&kvm_sregs { cs, ss, ..special })?;
        let general = *machine.general();
        machine.set_general(kvm_regs {
            rip: frame.exception.rip,
            rsp: frame.exception.rsp,
            // Not every host shows IOPL in RFLAGS.
            rflags: frame.rflags | registers::USER_RFLAGS,
            ..general
        });
        Ok(())
    }

    /// The exception that the stop tells of, if it does: no guest can reach a stub by itself.
    #[inline]
    fn exception(&self, machine: &mut Machine, stop: &Stop) -> Result<Option<Frame>, Error> {
        match stop {
            Stop::Port(PortAccess {
                port: EXCEPTION_PORT,
                ..
            }) if self.supervisor.is_stub(machine.general().rip) => self.frame(machine).map(Some),
            _ => Ok(None),
        }
    }

    /// What the stub left behind. The frame lies in a supervisor page, so it is the processor's word.
    fn frame(&self, machine: &Machine) -> Result<Frame, Error> {
        let address = machine.special()?.cr2;
        let mut at = self.supervisor.frame();
        let [vector, error_code, rip, _cs, rflags, rsp, _ss] = [(); FRAME_WORDS].map(|()| {
            let word = machine.memory().read_word(at);
            at += 8;
            word
        });
        let vector = vector as u8;
        let exception = Exception {
            place: None,
            vector,
            error_code,
            rip,
            rsp,
            address,
        };
        Ok(Frame { exception, rflags })
    }
}
