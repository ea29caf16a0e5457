//! Guests that modify their own code.

use wasp_core::{Exit, Mode, Registers};

use super::{START, cache};
use crate::backend;

/// ```text
/// mov byte ptr [0x18009], 7 ; the operand of the next one
/// mov al, 1
/// out 0x31, al
/// ```
const REWRITING: &[u8] = &[0xc6, 4, 0x25, 9, 0x80, 1, 0, 7, 0xb0, 1, 0xe6, 0x31];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn rewritten_code_runs_as_rewritten_and_is_gone_with_the_virtine() {
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let cache = cache(mode, REWRITING);
        for round in 0..20 {
            let mut virtine = cache.get().expect("a virtine");
            let mut code = vec![0; REWRITING.len()];
            virtine.read(START, &mut code).expect("in bounds");
            assert_eq!(code, REWRITING, "{mode:?}, round {round}");
            let exit = virtine.run().expect("a run");
            assert!(
                matches!(
                    exit,
                    Exit::Hypercall {
                        port: 0x31,
                        data: 7,
                        ..
                    }
                ),
                "{mode:?}, round {round}: {exit:?}"
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn code_is_where_the_guest_puts_it() {
    // mov dword ptr [0x13000], 0x32e6; mov eax, 0x13000; jmp rax
    let code = &[
        0xc7, 4, 0x25, 0, 0x30, 1, 0, 0xe6, 0x32, 0, 0, 0xb8, 0, 0x30, 1, 0, 0xff, 0xe0,
    ];
    let cache = cache(Mode::User64, code);
    for round in 0..20 {
        let mut virtine = cache.get().expect("a virtine");
        let exit = virtine.run().expect("a run");
        assert!(
            matches!(exit, Exit::Hypercall { port: 0x32, .. }),
            "{exit:?}"
        );
        let mut left = [0xff; 4];
        virtine.read(0x1_3000, &mut left).expect("in bounds");
        assert_eq!(left, [0xe6, 0x32, 0, 0]);
        drop(virtine);
        let mut next = cache.get().expect("a virtine");
        next.read(0x1_3000, &mut left).expect("in bounds");
        assert_eq!(left, [0; 4], "round {round}");
        let registers = next.registers().expect("registers");
        assert_eq!(
            registers,
            Registers {
                rip: START,
                rsp: registers.rsp,
                rflags: registers.rflags,
                ..Registers::default()
            }
        );
    }
}
