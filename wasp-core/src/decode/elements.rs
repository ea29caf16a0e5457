//! Consecutive values: the fields of a struct, the elements of a sequence, the keys and values of a map.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::failure::Failure;
use super::reader::{Reader, SIZE_A_STEP};
use super::stack::SMALL;

/// How many elements a collection may reserve ahead. It reserves them before it reveals their size, so that this much
/// is not charged before the first of them.
const MAX_AHEAD: usize = 4096;

/// `left` consecutive values, either on the `HEAP`, or in the place of the value that contains them, which is paid for.
pub(super) struct Elements<'e, 'r, 'b, 's, const HEAP: bool> {
    reader: &'e mut Reader<'r, 'b, 's>,
    left: usize,
    /// How many elements may be reserved ahead.
    ahead: usize,
    /// Bytes charged for that reservation that no element has used yet.
    paid: u64,
    /// Whether the reservation has yet to be paid for: for elements or keys, and for values.
    unpaid: [bool; 2],
    /// Whether they contain only plain values.
    leaves: bool,
}

/// Fields of a struct or tuple.
pub(super) type Inline<'e, 'r, 'b, 's> = Elements<'e, 'r, 'b, 's, false>;

/// Elements of a sequence or map.
pub(super) type OnHeap<'e, 'r, 'b, 's> = Elements<'e, 'r, 'b, 's, true>;

const ELEMENT: usize = 0;
const VALUE: usize = 1;

impl<'e, 'r, 'b, 's, const HEAP: bool> Elements<'e, 'r, 'b, 's, HEAP> {
    #[inline]
    pub(super) fn new(reader: &'e mut Reader<'r, 'b, 's>, left: usize) -> Self {
        let ahead = left.min(reader.left()).min(MAX_AHEAD);
        Self {
            reader,
            left,
            ahead,
            paid: 0,
            unpaid: [HEAP; 2],
            leaves: false,
        }
    }

    /// Elements that contain only plain values.
    pub(super) fn of_leaves(reader: &'e mut Reader<'r, 'b, 's>, left: usize) -> Self {
        Self {
            leaves: true,
            ..Self::new(reader, left)
        }
    }

    /// Pays for an element of `size` bytes. For the first of its kind, also pays for the reservation.
    #[inline]
    fn pay(&mut self, kind: usize, size: u64) -> Result<(), Box<Failure>> {
        if self.unpaid[kind] {
            self.unpaid[kind] = false;
            let all = size.saturating_mul(self.ahead as u64);
            self.reader.charge(all)?;
            self.paid += all;
        }
        match self.paid.checked_sub(size) {
            Some(left) => self.paid = left,
            None => self.reader.charge(size)?,
        }
        Ok(())
    }

    #[inline]
    fn read<S: DeserializeSeed<'s>>(
        &mut self,
        kind: usize,
        seed: S,
    ) -> Result<S::Value, Box<Failure>> {
        let size = size_of::<S::Value>();
        self.reader.step(1 + size / SIZE_A_STEP)?;
        if HEAP {
            self.pay(kind, size as u64)?;
        }
        self.reader.place(size);
        if HEAP && size == 0 {
            return self.read_empty(seed);
        }
        if HEAP && self.leaves && size <= SMALL {
            return self.reader.leaves(seed);
        }
        seed.deserialize(&mut *self.reader)
    }

    /// Reads an element without size. Those that take no bytes either are counted, since nothing else bounds them.
    fn read_empty<S: DeserializeSeed<'s>>(&mut self, seed: S) -> Result<S::Value, Box<Failure>> {
        let before = self.reader.left();
        let value = seed.deserialize(&mut *self.reader)?;
        if self.reader.left() == before {
            self.reader.count_empty()?;
        }
        Ok(value)
    }

    #[inline]
    fn next<S: DeserializeSeed<'s>>(&mut self, seed: S) -> Result<Option<S::Value>, Box<Failure>> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                self.read(ELEMENT, seed).map(Some)
            }
        }
    }
}

impl<'s, const HEAP: bool> SeqAccess<'s> for Elements<'_, '_, '_, 's, HEAP> {
    type Error = Box<Failure>;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Box<Failure>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.ahead)
    }
}

impl<'s, const HEAP: bool> MapAccess<'s> for Elements<'_, '_, '_, 's, HEAP> {
    type Error = Box<Failure>;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Box<Failure>> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Box<Failure>> {
        self.read(VALUE, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.ahead)
    }
}
