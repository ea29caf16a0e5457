//! Excerpts of text that guests or users' types control, short enough for an error or a log line.

use std::fmt::{self, Write as _};

/// The most bytes of such a text that are kept.
pub(crate) const LONGEST: usize = 256;

/// The first [`LONGEST`] bytes of what `text` displays, cut between two characters. Formatting stops there, so the rest
/// costs nothing.
pub(crate) fn excerpt(text: impl fmt::Display) -> String {
    let mut excerpt = Excerpt(String::new());
    // Fails only if it is full or if the text fails to format itself. Both end it here.
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
