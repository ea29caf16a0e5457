//! What the end of a guest with the runtime's ABI (`virtine_rt::abi`) means to its caller.

use std::time::Duration;

use virtine_rt::abi::{PANIC_MESSAGE_MAX, PanicReport, SYSTEM_CALL_PORT, hypercall};

use crate::base::error::{Error, Panic};
use crate::base::exit::Fault;
use crate::base::hypercall::Hypercall;
use crate::base::status::Status;
use crate::guest::layout::Layout;
use crate::machine::Machine;
use crate::machine::stop::Stop;
use crate::service::Completion;

/// The longest file name that a panic may report, in bytes: Linux's PATH_MAX.
const FILE_NAME_MAX: u64 = 4096;

/// The signal with which programs end themselves when out of memory.
const ABORT: u8 = libc::SIGABRT as u8;

/// What is known about a finished call.
pub(crate) struct Call<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) layout: &'a Layout,
    pub(crate) limit: Duration,
    /// The size in bytes of the last memory request that failed, for a guest that asks its host for memory.
    pub(crate) exhausted: Option<u64>,
}

impl Call<'_> {
    /// The error for a call that ended without a result.
    pub(crate) fn failure(&self, completion: Completion) -> Error {
        match completion {
            Completion::Stopped(stop) => self.stop(stop),
            Completion::Exited(Status::Exited(code)) => Error::Exited { code },
            Completion::Exited(Status::Killed(signal)) => match (signal, self.exhausted) {
                (ABORT, Some(requested)) => self.out_of_memory(requested),
                _ => Error::Killed { signal },
            },
            Completion::Failed(error) => error.into_error(self.limit),
        }
    }

    fn stop(&self, stop: Stop) -> Error {
        match stop {
            Stop::Hypercall(call) => self.hypercall(call),
            Stop::Ended(ended) => Error::ended(ended, self.limit),
            Stop::Fault(fault) => Error::Fault(fault),
            Stop::Port(access) => Error::Fault(Fault::Port {
                port: access.port,
                width: access.width.into(),
            }),
            Stop::SystemCall(_) => Error::Fault(Fault::Port {
                port: SYSTEM_CALL_PORT,
                width: 1,
            }),
            Stop::Halted | Stop::Interrupted => Error::TimedOut { limit: self.limit },
        }
    }

    fn hypercall(&self, Hypercall { number, arguments }: Hypercall) -> Error {
        let [first, ..] = arguments;
        match number {
            hypercall::PANIC => self
                .panic_report(first)
                .map_or_else(|error| error, Error::Panicked),
            hypercall::OUT_OF_MEMORY => self.out_of_memory(first),
            _ => Error::Fault(Fault::Hypercall { number }),
        }
    }

    const fn out_of_memory(&self, requested: u64) -> Error {
        Error::OutOfMemory {
            requested,
            memory: self.layout.granted,
        }
    }

    fn panic_report(&self, address: u64) -> Result<Panic, Error> {
        let text = |address, length: u64, longest: u64| {
            let text = bytes(self.machine, self.layout, address, length.min(longest))?;
            Ok::<_, Error>(String::from_utf8_lossy(&text).into_owned())
        };
        let mut report = [0; PanicReport::SIZE];
        let size = PanicReport::SIZE as u64;
        report.copy_from_slice(&bytes(self.machine, self.layout, address, size)?);
        let report = PanicReport::from_bytes(&report);
        Ok(Panic {
            message: text(report.message, report.message_len, PANIC_MESSAGE_MAX as u64)?,
            file: text(report.file, report.file_len, FILE_NAME_MAX)?,
            line: report.line,
            column: report.column,
            refusal: None,
        })
    }
}

/// Whether the guest may hand over the `length` bytes at `address`. An empty range may lie anywhere; all other bytes
/// must be its own.
pub(crate) fn owns(machine: &Machine, layout: &Layout, address: u64, length: u64) -> bool {
    let inside = || {
        let end = address.checked_add(length);
        layout.is_guests_own(address, length)
            && end.is_some_and(|end| end <= machine.memory().size())
    };
    length == 0 || inside()
}

/// Copies a few bytes that the guest has handed over.
fn bytes(machine: &Machine, layout: &Layout, address: u64, length: u64) -> Result<Vec<u8>, Error> {
    let fault = Error::Fault(Fault::Pointer { address, length });
    if !owns(machine, layout, address, length) {
        return Err(fault);
    }
    let mut bytes = vec![0; length as usize];
    if length > 0 {
        machine.memory().read(address, &mut bytes).ok_or(fault)?;
    }
    Ok(bytes)
}
