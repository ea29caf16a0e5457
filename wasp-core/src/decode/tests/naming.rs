//! A guest in this process: its encoded values name memory of the test.

use std::mem::MaybeUninit;

use virtine_rt::codec::Sink;

use crate::decode::elsewhere::Memory;

/// Collects bytes, but names bytes that lie in its memory instead of copying them.
pub(super) struct Naming<'a> {
    pub(super) bytes: Vec<u8>,
    memory: &'a [u8],
    /// Whether to name even short runs.
    constants: bool,
}

impl<'a> Naming<'a> {
    pub(super) const fn memory(memory: &'a [u8]) -> Self {
        Self {
            bytes: Vec::new(),
            memory,
            constants: false,
        }
    }

    pub(super) fn constants(memory: &'a [u8]) -> Self {
        Self {
            constants: true,
            ..Self::memory(memory)
        }
    }
}

impl Sink for Naming<'_> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.bytes.write(bytes)
    }

    fn position(&self) -> usize {
        self.bytes.position()
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        self.bytes.patch(position, bytes);
    }

    fn keeps(&self, bytes: &[u8]) -> bool {
        self.memory.as_ptr_range().contains(&bytes.as_ptr())
    }

    fn holds_for_good(&self, bytes: &[u8]) -> bool {
        self.constants && !bytes.is_empty() && self.keeps(bytes)
    }
}

/// Memory that may be named.
pub(super) struct Known<'a>(pub(super) &'a [&'a [u8]]);

impl Known<'_> {
    fn find(&self, address: u64, length: usize) -> Option<&[u8]> {
        self.0.iter().find_map(|bytes| {
            let start = address.checked_sub(bytes.as_ptr().addr() as u64)? as usize;
            bytes.get(start..start.checked_add(length)?)
        })
    }
}

impl Memory for Known<'_> {
    fn owns(&self, address: u64, length: u64) -> bool {
        usize::try_from(length).is_ok_and(|length| self.find(address, length).is_some())
    }

    fn copy<'t>(&self, address: u64, to: &'t mut [MaybeUninit<u8>]) -> Option<&'t mut [u8]> {
        Some(to.write_copy_of_slice(self.find(address, to.len())?))
    }
}
