//! Panics in foreign code: in users' types while they are decoded or encoded, and in host functions.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::base::excerpt::excerpt;

/// Runs `code`. If it panics, returns the start of the panic's message. Any broken state that a panic leaves must be
/// the code's own: no state of this crate may be half changed when it is called.
///
/// With `panic = "abort"`, and if the code panics again while it unwinds, the process ends.
pub(crate) fn caught<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let message = excerpt(message(&*payload));
        discard(payload);
        message
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Drops a panic's payload, which may panic in turn. The payload of that second panic is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    #[test]
    fn message_of_a_panic_is_told_and_cut() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("first")), Err::<(), _>("first".to_owned()));
        let long = caught(|| panic!("{}", "x".repeat(100_000)));
        assert_eq!(long, Err::<(), _>("x".repeat(256)));
        assert_eq!(
            caught(|| panic_any(3)),
            Err::<(), _>("no message".to_owned())
        );
    }

    #[test]
    fn payload_that_panics_when_it_is_dropped_goes_no_further() {
        struct Again(u32);
        impl Drop for Again {
            fn drop(&mut self) {
                if self.0 > 0 {
                    panic_any(Self(self.0 - 1));
                }
            }
        }
        let ended = caught(|| panic_any(Again(2)));
        assert_eq!(ended, Err::<(), _>("no message".to_owned()));
    }
}
