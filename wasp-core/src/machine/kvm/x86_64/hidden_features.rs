//! CPU features that CPUID hides from guests though KVM offers them.
//!
//! A feature is hidden if it has state that is not reset between two guests, or leads to such state. KVM enforces this
//! for guests in ring 0: it refuses with #GP any bit of CR4 or XCR0, or MSR, of a feature that CPUID does not have.
//! Ring 3 cannot switch any of it on.

use kvm_bindings::kvm_cpuid_entry2;

/// A register of CPUID's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// Bits that are cleared in one register of a leaf's answer.
struct Hidden {
    function: u32,
    index: u32,
    register: Register,
    bits: &'static [u32],
}

const fn hidden(function: u32, index: u32, register: Register, bits: &'static [u32]) -> Hidden {
    Hidden {
        function,
        index,
        register,
        bits,
    }
}

/// From Intel SDM vol. 2, CPUID, and AMD APM vol. 3, appendix E. By reason:
///
/// * Virtualization: no guest is itself a host.
/// * AVX-512, AMX, AVX10, APX, MPX, LWP, protection keys: extended states beyond x87, SSE and AVX. No guest is compiled
///   for them, and KVM_SET_XSAVE leaves PKRU unchanged if the area does not name it.
/// * XSAVES and XFD: the states of IA32_XSS and their switches, which KVM's XSAVE areas do not have.
/// * Shadow stacks and branch tracking (CET), user interrupts (UINTR), FRED, key locker, PASIDs (ENQCMD): their own
///   states, with MSRs that older KVMs do not list, or keys that cannot be read.
/// * SGX, processor trace, last-branch records, performance monitoring, IBS, resource directors: they write to memory,
///   or count what others on the CPU do.
/// * RDMSR and WRMSR in ring 3 (USER_MSR): MSRs are restored only after guests in ring 0.
/// * Software that measures loads (SKINIT, DCA), bus-lock traps: switches in MSRs that no guest here needs.
const HIDDEN: [Hidden; 17] = [
    // VMX, SMX, PDCM, DCA.
    hidden(1, 0, Register::Ecx, &[5, 6, 15, 18]),
    // Debug store.
    hidden(1, 0, Register::Edx, &[21]),
    // SGX, resource monitoring, MPX, resource allocation, AVX-512 (F, DQ, IFMA), processor trace, AVX-512 (PF,
    // ER, CD, BW, VL).
    hidden(
        7,
        0,
        Register::Ebx,
        &[2, 12, 14, 15, 16, 17, 21, 25, 26, 27, 28, 30, 31],
    ),
    // AVX-512 (VBMI), PKU, OSPKE, AVX-512 (VBMI2), shadow stacks, AVX-512 (VNNI, BITALG, VPOPCNTDQ), key
    // locker, bus-lock traps, ENQCMD, SGX launch control, PKS.
    hidden(
        7,
        0,
        Register::Ecx,
        &[1, 3, 4, 6, 7, 11, 12, 14, 23, 24, 29, 30, 31],
    ),
    // AVX-512 (4VNNIW, 4FMAPS), UINTR, AVX-512 (VP2INTERSECT), last-branch records, branch tracking, AMX (BF16),
    // AVX-512 (FP16), AMX (TILE, INT8).
    hidden(7, 0, Register::Edx, &[2, 3, 5, 8, 19, 20, 22, 23, 24, 25]),
    // AVX-512 (BF16), architectural perfmon extensions, FRED, LKGS, AMX (FP16), MSRLIST.
    hidden(7, 1, Register::Eax, &[5, 8, 17, 18, 21, 27]),
    // AMX (COMPLEX), USER_MSR, supervisor shadow stacks, AVX10, APX.
    hidden(7, 1, Register::Edx, &[8, 15, 18, 19, 21]),
    // XSAVES, XFD.
    hidden(0xd, 1, Register::Eax, &[3, 4]),
    // SVM, IBS, SKINIT, LWP, performance counters (core, northbridge, time stamp, last-level cache).
    hidden(
        0x8000_0001,
        0,
        Register::Ecx,
        &[2, 10, 12, 15, 23, 24, 27, 28],
    ),
    // Memory encryption.
    hidden(0x8000_001f, 0, Register::Eax, &ALL),
    // SVM's own features.
    hidden(0x8000_000a, 0, Register::Edx, &ALL),
    // IBS, LWP.
    hidden(0x8000_001b, 0, Register::Eax, &ALL),
    hidden(0x8000_001c, 0, Register::Eax, &ALL),
    // Performance monitoring: Intel's version, counters and their widths, AMD's version 2.
    hidden(0xa, 0, Register::Eax, &ALL),
    hidden(0xa, 0, Register::Edx, &ALL),
    hidden(0x8000_0022, 0, Register::Eax, &ALL),
    // Leaf of SGX, which is hidden.
    hidden(0x12, 0, Register::Eax, &ALL),
];

const ALL: [u32; 32] = {
    let mut bits = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        bits[bit as usize] = bit;
        bit += 1;
    }
    bits
};

/// Whether to leave out a whole leaf. Left out are the leaves of hidden features (processor trace, key locker,
/// last-branch records, AMX's tiles, AVX10) and KVM's own: its paravirtual clock and the like write to guest memory
/// without setting dirty bits.
pub(super) fn is_left_out(function: u32) -> bool {
    matches!(
        function,
        0x14 | 0x19 | 0x1c | 0x1d | 0x1e | 0x24 | 0x4000_0000..=0x4fff_ffff
    )
}

/// Clears the hidden features in a leaf.
pub(super) fn hide(leaf: &mut kvm_cpuid_entry2) {
    let here = |hidden: &&Hidden| (hidden.function, hidden.index) == (leaf.function, leaf.index);
    for Hidden { register, bits, .. } in HIDDEN.iter().filter(here) {
        let mask = bits.iter().fold(0, |mask, bit| mask | 1 << bit);
        *match register {
            Register::Eax => &mut leaf.eax,
            Register::Ebx => &mut leaf.ebx,
            Register::Ecx => &mut leaf.ecx,
            Register::Edx => &mut leaf.edx,
        } &= !mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden_of(function: u32, index: u32) -> [u32; 4] {
        let mut leaf = kvm_cpuid_entry2 {
            function,
            index,
            eax: u32::MAX,
            ebx: u32::MAX,
            ecx: u32::MAX,
            edx: u32::MAX,
            ..Default::default()
        };
        hide(&mut leaf);
        [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx].map(|left| !left)
    }

    #[test]
    fn every_state_that_nobody_resets_is_hidden() {
        let cases = [
            ("VMX", 1, 0, 2, 5),
            ("SVM", 0x8000_0001, 0, 2, 2),
            ("AVX-512", 7, 0, 1, 16),
            ("AVX-512 VBMI", 7, 0, 2, 1),
            ("AVX-512 VPOPCNTDQ", 7, 0, 2, 14),
            ("AVX-512 FP16", 7, 0, 3, 23),
            ("PKU", 7, 0, 2, 3),
            ("shadow stacks", 7, 0, 2, 7),
            ("branch tracking", 7, 0, 3, 20),
            ("user interrupts", 7, 0, 3, 5),
            ("AMX tiles", 7, 0, 3, 24),
            ("AMX INT8", 7, 0, 3, 25),
            ("AMX BF16", 7, 0, 3, 22),
            ("AMX FP16", 7, 1, 0, 21),
            ("key locker", 7, 0, 2, 23),
            ("FRED", 7, 1, 0, 17),
            ("XSAVES", 0xd, 1, 0, 3),
            ("XFD", 0xd, 1, 0, 4),
            ("processor trace", 7, 0, 1, 25),
            ("MPX", 7, 0, 1, 14),
            ("LWP", 0x8000_0001, 0, 2, 15),
            ("performance monitoring", 0xa, 0, 0, 0),
        ];
        for (name, function, index, register, bit) in cases {
            let hidden: [u32; 4] = hidden_of(function, index);
            assert_ne!(hidden[register] & 1 << bit, 0, "{name}");
        }
    }

    #[test]
    fn what_is_put_back_stays() {
        let [_, _, ecx, edx] = hidden_of(1, 0);
        // SSE3, SSSE3, FMA, SSE4.1, SSE4.2, AES, XSAVE, OSXSAVE, AVX, F16C, RDRAND.
        for bit in [0, 9, 12, 19, 20, 25, 26, 27, 28, 29, 30] {
            assert_eq!(ecx & 1 << bit, 0, "leaf 1, ECX bit {bit}");
        }
        // x87, TSC, MSR, MMX, FXSR, SSE, SSE2.
        for bit in [0, 4, 5, 23, 24, 25, 26] {
            assert_eq!(edx & 1 << bit, 0, "leaf 1, EDX bit {bit}");
        }
        let [_, ebx, ecx, _] = hidden_of(7, 0);
        // FSGSBASE, BMI1, AVX2, BMI2, ADX, SHA; VAES, VPCLMULQDQ.
        for bit in [0, 3, 5, 8, 19, 29] {
            assert_eq!(ebx & 1 << bit, 0, "leaf 7, EBX bit {bit}");
        }
        assert_eq!(ecx & (1 << 9 | 1 << 10), 0);
    }

    #[test]
    fn leaves_of_hidden_features_are_left_out() {
        for function in [0x14, 0x1d, 0x1e, 0x4000_0000, 0x4000_0001] {
            assert!(is_left_out(function), "{function:#x}");
        }
        for function in [0, 1, 7, 0xd, 0x8000_0001] {
            assert!(!is_left_out(function), "{function:#x}");
        }
    }
}
