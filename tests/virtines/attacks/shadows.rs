//! Effects of an instruction on the next one: blocked interrupts and pending debug exceptions. The guest leaves in
//! between, and the next guest must see nothing of it.

use wasp_core::{Cache, Lease, Mode, Registers};

use super::{GOOD, answers, cache};
use crate::{backend, skipped};

/// What the host does with a virtine before it takes it away, and with the next one before it starts.
#[derive(Clone, Copy, Debug)]
enum Host {
    /// Nothing.
    Idle,
    /// Reads the registers, for which KVM completes the access.
    Looks,
    /// Clears the guest's flags.
    Clears,
    /// Starts the next one with interrupts off.
    StartsWithoutInterrupts,
    /// Sets all registers of the next one itself, and starts it with interrupts off.
    SetsAll,
}

const HOSTS: [Host; 5] = [
    Host::Idle,
    Host::Looks,
    Host::Clears,
    Host::StartsWithoutInterrupts,
    Host::SetsAll,
];

/// Bit 1 and IOPL 3.
const NO_INTERRUPTS: u64 = 0x3002;

fn leave(virtine: &mut Lease, host: Host) {
    // However it ends: on some hosts `sti` faults in ring 3.
    let _ = virtine.run().expect("a run");
    if matches!(host, Host::Looks | Host::Clears) {
        let registers = virtine.registers().expect("registers");
        if matches!(host, Host::Clears) {
            let rflags = NO_INTERRUPTS;
            let set = Registers {
                rflags,
                ..registers
            };
            virtine.set_registers(&set).expect("set");
        }
    }
}

/// Whether the next virtine does what it should.
fn next_behaves(cache: &Cache, host: Host, name: &str) {
    let mut virtine = cache.get().expect("a virtine");
    if matches!(host, Host::SetsAll) {
        backend::needs_kvm(&virtine.special_registers());
    }
    let registers = virtine.registers().expect("registers");
    let rflags = match host {
        Host::StartsWithoutInterrupts | Host::SetsAll => NO_INTERRUPTS,
        _ => registers.rflags,
    };
    let set = Registers {
        rip: GOOD,
        rflags,
        ..registers
    };
    virtine.set_registers(&set).expect("set");
    answers(&mut virtine, &format!("{name}, {host:?}"));
}

fn check(mode: Mode, name: &str, code: &[u8]) {
    if backend::refuses(mode) {
        return;
    }
    let cache = cache(mode, code);
    for host in HOSTS {
        leave(&mut cache.get().expect("a virtine"), host);
        next_behaves(&cache, host, name);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_waits_for_the_next_guest_in_ring_3() {
    let attacks: [(&str, &[u8]); 9] = [
        // sti; out 0x31, al
        ("sti", &[0xfb, 0xe6, 0x31]),
        // cli; sti; out 0x31, al
        ("cli, sti", &[0xfa, 0xfb, 0xe6, 0x31]),
        // cli; out 0x31, al
        ("cli", &[0xfa, 0xe6, 0x31]),
        // mov eax, ss; mov ss, eax; out 0x31, al
        ("mov ss", &[0x8c, 0xd0, 0x8e, 0xd0, 0xe6, 0x31]),
        // pushfq; or dword [rsp], 0x100; popfq; out 0x31, al
        (
            "single steps",
            &[0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0xe6, 0x31],
        ),
        // mov eax, ss; pushfq; or dword [rsp], 0x100; popfq; mov ss, eax; out 0x31, al
        (
            "mov ss in single steps",
            &[
                0x8c, 0xd0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x8e, 0xd0, 0xe6, 0x31,
            ],
        ),
        // the same with in al, 0x31
        (
            "mov ss in single steps, and a read",
            &[
                0x8c, 0xd0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x8e, 0xd0, 0xe4, 0x31,
            ],
        ),
        // mov eax, ss; mov ss, eax; int1
        ("mov ss, int1", &[0x8c, 0xd0, 0x8e, 0xd0, 0xf1]),
        // mov eax, ss; cli; sti; mov ss, eax; out 0x31, al
        (
            "cli, sti, mov ss",
            &[0x8c, 0xd0, 0xfa, 0xfb, 0x8e, 0xd0, 0xe6, 0x31],
        ),
    ];
    for (name, code) in attacks {
        check(Mode::User64, name, code);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_waits_for_the_next_guest_in_ring_0() {
    let attacks: [(&str, &[u8]); 4] = [
        // sti; out 0x31, al
        ("sti", &[0xfb, 0xe6, 0x31]),
        // xor eax, eax; mov ss, eax; out 0x31, al
        ("mov ss", &[0x31, 0xc0, 0x8e, 0xd0, 0xe6, 0x31]),
        // xor eax, eax; pushfq; or dword [rsp], 0x100; popfq; mov ss, eax; out 0x31, al
        (
            "mov ss in single steps",
            &[
                0x31, 0xc0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x8e, 0xd0, 0xe6, 0x31,
            ],
        ),
        // xor eax, eax; pushfq; or dword [rsp], 0x100; popfq; mov ss, eax; hlt
        (
            "mov ss in single steps, and a halt",
            &[
                0x31, 0xc0, 0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d, 0x8e, 0xd0, 0xf4,
            ],
        ),
    ];
    for (name, code) in attacks {
        check(Mode::Long64, name, code);
    }
}

/// mov eax, 0x2000; mov dr0, rax; mov eax, 0xf0402; mov dr7, rax; mov ss, [0x2000]; out 0x31, al
const WATCHED: [u8; 25] = [
    0xb8, 0, 0x20, 0, 0, 0x0f, 0x23, 0xc0, 0xb8, 2, 4, 0x0f, 0, 0x0f, 0x23, 0xf8, 0x8e, 0x14, 0x25,
    0, 0x20, 0, 0, 0xe6, 0x31,
];

/// Intel CPUs keep a breakpoint's exception pending after a `mov ss` (Intel SDM vol. 3, 28.3.4). AMD CPUs do not, and
/// on the one that QEMU emulates it does not outlive a guest's breakpoints.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn breakpoint_behind_a_mov_ss_does_not_wait_for_the_next_guest() {
    // CPUID 0, EBX: "Genu".
    if std::arch::x86_64::__cpuid(0).ebx != 0x756e_6547 {
        let name = "breakpoint_behind_a_mov_ss_does_not_wait_for_the_next_guest";
        return skipped::tell(name, "no processor of Intel's");
    }
    check(Mode::Long64, "mov ss from a watched word", &WATCHED);
}
