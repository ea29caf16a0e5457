//! Raw guests: custom machine code, in each mode.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use wasp_core::{
    Cache, Direction, Error, Exit, Fault, FloatRegisters, GuestAddress, Mode, Registers,
    SpecialRegisters, Virtine,
};

use crate::backend::{self, LOWEST, MEMORY, START, needs_kvm};

const MODES: [Mode; 4] = [Mode::Real16, Mode::Protected32, Mode::Long64, Mode::User64];

fn virtine(mode: Mode, code: &[u8]) -> Virtine {
    let mut virtine = Virtine::builder()
        .memory(MEMORY)
        .mode(mode)
        .build()
        .expect("a virtine");
    let start = backend::start(mode);
    virtine.load_raw(code, start).expect("the code fits");
    virtine
}

/// The fields of a hypercall, for separate checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hypercall {
    port: u16,
    direction: Direction,
    width: u8,
    count: u32,
    data: u32,
}

fn hypercall(exit: Exit) -> Hypercall {
    match exit {
        Exit::Hypercall {
            port,
            direction,
            width,
            count,
            data,
        } => Hypercall {
            port,
            direction,
            width,
            count,
            data,
        },
        other => panic!("expected a hypercall, got {other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wasps_first_program_exits_in_real_mode() {
    if backend::refuses(Mode::Real16) {
        return;
    }
    // As Wasp's README: 32 KiB of memory, a flat binary from a file, loaded at 0x1000.
    //   [bits 16] out 0xFA, eax
    let file = std::env::temp_dir().join(format!("virtine-{}.bin", std::process::id()));
    fs::write(&file, [0x66, 0xe7, 0xfa]).expect("written");
    let mut virtine = Virtine::builder()
        .memory(0x8000)
        .mode(Mode::Real16)
        .build()
        .expect("a virtine");
    virtine.load_binary(&file, 0x1000).expect("loaded");
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
    fs::remove_file(&file).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn each_mode_talks_through_ports() {
    // b0 07   mov al, 7
    // e6 20   out 0x20, al
    // e6 fa   out 0xfa, al
    for mode in backend::modes(&MODES) {
        let mut virtine = virtine(mode, &[0xb0, 7, 0xe6, 0x20, 0xe6, 0xfa]);
        let call = Hypercall {
            port: 0x20,
            direction: Direction::Out,
            width: 1,
            count: 1,
            data: 7,
        };
        assert_eq!(hypercall(virtine.run().expect("a run")), call, "{mode:?}");
        // After the instruction, even if KVM itself stops on it.
        assert_eq!(
            virtine.registers().expect("registers").rip,
            backend::start(mode) + 4,
            "{mode:?}"
        );
        assert_eq!(virtine.run().expect("a run"), Exit::Exited, "{mode:?}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn port_reads_are_answered_by_registers() {
    // e4 21   in al, 0x21
    // e6 22   out 0x22, al
    // e4 21   in al, 0x21
    // e6 22   out 0x22, al
    for mode in backend::modes(&MODES) {
        let mut virtine = virtine(mode, &[0xe4, 0x21, 0xe6, 0x22, 0xe4, 0x21, 0xe6, 0x22]);
        let call = hypercall(virtine.run().expect("a run"));
        assert_eq!((call.port, call.direction), (0x21, Direction::In));
        let registers = virtine.registers().expect("registers");
        assert_eq!(registers.rip, backend::start(mode) + 2);
        virtine
            .set_registers(&Registers {
                rax: 0x5a,
                ..registers
            })
            .expect("set");
        assert_eq!(
            hypercall(virtine.run().expect("a run")).data,
            0x5a,
            "{mode:?}"
        );
        // Unanswered, it reads zero, whatever was there.
        assert_eq!(
            hypercall(virtine.run().expect("a run")).direction,
            Direction::In
        );
        assert_eq!(hypercall(virtine.run().expect("a run")).data, 0, "{mode:?}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn registers_and_memory_are_the_hosts_to_read_and_write() {
    // 48 8b 07         mov rax, [rdi]
    // 48 01 f0         add rax, rsi
    // 48 89 47 08      mov [rdi + 8], rax
    // e6 ff            out 0xff, al
    // eb f2            jmp back to the start
    let code = [
        0x48, 0x8b, 7, 0x48, 1, 0xf0, 0x48, 0x89, 0x47, 8, 0xe6, 0xff, 0xeb, 0xf2,
    ];
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let mut virtine = virtine(mode, &code);
        for round in 0..100_u64 {
            virtine
                .write(0x1_2000, &(round * 3).to_le_bytes())
                .expect("in bounds");
            let registers = virtine.registers().expect("registers");
            virtine
                .set_registers(&Registers {
                    rdi: 0x1_2000,
                    rsi: 1 << 40,
                    ..registers
                })
                .expect("set");
            assert_eq!(hypercall(virtine.run().expect("a run")).port, 0xff);
            let mut sum = [0; 8];
            virtine.read(0x1_2008_u64, &mut sum).expect("in bounds");
            assert_eq!(u64::from_le_bytes(sum), round * 3 + (1 << 40));
            assert_eq!(
                virtine.registers().expect("registers").rax,
                round * 3 + (1 << 40)
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_ends_exactly_where_it_ends() {
    let mut virtine = virtine(Mode::User64, &[0xf4]);
    let size = virtine.memory_size();
    assert!(virtine.write(size - 4, &[1, 2, 3, 4]).is_ok());
    for (address, length) in [(size - 3, 4), (size, 1), (u64::MAX, 1), (u64::MAX - 3, 8)] {
        let mut bytes = vec![0; length];
        let refused = |result: Result<(), Error>| matches!(result, Err(Error::OutOfBounds { .. }));
        assert!(refused(virtine.read(address, &mut bytes)), "{address:#x}");
        assert!(refused(virtine.write(address, &bytes)), "{address:#x}");
        assert!(refused(virtine.load_raw(&bytes, address)), "{address:#x}");
    }
    assert!(virtine.read(-1, &mut [0]).is_err());
    assert!(virtine.read(GuestAddress(size), &mut []).is_ok());
    let huge = virtine.load_raw(&vec![0x90; 0x2_0001], 0);
    assert!(
        matches!(
            huge,
            Err(Error::OutOfBounds {
                length: 0x2_0001,
                ..
            })
        ),
        "{huge:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn impossible_memory_sizes_are_refused() {
    for (mode, bytes) in [
        (Mode::User64, 0),
        (Mode::User64, 0x1001),
        (Mode::User64, (4 << 30) + 0x1000),
        (Mode::Real16, 4 << 30),
        // Where KVM puts its own pages, right below 4 GiB.
        (Mode::Protected32, 0xfffb_d000),
        (Mode::Long64, u64::MAX),
    ] {
        let result = Virtine::builder().memory(bytes).mode(mode).build();
        assert!(matches!(result, Err(Error::MemorySize { found, .. }) if found == bytes));
    }
    for mode in MODES {
        needs_kvm(&Virtine::builder().memory(0x1000).mode(mode).build());
    }
    for mode in backend::modes(&MODES) {
        let smallest = Virtine::builder().memory(LOWEST + 0x1000).mode(mode);
        assert!(smallest.build().is_ok());
    }
    assert!(Virtine::builder().memory(4 << 30).build().is_ok());
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_below_64_kib_is_not_there_by_process() {
    let mut virtine = virtine(Mode::User64, &[0xf4]);
    for (address, length) in [(0, 1), (0x8000, 8), (LOWEST - 1, 1), (LOWEST - 4, 8)] {
        let mut bytes = vec![0; length];
        needs_kvm(&virtine.read(address, &mut bytes));
        needs_kvm(&virtine.write(address, &bytes));
        needs_kvm(&virtine.load_raw(&bytes, address));
        needs_kvm(&Cache::builder(MEMORY).binary(bytes, address).build());
    }
    assert!(virtine.write(LOWEST, &[1]).is_ok());
    for bytes in [0x1000, LOWEST] {
        needs_kvm(&Virtine::builder().memory(bytes).build());
        needs_kvm(&Cache::builder(bytes).build());
    }
}

/// Some processors of Intel's need pages of KVM's own right below 4 GiB: from where guests without paging end.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_reaches_over_where_kvm_puts_pages_of_its_own() {
    const UNPAGED: u64 = 0xfffb_c000;
    for mode in backend::modes(&MODES) {
        let sizes: &[u64] = match mode {
            Mode::Real16 | Mode::Protected32 => &[UNPAGED],
            _ => &[UNPAGED, UNPAGED + 0x1000, 0xfffc_0000, 4 << 30],
        };
        for &size in sizes {
            let built = Virtine::builder().memory(size).mode(mode).build();
            let mut virtine = built.unwrap_or_else(|error| panic!("{mode:?} {size:#x}: {error}"));
            // e6 fa: out 0xfa, al
            let start = backend::start(mode);
            virtine.load_raw(&[0xe6, 0xfa], start).expect("it fits");
            assert_eq!(
                virtine.run().expect("a run"),
                Exit::Exited,
                "{mode:?} {size:#x}"
            );
            let mut last = [0xff; 4];
            virtine.read(size - 4, &mut last).expect("in bounds");
            assert_eq!(last, [0; 4], "{mode:?} {size:#x}");
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn missing_image_is_named() {
    let mut virtine = virtine(Mode::User64, &[0xf4]);
    let error = virtine
        .load_binary("no/such/image.bin", START)
        .expect_err("no such file");
    assert!(
        error
            .to_string()
            .starts_with("cannot read the image no/such/image.bin: "),
        "{error}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn halted_guest_goes_on_behind_the_halt() {
    // f4      hlt
    // e6 fa   out 0xfa, al
    for mode in backend::modes(&[Mode::Real16, Mode::Protected32, Mode::Long64]) {
        let mut virtine = virtine(mode, &[0xf4, 0xe6, 0xfa]);
        assert_eq!(virtine.run().expect("a run"), Exit::Halted, "{mode:?}");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited, "{mode:?}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn faults_tell_their_cause_and_stay() {
    // User64: f4 hlt, which ring 3 may not.
    let mut user = virtine(Mode::User64, &[0xf4]);
    let exit = user.run().expect("a run");
    assert!(
        matches!(&exit, Exit::Faulted { cause: Fault::Exception(e) } if e.vector == 13 && e.rip == START),
        "{exit:?}"
    );
    assert_eq!(user.run().expect("a run"), exit);
    if backend::refuses(Mode::Long64) && backend::refuses(Mode::Protected32) {
        return;
    }
    // Long64: 0f 0b ud2, with no IDT to catch it.
    let mut supervisor = virtine(Mode::Long64, &[0x0f, 0x0b]);
    assert_eq!(
        supervisor.run().expect("a run"),
        Exit::Faulted {
            cause: Fault::TripleFault
        }
    );
    assert_eq!(
        supervisor.run().expect("a run"),
        Exit::Faulted {
            cause: Fault::TripleFault
        }
    );
    // Protected32: a1 00 00 00 e0   mov eax, [0xe0000000], where nothing is.
    let mut flat = virtine(Mode::Protected32, &[0xa1, 0, 0, 0, 0xe0]);
    assert_eq!(
        flat.run().expect("a run"),
        Exit::Faulted {
            cause: Fault::Mmio {
                address: 0xe000_0000
            }
        }
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn user_mode_cannot_reach_what_is_hidden_behind_its_memory() {
    const GATE: u64 = 0x6000;
    // 48 8b 07   mov rax, [rdi]
    // 48 89 07   mov [rdi], rax
    let (read, write) = ([0x48, 0x8b, 7], [0x48, 0x89, 7]);
    let hidden = [
        0, 0x1000, 0x2000, 0x3000, GATE, 0x7000, 0x8000, 0x9000, 0xa000,
    ];
    for (code, offset) in hidden.map(|at| (write, at)).into_iter().chain(
        // The gate is ring-3 code, so it can be read.
        hidden
            .map(|at| (read, at))
            .into_iter()
            .filter(|(_, at)| *at != GATE),
    ) {
        let mut virtine = virtine(Mode::User64, &code);
        let registers = virtine.registers().expect("registers");
        let address = virtine.memory_size() + offset;
        virtine
            .set_registers(&Registers {
                rdi: address,
                ..registers
            })
            .expect("set");
        let exit = virtine.run().expect("a run");
        assert!(
            matches!(&exit, Exit::Faulted { cause: Fault::Exception(e) } if e.vector == 14 && e.address == address),
            "{exit:?}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn special_and_float_registers_are_readable_and_writable() {
    if backend::refuses(Mode::Long64) {
        let mut virtine = virtine(Mode::User64, &[0xe6, 0xfa]);
        needs_kvm(&virtine.special_registers());
        needs_kvm(&virtine.set_special_registers(&SpecialRegisters::default()));
        needs_kvm(&virtine.float_registers());
        needs_kvm(&virtine.set_float_registers(&FloatRegisters::default()));
        return;
    }
    let mut virtine = virtine(Mode::Long64, &[0xe6, 0xfa]);
    let special = virtine.special_registers().expect("registers");
    assert!(special.cs.long && special.cr0 & 1 << 31 != 0 && special.efer & 1 << 10 != 0);
    let mut float = virtine.float_registers().expect("registers");
    float.xmm[3] = [7; 16];
    virtine.set_float_registers(&float).expect("set");
    assert_eq!(
        virtine.float_registers().expect("registers").xmm[3],
        [7; 16]
    );
    let moved = SpecialRegisters {
        cr2: 0x1234_5000,
        ..special
    };
    virtine.set_special_registers(&moved).expect("set");
    assert_eq!(
        virtine.special_registers().expect("registers").cr2,
        0x1234_5000
    );
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_ends_every_run_and_the_guest_can_go_on() {
    // fe c0   inc al
    // eb fc   jmp back
    let builder = Virtine::builder()
        .memory(MEMORY)
        .deadline(Duration::from_millis(20));
    for mode in backend::modes(&MODES) {
        let mut virtine = builder.clone().mode(mode).build().expect("a virtine");
        virtine
            .load_raw(&[0xfe, 0xc0, 0xeb, 0xfc], backend::start(mode))
            .expect("fits");
        for _ in 0..3 {
            let start = Instant::now();
            assert_eq!(virtine.run().expect("a run"), Exit::TimedOut, "{mode:?}");
            assert!(start.elapsed() >= Duration::from_millis(20));
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn canceller_ends_a_run_from_another_thread() {
    let mut virtine = virtine(Mode::User64, &[0xeb, 0xfe]);
    let canceller = virtine.canceller();
    let helper = canceller.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        helper.cancel();
    });
    assert_eq!(virtine.run().expect("a run"), Exit::Cancelled);
    thread.join().expect("no panic");
    // Before a run, it ends the next run, and no other.
    canceller.cancel();
    assert_eq!(virtine.run().expect("a run"), Exit::Cancelled);
    virtine.load_raw(&[0xe6, 0xfa], START).expect("fits");
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
    drop(virtine);
    canceller.cancel();
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn string_instructions_are_told_access_by_access_or_at_once() {
    // f3 6e rep outsb; f3 6c rep insb; then e6 fa out 0xfa, al
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        for (opcode, direction) in [(0x6e, Direction::Out), (0x6c, Direction::In)] {
            let mut virtine = virtine(mode, &[0xf3, opcode, 0xe6, 0xfa]);
            virtine.write(0x1_2000, b"abcde").expect("in bounds");
            let registers = virtine.registers().expect("registers");
            let set = Registers {
                rcx: 5,
                rsi: 0x1_2000,
                rdi: 0x1_2000,
                rdx: 0x30,
                ..registers
            };
            virtine.set_registers(&set).expect("set");
            let mut accesses = 0;
            loop {
                match virtine.run().expect("a run") {
                    exit @ Exit::Hypercall { .. } => {
                        let call = hypercall(exit);
                        assert_eq!(
                            (call.port, call.direction, call.width),
                            (0x30, direction, 1)
                        );
                        accesses += call.count;
                    }
                    Exit::Exited => break,
                    // In a process it is a general protection fault like `hlt`.
                    Exit::Faulted {
                        cause: Fault::Exception(e),
                    } if backend::by_process() && e.vector == 13 => break,
                    other => panic!("{mode:?}: {other:?}"),
                }
            }
            let expected = if backend::by_process() { 0 } else { 5 };
            assert_eq!(accesses, expected, "{mode:?} {direction:?}");
            let mut bytes = [0xff; 5];
            virtine.read(0x1_2000, &mut bytes).expect("in bounds");
            assert_eq!(
                &bytes,
                if direction == Direction::Out || backend::by_process() {
                    b"abcde"
                } else {
                    &[0; 5]
                }
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_port_in_every_width_reaches_the_host() {
    // 66 ef: out dx, ax; ef: out dx, eax; ee: out dx, al; then the same with in: 66 ed, ed, ec.
    let code: [(&[u8], u8, Direction); 6] = [
        (&[0xee], 1, Direction::Out),
        (&[0x66, 0xef], 2, Direction::Out),
        (&[0xef], 4, Direction::Out),
        (&[0xec], 1, Direction::In),
        (&[0x66, 0xed], 2, Direction::In),
        (&[0xed], 4, Direction::In),
    ];
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        for (bytes, width, direction) in code {
            let mut virtine = virtine(mode, bytes);
            for port in [0, 0xfe, 0xff, 0x3f8, 0x8000, 0xfffc] {
                let registers = virtine.registers().expect("registers");
                let next = Registers {
                    rip: START,
                    rdx: port,
                    rax: 0x1122_3344,
                    ..registers
                };
                virtine.set_registers(&next).expect("set");
                let call = hypercall(virtine.run().expect("a run"));
                let value = if direction == Direction::Out {
                    0x1122_3344 & u32::MAX >> (32 - 8 * u32::from(width))
                } else {
                    0
                };
                let expected = Hypercall {
                    port: port as u16,
                    direction,
                    width,
                    count: 1,
                    data: value,
                };
                assert_eq!(call, expected, "{mode:?}");
            }
        }
    }
}
