//! Wasp's hypercalls with wrong pointers, lengths, handles, paths and orders, under a generous policy: registers as the
//! attack wants them, one `out` each.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use wasp_core::{Error, Exit, Mode, Policy, Quota, Registers, Virtine};

use super::{MEMORY, START};
use crate::backend::{self, LOWEST};

mod hosts;
mod names;
mod streams;

/// ```text
/// e6 ff    out 0xff, al
/// e6 30    out 0x30, al
/// ```
const ASK: [u8; 4] = [0xe6, 0xff, 0xe6, 0x30];
const PATH: u64 = LOWEST + 0x4000;
const BUFFER: u64 = LOWEST + 0x5000;

const CLOSE: u64 = 1;
const FSTAT: u64 = 2;
const LINK: u64 = 3;
const LSEEK: u64 = 4;
const OPEN: u64 = 5;
const READ: u64 = 6;
const SBRK: u64 = 7;
const TIMES: u64 = 8;
const UNLINK: u64 = 9;
const WRITE: u64 = 10;
const GETTIMEOFDAY: u64 = 11;
const ISATTY: u64 = 12;

/// Addresses and lengths outside the memory of any guest of this size.
const WRONG: [(u64, u64); 8] = [
    (MEMORY, 1),
    (MEMORY - 1, 2),
    (u64::MAX, 1),
    (u64::MAX - 7, 16),
    (0, MEMORY + 1),
    (1, u64::MAX),
    (1 << 63, 8),
    (BUFFER, u64::MAX - BUFFER + 1),
];

fn error(number: i32) -> u64 {
    i64::from(-number).cast_unsigned()
}

/// Makes several hypercalls in one serving, and returns the answers.
///
/// Each is a separate `out`, with the registers loaded before:
///
/// ```text
/// 48 bf imm64    mov rdi, number
/// 48 be imm64    mov rsi, first
/// 48 ba imm64    mov rdx, second
/// 48 b9 imm64    mov rcx, third
/// e6 ff          out 0xff, al
/// 48 a3 imm64    mov [answer], rax
/// ```
///
/// and at the end `e6 30`, out 0x30, al.
fn ask_all(policy: &Policy, calls: &[(u64, [u64; 3])]) -> Result<(Virtine, Vec<u64>), Error> {
    let path = format!("{}\0", path());
    ask_with(policy, &[(PATH, path.as_bytes())], calls)
}

/// Like [`ask_all`], with this in memory.
fn ask_with(
    policy: &Policy,
    contents: &[(u64, &[u8])],
    calls: &[(u64, [u64; 3])],
) -> Result<(Virtine, Vec<u64>), Error> {
    const ANSWERS: u64 = LOWEST + 0x2000;
    let mut code = Vec::new();
    for (index, (number, [first, second, third])) in calls.iter().enumerate() {
        let loads = [(0xbf, number), (0xbe, first), (0xba, second), (0xb9, third)];
        for (opcode, value) in loads {
            code.extend([0x48, opcode]);
            code.extend(value.to_le_bytes());
        }
        code.extend([0xe6, 0xff, 0x48, 0xa3]);
        code.extend((ANSWERS + 8 * index as u64).to_le_bytes());
    }
    code.extend([0xe6, 0x30]);
    let mut virtine = Virtine::builder().memory(MEMORY).build()?;
    virtine.load_raw(&code, START)?;
    for (address, bytes) in contents {
        virtine.write(*address, bytes)?;
    }
    let exit = virtine.serve_with(policy)?;
    assert!(
        matches!(exit, Exit::Hypercall { port: 0x30, .. }),
        "{exit:?}"
    );
    let answers = (0..calls.len() as u64).map(|index| {
        let mut answer = [0; 8];
        virtine
            .read(ANSWERS + 8 * index, &mut answer)
            .expect("in bounds");
        u64::from_le_bytes(answer)
    });
    let answers = answers.collect();
    Ok((virtine, answers))
}

fn ask(policy: &Policy, number: u64, arguments: [u64; 3]) -> u64 {
    ask_all(policy, &[(number, arguments)]).expect("served").1[0]
}

/// A file that the policy grants. All tests share it and only read it, so that no file is left for each run.
fn path() -> String {
    static WRITTEN: Once = Once::new();
    let path = std::env::temp_dir().join("wasp-attacked");
    WRITTEN.call_once(|| fs::write(&path, "0123456789").expect("written"));
    path.display().to_string()
}

fn granting() -> Policy {
    let (_, out) = io::pipe().expect("a pipe");
    Policy::new().stdout_to(out).clock().read(path())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wrong_pointers_are_efault_and_nothing_moves() {
    let policy = granting();
    for (address, length) in WRONG {
        let (_, answers) = ask_all(
            &policy,
            &[
                (OPEN, [PATH, 0, 0]),
                (READ, [3, address, length]),
                (WRITE, [1, address, length]),
                (LSEEK, [3, 0, 1]),
            ],
        )
        .expect("served");
        let expected = [3, error(libc::EFAULT), error(libc::EFAULT), 0];
        assert_eq!(answers, expected, "{length} bytes at {address:#x}");
    }
    for address in [MEMORY, MEMORY - 1, u64::MAX, u64::MAX - 15, 1 << 63] {
        for (number, arguments) in [
            (FSTAT, [3, address, 0]),
            (GETTIMEOFDAY, [address, 0, 0]),
            (TIMES, [address, 0, 0]),
        ] {
            let calls = [(OPEN, [PATH, 0, 0]), (number, arguments)];
            let (_, answers) = ask_all(&policy, &calls).expect("served");
            assert_eq!(
                answers,
                [3, error(libc::EFAULT)],
                "{number} at {address:#x}"
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn paths_without_end_are_refused() {
    let policy = granting();
    for number in [OPEN, UNLINK] {
        for (address, expected) in [
            (MEMORY, libc::EFAULT),
            (u64::MAX, libc::EFAULT),
            (LOWEST + 0x100, libc::ENOENT), // empty
        ] {
            assert_eq!(
                ask(&policy, number, [address, 0, 0]),
                error(expected),
                "{address:#x}"
            );
        }
    }
    for bad in [MEMORY, u64::MAX] {
        assert_eq!(ask(&policy, LINK, [bad, PATH, 0]), error(libc::EFAULT));
        assert_eq!(ask(&policy, LINK, [PATH, bad, 0]), error(libc::EFAULT));
    }
    // More than a page of letters, and some up to the very end of memory.
    for (address, length, expected) in [
        (LOWEST + 0x9000, 0x2000, libc::ENAMETOOLONG),
        (MEMORY - 100, 100, libc::EFAULT),
    ] {
        let mut virtine = Virtine::builder()
            .memory(MEMORY)
            .build()
            .expect("a virtine");
        virtine.load_raw(&ASK, START).expect("it fits");
        virtine
            .write(address, &vec![b'a'; length])
            .expect("in bounds");
        let registers = virtine.registers().expect("registers");
        let set = Registers {
            rdi: OPEN,
            rsi: address,
            rdx: 0,
            ..registers
        };
        virtine.set_registers(&set).expect("set");
        virtine.serve_with(&policy).expect("served");
        assert_eq!(virtine.registers().expect("registers").rax, error(expected));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn handles_that_are_not_the_guests_are_ebadf() {
    let policy = granting();
    // 3 and above may well be open in the host: KVM's own descriptors are.
    for handle in [3, 4, 5, 9, 1023, 1 << 31, 1 << 32, u64::MAX] {
        for number in [CLOSE, FSTAT, LSEEK, READ, WRITE, ISATTY] {
            let answer = ask(&policy, number, [handle, BUFFER, 1]);
            assert_eq!(answer, error(libc::EBADF), "{number} of {handle}");
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn closed_handles_are_closed_and_their_numbers_free() {
    let (_, answers) = ask_all(
        &granting(),
        &[
            (OPEN, [PATH, 0, 0]),
            (OPEN, [PATH, 0, 0]),
            (CLOSE, [3, 0, 0]),
            (READ, [3, BUFFER, 4]),
            (CLOSE, [3, 0, 0]),
            (READ, [4, BUFFER, 4]),
            (OPEN, [PATH, 0, 0]),
            (READ, [3, BUFFER, 4]),
            (CLOSE, [1, 0, 0]),
            (WRITE, [1, BUFFER, 4]),
        ],
    )
    .expect("served");
    let bad = error(libc::EBADF);
    assert_eq!(answers, [3, 4, 0, bad, bad, 4, 3, 4, 0, bad]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn flags_and_places_that_make_no_sense_are_einval() {
    let policy = granting();
    let (create, truncate, append) = (0o100, 0o1000, 0o2000);
    for flags in [3, 1 << 63, 0o10_000_000, 0o20_200_000, u64::MAX, 1 << 32] {
        assert_eq!(
            ask(&policy, OPEN, [PATH, flags, 0]),
            error(libc::EINVAL),
            "{flags:#o}"
        );
    }
    // Anything that changes the file is writing, which is not granted.
    for flags in [1, 2, create, truncate, append, create | 0o200] {
        assert_eq!(
            ask(&policy, OPEN, [PATH, flags, 0o777]),
            error(libc::EACCES),
            "{flags:#o}"
        );
    }
    assert_eq!(fs::read_to_string(path()).expect("untouched"), "0123456789");
    let (_, answers) = ask_all(
        &policy,
        &[
            (OPEN, [PATH, 0, 0]),
            (LSEEK, [3, 0, 3]),
            (LSEEK, [3, 0, u64::MAX]),
            (LSEEK, [3, u64::MAX, 0]),
            (LSEEK, [3, (-11_i64).cast_unsigned(), 2]),
            (LSEEK, [3, (-4_i64).cast_unsigned(), 2]),
            (LSEEK, [1, 0, 0]),
            (WRITE, [3, BUFFER, 1]),
        ],
    )
    .expect("served");
    let invalid = error(libc::EINVAL);
    let rest = [6, error(libc::ESPIPE), error(libc::EBADF)];
    assert_eq!(answers[..5], [3, invalid, invalid, invalid, invalid]);
    assert_eq!(answers[5..], rest);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_call_is_refused_where_nothing_is_granted() {
    let nothing = Policy::new();
    for (number, arguments) in [
        (FSTAT, [1, BUFFER, 0]),
        (LINK, [PATH, PATH, 0]),
        (LSEEK, [0, 0, 0]),
        (OPEN, [PATH, 0, 0]),
        (READ, [0, BUFFER, 1]),
        (TIMES, [BUFFER, 0, 0]),
        (UNLINK, [PATH, 0, 0]),
        (WRITE, [1, BUFFER, 1]),
        (WRITE, [2, BUFFER, 1]),
        (GETTIMEOFDAY, [BUFFER, 0, 0]),
        (0x110, [0, 0, 0]),
        (0x111, [BUFFER, 8, 0]),
        (0x112, [PATH, BUFFER, 8]),
        (0x114, [0, BUFFER, 8]),
        (0x115, [PATH, BUFFER, 0]),
    ] {
        assert_eq!(
            ask(&nothing, number, arguments),
            error(libc::EACCES),
            "{number:#x}"
        );
        let strict = ask_all(&nothing.clone().strict(), &[(number, arguments)]);
        assert!(matches!(strict, Err(Error::Denied { .. })), "{number:#x}");
    }
    assert_eq!(ask(&nothing, ISATTY, [1, 0, 0]), 0);
    assert_eq!(ask(&nothing, CLOSE, [1, 0, 0]), 0);
    for unknown in [13, 0x60, 0xfe, 0x100, 0x101, 0x102, 0x103, 0x117, u64::MAX] {
        assert_eq!(
            ask(&nothing, unknown, [1, 2, 3]),
            error(libc::ENOSYS),
            "{unknown:#x}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn thirteen_calls_work_as_wasps_guests_expect() {
    let (mut printed, out) = io::pipe().expect("a pipe");
    let policy = granting().stdout_to(out);
    let (virtine, answers) = ask_all(
        &policy,
        &[
            (OPEN, [PATH, 0, 0]),
            (FSTAT, [3, BUFFER, 0]),
            (READ, [3, LOWEST + 0x6000, 100]),
            (READ, [3, LOWEST + 0x6000, 100]),
            (WRITE, [1, LOWEST + 0x6000, 10]),
            (TIMES, [LOWEST + 0x7000, 0, 0]),
            (GETTIMEOFDAY, [LOWEST + 0x7100, 0, 0]),
            (SBRK, [0, 0, 0]),
            (SBRK, [0x1000, 0, 0]),
            (SBRK, [MEMORY, 0, 0]),
            (ISATTY, [3, 0, 0]),
            (CLOSE, [3, 0, 0]),
        ],
    )
    .expect("served");
    assert_eq!(answers[..5], [3, 0, 10, 0, 10]);
    assert_eq!((answers[7], answers[8]), (START + 0x1000, START + 0x1000));
    assert_eq!(answers[9..], [error(libc::ENOMEM), 0, 0]);
    let mut size = [0; 8];
    virtine.read(BUFFER + 48, &mut size).expect("st_size");
    assert_eq!(u64::from_le_bytes(size), 10);
    let mut seconds = [0; 8];
    virtine.read(LOWEST + 0x7100, &mut seconds).expect("tv_sec");
    assert!(u64::from_le_bytes(seconds) > 1_700_000_000);
    drop(policy);
    let mut text = String::new();
    printed.read_to_string(&mut text).expect("read");
    assert_eq!(text, "0123456789");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn exit_ends_the_serving_and_answers_survive_in_every_mode() {
    // bf imm32     mov edi, 7 (sbrk)
    // be imm32     mov esi, 16
    // e6 ff        out 0xff, al
    // e6 30        out 0x30, al
    // 31 ff        xor edi, edi (exit)
    // e6 ff        out 0xff, al
    let code = [
        0xbf, 7, 0, 0, 0, 0xbe, 16, 0, 0, 0, 0xe6, 0xff, 0xe6, 0x30, 0x31, 0xff, 0xe6, 0xff,
    ];
    for mode in backend::modes(&[Mode::Protected32, Mode::Long64, Mode::User64]) {
        let builder = Virtine::builder().memory(MEMORY).mode(mode);
        let mut virtine = builder.build().expect("a virtine");
        virtine.load_raw(&code, START).expect("it fits");
        let policy = Policy::new();
        let exit = virtine.serve_with(&policy).expect("served");
        assert!(
            matches!(exit, Exit::Hypercall { port: 0x30, .. }),
            "{mode:?}: {exit:?}"
        );
        assert_eq!(
            virtine.registers().expect("registers").rax,
            START + 0x1000,
            "{mode:?}"
        );
        assert_eq!(
            virtine.serve_with(&policy).expect("served"),
            Exit::Exited,
            "{mode:?}"
        );
    }
}

/// It requests input that never comes.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn waiting_for_a_door_ends_when_it_is_cancelled() {
    // bf 06 00 00 00   mov edi, 6 (read)
    // 31 f6            xor esi, esi
    // ba 00 50 01 00   mov edx, 0x15000
    // b9 01 00 00 00   mov ecx, 1
    // e6 ff            out 0xff, al
    // e6 30            out 0x30, al
    let code = [
        0xbf, 6, 0, 0, 0, 0x31, 0xf6, 0xba, 0, 0x50, 1, 0, 0xb9, 1, 0, 0, 0, 0xe6, 0xff, 0xe6, 0x30,
    ];
    let builder = Virtine::builder().memory(MEMORY);
    let mut virtine = builder
        .deadline(Duration::from_secs(600))
        .build()
        .expect("a virtine");
    virtine.load_raw(&code, START).expect("it fits");
    let (input, mut typed) = io::pipe().expect("a pipe");
    let policy = Policy::new().stdin_from(input);
    let canceller = virtine.canceller();
    let elsewhere = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        canceller.cancel();
    });
    let exit = virtine.serve_with(&policy).expect("served");
    assert_eq!(exit, Exit::Cancelled);
    elsewhere.join().expect("cancelled");
    // It continues from where it was resumed, and a cancellation ends only one run.
    typed.write_all(b"x").expect("written");
    let exit = virtine.serve_with(&policy).expect("served");
    assert!(
        matches!(exit, Exit::Hypercall { port: 0x30, .. }),
        "{exit:?}"
    );
    let rax = virtine.registers().expect("registers").rax;
    assert_eq!(rax, error(libc::EINTR));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn repetition_ends_with_the_quota() {
    // bf 07 00 00 00   mov edi, 7
    // 31 f6            xor esi, esi
    // e6 ff            out 0xff, al
    // eb f5            jmp to the start
    let code = [0xbf, 7, 0, 0, 0, 0x31, 0xf6, 0xe6, 0xff, 0xeb, 0xf5];
    let mut virtine = Virtine::builder()
        .memory(MEMORY)
        .build()
        .expect("a virtine");
    virtine.load_raw(&code, START).expect("it fits");
    let ended = virtine.serve_with(&Policy::new().limit(Quota::Hypercalls, 1000));
    let expected = matches!(
        ended,
        Err(Error::QuotaExceeded {
            quota: Quota::Hypercalls,
            limit: 1000
        })
    );
    assert!(expected, "{ended:?}");
}
