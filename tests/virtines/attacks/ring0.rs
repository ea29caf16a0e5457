//! Guests that own their CPU: ring 0, and modes without rings.

use wasp_core::{Exit, Mode, Registers};

use super::{attack, behaves, cache};
use crate::backend;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn whatever_ring_0_breaks_is_its_own() {
    let attacks: [(Mode, &[u8], &str); 12] = [
        // ud2
        (
            Mode::Long64,
            &[0x0f, 0x0b],
            "an unknown instruction without a table of handlers",
        ),
        // int 0x20
        (
            Mode::Long64,
            &[0xcd, 0x20],
            "an interrupt through an empty table",
        ),
        // mov rax, cr0; btr rax, 31; mov cr0, rax
        (
            Mode::Long64,
            &[
                0x0f, 0x20, 0xc0, 0x48, 0x0f, 0xba, 0xf0, 0x1f, 0x0f, 0x22, 0xc0,
            ],
            "paging off in long mode",
        ),
        // mov eax, 0x3000; mov cr3, rax; nop
        (
            Mode::Long64,
            &[0xb8, 0, 0x30, 0, 0, 0x0f, 0x22, 0xd8, 0x90],
            "page tables that are none",
        ),
        // mov rax, -1; mov cr4, rax
        (
            Mode::Long64,
            &[0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x22, 0xe0],
            "bits of CR4 that do not exist",
        ),
        // mov eax, 0x40000000; jmp rax
        (
            Mode::Long64,
            &[0xb8, 0, 0, 0, 0x40, 0xff, 0xe0],
            "a jump to where nothing is",
        ),
        // mov [0x40000000], eax
        (
            Mode::Long64,
            &[0x89, 4, 0x25, 0, 0, 0, 0x40],
            "a write where nothing is",
        ),
        // mov [0xc0000000], eax
        (
            Mode::Protected32,
            &[0xa3, 0, 0, 0, 0xc0],
            "a write where nothing is, in 32 bits",
        ),
        // mov eax, 0x7ff8; mov ds, eax
        (
            Mode::Protected32,
            &[0xb8, 0xf8, 0x7f, 0, 0, 0x8e, 0xd8],
            "a selector beyond the table",
        ),
        // xor ecx, ecx; div ecx
        (
            Mode::Protected32,
            &[0x31, 0xc9, 0xf7, 0xf1],
            "a division by zero without handlers",
        ),
        // mov eax, cr0; or al, 1; mov cr0, eax; mov ax, 0x18; mov ds, ax
        (
            Mode::Real16,
            &[
                0x0f, 0x20, 0xc0, 0x0c, 1, 0x0f, 0x22, 0xc0, 0xb8, 0x18, 0, 0x8e, 0xd8,
            ],
            "protected mode without a table",
        ),
        // mov ecx, 0x12345678; xor eax, eax; wrmsr
        (
            Mode::Long64,
            &[0xb9, 0x78, 0x56, 0x34, 0x12, 0x31, 0xc0, 0x0f, 0x30],
            "a register that does not exist",
        ),
    ];
    for (mode, code, name) in attacks {
        if backend::refuses(mode) {
            continue;
        }
        let exit = attack(mode, code);
        assert!(
            matches!(exit, Exit::Faulted { .. } | Exit::TimedOut),
            "{name}: {exit:?}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn halt_for_ever_is_an_exit() {
    // fa: cli; f4: hlt
    for mode in backend::modes(&[Mode::Real16, Mode::Protected32, Mode::Long64]) {
        assert_eq!(attack(mode, &[0xfa, 0xf4]), Exit::Halted, "{mode:?}");
    }
}

/// Stores the registers that only ring 0 can set at 0x3000, and then sets them.
///
/// ```text
/// mov rax, cr2
/// mov [0x3000], rax
/// mov rax, dr0
/// mov [0x3008], rax
/// mov ecx, 0xc0000082
/// rdmsr
/// mov [0x3010], rax
/// mov [0x3018], rdx
/// mov eax, 0x12345000
/// mov cr2, rax
/// mov dr0, rax
/// xor edx, edx
/// wrmsr
/// out 0xfa, al
/// ```
const REGISTERS: &[u8] = &[
    0x0f, 0x20, 0xd0, 0x48, 0x89, 4, 0x25, 0, 0x30, 0, 0, 0x0f, 0x21, 0xc0, 0x48, 0x89, 4, 0x25, 8,
    0x30, 0, 0, 0xb9, 0x82, 0, 0, 0xc0, 0x0f, 0x32, 0x48, 0x89, 4, 0x25, 0x10, 0x30, 0, 0, 0x48,
    0x89, 0x14, 0x25, 0x18, 0x30, 0, 0, 0xb8, 0, 0x50, 0x34, 0x12, 0x0f, 0x22, 0xd0, 0x0f, 0x23,
    0xc0, 0x31, 0xd2, 0x0f, 0x30, 0xe6, 0xfa,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn registers_of_ring_0_start_anew() {
    if backend::refuses(Mode::Long64) {
        return;
    }
    let cache = cache(Mode::Long64, REGISTERS);
    let mut found = Vec::new();
    for _ in 0..5 {
        let mut virtine = cache.get().expect("a virtine");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        let mut words = [0; 48];
        virtine.read(0x3000, &mut words).expect("in bounds");
        found.push(words);
        drop(virtine);
        behaves(&cache);
    }
    assert!(found.iter().all(|words| *words == found[0]), "{found:x?}");
    let first = &found[0][..8];
    assert_ne!(
        first,
        0x1234_5000_u64.to_le_bytes(),
        "it was set, and is not any more"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn page_tables_of_ring_0_start_anew() {
    if backend::refuses(Mode::Long64) {
        return;
    }
    // 0f 20 df: mov rdi, cr3; 48 c7 07 00 00 00 00: mov qword [rdi], 0; e6 31: out 0x31, al
    let code = [0x0f, 0x20, 0xdf, 0x48, 0xc7, 7, 0, 0, 0, 0, 0xe6, 0x31];
    let cache = cache(Mode::Long64, &code);
    for _ in 0..5 {
        // Its tables are not mapped, so it cannot even write to them.
        let exit = cache.get().expect("a virtine").run().expect("a run");
        assert!(matches!(exit, Exit::Faulted { .. }), "{exit:?}");
        behaves(&cache);
    }
    let mut virtine = cache.get().expect("a virtine");
    let registers = virtine.registers().expect("registers");
    virtine
        .set_registers(&Registers {
            rip: super::GOOD,
            ..registers
        })
        .expect("set");
    assert!(matches!(
        virtine.run().expect("a run"),
        Exit::Hypercall { port: 0x30, .. }
    ));
}
