//! Reports the use of capabilities as `tracing` events with the target `wasp_core::capabilities`.
//!
//! There is one event for each file that is opened, linked, moved or removed, for each variable that is read, and
//! for the first use of every other capability in a call. The data is not reported. A guest cannot fill the log: each
//! kind is reported at most [`MOST`] times in a call, with at most [`LONGEST`] bytes of text each.

use std::fmt::Display;

use crate::base::capability::Capability;
use crate::base::quota::Quota;
use crate::base::refusal::Refusal;

/// How many events of each kind are reported in a call.
const MOST: u8 = 64;
/// How many bytes of text are reported in an event.
const LONGEST: usize = 256;

/// What has been reported of a call.
#[derive(Default)]
pub(super) struct EventCounts {
    /// Capabilities whose first use has been reported, one bit each.
    used: u32,
    /// How often each kind of event was reported.
    counts: [u8; KINDS],
}

/// Capabilities used, capabilities refused, quotas used up.
const KINDS: usize = 2 * CAPABILITIES + QUOTAS;
const CAPABILITIES: usize = Capability::Host as usize + 1;
const QUOTAS: usize = Quota::Hypercalls as usize + 1;

impl EventCounts {
    /// Reports the first use of a capability in a call.
    pub(super) fn first_use(&mut self, capability: Capability) {
        let bit = 1 << capability as u32;
        if self.used & bit == 0 {
            self.used |= bit;
            self.opened(capability, "");
        }
    }

    /// Reports the use of a capability.
    pub(super) fn opened(&mut self, capability: Capability, argument: &str) {
        match self.count(capability as usize) {
            Tell::Event => {
                let argument = cut(argument);
                tracing::info!(target: "wasp_core::capabilities", %capability, argument, "opened");
            }
            Tell::End => {
                tracing::info!(target: "wasp_core::capabilities", %capability, "opened further; not told any more");
            }
            Tell::Nothing => {}
        }
    }

    /// Reports a refusal.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let (kind, what): (_, &dyn Display) = match refusal {
            Refusal::Denied { capability, .. } => (CAPABILITIES + *capability as usize, capability),
            Refusal::QuotaExceeded { quota, .. } => (2 * CAPABILITIES + *quota as usize, quota),
        };
        match self.count(kind) {
            Tell::Event => {
                let text = refusal.to_string();
                let refusal = cut(&text);
                tracing::warn!(target: "wasp_core::capabilities", %refusal, "refused");
            }
            Tell::End => {
                tracing::warn!(target: "wasp_core::capabilities", %what, "refused further; not told any more");
            }
            Tell::Nothing => {}
        }
    }

    /// How to report one more event of a kind.
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
    /// Report that there are more events, which are not reported.
    End,
    Nothing,
}

/// The part of a text that is reported.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_kind_end_and_others_go_on() {
        let mut told = EventCounts::default();
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
