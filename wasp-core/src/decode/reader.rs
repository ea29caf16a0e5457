//! What is read, and what it is charged for.
//!
//! Memory: each value has a *place*, of so many bytes, that is paid for before the value is made: that of a field in
//! its struct, of an element in its sequence. A value that turns out larger than its place lies behind a pointer there,
//! and is charged for itself. So what lies inline is charged once, with what it lies in.

use serde::Deserialize;

use super::stack::{Grows, Room};
use super::statics::Statics;
use super::{Budget, Failure, MAX_EMPTY_ELEMENTS, Source};
use crate::watchdog::Ended;

/// Steps between two looks at the clock: an element is one, and so are [`BYTES_A_STEP`] bytes.
const STEPS: u32 = 4096;

const BYTES_A_STEP: usize = 16;

/// Bytes of a value that take as long to be made, and moved, as another element does.
pub(super) const SIZE_A_STEP: usize = 256;

/// Bytes of a text that are checked and copied between two looks at the clock.
const PIECE: usize = 1 << 20;

/// What lies in its place of a collection may be smaller than what it is made of by so much: `Box<str>` is, which is
/// made of a `String`. Such types are not charged more than they are.
const CAPACITY: usize = size_of::<usize>();

/// Memory is taken off the budget in pieces of so many bytes, as long as there are so many.
const CREDIT: u64 = 4096;

pub(super) struct Reader<'r, 'b, 's> {
    rest: &'b [u8],
    /// How many bytes there were.
    length: usize,
    /// How many levels there may be.
    levels: u32,
    /// How many of them are left.
    depth: u32,
    /// Elements without bytes or size that are left.
    empty: u32,
    /// Bytes that the place of the next value has.
    place: usize,
    /// Bytes of memory charged so far.
    charged: u64,
    /// Bytes that the budget has given beyond that.
    credit: u64,
    /// Steps that are left until the next look at the clock.
    steps: u32,
    /// There is no time left, and why.
    ended: Option<Ended>,
    statics: Statics<'b, 's>,
    budget: &'r mut dyn Budget,
    room: &'r mut Room,
}

impl Grows for Reader<'_, '_, '_> {
    fn room(&mut self) -> &mut Room {
        self.room
    }
}

/// A [`Failure::Invalid`] in these words.
#[cold]
#[inline(never)]
pub(super) fn invalid<T>(reason: &str) -> Result<T, Failure> {
    Err(Failure::Invalid(reason.to_owned()))
}

impl<'r, 'b, 's> Reader<'r, 'b, 's> {
    #[inline]
    pub(super) fn new(
        source: Source<'b, 's>,
        budget: &'r mut dyn Budget,
        room: &'r mut Room,
    ) -> Self {
        Self {
            rest: source.bytes,
            length: source.bytes.len(),
            levels: source.depth,
            // One for the tuple of all that is handed over together.
            depth: source.depth.saturating_add(1),
            empty: MAX_EMPTY_ELEMENTS,
            place: 0,
            charged: 0,
            credit: 0,
            steps: STEPS,
            ended: None,
            statics: source.statics,
            budget,
            room,
        }
    }

    /// Reads one value, which must be all there is. Its own place is the caller's.
    #[inline]
    pub(super) fn whole<T: Deserialize<'s>>(&mut self) -> Result<T, Failure> {
        self.place = size_of::<T>();
        let value = T::deserialize(&mut *self)?;
        match self.rest.len() {
            0 => Ok(value),
            left => Err(Failure::Invalid(format!("{left} bytes follow the value"))),
        }
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'b [u8], Failure> {
        if count >= BYTES_A_STEP {
            self.step(count / BYTES_A_STEP)?;
        }
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => invalid("the bytes end inside a value"),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// How many bytes are left to read.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, Failure> {
        match usize::try_from(u64::from_le_bytes(self.array()?)) {
            Ok(length) => Ok(length),
            Err(_) => invalid("a length is out of range"),
        }
    }

    /// The bytes of a text or of a run of bytes, which follow their length.
    #[inline]
    pub(super) fn run(&mut self) -> Result<&'b [u8], Failure> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// The text of the image that the guest says these bytes are, which have just been read.
    pub(super) fn borrowed(&mut self, bytes: &[u8]) -> Result<Option<&'s str>, Failure> {
        let position = self.length - self.rest.len() - bytes.len();
        let skipped = self.statics.skip_to(position as u64)?;
        self.step(skipped)?;
        Ok(self.statics.text(position as u64, bytes))
    }

    /// These bytes as text, piece by piece where they are many.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Result<String, Failure> {
        self.charge(bytes.len() as u64)?;
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(PIECE));
            let valid = match str::from_utf8(piece) {
                Ok(valid) => valid,
                // A character may stand across the end of the piece.
                Err(error) if error.error_len().is_none() && !behind.is_empty() => {
                    let valid = piece.get(..error.valid_up_to());
                    str::from_utf8(valid.unwrap_or_default()).unwrap_or_default()
                }
                Err(_) => return invalid("a text is not UTF-8"),
            };
            text.push_str(valid);
            rest = rest.get(valid.len()..).unwrap_or_default();
            self.pause(rest)?;
        }
        Ok(text)
    }

    /// A copy of these bytes, made piece by piece where they are many.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        self.charge(bytes.len() as u64)?;
        let mut copy = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(PIECE));
            copy.extend_from_slice(piece);
            rest = behind;
            self.pause(rest)?;
        }
        Ok(copy)
    }

    /// Looks at the clock between two pieces.
    fn pause(&mut self, rest: &[u8]) -> Result<(), Failure> {
        match rest.is_empty() {
            true => Ok(()),
            false => self.look(),
        }
    }

    pub(super) fn character(&mut self) -> Result<char, Failure> {
        // As UTF-8: the first byte tells how many follow.
        let width = match self.peek() {
            Some(0..0x80) => 1,
            Some(0x80..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            _ => 4,
        };
        let text = str::from_utf8(self.bytes(width)?);
        match text.ok().and_then(|text| text.chars().next()) {
            Some(character) => Ok(character),
            None => invalid("a character is not UTF-8"),
        }
    }

    /// Starts a value of type `T`: charges it where its place cannot hold it.
    #[inline]
    pub(super) fn enter<T>(&mut self) -> Result<(), Failure> {
        let size = size_of::<T>();
        if size > self.place {
            self.step(size / SIZE_A_STEP)?;
            self.charge(size as u64)?;
        }
        self.place = size;
        Ok(())
    }

    /// As [`Reader::enter`], for a collection, whose length says how much lies elsewhere.
    #[inline]
    pub(super) fn enter_collection<T>(&mut self) -> Result<(), Failure> {
        match size_of::<T>() <= self.place + CAPACITY {
            true => Ok(()),
            false => self.enter::<T>(),
        }
    }

    /// Says how much room there is for the next value.
    #[inline]
    pub(super) fn place(&mut self, size: usize) {
        self.place = size;
    }

    /// Reads what nests one level deeper.
    #[inline]
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.step(1)?;
        let Some(left) = self.depth.checked_sub(1) else {
            return self.too_deep();
        };
        self.depth = left;
        let result = match self.room.holds::<T>(left) {
            true => read(self),
            false => self.elsewhere(left, read)?,
        };
        self.depth = left + 1;
        result
    }

    #[cold]
    #[inline(never)]
    fn too_deep<T>(&self) -> Result<T, Failure> {
        Err(Failure::TooDeep {
            levels: self.levels,
        })
    }

    /// Takes note of an element that takes neither bytes nor memory.
    pub(super) fn count_empty(&mut self) -> Result<(), Failure> {
        match self.empty.checked_sub(1) {
            Some(left) => {
                self.empty = left;
                Ok(())
            }
            None => Err(Failure::Invalid(format!(
                "more than {MAX_EMPTY_ELEMENTS} elements take neither bytes nor memory"
            ))),
        }
    }

    /// Charges memory that is about to be taken.
    #[inline]
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Failure> {
        match self.credit.checked_sub(bytes) {
            Some(left) => self.credit = left,
            None => self.take(bytes)?,
        }
        self.charged = self.charged.saturating_add(bytes);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn take(&mut self, bytes: u64) -> Result<(), Failure> {
        let missing = bytes - self.credit;
        if missing < CREDIT && self.budget.take(CREDIT).is_ok() {
            self.credit = CREDIT - missing;
            return Ok(());
        }
        match self.budget.take(missing) {
            Ok(()) => {
                self.credit = 0;
                Ok(())
            }
            Err(left) => Err(Failure::TooLarge {
                needed: self.charged.saturating_add(bytes),
                available: self.charged + self.credit + left,
            }),
        }
    }

    /// Takes note of work, and looks at the clock where it was much since the last look.
    #[inline]
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Failure> {
        match (self.steps as usize).checked_sub(steps) {
            Some(left) => {
                self.steps = left as u32;
                Ok(())
            }
            None => self.look(),
        }
    }

    #[cold]
    #[inline(never)]
    fn look(&mut self) -> Result<(), Failure> {
        // A type that goes on all the same is told again at its next step.
        self.steps = 0;
        if self.ended.is_none() {
            self.ended = self.budget.check().err();
        }
        match self.ended {
            Some(ended) => return Err(Failure::Ended(ended)),
            None => self.steps = STEPS,
        }
        Ok(())
    }
}
