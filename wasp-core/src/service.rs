//! One loop for every guest that is served: run it, answer what it asks for, run it on.

use std::ops::ControlFlow;

use crate::Error;
use crate::base::hypercall::Hypercall;
use crate::base::status::Status;
use crate::host::call_error::CallError;
use crate::host::dispatch::Reply;
use crate::machine::Machine;
use crate::machine::stop::Stop;

/// What a guest's host looks like to it: who answers, and how the guest goes on.
pub(crate) trait Personality {
    /// What runs.
    type Guest;
    /// Why it does not run any more.
    type Stop;
    /// How its serving ends.
    type End;

    /// Answers a guest that has stopped, or ends the serving.
    fn answer(
        &mut self,
        guest: &mut Self::Guest,
        stop: Self::Stop,
    ) -> Result<ControlFlow<Self::End>, Error>;

    /// Lets the guest go on.
    fn resume(&mut self, guest: &mut Self::Guest) -> Result<Self::Stop, Error>;
}

/// Serves a guest that has stopped, until something ends that.
pub(crate) fn serve<P: Personality>(
    personality: &mut P,
    guest: &mut P::Guest,
    mut stop: P::Stop,
) -> Result<P::End, Error> {
    loop {
        match personality.answer(guest, stop)? {
            ControlFlow::Continue(()) => stop = personality.resume(guest)?,
            ControlFlow::Break(end) => return Ok(end),
        }
    }
}

/// How a guest's run came to its end.
#[derive(Debug)]
pub(crate) enum Completion {
    /// It stopped for something that is its caller's to understand: a hypercall that tells of a result, a fault.
    Stopped(Stop),
    /// It ended as a program does.
    Exited(Status),
    /// It asked for something that ended its call.
    Failed(CallError),
}

/// Has the guest go on with the reply to its hypercall, if it is to.
pub(crate) fn reply_to(
    call: Hypercall,
    reply: Reply,
    machine: &mut Machine,
) -> ControlFlow<Completion> {
    match reply {
        Reply::Answer(answer) => {
            machine.answer(answer);
            ControlFlow::Continue(())
        }
        Reply::Exit | Reply::Unknown => {
            ControlFlow::Break(Completion::Stopped(Stop::Hypercall(call)))
        }
        Reply::Failed(error) => ControlFlow::Break(Completion::Failed(error)),
    }
}
