//! The deadlines of system calls that take long by themselves.

use std::ptr;

use wasp_core::virtine;

use super::Lateness;

const GIB: usize = 1 << 30;

unsafe extern "C" {
    fn mprotect(address: *mut u8, length: usize, protection: i32) -> i32;
    fn munmap(address: *mut u8, length: usize) -> i32;
    fn mmap(a: *mut u8, length: usize, p: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
    fn mremap(address: *mut u8, old: usize, new: usize, flags: i32, ...) -> *mut u8;
    fn madvise(address: *mut u8, length: usize, advice: i32) -> i32;
}

/// Maps memory, readable and writable, private and anonymous.
fn map(bytes: usize) -> *mut u8 {
    // SAFETY: a new mapping touches nothing that is there.
    unsafe { mmap(ptr::null_mut(), bytes, 3, 0x22, -1, 0) }
}

/// Maps and unmaps `bytes` at a time, for as long as possible.
#[virtine(std, timeout = "50ms", memory = "3GiB")]
fn maps(bytes: usize, times: usize) {
    for _ in 0..times {
        let place = map(bytes);
        // SAFETY: the mapping is this function's own.
        unsafe { munmap(place, bytes) };
    }
}

#[virtine(std, timeout = "50ms", memory = "3GiB")]
fn protects(bytes: usize, times: usize) {
    let place = map(bytes);
    for time in 0..times {
        // SAFETY: the mapping is this function's own, and nothing accesses it.
        unsafe { mprotect(place, bytes, 1 + 2 * (time % 2) as i32) };
    }
}

/// Moves memory back and forth.
#[virtine(std, timeout = "50ms", memory = "3GiB")]
fn moves(bytes: usize, times: usize) {
    let mut place = map(bytes);
    for time in 0..times {
        let (old, new) = match time % 2 {
            0 => (bytes, bytes + 4096),
            _ => (bytes + 4096, bytes),
        };
        // SAFETY: the mapping is this function's own, and nothing accesses it. Another one follows it, so it must move
        // in order to grow.
        place = unsafe { mremap(place, old, new, 1) };
    }
}

/// Writes memory and releases it, again and again.
#[virtine(std, timeout = "50ms", memory = "3GiB")]
fn forgets(bytes: usize, times: usize) {
    let place = map(bytes);
    for _ in 0..times {
        // SAFETY: the mapping is this function's own.
        unsafe { madvise(place, bytes, 4) };
    }
}

/// Creates as many mappings as possible, and then removes all of them at once.
#[virtine(std, timeout = "50ms", memory = "3GiB")]
fn crumbles(times: usize) {
    for _ in 0..times {
        let place = map(GIB);
        for page in (0..8_000 * 8192).step_by(8192) {
            // SAFETY: the page is this function's own, and nothing accesses it.
            unsafe { mprotect(place.byte_add(page), 4096, 1) };
        }
        // SAFETY: the mapping is this function's own.
        unsafe { munmap(place, GIB) };
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_system_call_outlasts_the_deadline() {
    const MANY: usize = usize::MAX;
    let mut lateness = Lateness::default();
    // Each call once, so that the cost of its first call is not measured. On a slow machine that may use up the limit.
    let _ = maps::try_call(4096, 1);
    let _ = protects::try_call(4096, 1);
    let _ = moves::try_call(4096, 1);
    let _ = forgets::try_call(4096, 1);
    let _ = crumbles::try_call(0);
    lateness.measure("mmap and munmap", || maps::try_call(2 * GIB, MANY));
    lateness.measure("mprotect", || protects::try_call(2 * GIB, MANY));
    lateness.measure("mremap", || moves::try_call(GIB, MANY));
    lateness.measure("madvise", || forgets::try_call(2 * GIB, MANY));
    lateness.measure("many small mappings", || crumbles::try_call(MANY));
    lateness.tell();
}
