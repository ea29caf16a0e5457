//! What doors are opened, told as `tracing` events with the target `wasp_core::doors`.
//!
//! One event for each file that is opened, linked or removed and each variable that is read, and one for
//! the first use of every other door in a call. Nothing that goes through a door is told.

use super::door::Door;
use super::refusal::Refusal;

/// The doors of which a call's first use has been told.
#[derive(Default)]
pub(super) struct Told(u32);

impl Told {
    /// Tells of the first use of a door in a call.
    pub(super) fn first_use(&mut self, door: Door) {
        let bit = 1 << door as u32;
        if self.0 & bit == 0 {
            self.0 |= bit;
            opened(door, "");
        }
    }
}

/// Tells of a door that was opened.
pub(super) fn opened(door: Door, argument: &str) {
    tracing::info!(target: "wasp_core::doors", %door, argument, "opened");
}

/// Tells of a refusal.
pub(super) fn refused(refusal: &Refusal) {
    tracing::warn!(target: "wasp_core::doors", %refusal, "refused");
}
