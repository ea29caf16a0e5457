//! What decoding may use of the host.

use crate::base::ended::Ended;
use crate::limits::meter::Allowance;

/// What decoding may use of the host.
pub(crate) trait Budget {
    /// Takes this many bytes of memory.
    ///
    /// # Errors
    ///
    /// If fewer bytes are left, how many.
    fn take(&mut self, bytes: u64) -> Result<(), u64>;

    /// Checks that there is time left.
    ///
    /// # Errors
    ///
    /// Why there is none.
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
