//! Values in a row: the fields of a struct, the elements of a sequence, the keys and values of a map.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::Failure;
use super::reader::Reader;

/// How many elements a collection may make room for ahead. It does so before it says how large they are, so that this
/// much is not charged before the first of them.
const MAX_AHEAD: usize = 4096;

/// `left` values in a row.
pub(super) struct Elements<'e, 'r, 'b, 's> {
    reader: &'e mut Reader<'r, 'b, 's>,
    left: usize,
    /// How they lie in memory.
    lie: Lie,
}

/// Where values in a row lie.
enum Lie {
    /// In the place of what they are part of, which is paid for.
    Inline,
    /// Elsewhere.
    Heap(Ahead),
}

/// What a collection may have made room for.
struct Ahead {
    elements: usize,
    /// Bytes charged for it that no element has used yet.
    paid: u64,
    /// Whether it is paid for, for elements or keys, and for values.
    first: [bool; 2],
}

const ELEMENT: usize = 0;
const VALUE: usize = 1;

impl<'e, 'r, 'b, 's> Elements<'e, 'r, 'b, 's> {
    /// Those of a struct or tuple.
    pub(super) fn inline(reader: &'e mut Reader<'r, 'b, 's>, left: usize) -> Self {
        Self {
            reader,
            left,
            lie: Lie::Inline,
        }
    }

    /// Those of a sequence or map.
    pub(super) fn on_heap(reader: &'e mut Reader<'r, 'b, 's>, left: usize) -> Self {
        let elements = left.min(reader.left()).min(MAX_AHEAD);
        Self {
            reader,
            left,
            lie: Lie::Heap(Ahead {
                elements,
                paid: 0,
                first: [true; 2],
            }),
        }
    }

    /// Pays for one that takes `size` bytes; for the first of its kind, also for those that there may be room for.
    fn pay(&mut self, kind: usize, size: usize) -> Result<(), Failure> {
        let Lie::Heap(ahead) = &mut self.lie else {
            return Ok(());
        };
        let size = size as u64;
        if ahead.first.get(kind) == Some(&true) {
            ahead.first[kind] = false;
            let all = size.saturating_mul(ahead.elements as u64);
            self.reader.charge(all)?;
            ahead.paid += all;
        }
        match ahead.paid.checked_sub(size) {
            Some(left) => ahead.paid = left,
            None => self.reader.charge(size)?,
        }
        Ok(())
    }

    fn read<S: DeserializeSeed<'s>>(&mut self, kind: usize, seed: S) -> Result<S::Value, Failure> {
        let size = size_of::<S::Value>();
        self.reader.step(1)?;
        self.pay(kind, size)?;
        self.reader.place(size);
        let before = self.reader.left();
        let value = seed.deserialize(&mut *self.reader)?;
        if size == 0 && self.reader.left() == before && matches!(self.lie, Lie::Heap(_)) {
            self.reader.count_empty()?;
        }
        Ok(value)
    }

    fn next<S: DeserializeSeed<'s>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        match self.left.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.left = left;
                self.read(ELEMENT, seed).map(Some)
            }
        }
    }

    fn ahead(&self) -> Option<usize> {
        match &self.lie {
            Lie::Inline => Some(self.left.min(self.reader.left())),
            Lie::Heap(ahead) => Some(ahead.elements),
        }
    }
}

impl<'s> SeqAccess<'s> for Elements<'_, '_, '_, 's> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.ahead()
    }
}

impl<'s> MapAccess<'s> for Elements<'_, '_, '_, 's> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'s>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Failure> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'s>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        self.read(VALUE, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.ahead()
    }
}
