//! Wasp's hypercalls under a policy.

use std::ops::ControlFlow;
use std::time::Duration;

use rustix::io::Errno;
use virtine_rt::abi::page_align_up;

use super::Virtine;
use crate::Error;
use crate::doors::{Deadline, GuestSpace, HeapEnd, Policy, Reply, Session, Stop, negative};
use crate::exit::Exit;
use crate::hypercalls::{Hypercall, asks};

/// One raw guest that is being served.
pub(crate) struct Serving<'a> {
    policy: &'a Policy,
    /// From the first hypercall on.
    session: Option<Session>,
}

impl<'a> Serving<'a> {
    pub(crate) const fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            session: None,
        }
    }

    /// Runs the guest to its next hypercall, or to the exit that ends the serving.
    pub(crate) fn run(
        &mut self,
        virtine: &mut Virtine,
    ) -> Result<ControlFlow<Exit, Hypercall>, Error> {
        let limit = self.limit(virtine);
        let exit = virtine.run_for(limit)?;
        Ok(match asks(&exit) {
            true => ControlFlow::Continue(virtine.hypercall()),
            false => ControlFlow::Break(exit),
        })
    }

    fn limit(&self, virtine: &Virtine) -> Duration {
        match &self.session {
            Some(session) => session.deadline().left(),
            None => virtine.deadline,
        }
    }

    /// Answers it, or tells the exit that ends the serving.
    pub(crate) fn answer(
        &mut self,
        virtine: &mut Virtine,
        call: Hypercall,
    ) -> Result<ControlFlow<Exit>, Error> {
        let session = self.session.get_or_insert_with(|| {
            let machine = virtine.machine();
            let deadline = Deadline::after(machine.time_left()).or_cancelled(machine.slot());
            let memory = virtine.memory_size();
            Session::new(self.policy.clone(), virtine.heap(), deadline).granted(memory)
        });
        match session.answer(call, virtine) {
            Reply::Answer(answer) => virtine.go_on_with(answer),
            Reply::Unknown => virtine.go_on_with(negative(Errno::NOSYS)),
            Reply::Exit => return Ok(ControlFlow::Break(Exit::Exited)),
            Reply::Refused(refusal) => return Err(refusal.into()),
            Reply::HostFunction { function, reason } => {
                return Err(Error::HostFunction { function, reason });
            }
            Reply::TimedOut => {
                // Should the caller let it go on.
                virtine.go_on_with(negative(Errno::INTR));
                return Ok(ControlFlow::Break(
                    match virtine.machine().slot().take_cancelled() {
                        true => Exit::Cancelled,
                        false => Exit::TimedOut,
                    },
                ));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Virtine {
    /// Runs the guest and answers Wasp's thirteen hypercalls under `policy`, until it exits for another
    /// reason: `exit` is [`Exit::Exited`], with the code in RSI. Answers, structures, flags and error
    /// numbers are Linux's on x86-64; a hypercall of any other number is answered `ENOSYS`. The heap that
    /// `sbrk` moves the end of starts behind the image, at a page, and may take the rest of the memory.
    ///
    /// The deadline is that of all of it together. What the guest has open is closed at the end.
    ///
    /// ```no_run
    /// use wasp_core::{Exit, Policy, Virtine};
    ///
    /// # fn main() -> Result<(), wasp_core::Error> {
    /// let mut virtine = Virtine::builder().build()?;
    /// virtine.load_binary("guest.bin", 0x8000)?;
    /// let exit = virtine.serve_with(&Policy::new().stdout().read("assets"))?;
    /// assert_eq!(exit, Exit::Exited);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What [`Virtine::run`] fails with; [`Error::Denied`] and [`Error::QuotaExceeded`] where the policy
    /// has the call end.
    pub fn serve_with(&mut self, policy: &Policy) -> Result<Exit, Error> {
        let mut serving = Serving::new(policy);
        loop {
            let call = match serving.run(self)? {
                ControlFlow::Continue(call) => call,
                ControlFlow::Break(exit) => return Ok(exit),
            };
            if let ControlFlow::Break(exit) = serving.answer(self, call)? {
                return Ok(exit);
            }
        }
    }

    fn hypercall(&mut self) -> Hypercall {
        Hypercall::of(self.machine_mut().general())
    }

    fn go_on_with(&mut self, answer: u64) {
        self.machine_mut().answer(answer);
    }

    fn heap(&self) -> HeapEnd {
        let memory = self.memory_size();
        let start = page_align_up(self.image_end).unwrap_or(memory);
        HeapEnd::new(start.min(memory), memory)
    }
}

/// All of a raw guest's memory is its own, to read and to write.
impl GuestSpace for Virtine {
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]> {
        let address = self.layout.check(address.into(), length).ok()?;
        self.machine().memory().bytes(address, length)
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
        let address = self.layout.check(address.into(), length).ok()?;
        self.machine_mut().memory_mut().fill(address, length, fill)
    }
}
