//! Wasp's hypercalls, for raw guests: one port, a number and three arguments in registers.
//!
//! `out 0xFF, ..` with RDI the number and RSI, RDX and RCX the arguments; the answer is in RAX. In 16 and
//! 32 bits, the same registers' lower parts.

use std::ops::ControlFlow;

use kvm_bindings::kvm_regs;

use crate::Error;
use crate::cache::{Cache, Lease};
use crate::doors::Policy;
use crate::exit::{Direction, Exit};
use crate::registers::Registers;
use crate::virtine::{Serving, Virtine};

/// The port of Wasp's hypercalls.
pub const HYPERCALL_PORT: u16 = 0xff;
/// The number of the hypercall by which a guest asks for its snapshot.
pub const SNAPSHOT_HYPERCALL: u64 = 0xff;

/// What a guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypercall {
    /// Which hypercall it is.
    pub number: u64,
    /// Its arguments, as the guest gave them: nothing about them is checked.
    pub arguments: [u64; 3],
}

impl Hypercall {
    /// What stands in the registers of a guest that makes one.
    pub(crate) const fn of(registers: &kvm_regs) -> Self {
        Self {
            number: registers.rdi,
            arguments: [registers.rsi, registers.rdx, registers.rcx],
        }
    }
}

impl Virtine {
    /// Runs the guest and has `handler` answer its hypercalls, until it exits for another reason.
    ///
    /// The handler finds the arguments' meaning in the guest's memory, by [`Virtine::read`], which checks
    /// every address. `Continue` has the guest go on with this answer in RAX; `Break` returns the
    /// hypercall's [`Exit`] to the caller. Time spent in the handler is the host's: the deadline is that
    /// of each run between two hypercalls.
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
        mut handler: impl FnMut(&mut Self, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
    ) -> Result<Exit, Error> {
        loop {
            let exit = self.run()?;
            let Some(call) = hypercall(self, &exit)? else {
                return Ok(exit);
            };
            match handler(self, call)? {
                ControlFlow::Continue(answer) => answer_with(self, answer)?,
                ControlFlow::Break(()) => return Ok(exit),
            }
        }
    }
}

impl Cache {
    /// As [`Virtine::serve`], and answers the snapshot hypercall by itself.
    ///
    /// Its two arguments are the addresses between which the guest's memory lies that it wants in its
    /// snapshot; they are checked, but all memory goes in. The first guest that asks gets one, if
    /// [`CacheBuilder::allow_snapshot`](crate::CacheBuilder::allow_snapshot) was said, and every later
    /// virtine starts behind its hypercall; a guest that asks again is told 0 and nothing else happens.
    /// Told to guests otherwise: EPERM where the host has not approved, EINVAL for addresses that are not
    /// in the guest's memory or in the wrong order, as negative numbers.
    ///
    /// # Errors
    ///
    /// As [`Virtine::serve`], and what the kernel has against a snapshot.
    pub fn serve(
        &self,
        virtine: &mut Lease,
        mut handler: impl FnMut(&mut Virtine, Hypercall) -> Result<ControlFlow<(), u64>, Error>,
    ) -> Result<Exit, Error> {
        loop {
            let exit = virtine.run()?;
            let Some(call) = hypercall(virtine, &exit)? else {
                return Ok(exit);
            };
            if call.number == SNAPSHOT_HYPERCALL {
                self.answer_snapshot(virtine, call.arguments)?;
                continue;
            }
            match handler(virtine, call)? {
                ControlFlow::Continue(answer) => answer_with(virtine, answer)?,
                ControlFlow::Break(()) => return Ok(exit),
            }
        }
    }

    /// As [`Virtine::serve_with`], and answers the snapshot hypercall as [`Cache::serve`] does.
    ///
    /// # Errors
    ///
    /// As [`Virtine::serve_with`], and what the kernel has against a snapshot.
    pub fn serve_with(&self, virtine: &mut Lease, policy: &Policy) -> Result<Exit, Error> {
        let mut serving = Serving::new(policy);
        loop {
            let call = match serving.run(virtine)? {
                ControlFlow::Continue(call) => call,
                ControlFlow::Break(exit) => return Ok(exit),
            };
            if call.number == SNAPSHOT_HYPERCALL {
                self.answer_snapshot(virtine, call.arguments)?;
            } else if let ControlFlow::Break(exit) = serving.answer(virtine, call)? {
                return Ok(exit);
            }
        }
    }

    fn answer_snapshot(&self, virtine: &mut Lease, arguments: [u64; 3]) -> Result<(), Error> {
        let [start, end, _] = arguments;
        if !self.guests_may_ask() {
            return answer_with(virtine, errno(libc::EPERM));
        }
        if start > end || end > virtine.memory_size() {
            return answer_with(virtine, errno(libc::EINVAL));
        }
        // Before the snapshot, so that guests that start from it find the answer, too.
        answer_with(virtine, 0)?;
        if !self.is_retaken() {
            match self.snapshot(virtine) {
                Ok(_) => {}
                // Another thread's guest was faster.
                Err(Error::SnapshotRefused { .. }) if self.is_retaken() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What the guest asks for, if it has stopped for that.
fn hypercall(virtine: &mut Virtine, exit: &Exit) -> Result<Option<Hypercall>, Error> {
    if !asks(exit) {
        return Ok(None);
    }
    let registers = virtine.registers()?;
    Ok(Some(Hypercall {
        number: registers.rdi,
        arguments: [registers.rsi, registers.rdx, registers.rcx],
    }))
}

/// Whether it has stopped for that.
pub(crate) const fn asks(exit: &Exit) -> bool {
    matches!(
        exit,
        Exit::Hypercall {
            port: HYPERCALL_PORT,
            direction: Direction::Out,
            ..
        }
    )
}

fn answer_with(virtine: &mut Virtine, answer: u64) -> Result<(), Error> {
    let registers = virtine.registers()?;
    virtine.set_registers(&Registers {
        rax: answer,
        ..registers
    })
}

/// An error as Linux and Wasp tell it: its negative number.
fn errno(number: i32) -> u64 {
    i64::from(-number).cast_unsigned()
}
