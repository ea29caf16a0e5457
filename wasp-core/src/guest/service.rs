//! Answers to the hypercalls that a `#[virtine]` guest returns from.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Return, until_it_returns};
use crate::Error;
use crate::deadline::Deadline;
use crate::doors::{GuestSpace, HeapEnd, Policy, Refusal, Reply, Session, Stop};
use crate::hypercalls::Hypercall;
use crate::layout::Layout;
use crate::linux::Process;
use crate::machine::Machine;
use crate::memory::GuestMemory;
use crate::meter::Meter;
use crate::snapshot::Snapshot;

/// What a call is served under.
pub(crate) struct Terms<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) layout: &'a Layout,
    pub(crate) policy: &'a Policy,
    /// How much time the call has in all, for its errors.
    pub(crate) limit: Duration,
    pub(crate) meter: Meter,
    /// The files and streams among the arguments.
    pub(crate) handles: Vec<OwnedFd>,
    /// What the guest is as a Linux program, if it is one: as every call finds it, and as this one has it
    /// from its first system call on.
    pub(crate) program: Option<(&'a Process, &'a mut Option<Process>)>,
}

/// How a call that was served came back.
pub(crate) struct Served {
    pub(crate) exit: Return,
    /// What the guest was refused last.
    pub(crate) refusal: Option<Refusal>,
    /// What the call has left.
    pub(crate) meter: Meter,
}

impl Served {
    /// A call that needed no service.
    #[inline]
    pub(crate) const fn at_once(exit: Return, meter: Meter) -> Self {
        Self {
            exit,
            refusal: None,
            meter,
        }
    }
}

/// Answers the guest that has stopped with `exit` and lets it go on, until it stops for something else.
///
/// Not inlined: a call that opens no door is not to carry any of this with it.
#[cold]
pub(crate) fn serve(
    machine: &mut Machine,
    mut exit: Return,
    terms: Terms<'_>,
) -> Result<Served, Error> {
    let Terms {
        snapshot,
        layout,
        policy,
        limit,
        meter,
        handles,
        mut program,
    } = terms;
    // Such a guest's heap is its own to manage, and takes all there is.
    let heap = HeapEnd::new(layout.heap_end, layout.heap_end);
    let meter = meter.in_machine(machine.slot());
    let mut session = Session::new(policy.clone(), heap, meter);
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
                    Reply::Ended(ended) => return Err(Error::ended(ended, limit)),
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
        exit = go_on(machine, snapshot, session.meter().deadline())?;
    }
    let (meter, refusal) = session.into_parts();
    Ok(Served {
        exit,
        refusal,
        meter,
    })
}

/// Lets the guest go on.
fn go_on(machine: &mut Machine, snapshot: &Snapshot, deadline: &Deadline) -> Result<Return, Error> {
    let stop = snapshot.resume(machine, deadline)?;
    until_it_returns(machine, stop, |machine| snapshot.resume(machine, deadline))
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
