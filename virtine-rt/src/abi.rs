//! What guest and host agree on: ports, hypercall numbers, the layout of guest memory, and the [`image`] format. Both
//! sides link this module, so they cannot drift apart.
//!
//! ```text
//! guest-physical = guest-virtual address
//!
//! 0x0000_0000  unmapped: a null pointer faults
//! 0x0000_1000  descriptors, exception stubs and stack, task state     supervisor only
//! 0x0020_0000  image: text r-x, rodata r--, data and bss rw-          [`USER_BASE`]
//!              guard page
//!              stack rw-, grows down
//!              guard page
//!              arguments of the call, then the heap, rw-
//! end of the image + memory   end of what the guest sees
//!              page tables, mapped nowhere
//! ```

mod error_kinds;
pub mod image;
pub mod requests;

/// Bytes in a page. The guest is mapped only with 4 KiB pages.
pub const PAGE_SIZE: u64 = 4096;

/// The first address that a guest program may occupy.
///
/// It is 2 MiB, so that the host can use everything below, and an ordinary Linux process could map the same addresses.
pub const USER_BASE: u64 = 0x20_0000;

/// The first address that a guest program can never occupy: the reach of one page-directory-pointer table.
pub const USER_LIMIT: u64 = 512 << 30;

/// The port of every hypercall. The guest executes `out 0xFF, al`.
///
/// It is one byte wide, because the I/O permission bitmap is checked once for each byte of an access.
pub const HYPERCALL_PORT: u16 = 0xFF;

/// The port on which the supervisor's exception stubs report. It is closed to the guest's ring 3.
pub const EXCEPTION_PORT: u16 = 0xFE;

/// The port of Linux programs' system calls. It is closed to all other guests.
pub const SYSTEM_CALL_PORT: u16 = 0xFD;

/// Hypercall numbers, passed in RDI. Arguments are in RSI, RDX and RCX, and the answer is in RAX.
///
/// Numbers below 0x100 are Wasp's. These, and all others that return to the guest, are in [`requests`].
pub mod hypercall {
    /// Initialization is complete. RSI: the first unused address of the heap.
    pub const READY: u64 = 0x100;
    /// The call returned. RSI: address of the encoded result; RDX: its length in bytes. What it names
    /// [elsewhere](crate::codec::ELSEWHERE) lies there unchanged. RCX: 1 if it is [described](crate::codec::Encoding).
    /// If it is not, the host may answer, and the guest then repeats this, described.
    pub const DONE: u64 = 0x101;
    /// The guest panicked. RSI: address of a [`PanicReport`](super::PanicReport).
    pub const PANIC: u64 = 0x102;
    /// The arguments must be [described](crate::codec::Encoding): the host must start the call again.
    pub const UNDESCRIBED: u64 = 0x104;
    /// The heap is exhausted. RSI: bytes of the allocation that failed.
    pub const OUT_OF_MEMORY: u64 = 0x103;
}

/// The auxiliary vector entry that tells a guest with the real std where it starts: "VIRT", which no kernel uses
/// (linux/auxvec.h).
pub const AT_VIRTINE: u64 = 0x5649_5254;

/// A guest's report of its panic. All addresses are guest addresses, and the host checks each one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PanicReport {
    /// Address of the UTF-8 message.
    pub message: u64,
    /// Bytes of the message, at most [`PANIC_MESSAGE_MAX`].
    pub message_len: u64,
    /// Address of the UTF-8 name of the source file.
    pub file: u64,
    /// Bytes of the file's name.
    pub file_len: u64,
    /// Line in the file, from 1. 0 if the guest knows no location.
    pub line: u32,
    /// Column in the line, from 1.
    pub column: u32,
}

impl PanicReport {
    /// Bytes of the report in guest memory.
    pub const SIZE: usize = size_of::<Self>();

    /// Reads a report from its little-endian form in guest memory.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let mut words = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        let (message, message_len, file, file_len, place) =
            (next(), next(), next(), next(), next());
        let [l0, l1, l2, l3, c0, c1, c2, c3] = place.to_le_bytes();
        Self {
            message,
            message_len,
            file,
            file_len,
            line: u32::from_le_bytes([l0, l1, l2, l3]),
            column: u32::from_le_bytes([c0, c1, c2, c3]),
        }
    }
}

/// The longest panic message that a guest reports, in bytes. Longer ones are cut.
pub const PANIC_MESSAGE_MAX: usize = 4096;

/// Rounds up to the next page boundary. `None` if that overflows.
#[must_use]
pub const fn page_align_up(address: u64) -> Option<u64> {
    match address.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(sum & !(PAGE_SIZE - 1)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignment_is_exact_at_the_edges() {
        assert_eq!(page_align_up(0), Some(0));
        assert_eq!(page_align_up(1), Some(PAGE_SIZE));
        assert_eq!(page_align_up(PAGE_SIZE), Some(PAGE_SIZE));
        assert_eq!(page_align_up(u64::MAX), None);
    }

    #[test]
    fn panic_report_is_read_field_by_field() {
        let mut bytes = [0; PanicReport::SIZE];
        for (field, value) in [(0, 1_u8), (8, 2), (16, 3), (24, 4), (32, 5), (36, 6)] {
            bytes[field] = value;
        }
        let expected = PanicReport {
            message: 1,
            message_len: 2,
            file: 3,
            file_len: 4,
            line: 5,
            column: 6,
        };
        assert_eq!(PanicReport::from_bytes(&bytes), expected);
    }
}
