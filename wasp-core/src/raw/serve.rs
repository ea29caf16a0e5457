//! Serves raw guests: runs, answers and resumes them, with one meter for all of it.

use std::ops::{ControlFlow, DerefMut};
use std::time::Duration;

use rustix::io::Errno;
use virtine_rt::abi::page_align_up;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::exit::{Direction, Exit};
use crate::base::hypercall::{HYPERCALL_PORT, Hypercall};
use crate::host::call_error::CallError;
use crate::host::dispatch::{Reply, Session, negative};
use crate::host::guest_memory::GuestSpace;
use crate::host::heap_end::HeapEnd;
use crate::host::policy::Policy;
use crate::limits::meter::{Meter, Over};
use crate::limits::quotas::Quotas;
use crate::raw::virtine::Virtine;
use crate::service::{self, Personality};

/// Answers a guest's hypercalls.
pub(crate) trait Service {
    /// The meter of the guest's limits.
    fn meter(&mut self) -> &mut Meter;

    /// Answers a hypercall at which the guest left by `exit`, or returns the exit that ends the serving.
    fn answer(
        &mut self,
        virtine: &mut Virtine,
        call: Hypercall,
        exit: Exit,
    ) -> Result<ControlFlow<Exit>, Error>;
}

/// Called before the service. Returns the answer, or why there is none any more.
type First<'a, V> =
    dyn FnMut(&mut V, Hypercall, &Meter) -> Result<Option<Result<u64, Ended>>, Error> + 'a;

/// How the host serves a raw guest.
struct Raw<'a, V, S> {
    service: S,
    first: &'a mut First<'a, V>,
}

/// Runs the guest and lets `first` or else `service` answer its hypercalls, until the guest exits for another reason.
pub(crate) fn serve<'a, V: DerefMut<Target = Virtine>>(
    virtine: &mut V,
    service: impl Service,
    first: &'a mut First<'a, V>,
) -> Result<Exit, Error> {
    let mut raw = Raw { service, first };
    let exit = raw.resume(virtine)?;
    service::serve(&mut raw, virtine, exit)
}

impl<V: DerefMut<Target = Virtine>, S: Service> Personality for Raw<'_, V, S> {
    type Guest = V;
    type Stop = Exit;
    type End = Exit;

    fn answer(&mut self, virtine: &mut V, exit: Exit) -> Result<ControlFlow<Exit>, Error> {
        if !asks(&exit) {
            return Ok(ControlFlow::Break(exit));
        }
        let call = virtine.hypercall();
        let answered = match self.service.meter().count_hypercall() {
            Ok(()) => (self.first)(virtine, call, self.service.meter())?,
            Err(Over::Ended(ended)) => Some(Err(ended)),
            Err(Over::Exceeded { quota, limit }) => {
                return Err(Error::QuotaExceeded { quota, limit });
            }
        };
        match answered {
            Some(Ok(answer)) => virtine.go_on_with(answer),
            Some(Err(ended)) => return Ok(ControlFlow::Break(interrupted(virtine, ended))),
            None => return self.service.answer(virtine, call, exit),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn resume(&mut self, virtine: &mut V) -> Result<Exit, Error> {
        virtine.run_on_until(self.service.meter().deadline())
    }
}

/// Whether the guest stopped at a hypercall.
const fn asks(exit: &Exit) -> bool {
    matches!(
        exit,
        Exit::Hypercall {
            port: HYPERCALL_PORT,
            direction: Direction::Out,
            ..
        }
    )
}

/// The exit of a guest that was ended inside a hypercall. Also sets the answer that the guest gets if the caller
/// resumes it.
fn interrupted(virtine: &mut Virtine, ended: Ended) -> Exit {
    virtine.go_on_with(negative(Errno::INTR));
    virtine.ended(ended)
}

/// Answers hypercalls with a handler of the caller.
pub(crate) struct ByHandler<H> {
    meter: Meter,
    handler: H,
}

impl<H> ByHandler<H>
where
    H: FnMut(&mut Virtine, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
{
    /// Begins to serve a guest. The number of its hypercalls is not limited here; that is up to the handler.
    pub(crate) fn new(virtine: &mut Virtine, handler: H) -> Self {
        Self {
            meter: virtine.meter(Quotas::endless()),
            handler,
        }
    }
}

impl<H> Service for ByHandler<H>
where
    H: FnMut(&mut Virtine, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
{
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn answer(
        &mut self,
        virtine: &mut Virtine,
        call: Hypercall,
        exit: Exit,
    ) -> Result<ControlFlow<Exit>, Error> {
        let Self { meter, handler } = self;
        Ok(match meter.uncounted(|| handler(virtine, call))? {
            ControlFlow::Continue(answer) => {
                virtine.go_on_with(answer);
                ControlFlow::Continue(())
            }
            ControlFlow::Break(()) => ControlFlow::Break(exit),
        })
    }
}

/// Answers Wasp's hypercalls under a policy.
pub(crate) struct ByPolicy(Session);

impl ByPolicy {
    /// Begins to serve a guest.
    pub(crate) fn new(virtine: &mut Virtine, policy: &Policy) -> Self {
        let meter = virtine.meter(policy.limits());
        Self(Session::new(policy.clone(), virtine.heap(), meter))
    }
}

impl Service for ByPolicy {
    fn meter(&mut self) -> &mut Meter {
        self.0.meter_mut()
    }

    fn answer(
        &mut self,
        virtine: &mut Virtine,
        call: Hypercall,
        _: Exit,
    ) -> Result<ControlFlow<Exit>, Error> {
        match self.0.answer_counted(call, virtine) {
            Reply::Answer(answer) => virtine.go_on_with(answer),
            Reply::Unknown => virtine.go_on_with(negative(Errno::NOSYS)),
            Reply::Exit => return Ok(ControlFlow::Break(Exit::Exited)),
            Reply::Failed(CallError::Ended(ended)) => {
                return Ok(ControlFlow::Break(interrupted(virtine, ended)));
            }
            Reply::Failed(error) => return Err(error.into_error(Duration::ZERO)),
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Virtine {
    fn heap(&self) -> HeapEnd {
        let memory = self.memory_size();
        let start = page_align_up(self.image_end()).unwrap_or(memory);
        HeapEnd::new(start.min(memory), memory)
    }
}

/// All of a raw guest's memory is its own, to read and to write.
impl GuestSpace for Virtine {
    fn readable_from(&self, address: u64) -> u64 {
        self.memory_size().saturating_sub(address)
    }

    fn writable_from(&self, address: u64) -> u64 {
        self.readable_from(address)
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        Self::read(self, address, to).ok()
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        Self::write(self, address, bytes).ok()
    }
}
