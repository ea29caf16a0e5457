//! The machine's console, without control characters of firmware and terminals.

use std::io::{self, Read, Write};

const ESCAPE: u8 = 0x1b;

/// Copies the console to `output` as it arrives, until the machine ends.
pub(super) fn pass_on(mut console: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut filter = Filter::default();
    let mut buffer = [0; 4096];
    loop {
        let length = match console.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        output.write_all(&filter.clean(&buffer[..length]))?;
        output.flush()?;
    }
}

/// Drops escape sequences and the carriage returns before line feeds, across reads.
#[derive(Default)]
enum Filter {
    #[default]
    Text,
    /// After one or more carriage returns, which may belong to a line feed.
    Return,
    /// After ESC.
    Escape,
    /// In `ESC [`, up to its final letter.
    Sequence,
}

impl Filter {
    fn clean(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            *self = self.step(byte, &mut text);
        }
        text
    }

    fn step(&self, byte: u8, text: &mut Vec<u8>) -> Self {
        match (self, byte) {
            (Self::Escape, b'[') => Self::Sequence,
            (Self::Escape, _) | (Self::Sequence, b'@'..=b'~') => Self::Text,
            (Self::Sequence, _) => Self::Sequence,
            (_, b'\r') => Self::Return,
            (_, ESCAPE) => Self::Escape,
            (Self::Return, _) if byte != b'\n' => {
                text.extend([b'\r', byte]);
                Self::Text
            }
            _ => {
                text.push(byte);
                Self::Text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(pieces: &[&str]) -> String {
        let mut filter = Filter::default();
        let bytes = pieces
            .iter()
            .flat_map(|piece| filter.clean(piece.as_bytes()))
            .collect();
        String::from_utf8(bytes).expect("only ASCII was dropped")
    }

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!(cleaned(&["gr\u{fc}n [0m\n\t~"]), "gr\u{fc}n [0m\n\t~");
    }

    #[test]
    fn escape_sequences_are_dropped() {
        assert_eq!(
            cleaned(&["\x1bc\x1b[?7l\x1b[2J\x1b[1;31mred\x1b[0m"]),
            "red"
        );
    }

    #[test]
    fn sequence_may_be_split_anywhere() {
        assert_eq!(cleaned(&["a\x1b", "[1", "m", "b"]), "ab");
    }

    #[test]
    fn lines_end_without_carriage_returns() {
        assert_eq!(cleaned(&["a\r\nb\r", "\r\nc"]), "a\nb\nc");
    }

    #[test]
    fn carriage_return_inside_a_line_stays() {
        assert_eq!(cleaned(&["10%\r", "20%"]), "10%\r20%");
    }

    #[test]
    fn console_is_copied_to_its_end() {
        let mut output = Vec::new();
        pass_on(b"ready\r\n".as_slice(), &mut output).expect("memory cannot fail");
        assert_eq!(output, b"ready\n");
    }
}
