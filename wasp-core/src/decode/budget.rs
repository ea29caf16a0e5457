//! What decoding may take of the host.

use crate::base::ended::Ended;
use crate::limits::meter::Allowance;

/// What decoding may take of the host.
pub(crate) trait Budget {
    /// Takes so many bytes of memory.
    ///
    /// # Errors
    ///
    /// How many bytes there are, where these are fewer.
    fn take(&mut self, bytes: u64) -> Result<(), u64>;

    /// Whether there is time left.
    ///
    /// # Errors
    ///
    /// Why there is not.
    fn check(&mut self) -> Result<(), Ended>;
}

impl Budget for Allowance<'_> {
    fn take(&mut self, bytes: u64) -> Result<(), u64> {
        Allowance::take(self, bytes)
    }

    fn check(&mut self) -> Result<(), Ended> {
        Allowance::check(self)
    }
}
