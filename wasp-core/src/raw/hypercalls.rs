//! Wasp's hypercalls, for raw guests: one port, a number and three arguments in registers.
//!
//! `out 0xFF, ..` with the number in RDI and the arguments in RSI, RDX and RCX. The answer is in RAX. In 16-bit and
//! 32-bit modes, the lower parts of the same registers are used.

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
    /// Runs the guest and lets `handler` answer its hypercalls, until the guest exits for another reason.
    ///
    /// The handler reads what the arguments point to with [`Virtine::read`], which checks every address. `Continue`
    /// resumes the guest with this answer in RAX. `Break` returns the hypercall's [`Exit`] to the caller. Time spent in
    /// the handler is the host's. All other time counts against a single deadline for all runs together. Signals that
    /// are not for this run do not end the serving.
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
    /// Errors of [`Virtine::run`], and the handler's own.
    pub fn serve(
        &mut self,
        handler: impl FnMut(&mut Self, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
    ) -> Result<Exit, Error> {
        let service = ByHandler::new(self, handler);
        serve(&mut &mut *self, service, &mut |_, _, _| Ok(None))
    }

    /// Runs the guest and answers Wasp's thirteen hypercalls under `policy`, until the guest exits for another reason.
    /// On `exit` this returns [`Exit::Exited`], with the code in RSI. Answers, structures, flags and error numbers are
    /// those of Linux on x86-64. Hypercalls with other numbers get `ENOSYS`. The heap, whose end `sbrk` moves, starts
    /// at the first page after the image, and may take the rest of the memory.
    ///
    /// A single deadline covers all runs together. Signals that are not for this run do not end the serving. All files
    /// that the guest has open are closed at the end.
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
    /// Errors of [`Virtine::run`]; [`Error::Denied`] and [`Error::QuotaExceeded`] if the policy ends the call.
    pub fn serve_with(&mut self, policy: &Policy) -> Result<Exit, Error> {
        let service = ByPolicy::new(self, policy);
        serve(&mut &mut *self, service, &mut |_, _, _| Ok(None))
    }
}

impl Cache {
    /// Like [`Virtine::serve`], but also answers the snapshot hypercall.
    ///
    /// Its two arguments are the addresses between which the guest wants its memory in the snapshot. They are checked,
    /// but the snapshot holds all memory. The first guest that asks gets a snapshot, if
    /// [`CacheBuilder::allow_snapshot`](crate::CacheBuilder::allow_snapshot) was called. Every later virtine then
    /// starts after that hypercall. A guest that asks again gets 0, and nothing else happens. Otherwise the guest gets
    /// a negative number: -EPERM if the host does not allow it, -EINVAL if the addresses are not in the guest's memory
    /// or in the wrong order. Taking the snapshot counts against the deadline.
    ///
    /// # Errors
    ///
    /// As for [`Virtine::serve`], and errors of the kernel while it takes a snapshot.
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

    /// Like [`Virtine::serve_with`], but also answers the snapshot hypercall as [`Cache::serve`] does. That counts
    /// against the quota of hypercalls like any other.
    ///
    /// # Errors
    ///
    /// As for [`Virtine::serve_with`], and errors of the kernel while it takes a snapshot.
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
        // Set before the snapshot, so that guests that start from it find the answer too.
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

/// An error in the encoding of Linux and Wasp: its negative number.
fn errno(number: i32) -> u64 {
    i64::from(-number).cast_unsigned()
}
