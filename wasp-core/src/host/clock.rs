//! Clocks.

use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use virtine_rt::abi::requests::{TICKS, clock};

use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::request_error::{Answer, RequestError};

/// The CPU time of a call: that of the thread that runs its vCPU, from now on.
#[derive(Clone, Copy)]
pub(super) struct CallTime(Duration);

impl CallTime {
    pub(super) fn start() -> Self {
        Self(now(ClockId::ThreadCPUTime))
    }

    fn elapsed(self) -> Duration {
        now(ClockId::ThreadCPUTime).saturating_sub(self.0)
    }
}

/// Returns the time of one of the ABI's clocks, in nanoseconds.
pub(super) fn read(which: u64, call: CallTime) -> Answer {
    let time = match which {
        clock::REALTIME => now(ClockId::Realtime),
        clock::MONOTONIC => now(ClockId::Monotonic),
        clock::CALL => call.elapsed(),
        _ => return Err(Errno::INVAL.into()),
    };
    u64::try_from(time.as_nanos()).map_err(|_| RequestError::Errno(Errno::OVERFLOW))
}

/// Fills a `struct timeval`.
pub(super) fn gettimeofday(memory: &mut (impl GuestSpace + ?Sized), address: u64) -> Answer {
    let time = now(ClockId::Realtime);
    put_words(
        memory,
        address,
        [time.as_secs(), time.subsec_micros().into()],
    )?;
    Ok(0)
}

/// Fills a `struct tms`. All time is reported as the guest's own, including what the host does for it.
pub(super) fn times(
    memory: &mut (impl GuestSpace + ?Sized),
    address: u64,
    call: CallTime,
) -> Answer {
    // As in Linux: without a pointer, no structure is written.
    if address != 0 {
        put_words(memory, address, [ticks(call.elapsed()), 0, 0, 0])?;
    }
    Ok(ticks(now(ClockId::Monotonic)))
}

fn put_words<const N: usize>(
    memory: &mut (impl GuestSpace + ?Sized),
    address: u64,
    words: [u64; N],
) -> Result<(), RequestError> {
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    memory.put(address, &bytes)
}

fn ticks(time: Duration) -> u64 {
    let part = u64::from(time.subsec_nanos()) * TICKS / 1_000_000_000;
    time.as_secs().saturating_mul(TICKS).saturating_add(part)
}

/// A clock's time, or zero if it is before the clock's own zero.
fn now(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
