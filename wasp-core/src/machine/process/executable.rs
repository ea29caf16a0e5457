//! The zygote's program: an ELF file of two pages of code, put together in memory.
//!
//! It needs no compiler for a second target, no file at run time and no libc, so nothing but these two pages, a stack
//! and the vDSO is in a zygote's address space.

use virtine_rt::abi::PAGE_SIZE;

use crate::machine::process::assembly::{self, DOOR_LENGTH, KEYS, KEYS_LENGTH};
use crate::machine::process::layout::{DOOR, LOADER};
use crate::machine::process::support::Support;

/// Bytes of the file's header, and of one program header (System V gABI, ELF64).
const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;

/// The file's bytes.
pub(super) fn executable(support: &Support) -> Vec<u8> {
    let door = door(support);
    let segments = [(LOADER, &assembly::loader()[..]), (DOOR, &door)];
    let mut file = header(LOADER, segments.len() as u16);
    for (number, (address, code)) in (1..).zip(segments) {
        file.extend(loaded(number * PAGE_SIZE, address, code.len() as u64));
    }
    file.extend(no_executable_stack());
    for (number, (_, code)) in (1..).zip(segments) {
        file.resize((number * PAGE_SIZE) as usize, 0);
        file.extend(code);
    }
    file.resize(file.len().next_multiple_of(PAGE_SIZE as usize), 0);
    file
}

/// The door, without instructions that this processor does not have.
fn door(support: &Support) -> [u8; DOOR_LENGTH] {
    const NO_OPERATION: u8 = 0x90;
    let mut door = *assembly::door();
    if !support.has_keys {
        door[KEYS..KEYS + KEYS_LENGTH].fill(NO_OPERATION);
    }
    door
}

fn header(entry: u64, segments: u16) -> Vec<u8> {
    const EXECUTABLE: u16 = 2;
    const X86_64: u16 = 62;
    // 64 bits, little-endian, version 1, System V.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend(EXECUTABLE.to_le_bytes());
    header.extend(X86_64.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    for word in [entry, HEADER, 0] {
        header.extend(word.to_le_bytes());
    }
    header.extend(0_u32.to_le_bytes());
    for half in [HEADER as u16, PROGRAM_HEADER as u16, segments + 1, 0, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    header
}

fn loaded(offset: u64, address: u64, length: u64) -> Vec<u8> {
    const LOAD: u32 = 1;
    const READ_EXECUTE: u32 = 5;
    program_header(
        LOAD,
        READ_EXECUTE,
        [offset, address, address, length, length, PAGE_SIZE],
    )
}

/// Without this header the kernel would make all data executable.
fn no_executable_stack() -> Vec<u8> {
    const GNU_STACK: u32 = 0x6474_e551;
    const READ_WRITE: u32 = 6;
    program_header(GNU_STACK, READ_WRITE, [0; 6])
}

fn program_header(kind: u32, flags: u32, words: [u64; 6]) -> Vec<u8> {
    let mut header = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
    words
        .iter()
        .for_each(|word| header.extend(word.to_le_bytes()));
    header
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSegment as _};

    use super::*;

    #[test]
    fn file_has_the_two_pages_of_code_at_their_addresses() {
        let support = Support::get().expect("this kernel runs guests in processes");
        let file = executable(&support);
        let file = object::File::parse(&file[..]).expect("an ELF file");
        assert_eq!(file.entry(), LOADER);
        let segments: Vec<(u64, &[u8])> = file
            .segments()
            .map(|segment| (segment.address(), segment.data().expect("in the file")))
            .collect();
        let expected: [(u64, &[u8]); 2] = [(LOADER, assembly::loader()), (DOOR, &door(&support))];
        assert_eq!(segments, expected);
    }

    #[test]
    fn door_writes_no_keys_where_there_are_none() {
        let mut support = Support::get().expect("this kernel runs guests in processes");
        let wrpkru = [0x0f, 0x01, 0xef];
        let writes = |support: &Support| door(support).windows(3).any(|bytes| bytes == wrpkru);
        support.has_keys = true;
        assert!(writes(&support));
        support.has_keys = false;
        assert!(!writes(&support));
    }
}
