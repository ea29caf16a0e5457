//! Calls whose working sets grow and shrink: nothing of one is ever in the next, and memory is given back.

use std::fs;
use std::hint::black_box;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::alone;
use wasp_core::virtine;

const PAGE: usize = 4096;

/// Writes `byte` to so many pages, from the `first` on; tells how many of all that it can reach were not zero before.
fn mark(first: usize, pages: usize, all: usize, byte: u8) -> usize {
    // So much that it comes from pages that nobody has used.
    let mut memory = Vec::<u8>::with_capacity(all.max(64) * PAGE);
    let memory = memory.spare_capacity_mut();
    let mut found = 0;
    for page in memory.chunks_mut(PAGE) {
        // SAFETY: the guest's heap hands out memory that is zero, or was written; a test may look at it.
        let page = unsafe { page.assume_init_mut() };
        found += usize::from(page.iter().any(|byte| *byte != 0));
    }
    for page in memory.chunks_mut(PAGE).skip(first).take(pages) {
        black_box(page[0].write(byte));
        black_box(page[PAGE - 1].write(byte));
    }
    black_box(memory);
    found
}

#[virtine(memory = "32MiB")]
fn marks(first: usize, pages: usize, all: usize, byte: u8) -> usize {
    mark(first, pages, all, byte)
}

// In an emulated machine it takes seconds.
#[virtine(memory = "96MiB", timeout = "60s")]
fn grows(pages: usize) -> usize {
    mark(0, pages, pages, 1)
}

#[virtine(memory = "96MiB", keep = "4MiB")]
fn keeps_little(pages: usize) -> usize {
    mark(0, pages, pages, 1)
}

#[virtine(memory = "96MiB", keep = "4MiB")]
fn takes(bytes: &[u8]) -> usize {
    bytes.len()
}

/// Each of two threads has a machine of its own.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_of_one_call_is_in_the_next_however_sets_change() {
    let _one = ONE_AT_A_TIME.lock();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % below
    };
    for round in 0..120 {
        let all = 600;
        // Long rows of small calls, so that what is not used is dropped, and then used again.
        let (first, pages) = match round % 20 {
            0 => (0, all),
            1 => (next(200), next(400)),
            _ => (next(all), next(40)),
        };
        // Also zeros over zeros, which are dirty and the same.
        let byte = [0, 1, 0xff][next(3)];
        assert_eq!(marks(first, pages, all, byte), 0, "call {round}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn page_that_was_dropped_is_dirty_again_when_it_is_written() {
    let _one = ONE_AT_A_TIME.lock();
    for byte in [1, 0, 2] {
        assert_eq!(marks(0, 1000, 1000, byte), 0);
        for _ in 0..12 {
            assert_eq!(marks(0, 1, 1, 1), 0);
        }
    }
    assert_eq!(marks(0, 0, 1000, 0), 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_that_calls_have_written_is_bounded_and_given_back() {
    alone::run("working_sets::child_watches_its_memory", &[]);
}

/// Of the process, which has to be this test's alone.
fn resident() -> usize {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("own mappings");
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Private_Dirty:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kibibytes.expect("a number") / 1024
}

#[test]
#[ignore = "run alone by memory_that_calls_have_written_is_bounded_and_given_back"]
fn child_watches_its_memory() {
    const PAGES: usize = 4000;
    assert_eq!((grows(1), keeps_little(1), takes(&[1])), (0, 0, 1));
    let before = resident();
    let since = || resident().saturating_sub(before);
    // Within its budget, a machine keeps what it has; beyond, it does not.
    assert_eq!(grows(PAGES), 0);
    let kept = since();
    assert!((14..24).contains(&kept), "{kept} MiB");
    for _ in 0..2 {
        assert_eq!(keeps_little(PAGES), 0);
    }
    assert_eq!(takes(&vec![1; 16 << 20]), 16 << 20);
    let beyond = since().saturating_sub(kept);
    assert!(beyond < 8, "{beyond} MiB");
    // A few small calls, and what the large one had is dropped.
    for _ in 0..12 {
        assert_eq!(grows(1), 0);
    }
    let shrunk = since();
    assert!(shrunk < 8, "{shrunk} MiB");
    // Or none at all, for long enough.
    assert_eq!(grows(PAGES), 0);
    let start = Instant::now();
    while since() >= 8 {
        assert!(start.elapsed() < Duration::from_secs(60), "not given back");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "given back at once"
    );
    assert_eq!(grows(PAGES), 0);
}
