//! One loop for every guest that is served: run it, answer its requests, resume it.

use std::ops::ControlFlow;

use crate::Error;
use crate::base::hypercall::Hypercall;
use crate::base::status::Status;
use crate::host::call_error::CallError;
use crate::host::dispatch::Reply;
use crate::machine::Machine;
use crate::machine::stop::Stop;

/// How a guest's host behaves toward it: who answers, and how the guest resumes.
pub(crate) trait Personality {
    /// The guest that runs.
    type Guest;
    /// Why the guest stopped.
    type Stop;
    /// How its serving ends.
    type End;

    /// Answers a stopped guest, or ends the serving.
    fn answer(
        &mut self,
        guest: &mut Self::Guest,
        stop: Self::Stop,
    ) -> Result<ControlFlow<Self::End>, Error>;

    /// Resumes the guest.
    fn resume(&mut self, guest: &mut Self::Guest) -> Result<Self::Stop, Error>;
}

/// Serves a stopped guest until the serving ends.
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

/// How a guest's run ended.
#[derive(Debug)]
pub(crate) enum Completion {
    /// It stopped for something that its caller must interpret: a hypercall that reports a result, or a fault.
    Stopped(Stop),
    /// It ended as a program does.
    Exited(Status),
    /// It made a request that ended its call.
    Failed(CallError),
}

/// Resumes the guest with the reply to its hypercall, unless the reply ends the call.
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
