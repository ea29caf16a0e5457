//! Ways out of a guest's process, as machine code. By process alone: a virtual machine has none of these doors.
//!
//! ```text
//! 0x7100_0000_0000   the door's code
//! 0x7100_0000_1000   the start pages, which the guest can read
//! 0x7100_0000_3000   the signal stack, which it can write
//! 0x7100_0000_8000   its end
//! ```

use std::time::{Duration, Instant};

use wasp_core::{Cache, Exit, Fault, Mode, Registers};

use super::{attack, behaves, cache, vector};
use crate::backend::{self, MEMORY, START, by_process};

const GENERAL_PROTECTION: u8 = 13;
const INVALID_INSTRUCTION: u8 = 6;
const PAGE_FAULT: u8 = 14;

/// `movabs rax, value`.
fn rax(value: u64) -> Vec<u8> {
    [&[0x48, 0xb8][..], &value.to_le_bytes()].concat()
}

/// What the attack ended with, which must be an exception.
fn exception(code: &[u8]) -> u8 {
    let exit = attack(Mode::User64, code);
    vector(&exit).unwrap_or_else(|| panic!("{code:02x?}: {exit:?}"))
}

#[test]
fn other_ways_into_the_kernel_are_exceptions() {
    if !by_process() {
        return; // about processes
    }
    // b8 14 00 00 00   mov eax, 20 (getpid by 32-bit numbers)
    // cd 80            int 0x80
    assert_eq!(
        exception(&[0xb8, 20, 0, 0, 0, 0xcd, 0x80]),
        GENERAL_PROTECTION
    );
    // b8 27 00 00 00   mov eax, 39 (getpid)
    // 0f 05            syscall
    assert_eq!(
        exception(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05]),
        INVALID_INSTRUCTION
    );
    // b8 27 00 00 40   mov eax, 0x4000_0027 (getpid, x32)
    // 0f 05            syscall
    assert_eq!(
        exception(&[0xb8, 39, 0, 0, 0x40, 0x0f, 0x05]),
        INVALID_INSTRUCTION
    );
    // b8 4f 01 00 00   mov eax, 335 (uretprobe, which no filter sees)
    // 0f 05            syscall
    assert_eq!(
        exception(&[0xb8, 0x4f, 1, 0, 0, 0x0f, 0x05]),
        INVALID_INSTRUCTION
    );
    // 0f 34            sysenter: invalid on AMD's processors, and 32-bit on Intel's
    let sysenter = exception(&[0x0f, 0x34]);
    assert!(
        matches!(sysenter, INVALID_INSTRUCTION | GENERAL_PROTECTION),
        "{sysenter}"
    );
}

/// ```text
/// 48 b8 ..   movabs rax, 0xffff_ffff_ff60_0000
/// ff d0      call rax
/// ```
#[test]
fn vsyscall_page_tells_nothing() {
    if !by_process() {
        return; // about processes
    }
    for call in [0, 0x400, 0x800] {
        let code = [rax(0xffff_ffff_ff60_0000 + call), vec![0xff, 0xd0]].concat();
        assert_eq!(exception(&code), PAGE_FAULT);
    }
}

/// To every byte of the door, with registers that claim to be a frame's, and with a system call's number.
///
/// ```text
/// bf 0b 00 00 00   mov edi, 11
/// 48 be ..         movabs rsi, 0x7100_0000_4000
/// 48 ba ..         movabs rdx, 0x7100_0000_4100
/// 48 b9 ..         movabs rcx, the door
/// b8 3c 00 00 00   mov eax, 60 (exit)
/// ff e1            jmp rcx
/// ```
#[test]
fn jumps_into_the_door_lead_nowhere() {
    if !by_process() {
        return; // about processes
    }
    let movabs = |opcode: u8, value: u64| [&[0x48, opcode][..], &value.to_le_bytes()].concat();
    let mut ends = 0;
    for offset in 0..0x1c0 {
        let code = [
            vec![0xbf, 11, 0, 0, 0],
            movabs(0xbe, 0x7100_0000_4000),
            movabs(0xba, 0x7100_0000_4100),
            movabs(0xb9, 0x7100_0000_0000 + offset),
            vec![0xb8, 60, 0, 0, 0, 0xff, 0xe1],
        ]
        .concat();
        let cache = cache(Mode::User64, &code);
        let exit = cache.get().expect("a virtine").run().expect("a run");
        ends += u32::from(matches!(
            exit,
            Exit::Faulted { .. } | Exit::TimedOut | Exit::Exited | Exit::Hypercall { .. }
        ));
        behaves(&cache);
    }
    assert_eq!(ends, 0x1c0);
}

/// To where the door zeroes pages for the host, with a table of the guest's own making.
///
/// ```text
/// 48 bb ..         movabs rbx, MEMORY - 0x40
/// 48 b8 ..         movabs rax, address
/// 48 89 03         mov [rbx], rax
/// 48 b8 ..         movabs rax, words
/// 48 89 43 08      mov [rbx + 8], rax
/// 48 b9 ..         movabs rcx, 0x7100_0000_0180
/// ff e1            jmp rcx
/// ```
#[test]
fn door_zeroes_nothing_that_the_guest_may_not_write() {
    if !by_process() {
        return; // about processes
    }
    let door = 0x7100_0000_0000;
    let movabs = |opcode: u8, value: u64| [&[0x48, opcode][..], &value.to_le_bytes()].concat();
    for (address, words) in [
        (door, 1),
        (door + 0x1000, 1),
        (0x7000_0000_0000, 1),
        (0, 1),
        // Over the table itself, and on to the end of memory and beyond.
        (MEMORY - 0x40, u64::MAX),
        // The table stays, with a number of zero words behind it.
        (MEMORY - 0x20, 1),
    ] {
        let code = [
            movabs(0xbb, MEMORY - 0x40),
            rax(address),
            vec![0x48, 0x89, 0x03],
            rax(words),
            vec![0x48, 0x89, 0x43, 0x08],
            movabs(0xb9, door + 0x180),
            vec![0xff, 0xe1],
        ]
        .concat();
        assert_eq!(exception(&code), PAGE_FAULT, "{address:#x}, {words}");
    }
}

#[test]
fn what_the_host_wrote_is_not_to_be_written() {
    if !by_process() {
        return; // about processes
    }
    for address in [0x7100_0000_0000, 0x7100_0000_1000, 0x7100_0000_2000] {
        // 8a 08      mov cl, [rax]
        // c6 00 cc   mov byte [rax], 0xcc
        let code = [rax(address), vec![0x8a, 0x08, 0xc6, 0x00, 0xcc]].concat();
        assert_eq!(exception(&code), PAGE_FAULT, "{address:#x}");
    }
    // Nothing else is there: neither loader, nor script, nor stack, nor vDSO.
    for address in [
        0x7000_0000_0000,
        0x7000_0010_0000,
        0x7fff_ffff_e000,
        0x7100_0000_8000,
    ] {
        // 8a 00   mov al, [rax]
        let code = [rax(address), vec![0x8a, 0x00]].concat();
        assert_eq!(exception(&code), PAGE_FAULT, "{address:#x}");
    }
}

/// A stack in the signal stack, at its start, in its middle and at its end; then an exception.
///
/// ```text
/// 48 bc ..   movabs rsp, address
/// 0f 0b      ud2
/// ```
#[test]
fn stack_pointer_in_the_signal_stack_harms_the_guest_alone() {
    if !by_process() {
        return; // about processes
    }
    for address in (0x7100_0000_3000_u64..=0x7100_0000_8000).step_by(0x400) {
        let code = [&[0x48, 0xbc][..], &address.to_le_bytes(), &[0x0f, 0x0b]].concat();
        let exit = attack(Mode::User64, &code);
        let is_expected = vector(&exit) == Some(INVALID_INSTRUCTION)
            || matches!(
                exit,
                Exit::Faulted {
                    cause: Fault::ProcessGone
                }
            );
        assert!(is_expected, "{address:#x}: {exit:?}");
    }
}

/// All that a signal frame holds is overwritten before the next hypercall, over and over.
///
/// ```text
/// 48 bf ..         movabs rdi, 0x7100_0000_3000
/// b9 00 0a 00 00   mov ecx, 0xa00
/// 48 b8 ..         movabs rax, 0xcccc_cccc_cccc_cccc
/// f3 48 ab         rep stosq
/// e6 30            out 0x30, al
/// eb fc            jmp to the out
/// ```
#[test]
fn overwritten_frames_are_written_anew() {
    if !by_process() {
        return; // about processes
    }
    let code = [
        &[0x48, 0xbf][..],
        &0x7100_0000_3000_u64.to_le_bytes(),
        &[0xb9, 0, 10, 0, 0, 0x48, 0xb8],
        &[0xcc; 8],
        &[0xf3, 0x48, 0xab, 0xe6, 0x30, 0xeb, 0xfc],
    ]
    .concat();
    let cache = cache(Mode::User64, &code);
    let mut virtine = cache.get().expect("a virtine");
    for _ in 0..100 {
        let exit = virtine.run().expect("a run");
        assert!(
            matches!(
                exit,
                Exit::Hypercall {
                    port: 0x30,
                    data: 0xcc,
                    ..
                }
            ),
            "{exit:?}"
        );
    }
    drop(virtine);
    behaves(&cache);
}

/// Direction, alignment check and single steps, set for whatever comes next: for an exit, and for the door.
///
/// ```text
/// 9c                       pushf
/// 81 0c 24 00 05 04 00     or dword [rsp], 0x4_0500
/// 9d                       popf
/// e6 30                    out 0x30, al
/// ```
#[test]
fn flags_of_one_guest_are_not_the_nexts() {
    if !by_process() {
        return; // about processes
    }
    let code = [
        0x9c, 0x81, 0x0c, 0x24, 0, 5, 4, 0, 0x9d, 0xe6, 0x30, 0xe6, 0xfa,
    ];
    let exit = attack(Mode::User64, &code);
    assert!(
        matches!(exit, Exit::Hypercall { .. }) || vector(&exit).is_some(),
        "{exit:?}"
    );
    let door = [
        rax(0x7100_0000_0000),
        vec![0x9c, 0x81, 0x0c, 0x24, 0, 5, 4, 0, 0x9d, 0xff, 0xe0],
    ];
    assert!(vector(&attack(Mode::User64, &door.concat())).is_some());
}

/// One tenant leaves a secret in XMM0 and goes on behind a hypercall, so that the host has had its registers; the next
/// one looks for it where the host keeps such registers, which every guest can read.
///
/// ```text
/// 48 b8 ..         movabs rax, 0x5ec2e7c0ffee42
/// 66 48 0f 6e c0   movq xmm0, rax
/// e6 30            out 0x30, al
/// 0f 57 c0         xorps xmm0, xmm0
/// e6 fa            out 0xfa, al
///
/// 48 a1 ..         movabs rax, [0x7100_0000_20a0]
/// e6 30            out 0x30, al
/// ```
#[test]
fn extended_registers_of_one_guest_are_not_the_nexts_to_read() {
    if !by_process() {
        return; // about processes
    }
    const SECRET: u64 = 0x005e_c2e7_c0ff_ee42;
    let leaving = [
        rax(SECRET),
        vec![
            0x66, 0x48, 0x0f, 0x6e, 0xc0, 0xe6, 0x30, 0x0f, 0x57, 0xc0, 0xe6, 0xfa,
        ],
    ];
    let looking = [
        &[0x48, 0xa1][..],
        &0x7100_0000_20a0_u64.to_le_bytes(),
        &[0xe6, 0x30],
    ];
    let mut image = leaving.concat();
    image.resize(0x100, 0x90);
    image.extend(looking.concat());
    let cache = cache(Mode::User64, &image);
    let mut virtine = cache.get().expect("a virtine");
    assert!(matches!(virtine.run(), Ok(Exit::Hypercall { .. })));
    assert!(matches!(virtine.run(), Ok(Exit::Exited)));
    drop(virtine);
    let mut virtine = cache.get().expect("a virtine");
    let registers = virtine.registers().expect("registers");
    let next = Registers {
        rip: START + 0x100,
        ..registers
    };
    virtine.set_registers(&next).expect("set");
    assert!(matches!(virtine.run(), Ok(Exit::Hypercall { .. })));
    assert_eq!(virtine.registers().expect("registers").rax, 0);
    assert_eq!(cache.misses(), 1, "both in one process");
}

/// Counts, and tells each number once, however often its deadline comes in between, mostly near a hypercall.
///
/// ```text
/// 48 ff 04 25 ..      inc qword [0x1_a000]
/// b9 ..               mov ecx, spins
/// ff c9               dec ecx
/// 75 fc               jnz to the dec
/// 48 8b 04 25 ..      mov rax, [0x1_a000]
/// e6 30               out 0x30, al
/// eb ..               jmp to the start
/// ```
#[test]
fn guest_that_goes_on_after_its_deadline_loses_nothing_and_repeats_nothing() {
    if !by_process() {
        return; // about processes
    }
    let mut code = vec![0x48, 0xff, 0x04, 0x25, 0, 0xa0, 1, 0, 0xb9];
    code.extend(200_000_u32.to_le_bytes());
    code.extend([
        0xff, 0xc9, 0x75, 0xfc, 0x48, 0x8b, 0x04, 0x25, 0, 0xa0, 1, 0, 0xe6, 0x30,
    ]);
    code.extend([0xeb, (code.len() as u8 + 2).wrapping_neg()]);
    let cache = Cache::builder(MEMORY)
        .binary(code, START)
        .deadline(Duration::from_micros(150))
        .build()
        .expect("a cache");
    let mut virtine = cache.get().expect("a virtine");
    let (mut told, mut late) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        match virtine.run().expect("a run") {
            Exit::TimedOut => late += 1,
            Exit::Hypercall { .. } => {
                told += 1;
                assert_eq!(virtine.registers().expect("registers").rax, told);
            }
            exit => panic!("{exit:?} after {told}"),
        }
    }
    assert!(late > 0 && told > 0, "{late} {told}");
}

/// Makes up a frame of its end with a stack where no other frame fits, and jumps to the door. The signal that comes in
/// behind that meets the next tenant.
#[test]
fn stack_that_one_guest_left_behind_is_not_the_nexts_end() {
    if !by_process() {
        return; // about processes
    }
    const STACK: u64 = 0x7100_0000_3000;
    const CONTEXT: u64 = STACK + 0x1100;
    let movabs = |opcode: u8, value: u64| [&[0x48, opcode][..], &value.to_le_bytes()].concat();
    // mov [rdi], rax
    let put = |address, value| [rax(value), movabs(0xbf, address), vec![0x48, 0x89, 0x07]].concat();
    let register = |number: u64, value| put(CONTEXT + 40 + 8 * number, value);
    let code = [
        put(CONTEXT + 304, 11),
        put(CONTEXT + 304 + 8, 0x80),
        register(16, START + 0x200), // rip
        register(17, 0x202),         // flags
        register(18, 0x33),          // cs
        register(20, 13),            // the vector
        register(23, STACK + 0x1800),
        movabs(0xba, CONTEXT),       // rdx
        movabs(0xbc, STACK + 0x100), // rsp
        movabs(0xb9, 0x7100_0000_0000),
        vec![0xff, 0xe1], // jmp rcx
    ];
    let mut code = code.concat();
    code.resize(0x200, 0x90);
    code.extend([0xe6, 0xfa]);
    let cache = cache(Mode::User64, &code);
    let mut virtine = cache.get().expect("a virtine");
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
    // Of all tests that run now: none of their guests takes notice.
    for folder in backend::folders().iter().skip(1) {
        let process = folder
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let process = process.expect("a process's folder");
        // SAFETY: signals a process that holds a guest, which takes it for a kick that came late.
        unsafe { libc::kill(process, libc::SIGTRAP) };
    }
    drop(virtine);
    behaves(&cache);
    assert_eq!(cache.misses(), 1, "in the same process");
}

/// A spinning guest whose stack has no room for a signal, and one that makes up signals, both end at their deadline.
#[test]
fn deadline_is_told_as_such_whatever_becomes_of_the_process() {
    if !by_process() {
        return; // about processes
    }
    // 48 bc ..   movabs rsp, the lowest addresses of the signal stack
    // eb fe      jmp to itself
    let spinning = [
        &[0x48, 0xbc][..],
        &0x7100_0000_3080_u64.to_le_bytes(),
        &[0xeb, 0xfe],
    ];
    assert_eq!(attack(Mode::User64, &spinning.concat()), Exit::TimedOut);
}
