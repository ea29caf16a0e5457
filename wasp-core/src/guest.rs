//! A guest of the runtime's ABI (`virtine_rt::abi`): how it is entered and what its exits mean.

use std::time::Duration;

use virtine_rt::abi::{
    HYPERCALL_PORT, PANIC_MESSAGE_MAX, PanicReport, SYSTEM_CALL_PORT, hypercall,
};

use crate::arch::registers::Entry;
use crate::deadline::Deadline;
use crate::doors::Reply;
use crate::error::{Error, Panic};
use crate::exit::{Direction, Fault, PortAccess};
use crate::hypercalls::Hypercall;
use crate::layout::Layout;
use crate::linux::{self, End, Process};
use crate::machine::{Machine, Stop};
use crate::snapshot::Snapshot;
use crate::watchdog::Ended;

pub(crate) use service::{Served, Terms, serve};

mod service;

/// Longest name of a source file that a panic may tell, in bytes: Linux's PATH_MAX.
const FILE_NAME_MAX: u64 = 4096;

/// Why such a guest came back.
#[derive(Debug)]
pub(crate) enum Return {
    /// It made a hypercall.
    Hypercall {
        /// Its number, from RDI.
        number: u64,
        /// Its arguments, from RSI, RDX and RCX.
        arguments: [u64; 3],
    },
    /// It made a system call.
    SystemCall,
    /// It ended as a program, with this code.
    Exited(i32),
    /// It ended itself by a signal, perhaps since so many bytes of memory could not be had.
    Killed { signal: u8, exhausted: Option<u64> },
    /// It did something that no guest may do.
    Fault(Fault),
    /// It was ended from outside.
    Ended(Ended),
}

/// By which programs end themselves that are out of memory.
const ABORT: u8 = libc::SIGABRT as u8;

impl Return {
    /// What the end of a program means that is a guest; an error where its call is over for another reason.
    pub(crate) fn of(end: End, process: &Process) -> Result<Self, Error> {
        Ok(match end {
            End::Exited(code) => Self::Exited(code),
            End::Killed(signal) => Self::Killed {
                signal,
                exhausted: process.exhausted,
            },
            End::Fault(fault) => Self::Fault(fault),
            End::Over(Reply::Refused(refusal)) => return Err(refusal.into()),
            End::Over(Reply::HostFunction { function, reason }) => {
                return Err(Error::HostFunction { function, reason });
            }
            End::Over(Reply::Ended(ended)) | End::Ended(ended) => Self::Ended(ended),
            // No system call is answered so.
            End::Hypercall | End::Over(_) => Self::SystemCall,
        })
    }
}

/// Starts the guest at `entry` and waits until it comes back, at most until `deadline`.
#[inline]
pub(crate) fn enter(
    machine: &mut Machine,
    snapshot: &Snapshot,
    entry: &Entry,
    deadline: &Deadline,
) -> Result<Return, Error> {
    let stop = snapshot.start(machine, &entry.registers(), deadline)?;
    until_it_returns(machine, stop, |machine| snapshot.resume(machine, deadline))
}

/// Goes on, by `run`, after signals that were for somebody else.
#[inline]
pub(crate) fn until_it_returns(
    machine: &mut Machine,
    mut stop: Stop,
    run: impl Fn(&mut Machine) -> Result<Stop, Error>,
) -> Result<Return, Error> {
    while matches!(stop, Stop::Interrupted) {
        stop = run(machine)?;
    }
    meaning(machine, stop)
}

/// What a stop of such a guest's means.
#[inline]
fn meaning(machine: &mut Machine, stop: Stop) -> Result<Return, Error> {
    let access = match stop {
        Stop::Port(access) => access,
        Stop::Fault(fault) => return Ok(Return::Fault(fault)),
        Stop::Halted => {
            return Ok(Return::Fault(Fault::Kvm {
                reason: "hlt in ring 3".to_owned(),
            }));
        }
        Stop::Ended(ended) => return Ok(Return::Ended(ended)),
        Stop::Interrupted => return Ok(Return::Ended(Ended::TimedOut)),
    };
    match is_hypercall(&access) {
        true => Ok(hypercall_of(machine)),
        false if linux::is_system_call(&access) => Ok(Return::SystemCall),
        false => Ok(Return::Fault(Fault::Port {
            port: access.port,
            width: access.width.into(),
        })),
    }
}

/// Whether an access is a hypercall's.
pub(crate) const fn is_hypercall(access: &PortAccess) -> bool {
    matches!(
        access,
        PortAccess {
            port: HYPERCALL_PORT,
            direction: Direction::Out,
            width: 1,
            count: 1,
            ..
        }
    )
}

fn hypercall_of(machine: &mut Machine) -> Return {
    let Hypercall { number, arguments } = Hypercall::of(machine.general());
    Return::Hypercall { number, arguments }
}

/// What an exit that is not the hoped-for one means to the caller.
pub(crate) fn failure(exit: Return, machine: &Machine, layout: &Layout, limit: Duration) -> Error {
    match exit {
        Return::Ended(ended) => Error::ended(ended, limit),
        Return::Fault(fault) => Error::Fault(fault),
        Return::SystemCall => Error::Fault(Fault::Port {
            port: SYSTEM_CALL_PORT,
            width: 1,
        }),
        Return::Exited(code) => Error::Exited { code },
        Return::Killed {
            signal: ABORT,
            exhausted: Some(requested),
        } => Error::OutOfMemory {
            requested,
            memory: layout.granted,
        },
        Return::Killed { signal, .. } => Error::Killed { signal },
        Return::Hypercall {
            number: hypercall::PANIC,
            arguments: [address, ..],
        } => panic_report(machine, layout, address).map_or_else(|error| error, Error::Panicked),
        Return::Hypercall {
            number: hypercall::OUT_OF_MEMORY,
            arguments: [requested, ..],
        } => Error::OutOfMemory {
            requested,
            memory: layout.granted,
        },
        Return::Hypercall { number, .. } => Error::Fault(Fault::Hypercall { number }),
    }
}

fn panic_report(machine: &Machine, layout: &Layout, address: u64) -> Result<Panic, Error> {
    let text = |address, length: u64, longest: u64| {
        let text = bytes(machine, layout, address, length.min(longest))?;
        Ok::<_, Error>(String::from_utf8_lossy(text).into_owned())
    };
    let mut report = [0; PanicReport::SIZE];
    report.copy_from_slice(bytes(machine, layout, address, PanicReport::SIZE as u64)?);
    let report = PanicReport::from_bytes(&report);
    Ok(Panic {
        message: text(report.message, report.message_len, PANIC_MESSAGE_MAX as u64)?,
        file: text(report.file, report.file_len, FILE_NAME_MAX)?,
        line: report.line,
        column: report.column,
        refusal: None,
    })
}

/// The `length` bytes at `address`, which the guest has handed over and which must be its own.
pub(crate) fn bytes<'a>(
    machine: &'a Machine,
    layout: &Layout,
    address: u64,
    length: u64,
) -> Result<&'a [u8], Error> {
    if length == 0 {
        // No bytes lie anywhere; Rust's own address for them is 1.
        return Ok(&[]);
    }
    let inside = layout.is_guests_own(address, length);
    inside
        .then(|| machine.memory().bytes(address, length))
        .flatten()
        .ok_or(Error::Fault(Fault::Pointer { address, length }))
}
