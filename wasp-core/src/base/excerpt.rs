//! Text that guests, or the code of users' types, have a say in: no more of it than an error or a line of a log
//! should hold.

use std::fmt::{self, Write as _};

/// Bytes of such a text that are kept.
pub(crate) const LONGEST: usize = 256;

/// The first [`LONGEST`] bytes of what `text` shows, cut between two characters. What shows it is stopped there, so
/// that nothing is spent on the rest.
pub(crate) fn excerpt(text: impl fmt::Display) -> String {
    let mut excerpt = Excerpt(String::new());
    // Fails only where it is full, or where the text fails to show itself; both end it here.
    let _ = write!(excerpt, "{text}");
    excerpt.0
}

struct Excerpt(String);

impl fmt::Write for Excerpt {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        let end = text.floor_char_boundary(room);
        self.0.push_str(text.get(..end).unwrap_or_default());
        match end == text.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_kept_and_long_text_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt("a".repeat(256)), "a".repeat(256));
        let cut = excerpt(format_args!("a{}", "\u{20ac}".repeat(1000)));
        assert_eq!(cut, format!("a{}", "\u{20ac}".repeat(85)));
    }

    #[test]
    fn what_is_shown_in_pieces_stops_where_it_is_full() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("piece")?;
                }
            }
        }
        assert_eq!(excerpt(Endless).len(), LONGEST);
    }
}
