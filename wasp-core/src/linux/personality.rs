//! The Linux personality: answers a program's system calls, and its hypercalls if it makes any.

use std::ops::ControlFlow;

use crate::Error;
use crate::base::hypercall::Hypercall;
use crate::host::dispatch::Session;
use crate::host::guest_memory::Access as _;
use crate::linux::process::Process;
use crate::linux::reply::SystemCallReply;
use crate::machine::Machine;
use crate::machine::stop::{Stop, SystemCall};
use crate::service::{Completion, Personality, reply_to};

/// A program that is being served.
pub(crate) struct Linux<'a> {
    pub(crate) process: &'a mut Process,
    pub(crate) session: &'a mut Session,
    /// Whether it may also make hypercalls.
    pub(crate) makes_hypercalls: bool,
}

impl Personality for Linux<'_> {
    type Guest = Machine;
    type Stop = Stop;
    type End = Completion;

    fn answer(
        &mut self,
        machine: &mut Machine,
        stop: Stop,
    ) -> Result<ControlFlow<Completion>, Error> {
        match stop {
            Stop::SystemCall(call) => self.system_call(machine, call),
            Stop::Hypercall(call) if self.makes_hypercalls => Ok(self.hypercall(machine, call)),
            Stop::Interrupted => Ok(ControlFlow::Continue(())),
            other => Ok(ControlFlow::Break(Completion::Stopped(other))),
        }
    }

    fn resume(&mut self, machine: &mut Machine) -> Result<Stop, Error> {
        machine.resume(self.session.meter().deadline())
    }
}

impl Linux<'_> {
    fn hypercall(&mut self, machine: &mut Machine, call: Hypercall) -> ControlFlow<Completion> {
        let mut memory = self.process.own(machine.memory_mut());
        let reply = self.session.answer(call, &mut memory);
        reply_to(call, reply, machine)
    }

    fn system_call(
        &mut self,
        machine: &mut Machine,
        call: SystemCall,
    ) -> Result<ControlFlow<Completion>, Error> {
        let Some(mut mapped) = machine.mapped_memory() else {
            let stop = Stop::SystemCall(call);
            return Ok(ControlFlow::Break(Completion::Stopped(stop)));
        };
        let answer = match self.process.answer(call, self.session, &mut mapped)? {
            SystemCallReply::Answer(answer) => answer,
            SystemCallReply::SetThreadPointer(address) => {
                machine.set_thread_pointer(address)?;
                0
            }
            SystemCallReply::StoreThreadPointer(address) => {
                let pointer = machine.thread_pointer()?.to_le_bytes();
                // It was checked before that the program may write there.
                let _ = self
                    .process
                    .own(machine.memory_mut())
                    .put(address, &pointer);
                0
            }
            SystemCallReply::Exit(status) => {
                return Ok(ControlFlow::Break(Completion::Exited(status)));
            }
            SystemCallReply::Failed(error) => {
                return Ok(ControlFlow::Break(Completion::Failed(error)));
            }
        };
        machine.answer(answer);
        Ok(ControlFlow::Continue(()))
    }
}
