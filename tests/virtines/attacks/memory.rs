//! Attacks on memory limits.

use std::fs;
use std::path::Path;

use wasp_core::{Cache, Exit, Mode, Registers};

use super::{START, attack, vector};
use crate::backend;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn recursion_without_end_runs_out_of_stack() {
    // e8 fb ff ff ff: call itself
    let exit = attack(Mode::User64, &[0xe8, 0xfb, 0xff, 0xff, 0xff]);
    // It overwrites its own code on the way down, with varying results.
    assert!(
        matches!(exit, Exit::Faulted { .. } | Exit::TimedOut),
        "{exit:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn writing_on_and_on_ends_at_the_last_byte() {
    // mov rdi, 0x1a000; mov rcx, -1; rep stosb
    let exit = attack(
        Mode::User64,
        &[
            0x48, 0xc7, 0xc7, 0, 0xa0, 1, 0, 0x48, 0xc7, 0xc1, 0xff, 0xff, 0xff, 0xff, 0xf3, 0xaa,
        ],
    );
    assert_eq!(vector(&exit), Some(14), "{exit:?}");
}

/// Touches a page every 4 KiB of `rcx` bytes from `rdi` on.
///
/// ```text
/// mov [rdi], rdi
/// add rdi, 4096
/// dec rcx
/// jnz back
/// out 0xfa, al
/// ```
const TOUCH: &[u8] = &[
    0x48, 0x89, 0x3f, 0x48, 0x81, 0xc7, 0, 0x10, 0, 0, 0x48, 0xff, 0xc9, 0x75, 0xf1, 0xe6, 0xfa,
];

fn touch(cache: &Cache, start: u64, pages: u64) -> Exit {
    let mut virtine = cache.get().expect("a virtine");
    let registers = virtine.registers().expect("registers");
    let set = Registers {
        rdi: start,
        rcx: pages,
        ..registers
    };
    virtine.set_registers(&set).expect("set");
    virtine.run().expect("a run")
}

/// What this process and its guests' hold by themselves of the memory of virtines of this size, in bytes. No other
/// test has any of the sizes that are asked for.
fn own_memory(size: u64) -> u64 {
    let folders = backend::folders();
    folders
        .iter()
        .map(|folder| own_memory_of(folder, size))
        .sum()
}

fn own_memory_of(process: &Path, size: u64) -> u64 {
    let mappings = mappings(process);
    let is_virtines = |at: usize| {
        let [start, end, _] = mappings[at];
        // Initial contents make separate mappings, before and after.
        (size - (1 << 20)..size + (64 << 20)).contains(&(end - start))
    };
    let touch = |one: usize, other: usize| mappings[one][1] == mappings[other][0];
    (0..mappings.len())
        .filter(|&at| {
            is_virtines(at)
                || (at > 0 && is_virtines(at - 1) && touch(at - 1, at))
                || (at + 1 < mappings.len() && is_virtines(at + 1) && touch(at, at + 1))
        })
        .map(|at| mappings[at][2])
        .sum()
}

/// Of each mapping of a process: start, end, and bytes that are its own. One that has just ended has none.
fn mappings(process: &Path) -> Vec<[u64; 3]> {
    let maps = fs::read_to_string(process.join("smaps")).unwrap_or_default();
    let mut mappings: Vec<[u64; 3]> = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-') {
            let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap_or(0));
            mappings.push([start, end, 0]);
        } else if let ("Private_Dirty:", Some(last)) = (first, mappings.last_mut()) {
            let kibibytes = words.next().and_then(|value| value.parse::<u64>().ok());
            last[2] += kibibytes.unwrap_or(0) << 10;
        }
    }
    mappings
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_that_one_guest_filled_is_given_back() {
    const PAGES: u64 = 16 << 10;
    const SIZE: u64 = 144 << 20;
    // At once if that exceeds the budget; otherwise after some calls that do not use it.
    for (keep, calls) in [(16 << 20, 0), (512 << 20, 8)] {
        let cache = Cache::builder(SIZE)
            .binary(TOUCH, START)
            .limit(1)
            .keep(keep)
            .build()
            .expect("a cache");
        assert_eq!(touch(&cache, 32 << 20, PAGES), Exit::Exited);
        for _ in 0..calls {
            assert_eq!(touch(&cache, 32 << 20, 1), Exit::Exited);
        }
        let kept = own_memory(SIZE);
        assert!(kept < PAGES * 4096 / 2, "{kept} bytes");
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn four_gibibytes_can_be_touched_anywhere() {
    let cache = Cache::builder(4 << 30)
        .binary(TOUCH, START)
        .limit(1)
        .build()
        .expect("a cache");
    for start in [
        1_u64 << 20,
        100 << 20,
        (1 << 30) - 4096,
        3 << 30,
        (4 << 30) - (64 << 10),
    ] {
        for _ in 0..2 {
            assert_eq!(touch(&cache, start, 16), Exit::Exited, "{start:#x}");
            let mut bytes = [0xff; 8];
            let next = cache.get().expect("a virtine");
            next.read(start, &mut bytes).expect("in bounds");
            assert_eq!(bytes, [0; 8], "{start:#x}");
        }
    }
    let exit = touch(&cache, (4 << 30) - 4096, 2);
    assert_eq!(vector(&exit), Some(14), "{exit:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_never_touched_is_never_there() {
    const SIZE: u64 = (4 << 30) - (256 << 20);
    let caches: Vec<Cache> = (0..4)
        .map(|_| {
            let cache = Cache::builder(SIZE)
                .binary(TOUCH, START)
                .build()
                .expect("a cache");
            cache.ensure(4).expect("four");
            assert_eq!(touch(&cache, 3 << 30, 2), Exit::Exited);
            cache
        })
        .collect();
    let held = own_memory(SIZE);
    assert!(
        held > 4 * 4096,
        "{held} bytes, so it does not look at the right mappings"
    );
    // Sixteen virtines of 4 GiB: tables, images and stacks take far less than an eighth of a megabyte each.
    assert!(held < 16 * (128 << 10), "{held} bytes");
    drop(caches);
}
