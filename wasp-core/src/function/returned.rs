//! What a call returns: its result and its changed arguments, which may still lie in the guest's memory.

use std::cell::Cell;

use virtine_rt::codec::plain::{self, Changed};

use crate::Error;
use crate::decode;
use crate::guest::std_boot;
use crate::linux::process::Process;
use crate::machine::Machine;
use crate::pool::PooledMachine;

/// A call's result, of type `R`, and the arguments that it changed, of type `C`.
///
/// The call's machine is kept until both are taken.
pub struct Returned<R, C> {
    pub(crate) result: R,
    pub(crate) changed: C,
    pub(crate) loan: PooledMachine,
    /// The guest's state as a Linux program, if it was one and made system calls.
    pub(crate) program: Option<Box<Process>>,
    /// How many levels deep the result may nest.
    pub(crate) depth: u32,
}

impl<R, C> Returned<R, C> {
    /// Lets `take` store the changed arguments, and returns the result.
    ///
    /// # Errors
    ///
    /// Fails if the kernel prevents the machine from being used again.
    #[inline]
    pub fn take(self, take: impl FnOnce(C, &Memory<'_>)) -> Result<R, Error> {
        let Self {
            result,
            changed,
            mut loan,
            program,
            depth,
        } = self;
        let memory = Memory {
            machine: &loan,
            changed: Cell::new(false),
        };
        take(changed, &memory);
        if memory.changed.get() {
            decode::discard(result, depth);
            return Err(Error::CorruptResult {
                reason: "elements of a slice that came back are no values of its type".to_owned(),
            });
        }
        let restored = program.map(|program| std_boot::restore_mappings(&program, &mut loan));
        match restored.unwrap_or(Ok(true)) {
            Ok(true) => loan.give_back(),
            Ok(false) => drop(loan),
            Err(error) => {
                decode::discard(result, depth);
                return Err(error);
            }
        }
        Ok(result)
    }
}

/// The memory of a guest that has returned.
pub struct Memory<'a> {
    machine: &'a Machine,
    /// The memory has changed since it was checked.
    changed: Cell<bool>,
}

impl Memory<'_> {
    /// Overwrites `slice` with the returned elements, of which there are as many.
    pub fn overwrite<T>(&self, slice: &mut [T], elements: Changed<T>) {
        match elements {
            Changed::Here(elements) => {
                for (old, new) in slice.iter_mut().zip(elements) {
                    *old = new;
                }
            }
            Changed::There { address, .. } => {
                let memory = self.machine.memory();
                let is_overwritten = plain::overwrite(slice, |offset, place| {
                    memory.read(address + offset as u64, place)
                });
                self.changed.set(self.changed.get() || !is_overwritten);
            }
        }
    }
}

/// The returned value does not fit the argument.
#[derive(Debug)]
pub struct Mismatch(pub(crate) String);

/// Checks that a slice was returned with its original length.
///
/// # Errors
///
/// Fails if it was not.
pub fn check_length(found: usize, expected: usize) -> Result<(), Mismatch> {
    match found == expected {
        true => Ok(()),
        false => Err(Mismatch(format!(
            "expected {expected} elements of a slice back, found {found}"
        ))),
    }
}
