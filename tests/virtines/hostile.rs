//! A guest that abuses its only exit: wrong ports, wrong widths, wrong numbers, wrong pointers.

use std::arch::asm;

use wasp_core::{Error, Fault, virtine};

use crate::memory_end::memory_end;

// The constants of virtine-rt's ABI. A malicious guest does not use the library's.
const READY: u64 = 0x100;
const DONE: u64 = 0x101;
const PANIC: u64 = 0x102;
const OUT_OF_MEMORY: u64 = 0x103;

const TEXT: u64 = 0x20_0000;

/// Makes any hypercall. With `DONE` and no address, returns eight bytes of its own choice.
#[virtine]
fn hypercall(number: u64, first: u64, second: u64) -> u64 {
    // SAFETY: not safe; it runs in a virtine.
    unsafe {
        asm!("out 0xff, al", inlateout("rdi") number => _, inlateout("rsi") first => _,
            inlateout("rdx") second => _, inlateout("rcx") 0_u64 => _);
    }
    7
}

/// Reports a panic with a forged report.
#[virtine]
fn forged_panic(message: u64, message_length: u64, file: u64, file_length: u64) -> u64 {
    let report = [message, message_length, file, file_length, 0x2_0000_0001];
    // SAFETY: as above.
    unsafe { asm!("out 0xff, al", in("rdi") PANIC, in("rsi") &raw const report, in("rdx") 0) };
    7
}

/// Claims any length for the result's own bytes, by writing the encoded form itself.
#[virtine]
fn forged_text(claimed: u64, bytes: &[u8]) -> String {
    let mut encoded = claimed.to_le_bytes().to_vec();
    encoded.extend(bytes);
    // SAFETY: as above.
    unsafe {
        asm!("out 0xff, al", in("rdi") DONE, in("rsi") encoded.as_ptr(), in("rdx") encoded.len())
    };
    String::new()
}

/// As above, for elements that take no bytes at all.
#[virtine]
fn forged_units(claimed: u64) -> Vec<()> {
    let encoded = claimed.to_le_bytes();
    // SAFETY: as above.
    unsafe {
        asm!("out 0xff, al", in("rdi") DONE, in("rsi") encoded.as_ptr(), in("rdx") encoded.len())
    };
    Vec::new()
}

/// Accesses ports in every possible way.
#[virtine]
fn port(how: u32, port: u16) -> u32 {
    let mut buffer = [0_u8; 64];
    // SAFETY: as above.
    unsafe {
        match how {
            0 => asm!("out dx, al", in("dx") port, in("rdi") READY),
            1 => asm!("out dx, ax", in("dx") port),
            2 => asm!("out dx, eax", in("dx") port),
            3 => asm!("in al, dx", in("dx") port, out("al") _),
            4 => asm!("in ax, dx", in("dx") port, out("ax") _),
            5 => asm!("in eax, dx", in("dx") port, out("eax") _),
            6 => {
                asm!("rep outsb", in("dx") port, in("rdi") READY, inout("rcx") 8_u64 => _, inout("rsi") buffer.as_ptr() => _)
            }
            7 => {
                asm!("rep outsd", in("dx") port, inout("rcx") 8_u64 => _, inout("rsi") buffer.as_ptr() => _)
            }
            8 => {
                asm!("rep insb", in("dx") port, inout("rcx") 8_u64 => _, inout("rdi") buffer.as_mut_ptr() => _)
            }
            9 => asm!("outsb", in("dx") port, inout("rsi") 0x1000_u64 => _),
            _ => {}
        }
    }
    42
}

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> Fault {
    match result {
        Err(Error::Fault(fault)) => fault,
        other => panic!("expected a fault, got {other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn hypercalls_that_do_not_exist_are_faults() {
    for number in [READY, 0, 13, 0xff, 0x10f, 0x1ff, u64::MAX] {
        assert_eq!(
            fault(hypercall::try_call(number, 0, 0)),
            Fault::Hypercall { number }
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn results_outside_the_guests_memory_are_refused() {
    let end = memory_end();
    for (address, length) in [
        (0, 8),
        (0x1000, 8),
        (TEXT - 1, 8),
        (end, 8),
        (end - 7, 8),
        (u64::MAX, 1),
        (u64::MAX - 7, 8),
        (TEXT, u64::MAX),
        (TEXT, u64::MAX - TEXT + 1),
        (TEXT, 1 << 40),
        (1 << 63, 8),
    ] {
        assert_eq!(
            fault(hypercall::try_call(DONE, address, length)),
            Fault::Pointer { address, length }
        );
        assert_eq!(
            hypercall::try_call(DONE, end - 8, 8).expect("any eight bytes are a u64"),
            0
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn results_of_another_length_are_corrupt() {
    for length in [0, 1, 7, 9, 16, 1 << 20] {
        let result = hypercall::try_call(DONE, TEXT, length);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{length}: {result:?}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn lengths_inside_the_result_are_not_believed() {
    assert_eq!(
        forged_text::try_call(3, b"abc").expect("well formed"),
        "abc"
    );
    for claimed in [0, 2, 4, 1 << 16, 1 << 24, 1 << 40, 1 << 62, u64::MAX] {
        let result = forged_text::try_call(claimed, b"abc");
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{claimed}: {result:?}"
        );
    }
    let result = forged_text::try_call(3, b"a\xff\xfe");
    assert!(
        matches!(result, Err(Error::CorruptResult { .. })),
        "{result:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn endless_run_of_nothing_is_refused() {
    assert_eq!(forged_units::try_call(3).expect("well formed").len(), 3);
    for claimed in [1 << 40, u64::MAX] {
        let result = forged_units::try_call(claimed);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{claimed}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn forged_panics_are_checked_field_by_field() {
    let report = |message, length, file, file_length| {
        forged_panic::try_call(message, length, file, file_length)
    };
    for wrong in [0, 0x1000, memory_end(), u64::MAX, 1 << 63] {
        assert!(matches!(
            fault(report(wrong, 8, TEXT, 1)),
            Fault::Pointer { .. }
        ));
        assert!(matches!(
            fault(report(TEXT, 1, wrong, 8)),
            Fault::Pointer { .. }
        ));
        assert!(matches!(
            fault(hypercall::try_call(PANIC, wrong, 0)),
            Fault::Pointer { .. }
        ));
    }
    // An excessive length is cut to the longest message, which fits here.
    match report(TEXT, u64::MAX, TEXT, u64::MAX) {
        Err(Error::Panicked(panic)) => {
            assert!(panic.message.chars().count() <= 4096);
            assert!(panic.file.chars().count() <= 4096);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn forged_exhaustion_is_only_that() {
    let result = hypercall::try_call(OUT_OF_MEMORY, u64::MAX, 0);
    assert!(
        matches!(
            result,
            Err(Error::OutOfMemory {
                requested: u64::MAX,
                ..
            })
        ),
        "{result:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_other_use_of_ports_is_a_fault() {
    // The hypercall port in wrong ways, its neighbors, the exception stubs' port, and the ports of PC devices, of which
    // there are none.
    for port_number in [
        0xff, 0xfe, 0x100, 0xfa, 0x20, 0x40, 0x60, 0x70, 0x80, 0x92, 0x3f8, 0xcf8, 0xffff,
    ] {
        for how in 0..=9 {
            match fault(port::try_call(how, port_number)) {
                // One byte to the right port is a hypercall, also as the first of a string instruction.
                Fault::Hypercall { .. } if port_number == 0xff && matches!(how, 0 | 6) => {}
                Fault::Port { .. } | Fault::Exception(_) if how != 0 || port_number != 0xff => {}
                other => panic!("{how} on {port_number:#x}: {other}"),
            }
        }
        assert_eq!(port(99, 0), 42);
    }
}
