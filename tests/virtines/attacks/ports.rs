//! Port accesses of every kind.

use std::time::Instant;

use wasp_core::{Direction, Exit, Mode, Registers};

use super::{DEADLINE, MEMORY, attack, behaves, cache, vector};
use crate::backend::{self, LOWEST};

/// A guest that keeps accessing ports never ends by itself. The host must answer each access, and can end the virtine
/// at any of them.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn endless_hypercalls_each_come_back() {
    // e6 30: out 0x30, al; eb fc: jmp back
    let cache = cache(Mode::User64, &[0xe6, 0x30, 0xeb, 0xfc]);
    let mut virtine = cache.get().expect("a virtine");
    for _ in 0..5000 {
        assert!(matches!(
            virtine.run().expect("a run"),
            Exit::Hypercall { port: 0x30, .. }
        ));
    }
    drop(virtine);
    behaves(&cache);
}

/// Whether it is a string instruction in a process, where each of them is a general protection fault.
fn is_refused(exit: &Exit) -> bool {
    backend::by_process() && vector(exit) == Some(13)
}

/// The virtine is taken away in the middle of an instruction, and the next guest must not go on with it.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn string_instructions_of_any_length_can_be_cut_off() {
    // mov ecx, -1 (zero-extended); rep outs or ins, of 1, 2 and 4 bytes
    let forms: [&[u8]; 6] = [
        &[0xf3, 0x6e],
        &[0x66, 0xf3, 0x6f],
        &[0xf3, 0x6f],
        &[0xf3, 0x6c],
        &[0x66, 0xf3, 0x6d],
        &[0xf3, 0x6d],
    ];
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        for form in forms {
            let cache = cache(mode, form);
            for touches in 1..4 {
                let mut virtine = cache.get().expect("a virtine");
                let registers = virtine.registers().expect("registers");
                let set = Registers {
                    rcx: u64::MAX,
                    rdx: 0x30,
                    rsi: LOWEST + 0x2000,
                    rdi: LOWEST + 0x2000,
                    ..registers
                };
                virtine.set_registers(&set).expect("set");
                for _ in 0..touches {
                    let exit = virtine.run().expect("a run");
                    assert!(
                        matches!(exit, Exit::Hypercall { port: 0x30, .. }) || is_refused(&exit),
                        "{mode:?} {form:x?}: {exit:?}"
                    );
                }
                drop(virtine);
                behaves(&cache);
            }
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn string_instructions_end_where_memory_ends() {
    for (form, direction) in [
        ([0xf3, 0x6e], Direction::Out),
        ([0xf3, 0x6c], Direction::In),
    ] {
        let cache = cache(Mode::User64, &form);
        let mut virtine = cache.get().expect("a virtine");
        let registers = virtine.registers().expect("registers");
        let near_end = MEMORY - 16;
        let set = Registers {
            rcx: 1 << 40,
            rdx: 0x30,
            rsi: near_end,
            rdi: near_end,
            ..registers
        };
        virtine.set_registers(&set).expect("set");
        let (start, mut bytes) = (Instant::now(), 0);
        let last = loop {
            match virtine.run().expect("a run") {
                Exit::Hypercall { count, .. } => bytes += count,
                other => break other,
            }
            assert!(start.elapsed() < 20 * DEADLINE);
        };
        assert!(
            vector(&last) == Some(14) || (is_refused(&last) && bytes == 0),
            "{direction:?}: {last:?}"
        );
        // KVM reads up to a page ahead.
        assert!(bytes <= 16 + 4096, "{direction:?}: {bytes} bytes");
        drop(virtine);
        behaves(&cache);
    }
}

/// The port on which the runtime's exception stubs report has no meaning when the guest itself accesses it.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn forged_exception_is_a_hypercall_like_any_other() {
    // e6 fe: out 0xfe, al
    let exit = attack(Mode::User64, &[0xe6, 0xfe]);
    assert!(
        matches!(exit, Exit::Hypercall { port: 0xfe, .. }),
        "{exit:?}"
    );
}

/// A jump into the pages after the guest's memory. The stubs are out of reach, and the gate starts the guest that the
/// host started last, which is this one.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn hidden_code_is_of_no_use() {
    // ff e7: jmp rdi
    for (offset, name) in [
        (0x1000, "the stubs"),
        (0x1100, "a stub"),
        (0x2000, "their stack"),
        (0, "the tables"),
    ] {
        let cache = cache(Mode::User64, &[0xff, 0xe7]);
        let mut virtine = cache.get().expect("a virtine");
        let registers = virtine.registers().expect("registers");
        let set = Registers {
            rdi: MEMORY + offset,
            ..registers
        };
        virtine.set_registers(&set).expect("set");
        let exit = virtine.run().expect("a run");
        assert_eq!(vector(&exit), Some(14), "{name}: {exit:?}");
        drop(virtine);
        behaves(&cache);
    }
    let cache = cache(Mode::User64, &[0xff, 0xe7]);
    let mut virtine = cache.get().expect("a virtine");
    let registers = virtine.registers().expect("registers");
    let set = Registers {
        rdi: MEMORY + 0x6000,
        ..registers
    };
    virtine.set_registers(&set).expect("set");
    let exit = virtine.run().expect("a run");
    match backend::by_process() {
        true => assert_eq!(vector(&exit), Some(14), "there is no gate: {exit:?}"),
        false => assert_eq!(exit, Exit::TimedOut, "round and round through the gate"),
    }
    drop(virtine);
    behaves(&cache);
}
