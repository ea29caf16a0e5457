//! Wasp's hypercalls, answered by a handler of the host.

use std::ops::ControlFlow;

use wasp_core::{Cache, Error, Exit, HYPERCALL_PORT, Hypercall, Mode, Virtine};

use crate::backend::{self, MEMORY, START};

/// Adds by hypercall 1 until the sum is 100, then exits by hypercall 0.
///
/// ```text
/// 31 f6            xor esi, esi
/// ba 05 00 00 00   mov edx, 5
/// bf 01 00 00 00   mov edi, 1
/// e6 ff            out 0xff, al
/// 89 c6            mov esi, eax
/// 83 f8 64         cmp eax, 100
/// 75 f2            jne to the mov of edi
/// 31 ff            xor edi, edi
/// e6 ff            out 0xff, al
/// ```
const ADDING: [u8; 25] = [
    0x31, 0xf6, 0xba, 5, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xe6, 0xff, 0x89, 0xc6, 0x83, 0xf8, 0x64, 0x75,
    0xf2, 0x31, 0xff, 0xe6, 0xff,
];

const ENOSYS: u64 = -38_i64 as u64;

fn virtine(mode: Mode, code: &[u8]) -> Virtine {
    let builder = Virtine::builder().memory(MEMORY).mode(mode);
    let mut virtine = builder.build().expect("a virtine");
    virtine.load_raw(code, START).expect("it fits");
    virtine
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handler_answers_until_it_breaks() {
    for mode in backend::modes(&[Mode::Protected32, Mode::Long64, Mode::User64]) {
        let mut calls = 0;
        let exit = virtine(mode, &ADDING).serve(|_, call| {
            calls += 1;
            let Hypercall { number, arguments } = call;
            Ok(match number {
                0 => ControlFlow::Break(()),
                1 => ControlFlow::Continue(arguments[0] + arguments[1]),
                _ => ControlFlow::Continue(ENOSYS),
            })
        });
        let exit = exit.expect("served");
        assert!(
            matches!(
                exit,
                Exit::Hypercall {
                    port: HYPERCALL_PORT,
                    ..
                }
            ),
            "{mode:?}: {exit:?}"
        );
        assert_eq!(calls, 21, "{mode:?}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn other_exits_are_not_the_handlers() {
    // e6 30: out 0x30, al; e4 ff: in al, 0xff
    for code in [[0xe6, 0x30], [0xe4, 0xff]] {
        let exit = virtine(Mode::User64, &code).serve(|_, call| panic!("{call:?}"));
        assert!(matches!(exit, Ok(Exit::Hypercall { .. })), "{exit:?}");
    }
}

/// Like Wasp's `write`: the guest may have made up the pointer and the length.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn pointers_that_guests_make_up_are_found_out() {
    // bf 0a 00 00 00   mov edi, 10
    // e6 ff            out 0xff, al
    // 48 89 c3         mov rbx, rax
    // e6 fa            out 0xfa, al
    let code = [0xbf, 10, 0, 0, 0, 0xe6, 0xff, 0x48, 0x89, 0xc3, 0xe6, 0xfa];
    for (address, length, answer) in [
        (0x1_9000_u64, 5_u64, 5_u64),
        (0x1_fffb, 5, 5),
        (0x1_fffc, 5, ENOSYS),
        (u64::MAX, 2, ENOSYS),
        (0x1_9000, u64::MAX, ENOSYS),
    ] {
        let mut virtine = virtine(Mode::User64, &code);
        let registers = virtine.registers().expect("registers");
        let set = wasp_core::Registers {
            rsi: address,
            rdx: length,
            ..registers
        };
        virtine.set_registers(&set).expect("set");
        let exit = virtine.serve(|virtine, Hypercall { arguments, .. }| {
            let [from, length, _] = arguments;
            // No memory is reserved just because the guest claims a length.
            let mut bytes = vec![0; length.min(virtine.memory_size()) as usize];
            Ok(ControlFlow::Continue(
                match virtine.read(from, &mut bytes) {
                    Ok(()) if length <= virtine.memory_size() => length,
                    _ => ENOSYS,
                },
            ))
        });
        assert_eq!(exit.expect("served"), Exit::Exited);
        let told = virtine.registers().expect("registers").rbx;
        assert_eq!(told, answer, "{length} bytes at {address:#x}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handlers_error_ends_the_serving() {
    let error = virtine(Mode::User64, &ADDING)
        .serve(|virtine, _| virtine.read(u64::MAX, &mut [0]).map(ControlFlow::Break))
        .expect_err("out of bounds");
    assert!(matches!(error, Error::OutOfBounds { .. }), "{error}");
}

/// ```text
/// 48 c7 04 25 00 20 01 00 07 00 00 00   mov qword [0x12000], 7
/// bf ff 00 00 00                        mov edi, 0xff
/// 31 f6                                 xor esi, esi
/// ba 00 90 00 00                        mov edx, 0x9000
/// e6 ff                                 out 0xff, al     the snapshot
/// 48 03 04 25 00 20 01 00               add rax, [0x12000]
/// e6 30                                 out 0x30, al
/// ```
const INITIALISING: [u8; 36] = [
    0x48, 0xc7, 4, 0x25, 0, 0x20, 1, 0, 7, 0, 0, 0, 0xbf, 0xff, 0, 0, 0, 0x31, 0xf6, 0xba, 0, 0x90,
    0, 0, 0xe6, 0xff, 0x48, 3, 4, 0x25, 0, 0x20, 1, 0, 0xe6, 0x30,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn approved_snapshot_starts_later_virtines_behind_it() {
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let cache = Cache::builder(MEMORY)
            .mode(mode)
            .binary(INITIALISING, START)
            .allow_snapshot()
            .build()
            .expect("a cache");
        for round in 0..10 {
            let mut virtine = cache.get().expect("a virtine");
            if round > 0 {
                let start = virtine.registers().expect("registers").rip;
                assert_eq!(start, START + 0x1a, "{mode:?}: behind the hypercall");
            }
            let exit = cache.serve(&mut virtine, |_, call| panic!("{call:?}"));
            assert!(
                matches!(
                    exit,
                    Ok(Exit::Hypercall {
                        port: 0x30,
                        data: 7,
                        ..
                    })
                ),
                "{mode:?}: {exit:?}"
            );
        }
    }
}
