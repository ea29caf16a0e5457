//! Whatever the CPU refuses ends the virtine, is reported with its cause, and does no harm.

use std::arch::asm;
use std::path::Path;

use wasp_core::{Error, Exception, Fault, virtine};

use crate::memory_end::memory_end;

const FINE: u32 = 42;

/// Does the forbidden operation with this number.
#[virtine]
fn misbehave(what: u32, address: u64) -> u32 {
    let at = address as *mut u8;
    // SAFETY: none of it is safe. It runs in a virtine.
    unsafe {
        match what {
            0 => {}
            1 => _ = at.read_volatile(),
            2 => at.write_volatile(1),
            3 => core::mem::transmute::<*mut u8, extern "C" fn()>(at)(),
            4 => asm!("ud2"),
            5 => asm!("int3"),
            6 => {
                asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("ecx") _, out("edx") _, out("eax") _)
            }
            7 => asm!("hlt"),
            8 => asm!("cli"),
            9 => asm!("mov rax, cr3", out("rax") _),
            10 => asm!("mov cr3, rax", in("rax") 0_u64),
            11 => asm!("wrmsr", in("ecx") 0xc000_0082_u32, in("eax") 0, in("edx") 0),
            12 => asm!("lgdt [{0}]", in(reg) at),
            13 => asm!("int 0x80", out("eax") _),
            14 => asm!("int 14"),
            15 => asm!("mov dr7, {0}", in(reg) 0x401_u64),
            16 => asm!("ltr {0:x}", in(reg) 0x28_u16),
            17 => asm!("syscall", out("rax") _, out("rcx") _, out("r11") _),
            // RSP into the supervisor's pages, then a push.
            18 => asm!("mov rsp, {0}", "push rax", "ud2", in(reg) address),
            // RSP at an invalid address, then an exception: its frame must not go there.
            19 => asm!("mov rsp, {0}", "ud2", in(reg) address),
            // The trap flag.
            20 => asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop"),
            21 => asm!("mov ds, {0:x}", in(reg) 0x10_u16),
            22 => asm!("retf"),
            23 => asm!("iretq"),
            24 => _ = deep(0),
            _ => {}
        }
    }
    FINE
}

#[expect(unconditional_recursion, reason = "the point of it")]
fn deep(n: u64) -> u64 {
    let frame = core::hint::black_box([n; 64]);
    deep(n + 1) + frame[3]
}

fn exception(what: u32, address: u64) -> Exception {
    let result = misbehave::try_call(what, address);
    assert_eq!(misbehave(0, 0), FINE, "after {what} at {address:#x}");
    match result {
        Err(Error::Fault(Fault::Exception(exception))) => exception,
        other => panic!("{what} at {address:#x}: expected an exception, got {other:?}"),
    }
}

const UNDEFINED: u8 = 6;
const PROTECTION: u8 = 13;
const PAGE: u8 = 14;

/// The guest's text starts here: abi::USER_BASE.
const TEXT: u64 = 0x20_0000;
/// Supervisor pages: descriptor tables, stubs, exception stack.
const SUPERVISOR: [u64; 3] = [0x1000, 0x2000, 0x3ff8];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn null_pointer_faults_with_its_address() {
    for (what, code) in [(1, 4), (2, 6)] {
        for address in [0, 8, 0xfff] {
            let fault = exception(what, address);
            assert_eq!(
                (fault.vector, fault.error_code & 7, fault.address),
                (PAGE, code, address)
            );
            assert!(fault.rip >= TEXT, "{fault}");
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn text_cannot_be_written_nor_data_executed() {
    assert_eq!(exception(2, TEXT).vector, PAGE);
    let on_the_heap = TEXT + (8 << 20);
    let fault = exception(3, on_the_heap);
    assert_eq!(
        (fault.vector, fault.address, fault.rip),
        (PAGE, on_the_heap, on_the_heap)
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn supervisor_pages_and_page_tables_are_out_of_reach() {
    let page_tables = memory_end();
    for address in
        SUPERVISOR
            .into_iter()
            .chain([page_tables, page_tables + 0x1000, 1 << 39, 1 << 46])
    {
        for what in [1, 2, 3] {
            assert_eq!(
                exception(what, address).vector,
                PAGE,
                "{what} at {address:#x}"
            );
        }
    }
    // Not canonical, so not even a page fault.
    assert_eq!(exception(1, 1 << 62).vector, PROTECTION);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn invalid_instruction_and_division_by_zero_are_told_apart() {
    assert_eq!(exception(4, 0).vector, UNDEFINED);
    assert_eq!(exception(6, 0).vector, 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn privileged_instructions_are_refused() {
    for what in [7, 8, 9, 10, 11, 12, 15, 16, 21] {
        // IOPL 3 allows `cli` if the host honors it. That is harmless: nothing interrupts a guest.
        match misbehave::try_call(what, TEXT) {
            Ok(FINE) if what == 8 => {}
            Err(Error::Fault(Fault::Exception(fault))) => {
                assert!(
                    matches!(fault.vector, UNDEFINED | PROTECTION),
                    "{what}: {fault}"
                );
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(misbehave(0, 0), FINE);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn software_interrupts_and_system_calls_end_the_virtine() {
    // kvm_pvm delivers int3 as #BP through a gate of DPL 0; hardware makes it #GP.
    assert!(matches!(exception(5, 0).vector, 3 | PROTECTION));
    // No gate has DPL 3. kvm_pvm reports this differently.
    for what in [13, 14] {
        assert!(matches!(exception(what, 0).vector, UNDEFINED | PROTECTION));
    }
    assert!(matches!(
        exception(17, 0).vector,
        UNDEFINED | PAGE | PROTECTION
    ));
    for what in [20, 22, 23] {
        exception(what, 0);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn exceptions_do_not_use_the_guests_stack() {
    for address in [0, 8, 0x1008, 0x4000, TEXT + 0x100, 1 << 46] {
        assert_eq!(exception(19, address).vector, UNDEFINED, "{address:#x}");
    }
    for address in SUPERVISOR {
        assert_eq!(exception(18, address).vector, PAGE, "{address:#x}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn stack_overflow_hits_the_guard_page() {
    let fault = exception(24, 0);
    assert_eq!(fault.vector, PAGE);
    assert!(fault.rsp.abs_diff(fault.address) < 8192, "{fault:?}");
    assert_eq!(fault.overflowed_stack, Some(1 << 20));
    assert!(fault.to_string().ends_with("raise `stack`"), "{fault}");
    assert_eq!(exception(19, 8).overflowed_stack, None);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn faults_tell_function_file_and_line() {
    let source = include_str!("exceptions.rs");
    let marks = [
        (1, "misbehave", "1 => _ = at.read"),
        (4, "misbehave", "4 => asm!"),
        (6, "misbehave", "xor edx, edx"),
        (24, "deep", "fn deep"),
    ];
    for (what, function, mark) in marks {
        let fault = exception(what, 0);
        let told = fault.to_string();
        let Some(place) = fault.place else {
            // A binary that is no longer on the machine where it was built.
            assert!(!Path::new(env!("OUT_DIR")).exists(), "{told}");
            continue;
        };
        let marked = source.lines().position(|line| line.contains(mark));
        let marked = marked.expect("a line") as u32 + 1;
        assert!(place.function.ends_with(function), "{told}");
        assert!(place.file.ends_with("virtines/exceptions.rs"), "{told}");
        assert!((marked..marked + 3).contains(&place.line), "{told}");
        assert!(told.contains(&place.to_string()), "{told}");
    }
}
