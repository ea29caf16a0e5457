//! Text that is inserted into the user's sources.

use std::ops::Range;

/// One inserted text.
pub(crate) struct Insertion {
    pub(crate) file: usize,
    /// The byte of the file before which the text is inserted.
    pub(crate) at: usize,
    /// The text. It has no line breaks.
    pub(crate) text: String,
    /// The virtine whose shim this is, by item; `None` for other text.
    pub(crate) shim: Option<usize>,
}

impl Insertion {
    /// Text that is not a shim.
    pub(crate) fn new(file: usize, at: usize, text: String) -> Self {
        Self {
            file,
            at,
            text,
            shim: None,
        }
    }
}

/// All inserted texts. Those at the same byte keep their order.
#[derive(Default)]
pub(crate) struct Insertions(Vec<Insertion>);

impl Insertions {
    pub(super) fn push(&mut self, insertion: Insertion) {
        self.0.push(insertion);
    }

    /// Drops the insertions at these bytes of a file, except shims.
    pub(super) fn drop_inside(&mut self, file: usize, bytes: &Range<usize>) {
        self.0
            .retain(|one| one.shim.is_some() || one.file != file || !bytes.contains(&one.at));
    }

    /// The insertions of a file, by place.
    pub(super) fn in_file(&self, file: usize) -> Vec<&Insertion> {
        self.sorted(|one| one.file == file)
    }

    /// The insertions on the line of `text` that starts at byte `start`, from left to right.
    pub(crate) fn on_line(&self, file: usize, text: &str, start: usize) -> Vec<&Insertion> {
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length);
        self.sorted(|one| one.file == file && (start..=end).contains(&one.at))
    }

    fn sorted(&self, is_wanted: impl Fn(&&Insertion) -> bool) -> Vec<&Insertion> {
        let mut found: Vec<&Insertion> = self.0.iter().filter(is_wanted).collect();
        found.sort_by_key(|one| one.at);
        found
    }
}
