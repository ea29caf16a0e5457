//! Wasp's hypercalls, for raw guests: one port, a number and three arguments in registers.
//!
//! `out 0xFF, ..` with RDI the number and RSI, RDX and RCX the arguments; the answer is in RAX. In 16 and
//! 32 bits, the same registers' lower parts.

use std::ops::ControlFlow;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::exit::Exit;
use crate::base::hypercall::{Hypercall, SNAPSHOT_HYPERCALL};
use crate::host::policy::Policy;
use crate::limits::meter::Meter;
use crate::raw::cache::{Cache, Lease};
use crate::raw::serve::{ByHandler, ByPolicy, serve};
use crate::raw::virtine::Virtine;

impl Virtine {
    /// Runs the guest and has `handler` answer its hypercalls, until it exits for another reason.
    ///
    /// The handler finds the arguments' meaning in the guest's memory, by [`Virtine::read`], which checks
    /// every address. `Continue` has the guest go on with this answer in RAX; `Break` returns the
    /// hypercall's [`Exit`] to the caller. Time spent in the handler is the host's; all else counts against one
    /// deadline, which is that of all runs together. Signals that are for somebody else do not end the serving.
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use wasp_core::{Exit, Hypercall, Virtine};
    ///
    /// # fn main() -> Result<(), wasp_core::Error> {
    /// let mut virtine = Virtine::builder().build()?;
    /// virtine.load_binary("guest.bin", 0x8000)?;
    /// let exit = virtine.serve(|_, Hypercall { number, arguments }| {
    ///     Ok(match number {
    ///         0 => ControlFlow::Break(()),
    ///         1 => ControlFlow::Continue(arguments[0].wrapping_add(arguments[1])),
    ///         _ => ControlFlow::Continue(-38_i64 as u64), // ENOSYS
    ///     })
    /// })?;
    /// assert!(matches!(exit, Exit::Exited | Exit::Hypercall { .. }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What [`Virtine::run`] fails with, and the handler's own errors.
    pub fn serve(
        &mut self,
        handler: impl FnMut(&mut Self, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
    ) -> Result<Exit, Error> {
        let service = ByHandler::new(self, handler);
        serve(&mut &mut *self, service, &mut |_, _, _| Ok(None))
    }

    /// Runs the guest and answers Wasp's thirteen hypercalls under `policy`, until it exits for another
    /// reason: `exit` is [`Exit::Exited`], with the code in RSI. Answers, structures, flags and error
    /// numbers are Linux's on x86-64; a hypercall of any other number is answered `ENOSYS`. The heap that
    /// `sbrk` moves the end of starts behind the image, at a page, and may take the rest of the memory.
    ///
    /// The deadline is that of all of it together. Signals that are for somebody else do not end the serving.
    /// What the guest has open is closed at the end.
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
        let service = ByPolicy::new(self, policy);
        serve(&mut &mut *self, service, &mut |_, _, _| Ok(None))
    }
}

impl Cache {
    /// As [`Virtine::serve`], and answers the snapshot hypercall by itself.
    ///
    /// Its two arguments are the addresses between which the guest's memory lies that it wants in its
    /// snapshot; they are checked, but all memory goes in. The first guest that asks gets one, if
    /// [`CacheBuilder::allow_snapshot`](crate::CacheBuilder::allow_snapshot) was said, and every later
    /// virtine starts behind its hypercall; a guest that asks again is told 0 and nothing else happens.
    /// Otherwise the guest gets a negative number: -EPERM if the host has not approved, -EINVAL for addresses
    /// that are not in the guest's memory or in the wrong order. Taking the snapshot counts against the
    /// deadline.
    ///
    /// # Errors
    ///
    /// As [`Virtine::serve`], and what the kernel has against a snapshot.
    pub fn serve(
        &self,
        virtine: &mut Lease,
        handler: impl FnMut(&mut Virtine, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
    ) -> Result<Exit, Error> {
        let service = ByHandler::new(virtine, handler);
        serve(virtine, service, &mut |lease, call, meter| {
            self.answer_snapshot(lease, call, meter)
        })
    }

    /// As [`Virtine::serve_with`], and answers the snapshot hypercall as [`Cache::serve`] does. It counts
    /// against the quota of hypercalls like any other.
    ///
    /// # Errors
    ///
    /// As [`Virtine::serve_with`], and what the kernel has against a snapshot.
    pub fn serve_with(&self, virtine: &mut Lease, policy: &Policy) -> Result<Exit, Error> {
        let service = ByPolicy::new(virtine, policy);
        serve(virtine, service, &mut |lease, call, meter| {
            self.answer_snapshot(lease, call, meter)
        })
    }

    /// Answers the hypercall if it asks for a snapshot.
    fn answer_snapshot(
        &self,
        virtine: &mut Lease,
        call: Hypercall,
        meter: &Meter,
    ) -> Result<Option<Result<u64, Ended>>, Error> {
        let [start, end, _] = call.arguments;
        if call.number != SNAPSHOT_HYPERCALL {
            return Ok(None);
        }
        if !self.guests_may_ask() {
            return Ok(Some(Ok(errno(libc::EPERM))));
        }
        if start > end || end > virtine.memory_size() {
            return Ok(Some(Ok(errno(libc::EINVAL))));
        }
        // Before the snapshot, so that guests that start from it find the answer, too.
        virtine.go_on_with(0);
        if self.is_retaken() {
            return Ok(Some(Ok(0)));
        }
        match self.snapshot_within(virtine, meter) {
            Ok(Err(ended)) => Ok(Some(Err(ended))),
            Ok(Ok(_)) => Ok(Some(Ok(0))),
            // Another thread's guest was faster.
            Err(Error::SnapshotRefused { .. }) if self.is_retaken() => Ok(Some(Ok(0))),
            Err(error) => Err(error),
        }
    }
}

/// An error as Linux and Wasp tell it: its negative number.
fn errno(number: i32) -> u64 {
    i64::from(-number).cast_unsigned()
}
