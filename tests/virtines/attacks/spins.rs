//! Guests that do not end by themselves.

use wasp_core::{Exit, Mode};

use super::attack;
use crate::backend;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn endless_loops_end_at_the_deadline() {
    let loops: [(&[u8], &str); 5] = [
        // eb fe: jmp to itself
        (&[0xeb, 0xfe], "a jump to itself"),
        // f3 90: pause; eb fc: jmp back
        (&[0xf3, 0x90, 0xeb, 0xfc], "a loop that pauses"),
        // 0f 31: rdtsc; eb fc: jmp back
        (&[0x0f, 0x31, 0xeb, 0xfc], "a loop over the clock"),
        // e8 00 00 00 00: call the next; 58: pop; eb f8: jmp back
        (
            &[0xe8, 0, 0, 0, 0, 0x58, 0xeb, 0xf8],
            "a loop over the stack",
        ),
        // 0f a2: cpuid; eb fc: jmp back
        (
            &[0x0f, 0xa2, 0xeb, 0xfc],
            "a loop over CPUID, which leaves the guest on most hosts",
        ),
    ];
    for (code, name) in loops {
        assert_eq!(attack(Mode::User64, code), Exit::TimedOut, "{name}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_mode_has_its_deadline() {
    for mode in backend::modes(&[Mode::Real16, Mode::Protected32, Mode::Long64]) {
        assert_eq!(attack(mode, &[0xeb, 0xfe]), Exit::TimedOut, "{mode:?}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn one_instruction_that_takes_for_ever_is_none() {
    // mov rcx, -1; mov esi, 0x12000; mov edi, 0x12000; rep movsb
    let copy = &[
        0x48, 0xc7, 0xc1, 0xff, 0xff, 0xff, 0xff, 0xbe, 0, 0x20, 1, 0, 0xbf, 0, 0x20, 1, 0, 0xf3,
        0xa4,
    ];
    // It copies a page onto itself some 10^15 times, or touches memory that is not its own.
    let exit = attack(Mode::User64, copy);
    assert!(
        matches!(exit, Exit::Faulted { .. } | Exit::TimedOut),
        "{exit:?}"
    );
}
