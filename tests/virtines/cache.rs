//! The cache of raw virtines: prepared in advance, always fresh, bounded, and freed when dropped.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::backend::{self, LOWEST, MEMORY, START};
use crate::{alone, skipped};
use wasp_core::{Cache, CacheBuilder, Error, Exit, Lease, Mode};

/// ```text
/// 48 ff 04 25 00 20 01 00   inc qword [0x12000]
/// 48 8b 04 25 00 20 01 00   mov rax, [0x12000]
/// e6 ff                     out 0xff, al
/// e6 fa                     out 0xfa, al
/// ```
const COUNTER: [u8; 20] = [
    0x48, 0xff, 4, 0x25, 0, 0x20, 1, 0, 0x48, 0x8b, 4, 0x25, 0, 0x20, 1, 0, 0xe6, 0xff, 0xe6, 0xfa,
];

fn counter(mode: Mode) -> CacheBuilder {
    Cache::builder(MEMORY).mode(mode).binary(COUNTER, START)
}

/// Runs the counter until its hypercall and returns its count.
fn count(virtine: &mut Lease) -> u64 {
    let exit = virtine.run().expect("a run");
    assert!(matches!(exit, Exit::Hypercall { .. }), "{exit:?}");
    virtine.registers().expect("registers").rax
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wasps_program_with_a_cache_runs_as_written() {
    if backend::refuses(Mode::Real16) {
        return;
    }
    // As Wasp's README: 16 pages, a flat binary at 0x8000 in real mode, 12 ahead.
    //   [bits 16] out 0xFA, eax
    let file = env::temp_dir().join(format!("virtine-cache-{}.bin", std::process::id()));
    fs::write(&file, [0x66, 0xe7, 0xfa]).expect("written");
    let cache = Cache::builder(4096 * 16)
        .mode(Mode::Real16)
        .load_binary(&file, 0x8000)
        .expect("read")
        .build()
        .expect("a cache");
    cache.ensure(12).expect("twelve");
    assert_eq!(cache.size(), 12);
    for _ in 0..30 {
        let mut virtine = cache.get().expect("a virtine");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        cache.put(virtine);
    }
    assert_eq!(cache.hits() + cache.misses(), 30);
    assert!(cache.hits() >= 12);
    fs::remove_file(&file).expect("removed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_virtine_is_fresh() {
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let cache = counter(mode).limit(2).build().expect("a cache");
        for _ in 0..100 {
            let mut virtine = cache.get().expect("a virtine");
            // What the host writes belongs to this call too.
            let mut host = [0; 8];
            virtine.read(LOWEST + 0x5000, &mut host).expect("in bounds");
            assert_eq!(host, [0; 8]);
            virtine
                .write(LOWEST + 0x5000, &[0xff; 8])
                .expect("in bounds");
            virtine.write(START + 0x10, &[0xcc; 4]).expect("in bounds");
            virtine
                .write(START + 0x10, &COUNTER[16..])
                .expect("in bounds");
            assert_eq!(count(&mut virtine), 1, "{mode:?}");
            assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        }
    }
}

/// ```text
/// 66 48 0f 7e fb    movq rbx, xmm7
/// f3 48 0f ae c1    rdfsbase rcx
/// c5 fe 7f 3c 25 00 30 01 00   vmovdqu [0x13000], ymm7
/// 48 b8 ..          mov rax, 0x123456789000
/// 66 48 0f 6e f8    movq xmm7, rax
/// c4 e3 45 38 ff 01 vinserti128 ymm7, ymm7, xmm7, 1
/// f3 48 0f ae d0    wrfsbase rax
/// fd                std
/// e6 fa             out 0xfa, al
/// ```
const STATE: [u8; 48] = [
    0x66, 0x48, 0x0f, 0x7e, 0xfb, 0xf3, 0x48, 0x0f, 0xae, 0xc1, 0xc5, 0xfe, 0x7f, 0x3c, 0x25, 0,
    0x30, 1, 0, 0x48, 0xb8, 0, 0x90, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x66, 0x48, 0x0f, 0x6e, 0xf8,
    0xc4, 0xe3, 0x45, 0x38, 0xff, 1, 0xf3, 0x48, 0x0f, 0xae, 0xd0, 0xfd, 0xe6, 0xfa,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn processor_state_is_fresh_as_well() {
    if !skipped::has_bases("processor_state_is_fresh_as_well") {
        return;
    }
    let cache = Cache::builder(MEMORY)
        .binary(STATE, START)
        .limit(1)
        .build()
        .expect("a cache");
    for _ in 0..20 {
        let mut virtine = cache.get().expect("a virtine");
        let before = virtine.registers().expect("registers");
        assert_eq!((before.rax, before.rbx, before.rip), (0, 0, START));
        assert_eq!(before.rflags & 1 << 10, 0, "the direction flag");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        let after = virtine.registers().expect("registers");
        assert_eq!(
            (after.rbx, after.rcx),
            (0, 0),
            "xmm7 and FS base as the guest found them"
        );
        let mut ymm7 = [0xff; 32];
        virtine.read(0x1_3000, &mut ymm7).expect("in bounds");
        assert_eq!(ymm7, [0; 32]);
    }
}

/// Leaves what it finds in the registers of SSE at 0x13000, then fills them. It uses no others, so that the
/// shorter of the gate's two ways is taken.
///
/// ```text
/// movups [0x13000], xmm0        and so on to xmm15 at 0x130f0
/// stmxcsr [0x13100]
/// mov eax, -1
/// movd xmm0, eax
/// pshufd xmm0, xmm0, 0
/// movaps xmm1, xmm0            and so on to xmm15
/// push 0x7f80
/// ldmxcsr [rsp]
/// out 0xfa, al
/// ```
const SSE: [u8; 222] = [
    0x0f, 0x11, 4, 0x25, 0, 0x30, 1, 0, 0x0f, 0x11, 0x0c, 0x25, 0x10, 0x30, 1, 0, 0x0f, 0x11, 0x14,
    0x25, 0x20, 0x30, 1, 0, 0x0f, 0x11, 0x1c, 0x25, 0x30, 0x30, 1, 0, 0x0f, 0x11, 0x24, 0x25, 0x40,
    0x30, 1, 0, 0x0f, 0x11, 0x2c, 0x25, 0x50, 0x30, 1, 0, 0x0f, 0x11, 0x34, 0x25, 0x60, 0x30, 1, 0,
    0x0f, 0x11, 0x3c, 0x25, 0x70, 0x30, 1, 0, 0x44, 0x0f, 0x11, 4, 0x25, 0x80, 0x30, 1, 0, 0x44,
    0x0f, 0x11, 0x0c, 0x25, 0x90, 0x30, 1, 0, 0x44, 0x0f, 0x11, 0x14, 0x25, 0xa0, 0x30, 1, 0, 0x44,
    0x0f, 0x11, 0x1c, 0x25, 0xb0, 0x30, 1, 0, 0x44, 0x0f, 0x11, 0x24, 0x25, 0xc0, 0x30, 1, 0, 0x44,
    0x0f, 0x11, 0x2c, 0x25, 0xd0, 0x30, 1, 0, 0x44, 0x0f, 0x11, 0x34, 0x25, 0xe0, 0x30, 1, 0, 0x44,
    0x0f, 0x11, 0x3c, 0x25, 0xf0, 0x30, 1, 0, 0x0f, 0xae, 0x1c, 0x25, 0, 0x31, 1, 0, 0xb8, 0xff,
    0xff, 0xff, 0xff, 0x66, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0x70, 0xc0, 0, 0x0f, 0x28, 0xc8, 0x0f,
    0x28, 0xd0, 0x0f, 0x28, 0xd8, 0x0f, 0x28, 0xe0, 0x0f, 0x28, 0xe8, 0x0f, 0x28, 0xf0, 0x0f, 0x28,
    0xf8, 0x44, 0x0f, 0x28, 0xc0, 0x44, 0x0f, 0x28, 0xc8, 0x44, 0x0f, 0x28, 0xd0, 0x44, 0x0f, 0x28,
    0xd8, 0x44, 0x0f, 0x28, 0xe0, 0x44, 0x0f, 0x28, 0xe8, 0x44, 0x0f, 0x28, 0xf0, 0x44, 0x0f, 0x28,
    0xf8, 0x68, 0x80, 0x7f, 0, 0, 0x0f, 0xae, 0x14, 0x24, 0xe6, 0xfa,
];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn sse_alone_is_fresh_as_well() {
    let builder = Cache::builder(MEMORY).binary(SSE, START).limit(1);
    let cache = builder.build().expect("a cache");
    for round in 0..20 {
        let mut virtine = cache.get().expect("a virtine");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        let mut found = [0xff; 0x104];
        virtine.read(0x1_3000, &mut found).expect("in bounds");
        let mut expected = [0; 0x104];
        expected[0x100..].copy_from_slice(&0x1f80_u32.to_le_bytes());
        assert_eq!(found, expected, "round {round}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn virtine_that_went_wrong_is_replaced() {
    // 0f 0b: ud2; eb fe: jmp to itself
    for code in [[0x0f, 0x0b], [0xeb, 0xfe]] {
        let deadline = Duration::from_millis(5);
        let cache = Cache::builder(MEMORY)
            .binary(code, LOWEST)
            .limit(1)
            .deadline(deadline)
            .build()
            .expect("a cache");
        for _ in 0..5 {
            let exit = cache.get().expect("a virtine").run().expect("a run");
            assert!(
                matches!(exit, Exit::Faulted { .. } | Exit::TimedOut),
                "{exit:?}"
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn limit_holds_and_waiting_ends() {
    let build = |patience| {
        let cache = counter(Mode::User64).limit(2).patience(patience);
        cache.build().expect("a cache")
    };
    let impatient = build(Duration::from_millis(20));
    let held = (impatient.get().expect("one"), impatient.get().expect("two"));
    assert!(matches!(impatient.get(), Err(Error::Busy { limit: 2, .. })));
    assert!(matches!(
        impatient.ensure(1),
        Err(Error::Busy { limit: 2, .. })
    ));
    drop(held);
    let patient = build(Duration::from_secs(60));
    let (one, two) = (patient.get().expect("one"), patient.get().expect("two"));
    drop(one);
    let three = patient.get().expect("the first one, cleaned");
    assert_eq!((patient.hits() + patient.misses(), patient.size()), (3, 0));
    drop((two, three));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn waiting_caller_gets_what_comes_back() {
    let cache = counter(Mode::User64).limit(1).build().expect("a cache");
    let held = cache.get().expect("the only one");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| count(&mut cache.get().expect("in time")));
        thread::sleep(Duration::from_millis(10));
        drop(held);
        assert_eq!(waiting.join().expect("no panic"), 1);
    });
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn statistics_count_from_nothing() {
    let cache = counter(Mode::User64).build().expect("a cache");
    let statistics = || (cache.hits(), cache.misses(), cache.size());
    assert_eq!(statistics(), (0, 0, 0));
    let virtine = cache.get().expect("a virtine");
    assert_eq!(statistics(), (0, 1, 0));
    drop(virtine);
    assert_eq!(statistics(), (0, 1, 1));
    drop(cache.get().expect("a virtine"));
    assert_eq!(statistics(), (1, 1, 1));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn trimmed_cache_starts_anew() {
    let cache = counter(Mode::User64).build().expect("a cache");
    cache.ensure(5).expect("five");
    cache.trim(2);
    assert_eq!(cache.size(), 2);
    cache.trim(0);
    assert_eq!(count(&mut cache.get().expect("a new one")), 1);
    assert_eq!((cache.hits(), cache.misses()), (0, 1));
}

/// A dropped cache's machines go to another one of the same size, which gives them its own image.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn machines_move_between_images_of_one_size_and_take_nothing_along() {
    const SIZE: u64 = 0x4_2000;
    // 48 8b 04 25 00 20 01 00: mov rax, [0x12000]; e6 ff: out 0xff, al
    let looking = [0x48, 0x8b, 4, 0x25, 0, 0x20, 1, 0, 0xe6, 0xff];
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let build = |code: &[u8]| {
            let builder = Cache::builder(SIZE).mode(mode).binary(code, START);
            builder.build().expect("a cache")
        };
        let other = build(&looking);
        for round in 0..5 {
            let counting = build(&COUNTER);
            let mut used: Vec<Lease> = (0..4).map(|_| counting.get().expect("a virtine")).collect();
            used.iter_mut()
                .for_each(|virtine| assert_eq!(count(virtine), 1));
            drop(used);
            drop(counting);
            let mut moved: Vec<Lease> = (0..6).map(|_| other.get().expect("a virtine")).collect();
            for virtine in &mut moved {
                assert_eq!(count(virtine), 0, "{mode:?}, round {round}");
            }
            drop(moved);
            other.trim(0);
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn eight_threads_share_a_cache() {
    let cache = counter(Mode::User64).limit(4).build().expect("a cache");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(count(&mut cache.get().expect("a virtine")), 1);
                }
            });
        }
    });
    assert_eq!(cache.hits() + cache.misses(), 400);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn image_that_does_not_fit_is_refused() {
    for (length, address) in [
        (MEMORY as usize + 1, 0_u64),
        (1, MEMORY),
        (2, MEMORY - 1),
        (1, u64::MAX),
    ] {
        let result = Cache::builder(MEMORY)
            .binary(vec![0x90; length], address)
            .build();
        assert!(
            matches!(result, Err(Error::OutOfBounds { .. })),
            "{length} at {address:#x}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn lease_outlives_its_cache() {
    let cache = counter(Mode::User64).build().expect("a cache");
    let mut virtine = cache.get().expect("a virtine");
    drop(cache);
    assert_eq!(count(&mut virtine), 1);
}

/// Descriptors, mappings and threads of this process.
fn holdings() -> [usize; 3] {
    let entries = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
    let maps = fs::read_to_string("/proc/self/maps").expect("own mappings");
    let guests = maps
        .lines()
        .filter(|line| line.contains("virtine") || line.contains("kvm"))
        .count();
    [entries("/proc/self/fd"), guests, entries("/proc/self/task")]
}

/// Counted in a separate process: see the next test.
#[test]
#[ignore = "counts what the whole process holds; run alone by nothing_is_left_of_dropped_caches"]
fn holdings_return_to_what_they_were() {
    let use_up = || {
        let caches: Vec<Cache> = (0..10)
            .map(|_| counter(Mode::User64).build().expect("a cache"))
            .collect();
        for cache in &caches {
            cache.ensure(3).expect("three");
            let virtines: Vec<Lease> = (0..5).map(|_| cache.get().expect("a virtine")).collect();
            drop(virtines);
        }
    };
    // The first use opens /dev/kvm and starts the watchdog, which both stay.
    use_up();
    thread::sleep(Duration::from_millis(300));
    let before = holdings();
    for _ in 0..3 {
        use_up();
    }
    // The kernel ends a VM's own helper thread with some delay.
    let after: BTreeSet<[usize; 3]> = (0..50)
        .map(|_| {
            thread::sleep(Duration::from_millis(20));
            holdings()
        })
        .collect();
    assert!(
        after.contains(&before),
        "{before:?} before, {after:?} after"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_is_left_of_dropped_caches() {
    alone::run(
        "cache::holdings_return_to_what_they_were",
        &[("WASP_DUMP_CACHE_STATS", "1")],
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn statistics_are_dumped_on_request() {
    let output = Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", "cache::trimmed_cache_starts_anew", "--nocapture"])
        .env("WASP_DUMP_CACHE_STATS", "1")
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("virtine cache: hits=0 misses=1 size="),
        "{text}"
    );
}

/// ```text
/// 48 c7 c3 07 00 00 00      mov rbx, 7
/// 48 89 1c 25 00 40 01 00   mov [0x14000], rbx
/// e6 ff                     out 0xff, al      the snapshot is taken here
/// 48 ff 04 25 00 40 01 00   inc qword [0x14000]
/// 48 8b 04 25 00 40 01 00   mov rax, [0x14000]
/// 48 01 d8                  add rax, rbx
/// e6 20                     out 0x20, al
/// ```
const INITIALISING: [u8; 38] = [
    0x48, 0xc7, 0xc3, 7, 0, 0, 0, 0x48, 0x89, 0x1c, 0x25, 0, 0x40, 1, 0, 0xe6, 0xff, 0x48, 0xff, 4,
    0x25, 0, 0x40, 1, 0, 0x48, 0x8b, 4, 0x25, 0, 0x40, 1, 0, 0x48, 1, 0xd8, 0xe6, 0x20,
];

fn port(virtine: &mut Lease) -> (u16, u64) {
    match virtine.run().expect("a run") {
        Exit::Hypercall { port, .. } => (port, virtine.registers().expect("registers").rax),
        other => panic!("expected a hypercall, got {other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn snapshot_of_an_initialised_guest_starts_all_later_ones() {
    for mode in backend::modes(&[Mode::Long64, Mode::User64]) {
        let cache = Cache::builder(MEMORY)
            .mode(mode)
            .binary(INITIALISING, START)
            .limit(3)
            .build()
            .expect("a cache");
        cache.ensure(2).expect("two");
        let mut first = cache.get().expect("a virtine");
        assert_eq!(port(&mut first).0, 0xff);
        assert!(cache.snapshot(&mut first).expect("taken"));
        assert_eq!(port(&mut first), (0x20, 15), "the first one goes on");
        drop(first);
        for _ in 0..20 {
            let mut later = cache.get().expect("a virtine");
            assert_eq!(
                port(&mut later),
                (0x20, 15),
                "{mode:?}: behind the hypercall, and fresh"
            );
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn snapshots_are_the_hosts_to_take_and_once() {
    let build = || {
        Cache::builder(MEMORY)
            .binary(INITIALISING, START)
            .build()
            .expect("a cache")
    };
    let (cache, other) = (build(), build());
    let refused =
        |result: Result<bool, Error>| matches!(result, Err(Error::SnapshotRefused { .. }));
    let mut virtine = cache.get().expect("a virtine");
    assert!(refused(cache.snapshot(&mut virtine)), "it has not run");
    assert_eq!(port(&mut virtine).0, 0xff);
    assert!(
        refused(other.snapshot(&mut virtine)),
        "it is another cache's"
    );
    assert!(cache.snapshot(&mut virtine).expect("taken"));
    assert_eq!(port(&mut virtine).0, 0x20);
    assert!(refused(cache.snapshot(&mut virtine)), "there is one");
}
