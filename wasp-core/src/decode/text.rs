//! Strings: copied and checked piece by piece, or found in the image.

use std::borrow::Cow;

use super::elsewhere::Name;
use super::failure::Failure;
use super::reader::{PIECE, Reader, Run, SCRATCH, invalid};

impl<'b, 's> Reader<'_, 'b, 's> {
    /// A string, borrowed from the image if it lies there.
    pub(super) fn any_text(&mut self) -> Result<Cow<'s, str>, Box<Failure>> {
        let run = self.run(1)?;
        match run {
            Run::Here([]) => return Ok(Cow::Borrowed("")),
            Run::There(name) => {
                if let Some(text) = self.static_text(name)? {
                    // The receiver may copy it.
                    self.charge(text.len() as u64)?;
                    return Ok(Cow::Borrowed(text));
                }
            }
            Run::Here(_) => {}
        }
        self.text(run).map(Cow::Owned)
    }

    /// An owned string.
    pub(super) fn owned_text(&mut self) -> Result<String, Box<Failure>> {
        let run = self.run(1)?;
        self.text(run)
    }

    /// The string of the image that the guest names, if the guest's memory holds the same bytes.
    fn static_text(&mut self, name: Name) -> Result<Option<&'s str>, Box<Failure>> {
        let Some(text) = self.statics.text(name.address, name.length) else {
            return Ok(None);
        };
        let mut scratch = Vec::new();
        for (index, expected) in text.as_bytes().chunks(SCRATCH).enumerate() {
            self.piece(&mut scratch, name, index * SCRATCH, expected.len())?;
            if scratch != expected {
                return Ok(None);
            }
        }
        Ok(Some(text))
    }

    /// Converts these bytes to a string, piece by piece.
    fn text(&mut self, run: Run<'b>) -> Result<String, Box<Failure>> {
        let length = run.length();
        self.charge(length as u64)?;
        let mut text = String::with_capacity(length);
        let mut scratch = Vec::new();
        while text.len() < length {
            let (done, left) = (text.len(), length - text.len());
            let piece = match run {
                Run::Here(bytes) => bytes.get(done..done + left.min(PIECE)).unwrap_or_default(),
                Run::There(name) => {
                    self.piece(&mut scratch, name, done, left.min(SCRATCH))?;
                    &scratch
                }
            };
            let valid = match str::from_utf8(piece) {
                Ok(valid) => valid,
                // A character may cross the end of the piece.
                Err(error) if error.error_len().is_none() && piece.len() < left => {
                    let valid = piece.get(..error.valid_up_to());
                    str::from_utf8(valid.unwrap_or_default()).unwrap_or_default()
                }
                Err(_) => return invalid("a text is not UTF-8"),
            };
            text.push_str(valid);
            self.pause(length - text.len())?;
        }
        Ok(text)
    }
}
