//! Reads values and charges for them.
//!
//! Memory: each value has a *place* of a certain size, which is paid for before the value is created: a field in its
//! struct, an element in its sequence. A value that turns out to be larger than its place lies behind a pointer there,
//! and is charged for itself. So inline values are charged once, with the value that contains them.

use serde::Deserialize;
use virtine_rt::codec::described::Tagged;
use virtine_rt::codec::plain::{self, Plain};
use virtine_rt::codec::{DEPTH, ELSEWHERE, Encoding};

use super::budget::Budget;
use super::elsewhere::{Elsewhere, Name};
use super::failure::Failure;
use super::source::Source;
use super::stack::{Grows, Room};
use super::statics::Statics;
use crate::base::ended::Ended;

/// How many elements of one value's sequences and maps may take neither bytes nor memory, like those of a `Vec<()>`.
pub(super) const MAX_EMPTY_ELEMENTS: u32 = 1 << 16;

/// Steps between two checks of the clock. An element is one step, and so are [`BYTES_A_STEP`] bytes.
const STEPS: u32 = 4096;

const BYTES_A_STEP: usize = 16;

/// Bytes of a value that take as long to create and move as another element.
pub(super) const SIZE_A_STEP: usize = 256;

/// Bytes of a string that are checked and copied between two checks of the clock.
pub(super) const PIECE: usize = 1 << 20;

/// Bytes of a run that are copied before they are read: as many as the CPU's caches keep.
pub(super) const SCRATCH: usize = 64 << 10;

/// By how much a value's place in a collection may be smaller than the value it is created from. `Box<str>` is an
/// example, which is created from a `String`. Such types are not charged more than they take.
const CAPACITY: usize = size_of::<usize>();

/// Memory is taken from the budget in pieces of this many bytes, as long as there are enough.
const CREDIT: u64 = 4096;

/// Levels of values that serde [buffers](Reader::kept), unless the function sets a limit.
const KEPT_LEVELS: u32 = 10;

/// Consecutive elements.
#[derive(Clone, Copy)]
pub(super) enum Run<'b> {
    /// Among the bytes.
    Here(&'b [u8]),
    /// In the guest's memory.
    There(Name),
}

impl Run<'_> {
    /// Length in bytes.
    pub(super) const fn length(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::There(name) => name.length as usize,
        }
    }
}

pub(super) struct Reader<'r, 'b, 's> {
    pub(super) rest: &'b [u8],
    /// Whether each value has a tag.
    pub(super) described: bool,
    /// Whether the tag of the next value has been read.
    open: bool,
    /// How many levels are allowed.
    levels: u32,
    /// How many levels are left.
    depth: u32,
    /// How many more elements may have neither bytes nor size.
    empty: u32,
    /// Size in bytes of the next value's place.
    place: usize,
    /// Bytes of memory charged so far.
    charged: u64,
    /// Bytes taken from the budget beyond that.
    credit: u64,
    /// Steps left until the next check of the clock.
    steps: u32,
    /// Set when no time is left.
    ended: Option<Ended>,
    elsewhere: Elsewhere<'b>,
    pub(super) statics: Statics<'b, 's>,
    budget: &'r mut dyn Budget,
    room: &'r mut Room,
}

impl Grows for Reader<'_, '_, '_> {
    fn room(&mut self) -> &mut Room {
        self.room
    }
}

/// A [`Failure::Invalid`] with this reason.
#[cold]
#[inline(never)]
pub(super) fn invalid<T>(reason: &str) -> Result<T, Box<Failure>> {
    Err(Box::new(Failure::Invalid(reason.to_owned())))
}

impl Tagged for Reader<'_, '_, '_> {
    type Error = Box<Failure>;

    fn open(&mut self) -> Result<u8, Box<Failure>> {
        let [tag] = self.array()?;
        self.open = true;
        Ok(tag)
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Box<Failure>>,
    ) -> Result<T, Box<Failure>> {
        self.open = false;
        Self::nested(self, read)
    }
}

/// Converts these bytes to a `char`.
#[inline]
pub(super) fn character(bytes: [u8; 4]) -> Result<char, Box<Failure>> {
    match char::from_u32(u32::from_le_bytes(bytes)) {
        Some(character) => Ok(character),
        None => invalid("a character is no Unicode scalar value"),
    }
}

/// Converts this byte to a `bool`.
#[inline]
pub(super) fn truth(byte: [u8; 1]) -> Result<bool, Box<Failure>> {
    match byte {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => invalid("a bool is neither 0 nor 1"),
    }
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
            described: source.encoding == Encoding::Described,
            open: false,
            levels: source.depth,
            // One for the tuple that holds all values.
            depth: source.depth.saturating_add(1),
            empty: MAX_EMPTY_ELEMENTS,
            place: 0,
            charged: 0,
            credit: 0,
            steps: STEPS,
            ended: None,
            elsewhere: source.elsewhere,
            statics: source.statics,
            budget,
            room,
        }
    }

    /// Reads one value, which must use all bytes. Its own place is the caller's.
    #[inline]
    pub(super) fn whole<T: Deserialize<'s>>(&mut self) -> Result<T, Box<Failure>> {
        self.place = size_of::<T>();
        let value = T::deserialize(&mut *self)?;
        match self.rest.len() {
            0 => Ok(value),
            left => Err(Box::new(Failure::Invalid(format!(
                "{left} bytes follow the value"
            )))),
        }
    }

    /// Whether the next value has an unread tag. Resets the flag.
    #[inline]
    pub(super) fn is_closed(&mut self) -> bool {
        self.described && !std::mem::take(&mut self.open)
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'b [u8], Box<Failure>> {
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
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Box<Failure>> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// The number of bytes left to read.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    fn word(&mut self) -> Result<u64, Box<Failure>> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of elements or bytes, and where they lie if that is elsewhere.
    #[inline]
    pub(super) fn length(&mut self) -> Result<(usize, Option<Name>), Box<Failure>> {
        let word = self.word()?;
        match word & ELSEWHERE {
            0 => Ok((word as usize, None)),
            _ => self.name((word & !ELSEWHERE) as usize),
        }
    }

    #[cold]
    fn name(&mut self, count: usize) -> Result<(usize, Option<Name>), Box<Failure>> {
        let (address, length) = (self.word()?, self.word()?);
        Ok((count, Some(Name { address, length })))
    }

    /// Checks that the guest may name this range, and counts the work of reading it.
    pub(super) fn check(&mut self, name: Name) -> Result<(), Box<Failure>> {
        let Name { address, length } = name;
        self.step(length as usize / BYTES_A_STEP)?;
        match self.elsewhere.owns(name) {
            true => Ok(()),
            false => Err(Box::new(Failure::Invalid(format!(
                "it names {length} bytes at {address:#x}, which is not the guest's memory"
            )))),
        }
    }

    /// A copy of the named range, kept until the value is complete.
    pub(super) fn copied(&mut self, name: Name) -> Result<&'b [u8], Box<Failure>> {
        self.check(name)?;
        if name.length > self.elsewhere.left() {
            return invalid("it names more bytes in all than its guest has memory");
        }
        let mut copy = Vec::new();
        self.copy_to(&mut copy, name)?;
        match self.elsewhere.keep(copy) {
            Some(copy) => Ok(copy),
            None => invalid("it names more bytes in all than its guest has memory"),
        }
    }

    /// Copies the named range, piece by piece.
    fn copy_to<P: Plain>(&mut self, values: &mut Vec<P>, name: Name) -> Result<(), Box<Failure>> {
        let length = name.length as usize;
        values.reserve_exact(length / size_of::<P>());
        let mut done = 0;
        while done < length {
            let piece = PIECE.min(length - done);
            let elsewhere = &self.elsewhere;
            let copied = plain::extend_with(values, piece / size_of::<P>(), |place| {
                elsewhere.copy(name, done, place)
            });
            if !copied {
                return invalid("the bytes of a run are no values of its type");
            }
            done += piece;
            self.pause(length - done)?;
        }
        Ok(())
    }

    /// A sequence whose elements have this size.
    pub(super) fn run(&mut self, size: usize) -> Result<Run<'b>, Box<Failure>> {
        let (count, name) = self.length()?;
        let Some(length) = count.checked_mul(size) else {
            return invalid("a length is out of range");
        };
        match name {
            None => Ok(Run::Here(self.bytes(length)?)),
            Some(name) if name.length == length as u64 => {
                self.check(name)?;
                Ok(Run::There(name))
            }
            Some(_) => invalid("a run is not as long as its elements are"),
        }
    }

    /// Reads from `bytes`, all of which must be used, and then continues where it was.
    pub(super) fn within<T>(
        &mut self,
        bytes: &'b [u8],
        read: impl FnOnce(&mut Self) -> Result<T, Box<Failure>>,
    ) -> Result<T, Box<Failure>> {
        let here = std::mem::replace(&mut self.rest, bytes);
        let value = read(self);
        let left = std::mem::replace(&mut self.rest, here).len();
        let value = value?;
        match left {
            0 => Ok(value),
            left => Err(Box::new(Failure::Invalid(format!(
                "{left} bytes follow a run"
            )))),
        }
    }

    /// Consecutive plain values.
    pub(super) fn values<P: Plain>(&mut self) -> Result<Vec<P>, Box<Failure>> {
        let run = self.run(size_of::<P>())?;
        self.charge(run.length() as u64)?;
        let mut values = Vec::with_capacity(run.length() / size_of::<P>());
        match run {
            Run::There(name) => self.copy_to(&mut values, name)?,
            Run::Here(mut rest) => {
                while !rest.is_empty() {
                    let (piece, behind) = rest.split_at(rest.len().min(PIECE));
                    if !plain::extend(&mut values, piece) {
                        return invalid("the bytes of a run are no values of its type");
                    }
                    rest = behind;
                    self.pause(rest.len())?;
                }
            }
        }
        Ok(values)
    }

    /// The range of plain values that the caller already owns. They need no memory.
    pub(super) fn place_of<P: Plain>(&mut self) -> Result<Option<Name>, Box<Failure>> {
        let before = self.rest;
        let (_, name) = self.length()?;
        self.rest = before;
        if name.is_none() {
            return Ok(None);
        }
        let Run::There(name) = self.run(size_of::<P>())? else {
            return Ok(None);
        };
        // Whoever takes the values checks them again. So far, nothing of the caller's has changed.
        let (mut scratch, mut offset) = (Vec::new(), 0);
        while !P::ANY && offset < name.length as usize {
            let length = SCRATCH.min(name.length as usize - offset);
            self.piece(&mut scratch, name, offset, length)?;
            if !P::are_values(&scratch) {
                return invalid("the bytes of a run are no values of its type");
            }
            offset += length;
        }
        Ok(Some(name))
    }

    /// Reads a piece of the named range into `scratch`, replacing its contents.
    pub(super) fn piece(
        &mut self,
        scratch: &mut Vec<u8>,
        name: Name,
        offset: usize,
        length: usize,
    ) -> Result<(), Box<Failure>> {
        scratch.clear();
        let elsewhere = &self.elsewhere;
        match plain::extend_with(scratch, length, |place| elsewhere.copy(name, offset, place)) {
            true => self.look(),
            false => invalid("a run cannot be copied"),
        }
    }

    /// Checks the clock between two pieces.
    pub(super) fn pause(&mut self, left: usize) -> Result<(), Box<Failure>> {
        match left {
            0 => Ok(()),
            _ => self.look(),
        }
    }

    /// Starts a value of type `T`. Charges for it if its place cannot hold it.
    #[inline]
    pub(super) fn enter<T>(&mut self) -> Result<(), Box<Failure>> {
        let size = size_of::<T>();
        if size > self.place {
            self.step(size / SIZE_A_STEP)?;
            self.charge(size as u64)?;
        }
        self.place = size;
        Ok(())
    }

    /// Like [`Reader::enter`], for a collection, whose length says how much lies elsewhere.
    #[inline]
    pub(super) fn enter_collection<T>(&mut self) -> Result<(), Box<Failure>> {
        match size_of::<T>() <= self.place + CAPACITY {
            true => Ok(()),
            false => self.enter::<T>(),
        }
    }

    /// Sets the size of the next value's place.
    #[inline]
    pub(super) fn place(&mut self, size: usize) {
        self.place = size;
    }

    /// Reads a value that is nested one level deeper.
    #[inline]
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Box<Failure>>,
    ) -> Result<T, Box<Failure>> {
        self.step(1)?;
        let Some(left) = self.depth.checked_sub(1) else {
            return self.too_deep();
        };
        self.depth = left;
        let result = match self.room.holds::<T>(left) {
            true => read(self),
            false => match self.elsewhere(left, read) {
                Ok(result) => result,
                Err(no_stack) => return Err(Box::new(no_stack.into())),
            },
        };
        self.depth = left + 1;
        result
    }

    /// Reads a value that serde buffers unchanged, to decode it afterwards, perhaps in several ways. That is serde's
    /// own code. It asks for no level, no memory and no time, and takes twice as long with each level.
    pub(super) fn kept<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Box<Failure>>,
    ) -> Result<T, Box<Failure>> {
        let (levels, depth) = (self.levels, self.depth);
        if levels == DEPTH {
            (self.levels, self.depth) = (KEPT_LEVELS, depth.min(KEPT_LEVELS));
        }
        let used = self.depth;
        let result = read(self);
        if result.is_ok() {
            self.levels = levels;
            self.depth = depth - (used - self.depth);
        }
        result
    }

    #[cold]
    #[inline(never)]
    fn too_deep<T>(&self) -> Result<T, Box<Failure>> {
        Err(Box::new(Failure::TooDeep {
            levels: self.levels,
        }))
    }

    /// Counts an element that takes neither bytes nor memory.
    pub(super) fn count_empty(&mut self) -> Result<(), Box<Failure>> {
        match self.empty.checked_sub(1) {
            Some(left) => {
                self.empty = left;
                Ok(())
            }
            None => Err(Box::new(Failure::Invalid(format!(
                "more than {MAX_EMPTY_ELEMENTS} elements take neither bytes nor memory"
            )))),
        }
    }

    /// Charges for memory that is about to be allocated.
    #[inline]
    pub(super) fn charge(&mut self, bytes: u64) -> Result<(), Box<Failure>> {
        match self.credit.checked_sub(bytes) {
            Some(left) => self.credit = left,
            None => self.take(bytes)?,
        }
        self.charged = self.charged.saturating_add(bytes);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn take(&mut self, bytes: u64) -> Result<(), Box<Failure>> {
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
            Err(left) => Err(Box::new(Failure::TooLarge {
                needed: self.charged.saturating_add(bytes),
                available: self.charged + self.credit + left,
            })),
        }
    }

    /// Counts work, and checks the clock if there was much since the last check.
    #[inline]
    pub(super) fn step(&mut self, steps: usize) -> Result<(), Box<Failure>> {
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
    fn look(&mut self) -> Result<(), Box<Failure>> {
        // If the type continues anyway, its next step fails again.
        self.steps = 0;
        if self.ended.is_none() {
            self.ended = self.budget.check().err();
        }
        match self.ended {
            Some(ended) => return Err(Box::new(Failure::Ended(ended))),
            None => self.steps = STEPS,
        }
        Ok(())
    }
}
