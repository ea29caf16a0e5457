//! Every exception that ring 3 can cause is reported with its vector.

use wasp_core::{Exit, Mode};

use super::{attack, vector};

/// Code, the vectors with which it may end, and what it tries. Hosts differ in three cases. If ring 3 runs on the bare
/// CPU, `int` is an unknown instruction and `int3` passes a ring-0 gate. An emulated CPU treats a bad stack as a
/// general protection fault.
const FAULTS: [(&[u8], &[u8], &str); 26] = [
    // xor ecx, ecx; div ecx
    (&[0x31, 0xc9, 0xf7, 0xf1], &[0], "division by zero"),
    // pushfq; or dword ptr [rsp], 0x100; popfq; nop
    (
        &[0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x90],
        &[1],
        "a single step",
    ),
    // int3
    (&[0xcc], &[3, 13], "a breakpoint"),
    // int 0x40
    (&[0xcd, 0x40], &[6, 13], "an interrupt"),
    // ud2
    (&[0x0f, 0x0b], &[6], "an unknown instruction"),
    // hlt
    (&[0xf4], &[13], "a privileged instruction"),
    // pushfq; and dword ptr [rsp], 0xffffcfff; popfq; cli; mov cr3, rax
    (
        &[
            0x9c, 0x81, 0x24, 0x24, 0xff, 0xcf, 0xff, 0xff, 0x9d, 0xfa, 0x0f, 0x22, 0xd8,
        ],
        &[13],
        "interrupts off",
    ),
    // mov rax, 0x15000; mov cr3, rax
    (
        &[0x48, 0xc7, 0xc0, 0, 0x50, 1, 0, 0x0f, 0x22, 0xd8],
        &[13],
        "another page table",
    ),
    // xor eax, eax; mov cr0, rax
    (&[0x31, 0xc0, 0x0f, 0x22, 0xc0], &[13], "paging off"),
    // mov ecx, 0xc0000080; rdmsr
    (
        &[0xb9, 0x80, 0, 0, 0xc0, 0x0f, 0x32],
        &[13],
        "a model-specific register",
    ),
    // mov ecx, 0xc0000082; xor eax, eax; xor edx, edx; wrmsr
    (
        &[0xb9, 0x82, 0, 0, 0xc0, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30],
        &[13],
        "another model-specific register",
    ),
    // mov dr7, rax
    (&[0x0f, 0x23, 0xf8], &[13], "a debug register"),
    // lidt [rip]
    (
        &[0x0f, 1, 0x1d, 0, 0, 0, 0],
        &[13],
        "another descriptor table",
    ),
    // xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv
    (
        &[0x31, 0xc9, 0xb8, 7, 0, 0, 0, 0x31, 0xd2, 0x0f, 1, 0xd1],
        &[13],
        "more states",
    ),
    // mov rax, 0x8000000000000000; mov rbx, [rax]
    (
        &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x18],
        &[13],
        "an address that cannot be",
    ),
    // mov rax, [0x40000000]
    (
        &[0x48, 0x8b, 4, 0x25, 0, 0, 0, 0x40],
        &[14],
        "an address beyond memory",
    ),
    // mov rax, -8; mov [rax], rax
    (
        &[0x48, 0xc7, 0xc0, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x89, 0],
        &[14],
        "the last page",
    ),
    // mov rax, 0x40000000; jmp rax
    (
        &[0x48, 0xc7, 0xc0, 0, 0, 0, 0x40, 0xff, 0xe0],
        &[14],
        "a jump beyond memory",
    ),
    // mov rax, 0x8000000000000000; jmp rax
    (
        &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xe0],
        &[13],
        "a jump that cannot be",
    ),
    // mov rsp, 0x8000000000000000; push rax
    (
        &[0x48, 0xbc, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x50],
        &[12, 13],
        "a stack that cannot be",
    ),
    // xor esp, esp; ud2
    (&[0x31, 0xe4, 0x0f, 0x0b], &[6], "a fault without a stack"),
    // mov rsp, 0x23000; ud2
    (
        &[0x48, 0xc7, 0xc4, 0, 0x30, 2, 0, 0x0f, 0x0b],
        &[6],
        "a fault with the stack in the hidden pages",
    ),
    // mov eax, 8; mov ds, eax
    (
        &[0xb8, 8, 0, 0, 0, 0x8e, 0xd8],
        &[13],
        "a selector of ring 0",
    ),
    // mov eax, 0x7ffb; mov ss, eax
    (
        &[0xb8, 0xfb, 0x7f, 0, 0, 0x8e, 0xd0],
        &[13],
        "a selector beyond the table",
    ),
    // push 0x4b; push 0; retfq
    (
        &[0x6a, 0x4b, 0x6a, 0, 0x48, 0xcb],
        &[13],
        "a far return to nowhere",
    ),
    // push 0x10; push 0; push 2; push 8; push 0; iretq
    (
        &[0x6a, 0x10, 0x6a, 0, 0x6a, 2, 0x6a, 8, 0x6a, 0, 0x48, 0xcf],
        &[13],
        "a return from an interrupt that was none",
    ),
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn exceptions_of_ring_3_are_told_by_vector() {
    for (code, expected, name) in FAULTS {
        let exit = attack(Mode::User64, code);
        let told = vector(&exit).is_some_and(|vector| expected.contains(&vector));
        assert!(told, "{name}: {exit:?}");
    }
}

/// As above, for exceptions that software emulations of the CPU (QEMU's, in the stock kernel's machine) leave out.
/// There the guest simply continues.
const ARITHMETIC: [(&[u8], u8, &str); 3] = [
    // push 0; ldmxcsr [rsp]; xorps xmm0, xmm0; divss xmm0, xmm0
    (
        &[
            0x6a, 0, 0x0f, 0xae, 0x14, 0x24, 0x0f, 0x57, 0xc0, 0xf3, 0x0f, 0x5e, 0xc0,
        ],
        19,
        "an exception of SSE",
    ),
    // fninit; push 0; fldcw [rsp]; fldz; fldz; fdivp; fwait
    (
        &[
            0xdb, 0xe3, 0x6a, 0, 0xd9, 0x2c, 0x24, 0xd9, 0xee, 0xd9, 0xee, 0xde, 0xf9, 0x9b,
        ],
        16,
        "an exception of the x87",
    ),
    // pushfq; or dword ptr [rsp], 0x40000; popfq; mov rax, [0x19001]
    (
        &[
            0x9c, 0x81, 0x0c, 0x24, 0, 0, 4, 0, 0x9d, 0x48, 0x8b, 4, 0x25, 1, 0x90, 1, 0,
        ],
        17,
        "an unaligned access",
    ),
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn exceptions_of_arithmetic_are_told_where_the_processor_has_them() {
    for (code, expected, name) in ARITHMETIC {
        let exit = attack(Mode::User64, code);
        let went_on = matches!(exit, Exit::Hypercall { port: 0x30, .. });
        assert!(
            went_on || vector(&exit) == Some(expected),
            "{name}: {exit:?}"
        );
    }
}
