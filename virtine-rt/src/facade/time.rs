//! `std::time`: core's contents, and the host's clocks, if the policy grants them.

use core::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::abi::requests::clock;
use crate::guest::request;

pub use core::time::{Duration, TryFromFloatSecsError};

/// # Panics
///
/// If the policy does not grant the clock: std's functions cannot return an error.
#[track_caller]
fn now(which: u64) -> Duration {
    match request::clock(which) {
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
        Err(_) => panic!(
            "this virtine may not read the clock: grant it, by #[virtine(allow(clock))], or pass the time \
             as a parameter"
        ),
    }
}

/// Same as in std.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Same as in std.
    ///
    /// # Panics
    ///
    /// If the policy does not grant the clock.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        Self(now(clock::MONOTONIC))
    }

    /// Same as in std.
    ///
    /// # Panics
    ///
    /// If the policy does not grant the clock.
    #[must_use]
    #[track_caller]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The time from `earlier` to this.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to this. `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// The time from `earlier` to this. Zero if `earlier` is later.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Same as in std.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(Duration);

/// 1970-01-01 00:00:00 UTC.
pub const UNIX_EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

impl SystemTime {
    /// 1970-01-01 00:00:00 UTC.
    pub const UNIX_EPOCH: Self = Self(Duration::ZERO);

    /// Same as in std.
    ///
    /// # Panics
    ///
    /// If the policy does not grant the clock.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        Self(now(clock::REALTIME))
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// The time is in the future.
    ///
    /// # Panics
    ///
    /// If the policy does not grant the clock.
    #[track_caller]
    pub fn elapsed(&self) -> Result<Duration, SystemTimeError> {
        Self::now().duration_since(*self)
    }

    /// The time from `earlier` to this.
    ///
    /// # Errors
    ///
    /// The time between them, if `earlier` is later.
    pub fn duration_since(&self, earlier: Self) -> Result<Duration, SystemTimeError> {
        let (one, other) = (self.0, earlier.0);
        one.checked_sub(other)
            .ok_or(SystemTimeError(other.saturating_sub(one)))
    }
}

/// Encoded as serde does for std's type: seconds and nanoseconds since 1970, like a duration.
impl Serialize for SystemTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SystemTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Duration::deserialize(deserializer).map(Self)
    }
}

/// A time was before the one it was compared with.
#[derive(Clone, Debug)]
pub struct SystemTimeError(Duration);

impl SystemTimeError {
    /// The difference.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.0
    }
}

impl core::fmt::Display for SystemTimeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("second time provided was later than self")
    }
}

impl core::error::Error for SystemTimeError {}

macro_rules! moved_by_durations {
    ($($time:ident)*) => {
        $(
            impl Add<Duration> for $time {
                type Output = Self;

                fn add(self, duration: Duration) -> Self {
                    Self(self.0 + duration)
                }
            }

            impl AddAssign<Duration> for $time {
                fn add_assign(&mut self, duration: Duration) {
                    self.0 += duration;
                }
            }

            impl Sub<Duration> for $time {
                type Output = Self;

                fn sub(self, duration: Duration) -> Self {
                    Self(self.0 - duration)
                }
            }

            impl SubAssign<Duration> for $time {
                fn sub_assign(&mut self, duration: Duration) {
                    self.0 -= duration;
                }
            }

            impl $time {
                /// The time that is `duration` later. `None` if it cannot be represented.
                #[must_use]
                pub fn checked_add(&self, duration: Duration) -> Option<Self> {
                    self.0.checked_add(duration).map(Self)
                }

                /// The time that is `duration` earlier. `None` if it cannot be represented.
                #[must_use]
                pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
                    self.0.checked_sub(duration).map(Self)
                }
            }
        )*
    };
}

moved_by_durations! { Instant SystemTime }

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}
