//! Raw guests that are served: run, answered, and run on, by one meter for all of it.

use std::ops::{ControlFlow, DerefMut};

use rustix::io::Errno;
use virtine_rt::abi::page_align_up;

use crate::Error;
use crate::doors::{GuestSpace, HeapEnd, Policy, Reply, Session, Stop, negative};
use crate::exit::{Direction, Exit};
use crate::hypercalls::{HYPERCALL_PORT, Hypercall};
use crate::meter::{Limits, Meter, Over};
use crate::virtine::Virtine;
use crate::watchdog::Ended;

/// Who answers a guest's hypercalls.
pub(crate) trait Service {
    /// What the guest has left.
    fn meter(&mut self) -> &mut Meter;

    /// Answers a hypercall that the guest has come out with by `exit`, or tells the exit that ends the serving.
    fn answer(
        &mut self,
        virtine: &mut Virtine,
        call: Hypercall,
        exit: Exit,
    ) -> Result<ControlFlow<Exit>, Error>;
}

/// Runs the guest and has its hypercalls answered, until it exits for another reason. `first` is asked before
/// the service: for the answer, or for why there is none any more.
pub(crate) fn serve<V: DerefMut<Target = Virtine>>(
    virtine: &mut V,
    mut service: impl Service,
    mut first: impl FnMut(&mut V, Hypercall, &Meter) -> Result<Option<Result<u64, Ended>>, Error>,
) -> Result<Exit, Error> {
    loop {
        let exit = virtine.run_on_until(service.meter().deadline())?;
        if !asks(&exit) {
            return Ok(exit);
        }
        let call = virtine.hypercall();
        let answered = match service.meter().count_hypercall() {
            Ok(()) => first(virtine, call, service.meter())?,
            Err(Over::Ended(ended)) => Some(Err(ended)),
            Err(Over::Exceeded { quota, limit }) => {
                return Err(Error::QuotaExceeded { quota, limit });
            }
        };
        match answered {
            Some(Ok(answer)) => virtine.go_on_with(answer),
            Some(Err(ended)) => return Ok(interrupted(virtine, ended)),
            None => {
                if let ControlFlow::Break(exit) = service.answer(virtine, call, exit)? {
                    return Ok(exit);
                }
            }
        }
    }
}

/// Whether the guest has stopped for a hypercall.
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

/// What the caller is told of a guest that was ended inside a hypercall; and what the guest finds there, should
/// the caller let it go on.
fn interrupted(virtine: &mut Virtine, ended: Ended) -> Exit {
    virtine.go_on_with(negative(Errno::INTR));
    virtine.ended(ended)
}

/// A handler of the caller's.
pub(crate) struct ByHandler<H> {
    meter: Meter,
    handler: H,
}

impl<H> ByHandler<H>
where
    H: FnMut(&mut Virtine, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
{
    /// Begins to serve a guest. How often it asks is for the handler to count.
    pub(crate) fn new(virtine: &mut Virtine, handler: H) -> Self {
        Self {
            meter: virtine.meter(Limits::endless()),
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

/// Wasp's hypercalls under a policy.
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
            Reply::Refused(refusal) => return Err(refusal.into()),
            Reply::HostFunction { function, reason } => {
                return Err(Error::HostFunction { function, reason });
            }
            Reply::Ended(ended) => return Ok(ControlFlow::Break(interrupted(virtine, ended))),
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
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]> {
        self.bytes(address, length)
    }

    fn readable_from(&self, address: u64) -> u64 {
        self.memory_size().saturating_sub(address)
    }

    fn fill(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Option<Result<u64, Stop>> {
        self.fill_bytes(address, length, fill)
    }
}
