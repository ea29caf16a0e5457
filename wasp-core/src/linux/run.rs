//! A program in its machine: run it, answer its system calls, until it ends.

use kvm_bindings::kvm_regs;
use virtine_rt::abi::SYSTEM_CALL_PORT;

use super::dispatch::Outcome;
use super::process::{Next, Process, SystemCall};
use crate::Error;
use crate::blueprint::Blueprint;
use crate::doors::{GuestSpace as _, Reply, Session};
use crate::exit::{Direction, Fault, PortAccess};
use crate::machine::{Machine, Stop};
use crate::ring3::Ring3;
use crate::watchdog::Ended;

/// How a program came to its end.
#[derive(Debug)]
pub(crate) enum End {
    Exited(i32),
    Killed(u8),
    /// It made a hypercall: the registers tell which.
    Hypercall,
    Fault(Fault),
    /// It was ended from outside.
    Ended(Ended),
    /// Its call is over, by this reply to a system call.
    Over(Reply),
}

impl Process {
    /// Runs the program on from `stop`.
    pub(crate) fn serve(
        &mut self,
        machine: &mut Machine,
        blueprint: &Blueprint,
        session: &mut Session,
        mut stop: Stop,
    ) -> Result<End, Error> {
        let Some(ring3) = blueprint.watched() else {
            return Ok(End::Fault(not_in_ring3()));
        };
        loop {
            match stop {
                Stop::Port(access) if is_system_call(&access) => {
                    if let Some(end) = self.system_call(machine, ring3, session)? {
                        return Ok(end);
                    }
                }
                Stop::Port(access) => return Ok(port(&access)),
                Stop::Interrupted => {}
                Stop::Ended(ended) => return Ok(End::Ended(ended)),
                Stop::Fault(fault) => return Ok(End::Fault(fault)),
                Stop::Halted => {
                    return Ok(End::Fault(Fault::Kvm {
                        reason: "hlt in ring 3".to_owned(),
                    }));
                }
            }
            stop = ring3.run(machine, session.meter().deadline())?;
        }
    }

    /// Answers the system call that the program has stopped for, in a machine of this blueprint.
    pub(crate) fn answer_in(
        &mut self,
        machine: &mut Machine,
        blueprint: &Blueprint,
        session: &mut Session,
    ) -> Result<Option<End>, Error> {
        match blueprint.watched() {
            Some(ring3) => self.system_call(machine, ring3, session),
            None => Ok(Some(End::Fault(not_in_ring3()))),
        }
    }

    /// Answers the system call that the program has stopped for; its end, where it is over.
    fn system_call(
        &mut self,
        machine: &mut Machine,
        ring3: &Ring3,
        session: &mut Session,
    ) -> Result<Option<End>, Error> {
        let call = SystemCall::of(machine.general());
        let next = match self.answer(call, session, machine.memory_mut(), ring3.tables())? {
            Outcome::Next(next) => next,
            Outcome::Ended(reply) => return Ok(Some(End::Over(reply))),
        };
        let answer = match next {
            Next::Answer(answer) => answer,
            Next::SetFsBase(base) => {
                machine.set_fs_base(base)?;
                0
            }
            Next::GetFsBase(address) => {
                let base = machine.special()?.fs.base.to_le_bytes();
                let mut own = self.own(machine.memory_mut());
                let _ = own.fill(address, 8, &mut |place| {
                    place.copy_from_slice(&base);
                    Ok(8)
                });
                0
            }
            Next::Exited(code) => return Ok(Some(End::Exited(code))),
            Next::Killed(signal) => return Ok(Some(End::Killed(signal))),
        };
        machine.answer(answer);
        Ok(None)
    }
}

impl SystemCall {
    /// What stands in the registers of a program that makes one (System V ABI, A.2.1). The number is an
    /// `int`, as in Linux.
    fn of(registers: &kvm_regs) -> Self {
        let kvm_regs {
            rax,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..
        } = *registers;
        Self {
            number: u64::from(rax as u32),
            arguments: [rdi, rsi, rdx, r10, r8, r9],
        }
    }
}

/// Programs are never laid out otherwise.
fn not_in_ring3() -> Fault {
    Fault::Kvm {
        reason: "a program outside ring 3".to_owned(),
    }
}

pub(crate) fn is_system_call(access: &PortAccess) -> bool {
    matches!(
        access,
        PortAccess {
            port: SYSTEM_CALL_PORT,
            direction: Direction::Out,
            width: 1,
            count: 1,
            ..
        }
    )
}

fn port(access: &PortAccess) -> End {
    match crate::guest::is_hypercall(access) {
        true => End::Hypercall,
        false => End::Fault(Fault::Port {
            port: access.port,
            width: access.width.into(),
        }),
    }
}
