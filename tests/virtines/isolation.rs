//! No call leaves anything for the next.

use std::arch::asm;
use std::sync::atomic::{AtomicU64, Ordering};

use wasp_core::virtine;

static COUNTER: AtomicU64 = AtomicU64::new(0);
static GLOBAL: [AtomicU64; 600] = [const { AtomicU64::new(0) }; 600];

#[virtine]
fn count() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed) + 1
}

/// A call that searches must not contain the secret itself, so it is passed inverted.
const SECRET: u64 = 0x5ec2_e75e_c2e7_5ec2;

/// Plants the secret everywhere it can, or counts where it is found: heap, stack, globals and the argument area. Heap
/// and arguments are scanned from an address near their start.
#[virtine]
fn haunt(inverted: u64, ballast: &[u8], plant: bool) -> u64 {
    let secret = !inverted;
    let heap: Vec<u64> = vec![if plant { secret } else { 0 }; 40_000];
    let last = GLOBAL.len() - 1;
    match plant {
        true => {
            GLOBAL
                .iter()
                .for_each(|word| word.store(secret, Ordering::Relaxed));
            fill_stack(secret, 20);
            core::hint::black_box(&heap);
            u64::from(ballast.first().copied().unwrap_or_default())
        }
        false => {
            let globals = (GLOBAL[0].load(Ordering::Relaxed) == secret)
                || (GLOBAL[last].load(Ordering::Relaxed) == secret);
            let here = heap.as_ptr() as usize & !0xfff;
            // From the page of the arguments to well after the last allocation of the planting call.
            let heap = occurrences(ballast.as_ptr() as usize & !0xfff, here + 0x10_0000, secret);
            let frame = 0_u8;
            let stack = &raw const frame as usize & !0xfff;
            u64::from(globals) + heap + occurrences(stack - 0x2_0000, stack, secret)
        }
    }
}

fn fill_stack(secret: u64, depth: u32) -> u64 {
    let frame = [secret; 128];
    core::hint::black_box(&frame);
    if depth == 0 {
        frame[7]
    } else {
        fill_stack(secret, depth - 1) ^ frame[3]
    }
}

fn occurrences(start: usize, end: usize, secret: u64) -> u64 {
    (start..end)
        .step_by(8)
        // SAFETY: heap and stack pages of the guest, all mapped; words are read one by one.
        .filter(|&at| unsafe { (at as *const u64).read_volatile() } == secret)
        .count() as u64
}

/// Loads a pattern into registers that a call does not reset by itself, or returns their initial values.
#[virtine]
fn registers(plant: bool) -> Vec<u64> {
    const PATTERN: u64 = 0xa5a5_5a5a_0ff0_f00f;
    let mut state = FxState([0xee; 512]);
    let (mut fs, mut gs, mut ds): (u64, u64, u64);
    // SAFETY: reads processor state into `state` and locals, or overwrites registers that the
    // compiler is told about; the virtine ends right after.
    unsafe {
        asm!("fxsave64 [{0}]", "rdfsbase {1}", "rdgsbase {2}", "mov {3:e}, ds",
            in(reg) &raw mut state, out(reg) fs, out(reg) gs, out(reg) ds);
        if plant {
            asm!(
                "wrfsbase {0}", "wrgsbase {0}",
                "mov {1:e}, 0x7f80", "push {1}", "ldmxcsr [rsp]", "pop {1}",
                "movq xmm13, {0}", "movq xmm14, {0}", "movq xmm15, {0}", "movq xmm8, {0}",
                "movq mm0, {0}", "movq mm5, {0}", "movq mm7, {0}",
                in(reg) PATTERN & 0x7fff_ffff_f000, out(reg) _,
                out("xmm13") _, out("xmm14") _, out("xmm15") _, out("xmm8") _,
            );
        }
    }
    let words = state
        .0
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word));
    let mxcsr = u64::from(u32::from_le_bytes([
        state.0[24],
        state.0[25],
        state.0[26],
        state.0[27],
    ]));
    let control = u64::from(u16::from_le_bytes([state.0[0], state.0[1]]));
    let planted = words
        .filter(|&word| word & 0x7fff_ffff_f000 == PATTERN & 0x7fff_ffff_f000)
        .count();
    vec![planted as u64, mxcsr, control, fs, gs, ds]
}

/// Compiled like C's long double arithmetic: it leaves x87 registers in use.
#[virtine]
fn log10(x: f64) -> f64 {
    let mut y = x;
    // SAFETY: reads and writes `y`, and leaves the x87 stack as empty as before.
    unsafe {
        asm!("fldlg2", "fld qword ptr [{0}]", "fyl2x", "fstp qword ptr [{0}]", in(reg) &mut y);
    }
    y
}

/// Leaves x87, MMX or AVX registers in use, or none.
#[virtine]
fn leave_in_use(what: u32) -> u32 {
    let control = 0x0c7f_u16;
    let avx = core::arch::x86_64::__cpuid(1).ecx & 0b11 << 27 == 0b11 << 27;
    // SAFETY: overwrites registers that the virtine, which ends right after, does not use.
    unsafe {
        match what {
            1 => asm!("fldcw [{}]", in(reg) &control),
            2 => asm!("fld1"),
            3 => asm!("fld1", "fstp st(0)"),
            4 => asm!("pcmpeqd mm0, mm0"),
            5 if avx => asm!("vpcmpeqd ymm0, ymm0, ymm0", out("xmm0") _),
            6 if avx => asm!("vpcmpeqd ymm0, ymm0, ymm0", "vzeroupper", out("xmm0") _),
            _ => {}
        }
    }
    what
}

#[repr(align(16))]
struct FxState([u8; 512]);

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn globals_start_anew() {
    for _ in 0..50 {
        assert_eq!(count(), 1);
    }
    assert_eq!(
        COUNTER.load(Ordering::Relaxed),
        0,
        "the host's copy is untouched"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_holds_nothing_of_an_earlier_call() {
    let secrets = SECRET.to_le_bytes().repeat(3000);
    for _ in 0..10 {
        haunt(!SECRET, &secrets, true);
        assert_eq!(haunt(!SECRET, &[0; 16], false), 0);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn scan_finds_what_is_there() {
    // The search must be able to find it: here the secret is in this call's own arguments.
    let secrets = SECRET.to_le_bytes().repeat(100);
    assert!(haunt(!SECRET, &secrets, false) >= 99);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn processor_state_starts_anew() {
    if !crate::skipped::has_bases("processor_state_starts_anew") {
        return;
    }
    // No pattern in x87, MMX or SSE registers; MXCSR, x87 control word, FS and GS base, DS.
    let clean = [0, 0x1f80, 0x37f, 0, 0, 0];
    for _ in 0..10 {
        assert_eq!(registers(false), clean);
        registers(true);
    }
    assert_eq!(registers(false), clean);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn registers_left_in_use_are_no_later_calls_harm() {
    for what in 0..=6 {
        for _ in 0..3 {
            assert_eq!(leave_in_use(what), what);
            assert_eq!(leave_in_use(0), 0);
        }
    }
    for _ in 0..4 {
        let result = log10::try_call(1000.0);
        assert!(matches!(result, Ok(3.0)), "{result:?}");
    }
}
