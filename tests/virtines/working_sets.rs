//! Calls whose working sets grow and shrink: nothing leaks from one to the next, and memory is released.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::{alone, backend};
use wasp_core::virtine;

const PAGE: usize = 4096;

/// Writes `byte` to this many pages from `first` on. Returns how many of all reachable pages were not zero before.
fn mark(first: usize, pages: usize, all: usize, byte: u8) -> usize {
    // Large enough to get pages that have not been used.
    let mut memory = Vec::<u8>::with_capacity(all.max(64) * PAGE);
    let memory = memory.spare_capacity_mut();
    let mut found = 0;
    for page in memory.chunks_mut(PAGE) {
        // SAFETY: the guest's heap hands out memory that is zero or was written, and a test may read it.
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

/// Writes every other page of 1,200. Returns how many of all pages were not zero before.
#[virtine(memory = "32MiB")]
fn scatters(byte: u8) -> usize {
    const PAGES: usize = 1200;
    let mut memory = Vec::<u8>::with_capacity(PAGES * PAGE);
    let memory = memory.spare_capacity_mut();
    let mut found = 0;
    for (number, page) in memory.chunks_mut(PAGE).enumerate() {
        // SAFETY: as in `mark`.
        let page = unsafe { page.assume_init_mut() };
        found += usize::from(page.iter().any(|byte| *byte != 0));
        if number % 2 == 0 {
            black_box(page).fill(byte);
        }
    }
    found
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

/// Two threads would use separate machines.
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
        // Long series of small calls, so that unused memory is dropped, and then used again.
        let (first, pages) = match round % 20 {
            0 => (0, all),
            1 => (next(200), next(400)),
            _ => (next(all), next(40)),
        };
        // Also zeros over zeros, which make pages dirty but do not change them.
        let byte = [0, 1, 0xff][next(3)];
        assert_eq!(marks(first, pages, all, byte), 0, "call {round}");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_is_left_in_pages_that_lie_apart() {
    for call in 0..20 {
        assert_eq!(scatters(0xff), 0, "call {call}");
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

/// Of the process, which has to be this test's alone, and of its guests' processes.
fn resident() -> usize {
    let kibibytes: usize = backend::folders()
        .iter()
        .map(|process| dirty(process))
        .sum();
    kibibytes / 1024
}

/// In KiB. A process that has just ended holds nothing.
fn dirty(process: &Path) -> usize {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = rollup
        .lines()
        .find(|line| line.starts_with("Private_Dirty:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kibibytes.unwrap_or(0)
}

#[test]
#[ignore = "run alone by memory_that_calls_have_written_is_bounded_and_given_back"]
fn child_watches_its_memory() {
    const PAGES: usize = 4000;
    assert_eq!((grows(1), keeps_little(1), takes(&[1])), (0, 0, 1));
    let before = resident();
    let since = || resident().saturating_sub(before);
    // Within its budget, a machine keeps its memory; beyond it, it does not.
    assert_eq!(grows(PAGES), 0);
    let kept = since();
    assert!((14..24).contains(&kept), "{kept} MiB");
    for _ in 0..2 {
        assert_eq!(keeps_little(PAGES), 0);
    }
    assert_eq!(takes(&vec![1; 16 << 20]), 16 << 20);
    let beyond = since().saturating_sub(kept);
    assert!(beyond < 8, "{beyond} MiB");
    // After a few small calls, the memory of the large one is dropped.
    for _ in 0..12 {
        assert_eq!(grows(1), 0);
    }
    let shrunk = since();
    assert!(shrunk < 8, "{shrunk} MiB");
    // Or after no calls, for long enough.
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
