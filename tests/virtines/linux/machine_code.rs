//! Programs that attack the entry page for system calls. It is the only page that runs in ring 0, if the CPU's
//! `syscall` leads there.

use wasp_core::linux::{Program, Status};
use wasp_core::{Error, Fault};

use super::elf::program;
use crate::backend;

/// Address of the entry page: after the gate.
const ENTRY: u32 = 0x6000;

fn run(code: &[u8]) -> Result<Status, Error> {
    let program = Program::new("p", program(code, 5)).memory(2 << 20);
    program.status().map(|finished| finished.status)
}

/// `exit_group(bl)`.
const EXIT_RBX: [u8; 9] = [0x89, 0xdf, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];

fn vector(result: Result<Status, Error>) -> u8 {
    match result {
        Err(Error::Fault(Fault::Exception(exception))) => exception.vector,
        other => panic!("expected an exception, found {other:?}"),
    }
}

fn with_exit(code: &[u8]) -> Vec<u8> {
    [code, &EXIT_RBX].concat()
}

/// After a system call the program is in ring 3 again, with its own RSP, flags and callee-saved registers.
///
/// ```text
/// mov eax, 39; std; syscall; cld            getpid, with DF set
/// mov bx, cs; and ebx, 3                    exit(CS & 3)
/// ```
#[test]
fn call_comes_back_in_ring_3() {
    let code = [
        0xb8, 39, 0, 0, 0, 0xfd, 0x0f, 0x05, 0xfc, 0x66, 0x8c, 0xcb, 0x83, 0xe3, 3,
    ];
    assert_eq!(run(&with_exit(&code)).expect("it runs"), Status::Exited(3));
}

/// `mov eax, 39; syscall; hlt`, and other privileged instructions after a system call.
#[test]
fn nothing_privileged_works_behind_a_call() {
    let privileged: [&[u8]; 6] = [
        &[0xf4],             // hlt
        &[0x0f, 0x20, 0xd8], // mov rax, cr3
        &[0x0f, 0x22, 0xd8], // mov cr3, rax
        &[0x0f, 0x32],       // rdmsr
        &[0x48, 0x0f, 0x07], // sysretq
        &[0x0f, 0x01, 0xf8], // swapgs
    ];
    for instruction in privileged {
        let code = [&[0xb8, 39, 0, 0, 0, 0x0f, 0x05][..], instruction].concat();
        let found = vector(run(&code));
        assert!(matches!(found, 6 | 13), "{instruction:02x?}: {found}");
    }
}

/// The entry page can be read and executed, but not written: `mov byte ptr [0x6000], 0`.
#[test]
fn entry_cannot_be_written() {
    let [a, b, c, d] = ENTRY.to_le_bytes();
    assert_eq!(vector(run(&[0xc6, 0x04, 0x25, a, b, c, d, 0])), 14);
}

/// A jump into the entry's `verr` returns to RCX, still in ring 3. A jump to its `sysretq` faults.
///
/// ```text
/// lea rcx, [rip + 7 + 2]; mov eax, 0x6002; jmp rax
/// mov bx, cs; and ebx, 3
/// ```
#[test]
fn jump_to_the_entry_stays_in_ring_3() {
    let [a, b, c, d] = (ENTRY + 2).to_le_bytes();
    let code = [
        0x48, 0x8d, 0x0d, 7, 0, 0, 0, // lea rcx, [rip + 7]
        0xb8, a, b, c, d, 0xff, 0xe0, // mov eax, entry + 2; jmp rax
        0x66, 0x8c, 0xcb, 0x83, 0xe3, 3,
    ];
    let came_back = run(&with_exit(&code));
    match backend::by_process() {
        true => assert_eq!(vector(came_back), 14, "there is no entry"),
        false => assert_eq!(came_back.expect("it runs"), Status::Exited(3)),
    }
    let [a, b, c, d] = (ENTRY + 11).to_le_bytes();
    let found = vector(run(&[0xb8, a, b, c, d, 0xff, 0xe0]));
    let expected: &[u8] = if backend::by_process() {
        &[14]
    } else {
        &[6, 13]
    };
    assert!(expected.contains(&found), "sysretq in ring 3: {found}");
}

/// Ring 0 does not use the program's RSP. An RSP that points to the exception stack or to an invalid address changes
/// nothing there.
///
/// ```text
/// mov rbp, rsp; mov rsp, <value>; mov eax, 39; syscall; mov rsp, rbp; mov ebx, eax
/// ```
#[test]
fn stack_of_the_programs_choosing_gains_nothing() {
    for rsp in [0_u64, 0x4000, 0x3000, 1 << 46, u64::MAX] {
        let mut code = vec![0x48, 0x89, 0xe5, 0x48, 0xbc];
        code.extend(rsp.to_le_bytes());
        code.extend([0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xec, 0x89, 0xc3]);
        match run(&with_exit(&code)) {
            // Ring 0 uses no stack. If the call stays in ring 3, its return uses the program's own.
            Ok(status) => assert_eq!(status, Status::Exited(1), "{rsp:#x}"),
            Err(Error::Fault(Fault::Exception(exception))) => {
                assert!(
                    matches!(exception.vector, 12 | 14),
                    "{rsp:#x}: {exception:?}"
                );
            }
            Err(error) => panic!("{rsp:#x}: {error}"),
        }
    }
}

/// Single-stepping (TF) is masked on entry. The program gets its debug exception in ring 3.
///
/// ```text
/// mov eax, 39; pushfq; or qword ptr [rsp], 0x100; popfq; syscall
/// ```
#[test]
fn single_steps_do_not_stop_in_ring_0() {
    let code = [
        0xb8, 39, 0, 0, 0, 0x9c, 0x48, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x0f, 0x05, 0x90, 0x90,
    ];
    let result = run(&with_exit(&code));
    let Err(Error::Fault(Fault::Exception(exception))) = result else {
        panic!("{result:?}");
    };
    assert_eq!(exception.vector, 1);
    // Anything after `sysretq` belongs to ring 3.
    let ring_0 = u64::from(ENTRY)..u64::from(ENTRY) + 14;
    assert!(!ring_0.contains(&exception.rip), "{exception:?}");
}

/// A call by `out` alone, without `syscall`, which means nothing in a process: `mov eax, 39; out 0xfd, al; mov ebx, eax`.
#[test]
fn port_alone_is_a_call_as_well() {
    let code = [0xb8, 39, 0, 0, 0, 0xe6, 0xfd, 0x89, 0xc3];
    let result = run(&with_exit(&code));
    if backend::by_process() {
        let refused = matches!(
            &result,
            Err(Error::Fault(Fault::Port {
                port: 0xfd,
                width: 1
            }))
        );
        return assert!(refused, "{result:?}");
    }
    assert_eq!(result.expect("it runs"), Status::Exited(1));
}

/// A program may not make other hypercalls: `mov edi, 0x101; out 0xff, al`.
#[test]
fn hypercalls_are_refused() {
    let result = run(&[0xbf, 1, 1, 0, 0, 0xe6, 0xff]);
    let refused = matches!(
        &result,
        Err(Error::Fault(Fault::Hypercall { number: 0x101 }))
    );
    assert!(refused, "{result:?}");
}
