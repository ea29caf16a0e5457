//! The CPU that guests see: all fast features that are harmless, and none that are not.

use wasp_core::{Exit, Mode, Registers, Virtine, virtine};

use crate::backend::{self, MEMORY, START};

/// Adds with AVX2, if CPUID offers it; tells whether it did.
#[virtine]
fn add_by_avx2(numbers: Vec<i64>) -> (bool, i64) {
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    const OSXSAVE_AND_AVX: u32 = 1 << 27 | 1 << 28;
    let avx2 = __cpuid(1).ecx & OSXSAVE_AND_AVX == OSXSAVE_AND_AVX
        // SAFETY: OSXSAVE says that XGETBV exists.
        && unsafe { _xgetbv(0) } & 6 == 6
        && __cpuid_count(7, 0).ebx & 1 << 5 != 0;
    if !avx2 {
        return (false, numbers.iter().sum());
    }
    // SAFETY: CPUID offers it and XCR0 enables it.
    (true, unsafe { sum(&numbers) })
}

#[target_feature(enable = "avx2")]
fn sum(numbers: &[i64]) -> i64 {
    use core::arch::x86_64::{_mm256_add_epi64, _mm256_set_epi64x, _mm256_set1_epi64x};
    let mut lanes = _mm256_set1_epi64x(0);
    let (fours, rest) = numbers.as_chunks::<4>();
    for &[a, b, c, d] in fours {
        lanes = _mm256_add_epi64(lanes, _mm256_set_epi64x(a, b, c, d));
    }
    // SAFETY: both are 32 bytes, and any bits are numbers.
    let lanes: [i64; 4] = unsafe { core::mem::transmute(lanes) };
    lanes.iter().chain(rest).sum()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn avx2_counts_right_where_there_is_one() {
    let numbers: Vec<i64> = (1..=1001).collect();
    let sum = numbers.iter().sum();
    assert_eq!(add_by_avx2(numbers).1, sum);
}

/// ```text
/// c5 ed ef d2               vpxor ymm2, ymm2, ymm2
/// c5 ed 76 d2               vpcmpeqd ymm2, ymm2, ymm2
/// c5 ed fa da               vpsubd ymm3, ymm2, ymm2     AVX2
/// c5 fd d7 c2               vpmovmskb eax, ymm2
/// e6 30                     out 0x30, al
/// ```
const AVX2: [u8; 18] = [
    0xc5, 0xed, 0xef, 0xd2, 0xc5, 0xed, 0x76, 0xd2, 0xc5, 0xed, 0xfa, 0xda, 0xc5, 0xfd, 0xd7, 0xc2,
    0xe6, 0x30,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn avx2_is_there_where_the_host_has_it() {
    let mut virtine = Virtine::builder().build().expect("a virtine");
    virtine.load_raw(&AVX2, START).expect("it fits");
    let exit = virtine.run().expect("a run");
    if std::arch::is_x86_feature_detected!("avx2") {
        assert!(
            matches!(exit, Exit::Hypercall { port: 0x30, .. }),
            "{exit:?}"
        );
        let all = virtine.registers().expect("registers").rax;
        assert_eq!(all, 0xffff_ffff);
    } else {
        assert!(matches!(exit, Exit::Faulted { .. }), "{exit:?}");
    }
}

/// 0f a2: cpuid; e6 30: out 0x30, al
const CPUID: [u8; 4] = [0x0f, 0xa2, 0xe6, 0x30];

/// What CPUID returns to a guest: EAX, EBX, ECX, EDX.
fn cpuid(leaf: u64) -> [u32; 4] {
    // Ring 0, where every host tells its guests what it has chosen for them.
    let builder = Virtine::builder().memory(MEMORY).mode(Mode::Long64);
    let mut virtine = builder.build().expect("a virtine");
    virtine.load_raw(&CPUID, START).expect("it fits");
    let registers = virtine.registers().expect("registers");
    let set = Registers {
        rax: leaf,
        rcx: 0,
        ..registers
    };
    virtine.set_registers(&set).expect("set");
    assert!(matches!(
        virtine.run().expect("a run"),
        Exit::Hypercall { .. }
    ));
    let Registers {
        rax, rbx, rcx, rdx, ..
    } = virtine.registers().expect("registers");
    [rax, rbx, rcx, rdx].map(|register| register as u32)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guests_are_told_of_no_virtualization_and_no_paravirtual_devices() {
    // A process has the host's own CPUID.
    if backend::refuses(Mode::Long64) {
        return;
    }
    let [_, _, features, _] = cpuid(1);
    assert_eq!(features & 1 << 5, 0, "VMX");
    let [_, _, amd_features, _] = cpuid(0x8000_0001);
    assert_eq!(amd_features & 1 << 2, 0, "SVM");
    let [_, b, c, d] = cpuid(0x4000_0000);
    let signature: Vec<u8> = [b, c, d]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    assert_ne!(signature, b"KVMKVMKVM\0\0\0");
}
