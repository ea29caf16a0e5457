//! Abuse of the snapshot hypercall.

use std::ops::ControlFlow;

use wasp_core::{Cache, CacheBuilder, Error, Exit, Hypercall, SNAPSHOT_HYPERCALL, Virtine};

use super::{MEMORY, START};

/// Asks for a snapshot of what lies between the two words at 0x13000 and tells the answer, twice; counts
/// itself at 0x12000.
///
/// ```text
/// mov edi, 0xff
/// mov rsi, [0x13000]
/// mov rdx, [0x13008]
/// out 0xff, al
/// mov rsi, rax
/// mov edi, 1
/// out 0xff, al
/// mov edi, 0xff
/// mov rsi, [0x13000]
/// out 0xff, al
/// mov rsi, rax
/// mov edi, 1
/// out 0xff, al
/// inc qword ptr [0x12000]
/// mov rsi, [0x12000]
/// out 0xff, al
/// out 0xfa, al
/// ```
const ASKING: &[u8] = &[
    0xbf, 0xff, 0, 0, 0, 0x48, 0x8b, 0x34, 0x25, 0, 0x30, 1, 0, 0x48, 0x8b, 0x14, 0x25, 8, 0x30, 1,
    0, 0xe6, 0xff, 0x48, 0x89, 0xc6, 0xbf, 1, 0, 0, 0, 0xe6, 0xff, 0xbf, 0xff, 0, 0, 0, 0x48, 0x8b,
    0x34, 0x25, 0, 0x30, 1, 0, 0x48, 0x8b, 0x14, 0x25, 8, 0x30, 1, 0, 0xe6, 0xff, 0x48, 0x89, 0xc6,
    0xbf, 1, 0, 0, 0, 0xe6, 0xff, 0x48, 0xff, 4, 0x25, 0, 0x20, 1, 0, 0x48, 0x8b, 0x34, 0x25, 0,
    0x20, 1, 0, 0xe6, 0xff, 0xe6, 0xfa,
];

fn builder() -> CacheBuilder {
    Cache::builder(MEMORY).binary(ASKING, START)
}

/// Lets a virtine ask for this range. Returns its answers and its count.
fn ask(cache: &Cache, start: u64, end: u64) -> Vec<i64> {
    let mut virtine = cache.get().expect("a virtine");
    virtine
        .write(0x1_3000, &start.to_le_bytes())
        .expect("in bounds");
    virtine
        .write(0x1_3008, &end.to_le_bytes())
        .expect("in bounds");
    let mut told = Vec::new();
    let tell = |_: &mut Virtine, Hypercall { number, arguments }: Hypercall| {
        assert_eq!(
            number, 1,
            "the snapshot's own number is not for this handler"
        );
        told.push(arguments[0].cast_signed());
        Ok(ControlFlow::Continue(0))
    };
    let exit = cache.serve(&mut virtine, tell).expect("served");
    assert_eq!(exit, Exit::Exited);
    told
}

const EPERM: i64 = -1;
const EINVAL: i64 = -22;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nobody_gets_a_snapshot_unless_the_host_has_approved() {
    let cache = builder().build().expect("a cache");
    for _ in 0..5 {
        assert_eq!(ask(&cache, 0, 0x1000), [EPERM, EPERM, 1]);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn impossible_ranges_are_refused() {
    let cache = builder().allow_snapshot().build().expect("a cache");
    for (start, end) in [
        (1, 0),
        (0, MEMORY + 1),
        (u64::MAX, 8),
        (8, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        assert_eq!(
            ask(&cache, start, end),
            [EINVAL, EINVAL, 1],
            "{start:#x}..{end:#x}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn second_snapshot_is_none() {
    let cache = builder().allow_snapshot().build().expect("a cache");
    assert_eq!(ask(&cache, 0, 0x1000), [0, 0, 1]);
    // All later ones start after the first request, and count for themselves.
    for _ in 0..5 {
        assert_eq!(ask(&cache, 0, 0x1000), [0, 0, 1]);
    }
    let mut virtine = cache.get().expect("a virtine");
    assert!(matches!(
        virtine.run().expect("a run"),
        Exit::Hypercall { .. }
    ));
    let refused = cache.snapshot(&mut virtine);
    assert!(matches!(refused, Err(Error::SnapshotRefused { .. })));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn snapshot_asked_for_a_thousand_times_is_taken_once() {
    // mov ebx, 1000; x: dec ebx; mov edi, 0xff; xor esi, esi; mov edx, 0x1000; out 0xff, al; test ebx, ebx; jnz x; out 0xfa, al
    let code = &[
        0xbb, 0xe8, 3, 0, 0, 0xff, 0xcb, 0xbf, 0xff, 0, 0, 0, 0x31, 0xf6, 0xba, 0, 0x10, 0, 0,
        0xe6, 0xff, 0x85, 0xdb, 0x75, 0xec, 0xe6, 0xfa,
    ];
    let cache = Cache::builder(MEMORY)
        .binary(code, START)
        .allow_snapshot()
        .build()
        .expect("a cache");
    let mut virtine = cache.get().expect("a virtine");
    let exit = cache
        .serve(&mut virtine, |_, call| panic!("{call:?}"))
        .expect("served");
    assert_eq!(exit, Exit::Exited);
    assert_eq!(SNAPSHOT_HYPERCALL, 0xff);
    drop(virtine);
    let mut later = cache.get().expect("a virtine");
    // It starts after the first of them.
    assert_eq!(later.registers().expect("registers").rbx, 999);
    assert_eq!(
        cache
            .serve(&mut later, |_, call| panic!("{call:?}"))
            .expect("served"),
        Exit::Exited
    );
}
