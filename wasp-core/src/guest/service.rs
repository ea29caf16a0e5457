//! Serves a guest of the runtime's ABI that makes requests before it has a result.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use crate::Error;
use crate::base::refusal::Refusal;
use crate::guest::layout::Layout;
use crate::host::dispatch::Session;
use crate::host::guest_memory::GuestSpace;
use crate::host::heap_end::HeapEnd;
use crate::host::policy::Policy;
use crate::limits::meter::Meter;
use crate::linux::personality::Linux;
use crate::linux::process::Process;
use crate::machine::Machine;
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::service::{self, Completion, Personality, reply_to};

/// The context in which a call is served.
pub(crate) struct ServiceContext<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) policy: &'a Policy,
    pub(crate) meter: Meter,
    /// The files and streams among the arguments.
    pub(crate) handles: Vec<OwnedFd>,
    /// The guest's state as a Linux program, if it is one: the state at the start of every call, and this call's own
    /// state, set from its first request on.
    pub(crate) program: Option<(&'a Process, &'a mut Option<Process>)>,
}

/// The outcome of a call that was served.
pub(crate) struct Served {
    pub(crate) completion: Completion,
    /// The last refusal that the guest got.
    pub(crate) refusal: Option<Refusal>,
    /// What remains of the call's limits.
    pub(crate) meter: Meter,
}

impl Served {
    /// A call that needed no service.
    #[inline]
    pub(crate) const fn at_once(stop: Stop, meter: Meter) -> Self {
        Self {
            completion: Completion::Stopped(stop),
            refusal: None,
            meter,
        }
    }
}

/// Answers the stopped guest and resumes it, until it stops for something else.
///
/// Not inlined, so that a call without requests does not carry any of this.
#[cold]
pub(crate) fn serve(
    machine: &mut Machine,
    stop: Stop,
    context: ServiceContext<'_>,
) -> Result<Served, Error> {
    let ServiceContext {
        layout,
        policy,
        meter,
        handles,
        program,
    } = context;
    // Such a guest manages its own heap, and takes all there is.
    let heap = HeapEnd::new(layout.heap_end, layout.heap_end);
    let meter = meter.in_machine(machine.slot());
    let mut session = Session::new(policy.clone(), heap, meter);
    session.adopt(handles)?;
    let completion = match program {
        Some((given, own)) => {
            let mut linux = Linux {
                process: own.get_or_insert_with(|| given.clone()),
                session: &mut session,
                makes_hypercalls: true,
            };
            service::serve(&mut linux, machine, stop)
        }
        None => {
            let session = &mut session;
            service::serve(&mut Plain { layout, session }, machine, stop)
        }
    }?;
    let (meter, refusal) = session.into_parts();
    Ok(Served {
        completion,
        refusal,
        meter,
    })
}

/// How the host serves a guest that makes only hypercalls.
struct Plain<'a> {
    layout: &'a Layout,
    session: &'a mut Session,
}

impl Personality for Plain<'_> {
    type Guest = Machine;
    type Stop = Stop;
    type End = Completion;

    fn answer(
        &mut self,
        machine: &mut Machine,
        stop: Stop,
    ) -> Result<ControlFlow<Completion>, Error> {
        Ok(match stop {
            Stop::Hypercall(call) => {
                let memory = machine.memory_mut();
                let layout = self.layout;
                let reply = self.session.answer(call, &mut Space { memory, layout });
                reply_to(call, reply, machine)
            }
            Stop::Interrupted => ControlFlow::Continue(()),
            other => ControlFlow::Break(Completion::Stopped(other)),
        })
    }

    fn resume(&mut self, machine: &mut Machine) -> Result<Stop, Error> {
        machine.resume(self.session.meter().deadline())
    }
}

/// Which memory is the guest's own.
struct Space<'a> {
    memory: &'a mut GuestMemory,
    layout: &'a Layout,
}

impl GuestSpace for Space<'_> {
    fn readable_from(&self, address: u64) -> u64 {
        let end = self.layout.mapped_up_to(address, false);
        end.map_or(0, |end| end - address)
    }

    fn writable_from(&self, address: u64) -> u64 {
        let end = self.layout.mapped_up_to(address, true);
        end.map_or(0, |end| end - address)
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        self.memory.read(address, to)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        self.memory.write(address, bytes)
    }
}
