//! Clocks, waiting, and the futex of a single-threaded program.

use std::time::Duration;

use rustix::io::Errno;
use virtine_rt::abi::requests::clock;

use crate::host::dispatch::Session;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::linux::process::Process;
use crate::linux::system_call_error::SystemCallError;

const NANOSECONDS: u64 = 1_000_000_000;

impl Process {
    pub(super) fn for_time(
        &self,
        number: i64,
        [first, second, third]: [u64; 3],
        session: &mut Session,
        memory: &mut (dyn GuestSpace + '_),
    ) -> Option<Result<u64, SystemCallError>> {
        Some(match number {
            libc::SYS_clock_gettime => clock_of(first).and_then(|which| {
                let now = session.clock(which)?;
                put(memory, second, [now / NANOSECONDS, now % NANOSECONDS])
            }),
            libc::SYS_clock_getres => clock_of(first).and_then(|_| match second {
                0 => Ok(0),
                _ => put(memory, second, [0, 1]),
            }),
            libc::SYS_gettimeofday => match first {
                0 => Ok(0),
                _ => session
                    .clock(clock::REALTIME)
                    .map_err(SystemCallError::from)
                    .and_then(|now| {
                        put(memory, first, [now / NANOSECONDS, now % NANOSECONDS / 1000])
                    }),
            },
            libc::SYS_time => session
                .clock(clock::REALTIME)
                .map_err(SystemCallError::from)
                .and_then(|now| match first {
                    0 => Ok(now / NANOSECONDS),
                    _ => put(memory, first, [now / NANOSECONDS]).map(|_| now / NANOSECONDS),
                }),
            libc::SYS_nanosleep => span(memory, first).and_then(|time| Ok(session.sleep(time)?)),
            libc::SYS_clock_nanosleep => sleep(session, memory, [first, second, third]),
            libc::SYS_getrusage => resources(session, memory, second),
            libc::SYS_sched_yield => Ok(0),
            _ => return None,
        })
    }
}

fn clock_of(which: u64) -> Result<u64, SystemCallError> {
    match which as i32 {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Ok(clock::REALTIME),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME => Ok(clock::MONOTONIC),
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => Ok(clock::CALL),
        _ => Err(Errno::INVAL.into()),
    }
}

fn put<const N: usize>(
    memory: &mut (dyn GuestSpace + '_),
    address: u64,
    words: [u64; N],
) -> Result<u64, SystemCallError> {
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    memory.put(address, &bytes)?;
    Ok(0)
}

/// A `struct timespec`.
fn span(memory: &(dyn GuestSpace + '_), address: u64) -> Result<Duration, SystemCallError> {
    let bytes = memory.bytes(address, 16)?;
    let (words, _) = bytes.as_chunks::<8>();
    let [seconds, nanoseconds] = *words else {
        return Err(Errno::FAULT.into());
    };
    let (seconds, nanoseconds) = (i64::from_le_bytes(seconds), i64::from_le_bytes(nanoseconds));
    match (u64::try_from(seconds), u32::try_from(nanoseconds)) {
        (Ok(seconds), Ok(nanoseconds)) if u64::from(nanoseconds) < NANOSECONDS => {
            Ok(Duration::new(seconds, nanoseconds))
        }
        _ => Err(Errno::INVAL.into()),
    }
}

fn sleep(
    session: &mut Session,
    memory: &(dyn GuestSpace + '_),
    [which, flags, address]: [u64; 3],
) -> Result<u64, SystemCallError> {
    let which = clock_of(which)?;
    let time = span(memory, address)?;
    let time = match flags as i32 & libc::TIMER_ABSTIME {
        0 => time,
        _ => session.left_until(time, which)?,
    };
    Ok(session.sleep(time)?)
}

/// A `struct rusage` with the CPU time of the call, if clocks may be read.
fn resources(
    session: &mut Session,
    memory: &mut (dyn GuestSpace + '_),
    address: u64,
) -> Result<u64, SystemCallError> {
    const WORDS: usize = 18;
    let used = session.clock(clock::CALL)?;
    let mut words = [0; WORDS];
    words[0] = used / NANOSECONDS;
    words[1] = used % NANOSECONDS / 1000;
    put(memory, address, words)
}

/// With a single thread, there is nobody to wake, and nobody who would wake it.
pub(super) fn futex(
    session: &mut Session,
    memory: &(dyn GuestSpace + '_),
    [address, operation, value, timeout]: [u64; 4],
) -> Result<u64, SystemCallError> {
    let private_or_clock = (libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) as u64;
    let command = (operation & !private_or_clock) as i32;
    match command {
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => Ok(0),
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
            let word = memory.bytes(address, 4)?;
            if word != (value as u32).to_le_bytes() {
                return Err(Errno::AGAIN.into());
            }
            match timeout {
                // It would wait forever.
                0 => Ok(session.sleep_for_ever()?),
                _ => {
                    let time = span(memory, timeout)?;
                    // One takes a duration, the other a point in time (futex(2)).
                    let time = match command {
                        libc::FUTEX_WAIT => time,
                        _ => until(session, operation, time)?,
                    };
                    session.sleep(time)?;
                    Err(Errno::TIMEDOUT.into())
                }
            }
        }
        _ => Err(SystemCallError::Refused(Errno::NOSYS)),
    }
}

/// The time until `moment` on the clock that a futex operation names.
fn until(
    session: &mut Session,
    operation: u64,
    moment: Duration,
) -> Result<Duration, SystemCallError> {
    let which = match operation & libc::FUTEX_CLOCK_REALTIME as u64 {
        0 => clock::MONOTONIC,
        _ => clock::REALTIME,
    };
    Ok(session.left_until(moment, which)?)
}
