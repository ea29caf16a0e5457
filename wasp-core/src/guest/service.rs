//! Answers to the hypercalls that a `#[virtine]` guest returns from.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Return, until_it_returns};
use crate::Error;
use crate::doors::{Deadline, GuestSpace, HeapEnd, Policy, Refusal, Reply, Session, Stop};
use crate::hypercalls::Hypercall;
use crate::layout::Layout;
use crate::linux::Process;
use crate::machine::Machine;
use crate::memory::GuestMemory;
use crate::snapshot::Snapshot;

/// What a call is served under.
pub(crate) struct Terms<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) layout: &'a Layout,
    pub(crate) policy: &'a Policy,
    pub(crate) limit: Duration,
    /// The files and streams among the arguments.
    pub(crate) handles: Vec<OwnedFd>,
    /// What the guest is as a Linux program, if it is one: as every call finds it, and as this one has it
    /// from its first system call on.
    pub(crate) program: Option<(&'a Process, &'a mut Option<Process>)>,
}

/// Answers the guest that has stopped with `exit` and lets it go on, until it stops for something else.
/// Returns that, and what the guest was refused last.
///
/// Not inlined: a call that opens no door is not to carry any of this with it.
#[cold]
pub(crate) fn serve(
    machine: &mut Machine,
    mut exit: Return,
    terms: Terms<'_>,
) -> Result<(Return, Option<Refusal>), Error> {
    let Terms {
        snapshot,
        layout,
        policy,
        limit,
        handles,
        mut program,
    } = terms;
    // Such a guest's heap is its own to manage, and takes all there is.
    let heap = HeapEnd::new(layout.heap_end, layout.heap_end);
    let deadline = Deadline::after(machine.time_left());
    let mut session = Session::new(policy.clone(), heap, deadline).granted(layout.granted);
    session.adopt(handles)?;
    loop {
        let process = program
            .as_mut()
            .map(|(given, own)| own.get_or_insert_with(|| given.clone()));
        match (exit, process) {
            (Return::Hypercall { number, arguments }, process) => {
                let memory = machine.memory_mut();
                let call = Hypercall { number, arguments };
                let reply = match process {
                    Some(process) => session.answer(call, &mut process.own(memory)),
                    None => session.answer(call, &mut Space { memory, layout }),
                };
                match reply {
                    Reply::Answer(answer) => machine.answer(answer),
                    // A call that ends so has no result.
                    Reply::Exit | Reply::Unknown => {
                        exit = Return::Hypercall { number, arguments };
                        break;
                    }
                    Reply::Refused(refusal) => return Err(refusal.into()),
                    Reply::HostFunction { function, reason } => {
                        return Err(Error::HostFunction { function, reason });
                    }
                    Reply::TimedOut => return Err(Error::TimedOut { limit }),
                }
            }
            (Return::SystemCall, Some(process)) => {
                let blueprint = &layout.blueprint;
                if let Some(end) = process.answer_in(machine, blueprint, &mut session)? {
                    exit = Return::of(end, process)?;
                    break;
                }
            }
            (other, _) => {
                exit = other;
                break;
            }
        }
        exit = go_on(machine, snapshot, session.deadline())?;
    }
    Ok((exit, session.into_refusal()))
}

/// Lets the guest go on.
fn go_on(machine: &mut Machine, snapshot: &Snapshot, deadline: &Deadline) -> Result<Return, Error> {
    let left = deadline.left();
    let stop = snapshot.resume(machine, left)?;
    until_it_returns(machine, stop, left, |machine, left| {
        snapshot.resume(machine, left)
    })
}

/// What of the memory is the guest's own.
struct Space<'a> {
    memory: &'a mut GuestMemory,
    layout: &'a Layout,
}

impl GuestSpace for Space<'_> {
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]> {
        (self.readable_from(address) >= length)
            .then(|| self.memory.bytes(address, length))
            .flatten()
    }

    fn readable_from(&self, address: u64) -> u64 {
        let end = self.layout.mapped_up_to(address, false);
        end.map_or(0, |end| end - address)
    }

    fn fill(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Option<Result<u64, Stop>> {
        let end = self.layout.mapped_up_to(address, true)?;
        (end - address >= length)
            .then(|| self.memory.fill(address, length, fill))
            .flatten()
    }
}
