//! ELF files that no linker produces.

use wasp_core::Error;
use wasp_core::linux::{ElfError, Program};

use super::ORDINARY;

/// The smallest program: a header, one program header, code. `code` is at [`BASE`] + 0x1000.
pub(super) fn program(code: &[u8], flags: u32) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [BASE + 0x1000, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend(1_u32.to_le_bytes());
    file.extend(flags.to_le_bytes());
    let size = code.len() as u64;
    for word in [0x1000, BASE + 0x1000, BASE + 0x1000, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.resize(0x1000, 0);
    file.extend(code);
    file
}

/// The address of such a program.
pub(super) const BASE: u64 = 0x40_0000;

const READ_EXECUTE: u32 = 5;

fn refused(file: Vec<u8>) -> bool {
    matches!(
        Program::new("p", file).status(),
        Err(Error::Program(_) | Error::Image(_))
    )
}

/// `mov edi, 7; mov eax, 231; syscall`: exit_group(7).
const EXIT: [u8; 12] = [0xbf, 7, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];

#[test]
fn smallest_program_runs() {
    let finished = Program::new("p", program(&EXIT, READ_EXECUTE)).status();
    let status = finished.expect("it runs").status;
    assert_eq!(status, wasp_core::linux::Status::Exited(7));
}

#[test]
fn every_shorter_file_is_refused() {
    let file = program(&EXIT, READ_EXECUTE);
    for length in (0..120).chain([0x1000, 0x1000 + EXIT.len() - 1]) {
        assert!(refused(file[..length].to_vec()), "{length} bytes");
    }
}

#[test]
fn writable_code_is_refused() {
    assert!(refused(program(&EXIT, 7)));
}

#[test]
fn segments_out_of_bounds_are_refused() {
    let sound = program(&EXIT, READ_EXECUTE);
    // p_offset, p_vaddr, p_filesz and p_memsz.
    for (at, value) in [
        (72, u64::MAX),
        (80, u64::MAX - 0xfff),
        (80, 0x1000),
        (80, 1 << 46),
        (96, 1 << 40),
        (104, u64::MAX),
        (104, 1 << 40),
        (24, 0),
        (32, u64::MAX - 8),
    ] {
        let mut file = sound.clone();
        file[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
        assert!(refused(file), "{value:#x} at {at}");
    }
}

/// The memory of a segment beyond its bytes in the file counts against the grant too.
#[test]
fn segments_count_against_the_memory_that_is_granted() {
    for size in [1_u64 << 20, 1 << 30, 3 << 30] {
        let mut file = program(&EXIT, READ_EXECUTE);
        file[104..112].copy_from_slice(&size.to_le_bytes());
        let program = Program::new("p", file).memory(2 << 20).stack(1 << 20);
        let start = std::time::Instant::now();
        let refused = program.status();
        let Err(Error::Program(ElfError::Memory {
            segments,
            needed,
            granted,
        })) = refused
        else {
            panic!("{size:#x}: {refused:?}");
        };
        assert_eq!((segments, granted), (size.next_multiple_of(4096), 2 << 20));
        assert!(needed > size);
        assert!(start.elapsed() < std::time::Duration::from_secs(1));
        let program = program.memory(needed);
        assert!(program.status().is_ok(), "{size:#x}: as much as it says");
    }
}

/// No changed byte in the headers may end the host, whatever happens to the program.
#[test]
fn no_changed_byte_of_the_headers_hurts_the_host() {
    let sound = program(&EXIT, READ_EXECUTE);
    for at in 4..120 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut file = sound.clone();
            file[at] = value;
            let limit = std::time::Duration::from_millis(300);
            let _ = Program::new("p", file)
                .memory(2 << 20)
                .timeout(limit)
                .status();
        }
    }
    let mut file = ORDINARY.to_vec();
    for at in (16..64).chain(64..512) {
        let was = file[at];
        file[at] ^= 0x80;
        let _ = Program::new("p", file.clone())
            .timeout(std::time::Duration::from_millis(300))
            .status();
        file[at] = was;
    }
}
