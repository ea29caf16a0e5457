//! Extended states: filled with one guest's bits as far as the CPU allows, and clean for the next guest.

use std::arch::x86_64::__cpuid_count;

use wasp_core::{Cache, Exit, Lease, Mode, Registers};

use crate::backend::{self, START, needs_kvm};
use crate::skipped;

const MEMORY: u64 = 0x6_0000;
const XCR0: u64 = 0x1_2000;
const FOUND: u64 = 0x2_0000;
const TO_LOAD: u64 = 0x3_0000;
const LOADED: u64 = 0x4_0000;

/// Leaves what it finds in all extended states at 0x20000, loads them from 0x30000, and leaves what it has then
/// at 0x40000; XCR0 is at 0x12000.
///
/// ```text
/// xor ecx, ecx
/// xgetbv
/// mov [0x12000], eax
/// mov eax, -1
/// mov edx, -1
/// xsave64 [0x20000]
/// mov eax, -1
/// mov edx, -1
/// xrstor64 [0x30000]
/// xsave64 [0x40000]
/// out 0xfa, al
/// ```
const CODE: [u8; 61] = [
    0x31, 0xc9, 0x0f, 1, 0xd0, 0x89, 4, 0x25, 0, 0x20, 1, 0, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xba,
    0xff, 0xff, 0xff, 0xff, 0x48, 0x0f, 0xae, 0x24, 0x25, 0, 0, 2, 0, 0xb8, 0xff, 0xff, 0xff, 0xff,
    0xba, 0xff, 0xff, 0xff, 0xff, 0x48, 0x0f, 0xae, 0x2c, 0x25, 0, 0, 3, 0, 0x48, 0x0f, 0xae, 0x24,
    0x25, 0, 0, 4, 0, 0xe6, 0xfa,
];

const X87: u32 = 0;
const SSE: u32 = 1;
const AVX: u32 = 2;
const BOUNDS_CONTROL: u32 = 4;
const KEYS: u32 = 9;
const TILE_SHAPES: u32 = 17;
const TILES: u32 = 18;

/// States that can be loaded from a standard-form area with nonzero values: name, number.
const STATES: [(&str, u32); 11] = [
    ("x87 and MMX", X87),
    ("SSE and MXCSR", SSE),
    ("AVX", AVX),
    ("MPX bounds", 3),
    ("k0 to k7", 5),
    ("upper halves of ZMM0 to ZMM15", 6),
    ("ZMM16 to ZMM31", 7),
    ("PKRU", KEYS),
    ("TILECFG", TILE_SHAPES),
    ("TILEDATA", TILES),
    ("APX's registers", 19),
];

const XSTATE_BV: usize = 512;
const AREA: usize = 0x1_0000;

/// Where a state lies in an area: the legacy region, or what CPUID says. The guest's CPU is the host's.
fn place(state: u32) -> std::ops::Range<usize> {
    match state {
        X87 => 0..160,
        SSE => 160..416,
        _ => {
            let leaf = __cpuid_count(0xd, state);
            let start = leaf.ebx as usize;
            start..start + leaf.eax as usize
        }
    }
}

/// An area that loads every state in `states` with bits that no guest starts with.
fn full(states: u64) -> Vec<u8> {
    let mut area = vec![0; AREA];
    for (_, state) in STATES {
        if states & 1 << state != 0 {
            area[place(state)].fill(0xa5);
        }
    }
    // x87 control, status, tags and last opcode; MXCSR. None has reserved bits set.
    area[..8].copy_from_slice(&[0x7f, 0x0c, 0, 0x38, 0xff, 0, 0x12, 3]);
    area[24..28].copy_from_slice(&0x7f80_u32.to_le_bytes());
    area[28..32].fill(0);
    if states & 1 << KEYS != 0 {
        // All keys denied except that of all pages here, which the guest itself needs.
        area[place(KEYS)].fill(0);
        let start = place(KEYS).start;
        area[start..start + 4].copy_from_slice(&0x5555_5554_u32.to_le_bytes());
    }
    if states & 1 << TILE_SHAPES != 0 {
        // Palette 1; eight tiles of 16 rows of 64 bytes.
        let shapes = &mut area[place(TILE_SHAPES)];
        shapes.fill(0);
        shapes[0] = 1;
        for tile in 0..8 {
            shapes[16 + 2 * tile] = 64;
            shapes[48 + tile] = 16;
        }
    }
    area[XSTATE_BV..XSTATE_BV + 8].copy_from_slice(&states.to_le_bytes());
    area
}

/// Requests that this process and its guests may use AMX's tiles, which are off by default. If the kernel does not
/// support them, nothing happens.
fn ask_for_tiles() {
    const REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const REQ_XCOMP_GUEST_PERM: libc::c_int = 0x1025;
    for request in [REQ_XCOMP_PERM, REQ_XCOMP_GUEST_PERM] {
        // SAFETY: takes two numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_arch_prctl, request, TILES) };
    }
}

fn cache(mode: Mode) -> Cache {
    let builder = Cache::builder(MEMORY).mode(mode).binary(CODE, START);
    builder.limit(1).build().expect("a cache")
}

/// Lets the guest load `area`. Returns how it ended.
fn load(virtine: &mut Lease, area: &[u8]) -> Exit {
    virtine.write(TO_LOAD, area).expect("in bounds");
    virtine.run().expect("a run")
}

fn area(virtine: &Lease, address: u64) -> Vec<u8> {
    let mut area = vec![0; AREA];
    virtine.read(address, &mut area).expect("in bounds");
    area
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// XCR0 as the guest sees it, and which of its states a guest can load.
fn reachable(virtine: &mut Lease) -> Result<(u64, u64), Exit> {
    match load(virtine, &full(0)) {
        Exit::Exited => {}
        other => return Err(other),
    }
    let mut xcr0 = [0; 8];
    virtine.read(XCR0, &mut xcr0).expect("in bounds");
    let xcr0 = u64::from_le_bytes(xcr0);
    let known = STATES
        .iter()
        .fold(0, |known, (_, state)| known | 1 << state);
    Ok((xcr0, xcr0 & known))
}

/// Checks that an area saved by XSAVE shows a CPU in its initial state.
fn check_clean(found: &[u8], xcr0: u64, context: &str) {
    assert_eq!(found[..8], [0x7f, 3, 0, 0, 0, 0, 0, 0], "{context}: x87");
    assert_eq!(found[8..24], [0; 16], "{context}: x87's last addresses");
    let mxcsr = word(found, 24) as u32;
    assert_eq!(mxcsr, 0x1f80, "{context}: MXCSR");
    for state in (0..63).filter(|state| xcr0 & 1 << state != 0) {
        let place = if state == X87 { 32..160 } else { place(state) };
        // Saved as they are, except states that the header marks as initial.
        let in_use = word(found, XSTATE_BV) & 1 << state != 0;
        let clean = found[place].iter().all(|&byte| byte == 0);
        assert!(clean || !in_use, "{context}: state {state}");
    }
}

/// Dirties `states` in one virtine after another. Each must find all of them clean.
fn dirty_again_and_again(cache: &Cache, xcr0: u64, states: u64) -> Exit {
    let (area_to_load, context) = (full(states), format!("{states:#x} of {xcr0:#x}"));
    for round in 0..4 {
        let mut virtine = cache.get().expect("a virtine");
        let exit = load(&mut virtine, &area_to_load);
        if exit != Exit::Exited {
            return exit;
        }
        let context = format!("{context}, round {round}");
        check_clean(&area(&virtine, FOUND), xcr0, &context);
        // It must have been dirty, or the next round would prove nothing.
        let loaded = area(&virtine, LOADED);
        assert_eq!(word(&loaded, XSTATE_BV) & states, states, "{context}");
    }
    Exit::Exited
}

fn is_not_available(exit: &Exit) -> bool {
    matches!(exit, Exit::Faulted { cause: wasp_core::Fault::Exception(exception) } if exception.vector == 7)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_extended_state_is_clean_for_the_next_guest() {
    const NAME: &str = "every_extended_state_is_clean_for_the_next_guest";
    ask_for_tiles();
    let cache = cache(Mode::User64);
    let (xcr0, reachable) = reachable(&mut cache.get().expect("a virtine")).expect("it runs");
    let mut together = reachable;
    for (name, state) in STATES {
        let alone = reachable & 1 << state;
        if alone == 0 {
            skipped::tell(NAME, &format!("no {name} on this machine"));
            continue;
        }
        let exit = dirty_again_and_again(&cache, xcr0, alone);
        if state == TILES && is_not_available(&exit) {
            skipped::tell(NAME, "TILEDATA: the kernel lets no guest use it");
            together &= !alone;
            continue;
        }
        assert_eq!(exit, Exit::Exited, "{name}");
    }
    let other = xcr0 & !reachable & !(1 << BOUNDS_CONTROL);
    if other != 0 {
        skipped::tell(NAME, &format!("states {other:#x} are unknown to this test"));
    }
    assert_eq!(dirty_again_and_again(&cache, xcr0, together), Exit::Exited);
}

/// The host's way, through ioctls, which is used if the caller reads the registers before the guest starts.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_extended_state_is_clean_without_the_gate_as_well() {
    ask_for_tiles();
    let cache = cache(Mode::User64);
    let (xcr0, reachable) = reachable(&mut cache.get().expect("a virtine")).expect("it runs");
    let dirty = full(reachable & !(1 << TILES));
    for round in 0..4 {
        let mut virtine = cache.get().expect("a virtine");
        needs_kvm(&virtine.special_registers());
        assert_eq!(load(&mut virtine, &dirty), Exit::Exited);
        let context = format!("round {round}");
        check_clean(&area(&virtine, FOUND), xcr0, &context);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_extended_state_is_clean_for_the_next_guest_in_ring_0() {
    const NAME: &str = "every_extended_state_is_clean_for_the_next_guest_in_ring_0";
    if backend::refuses(Mode::Long64) {
        return;
    }
    let cache = cache(Mode::Long64);
    let reached = reachable(&mut cache.get().expect("a virtine"));
    let (xcr0, reachable) = match reached {
        Ok(reached) => reached,
        Err(exit) => return skipped::tell(NAME, &format!("this KVM does not run it: {exit:?}")),
    };
    for (_, state) in STATES {
        let alone = reachable & 1 << state;
        if alone != 0 {
            assert_eq!(dirty_again_and_again(&cache, xcr0, alone), Exit::Exited);
        }
    }
    assert_eq!(dirty_again_and_again(&cache, xcr0, reachable), Exit::Exited);
}

/// Leaves MXCSR as it finds it at 0x12000, then has it round otherwise. No register of SSE's own is touched, so
/// that nothing but MXCSR is in use.
///
/// ```text
/// 0f ae 1c 25 00 20 01 00         stmxcsr [0x12000]
/// c7 04 25 08 20 01 00 80 7f 00 00   mov dword [0x12008], 0x7f80
/// 0f ae 14 25 08 20 01 00         ldmxcsr [0x12008]
/// e6 fa                           out 0xfa, al
/// ```
const ROUNDING: [u8; 29] = [
    0x0f, 0xae, 0x1c, 0x25, 0, 0x20, 1, 0, 0xc7, 4, 0x25, 8, 0x20, 1, 0, 0x80, 0x7f, 0, 0, 0x0f,
    0xae, 0x14, 0x25, 8, 0x20, 1, 0, 0xe6, 0xfa,
];

/// What consecutive guests find in MXCSR.
fn rounding(mode: Mode, by_host: bool) -> Result<(), Exit> {
    let builder = Cache::builder(MEMORY).mode(mode).binary(ROUNDING, START);
    let cache = builder.limit(1).build().expect("a cache");
    for round in 0..5 {
        let mut virtine = cache.get().expect("a virtine");
        if by_host {
            needs_kvm(&virtine.special_registers());
        }
        match virtine.run().expect("a run") {
            Exit::Exited => {}
            other => return Err(other),
        }
        let mut mxcsr = [0; 4];
        virtine.read(0x1_2000, &mut mxcsr).expect("in bounds");
        assert_eq!(u32::from_le_bytes(mxcsr), 0x1f80, "{mode:?}, round {round}");
    }
    Ok(())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn mxcsr_starts_anew_in_every_mode_that_has_one() {
    rounding(Mode::User64, false).expect("it runs");
    rounding(Mode::User64, true).expect("it runs");
    if backend::refuses(Mode::Long64) {
        return;
    }
    if let Err(exit) = rounding(Mode::Long64, false) {
        let reason = format!("this KVM does not run stmxcsr in ring 0: {exit:?}");
        skipped::tell("mxcsr_starts_anew_in_every_mode_that_has_one", &reason);
    }
}

/// Makes all protection keys deny everything, including its own pages, and leaves at once.
///
/// ```text
/// 31 c9               xor ecx, ecx
/// 31 d2               xor edx, edx
/// b8 ff ff ff ff      mov eax, -1
/// 0f 01 ef            wrpkru
/// e6 fa               out 0xfa, al
/// ```
const DENY: [u8; 14] = [
    0x31, 0xc9, 0x31, 0xd2, 0xb8, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0xef, 0xe6, 0xfa,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn keys_that_deny_everything_deny_the_next_guest_nothing() {
    const BEHAVED: u64 = START + 0x100;
    let mut image = DENY.to_vec();
    image.resize(0x100, 0x90);
    // 48 8b 04 25 00 20 01 00: mov rax, [0x12000]; e6 30: out 0x30, al
    image.extend([0x48, 0x8b, 4, 0x25, 0, 0x20, 1, 0, 0xe6, 0x30]);
    let builder = Cache::builder(MEMORY).binary(image, START);
    let cache = builder.limit(1).build().expect("a cache");
    for _ in 0..4 {
        let exit = cache.get().expect("a virtine").run().expect("a run");
        if exit != Exit::Exited {
            // It has no keys, so WRPKRU is an invalid instruction.
            assert!(
                matches!(&exit, Exit::Faulted { cause: wasp_core::Fault::Exception(exception) } if exception.vector == 6),
                "{exit:?}"
            );
            let name = "keys_that_deny_everything_deny_the_next_guest_nothing";
            skipped::tell(name, "no PKRU for guests on this machine");
        }
        let mut next = cache.get().expect("a virtine");
        let registers = next.registers().expect("registers");
        let set = Registers {
            rip: BEHAVED,
            ..registers
        };
        next.set_registers(&set).expect("set");
        let exit = next.run().expect("a run");
        assert!(
            matches!(exit, Exit::Hypercall { port: 0x30, .. }),
            "{exit:?}"
        );
    }
}
