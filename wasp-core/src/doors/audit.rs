//! What doors are opened, told as `tracing` events with the target `wasp_core::doors`.
//!
//! One event for each file that is opened, linked, moved or removed and each variable that is read, and
//! one for the first use of every other door in a call. Nothing that goes through a door is told. A guest
//! chooses what it asks for and how often, so there is an end to both: [`MOST`] events of a kind in a
//! call, of [`LONGEST`] bytes of text each.

use std::fmt::Display;

use super::door::Door;
use super::refusal::Refusal;
use crate::meter::Quota;

/// So many events of each kind are told in a call.
const MOST: u8 = 64;
/// So many bytes of text are told in an event.
const LONGEST: usize = 256;

/// What of a call has been told.
#[derive(Default)]
pub(super) struct Told {
    /// Doors of which the first use has been told, a bit each.
    used: u32,
    /// How often each kind of event was told.
    counts: [u8; KINDS],
}

/// Doors that were opened, doors that were closed, quotas that were used up.
const KINDS: usize = 2 * DOORS + QUOTAS;
const DOORS: usize = Door::Host as usize + 1;
const QUOTAS: usize = Quota::Hypercalls as usize + 1;

impl Told {
    /// Tells of the first use of a door in a call.
    pub(super) fn first_use(&mut self, door: Door) {
        let bit = 1 << door as u32;
        if self.used & bit == 0 {
            self.used |= bit;
            self.opened(door, "");
        }
    }

    /// Tells of a door that was opened.
    pub(super) fn opened(&mut self, door: Door, argument: &str) {
        match self.count(door as usize) {
            Tell::Event => {
                let argument = cut(argument);
                tracing::info!(target: "wasp_core::doors", %door, argument, "opened");
            }
            Tell::End => {
                tracing::info!(target: "wasp_core::doors", %door, "opened further; not told any more");
            }
            Tell::Nothing => {}
        }
    }

    /// Tells of a refusal.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let (kind, what): (_, &dyn Display) = match refusal {
            Refusal::Denied { door, .. } => (DOORS + *door as usize, door),
            Refusal::QuotaExceeded { quota, .. } => (2 * DOORS + *quota as usize, quota),
        };
        match self.count(kind) {
            Tell::Event => {
                let text = refusal.to_string();
                let refusal = cut(&text);
                tracing::warn!(target: "wasp_core::doors", %refusal, "refused");
            }
            Tell::End => {
                tracing::warn!(target: "wasp_core::doors", %what, "refused further; not told any more");
            }
            Tell::Nothing => {}
        }
    }

    /// What to tell of one more event of a kind.
    fn count(&mut self, kind: usize) -> Tell {
        let Some(count) = self.counts.get_mut(kind) else {
            return Tell::Nothing;
        };
        let told = *count;
        *count = told.saturating_add(1).min(MOST + 1);
        match told {
            0..MOST => Tell::Event,
            MOST => Tell::End,
            _ => Tell::Nothing,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Tell {
    Event,
    /// That there are more, and that they are not told.
    End,
    Nothing,
}

/// As much of a text as is told.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_kind_end_and_others_go_on() {
        let mut told = Told::default();
        let tells: Vec<Tell> = (0..200).map(|_| told.count(3)).collect();
        assert!(tells[..64].iter().all(|tell| *tell == Tell::Event));
        assert_eq!(tells[64], Tell::End);
        assert!(tells[65..].iter().all(|tell| *tell == Tell::Nothing));
        assert_eq!(told.count(KINDS - 1), Tell::Event);
        assert_eq!(told.count(KINDS), Tell::Nothing);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(1000)).len(), LONGEST);
        assert_eq!(cut(&"\u{20ac}".repeat(1000)).len(), 255);
    }
}
