//! The five mem functions that compiled code calls and that no library provides here.
//!
//! Up to 16 bytes are copied by two overlapping words, up to [`STRING_INSTRUCTION_MIN`] by 16-byte vectors, and more by
//! `rep movsb`/`rep stosb`, which copy whole cache lines on every CPU with ERMS.

use core::arch::asm;
use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_set1_epi8, _mm_storeu_si128};

/// From this size on, the string instructions' start-up cost of some 35 cycles pays off.
const STRING_INSTRUCTION_MIN: usize = 512;

const VECTOR: usize = size_of::<__m128i>();

/// # Safety
///
/// As C's: `count` bytes at `from` are readable, at `to` writable, and the two do not overlap.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: guaranteed by the caller.
    unsafe { copy_forward(to, from, count) };
    to
}

/// # Safety
///
/// As C's: `count` bytes at `from` are readable and at `to` writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // One comparison tells whether `to` lies inside the source. Only then must the end be copied first.
    let overlaps_ahead = (to as usize).wrapping_sub(from as usize) < count;
    // SAFETY: guaranteed by the caller.
    match overlaps_ahead {
        true => unsafe { copy_backward(to, from, count) },
        false => unsafe { copy_forward(to, from, count) },
    }
    to
}

/// # Safety
///
/// As C's: `count` bytes at `to` are writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    let value = value as u8;
    // SAFETY: every store below lies inside the `count` bytes that the caller vouches for.
    unsafe {
        if count >= STRING_INSTRUCTION_MIN {
            asm!(
                "rep stosb",
                inout("rcx") count => _,
                inout("rdi") to => _,
                in("al") value,
                options(nostack, preserves_flags),
            );
        } else if count >= VECTOR {
            let vector = _mm_set1_epi8(value as i8);
            let mut at = 0;
            while at < count - VECTOR {
                _mm_storeu_si128(to.add(at).cast(), vector);
                at += VECTOR;
            }
            _mm_storeu_si128(to.add(count - VECTOR).cast(), vector);
        } else {
            let mut at = 0;
            while at < count {
                to.add(at).write(value);
                at += 1;
            }
        }
    }
    to
}

/// # Safety
///
/// As C's: `count` bytes at `left` and at `right` are readable.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    let mut at = 0;
    // SAFETY: both loops stay below `count`, which the caller vouches for.
    unsafe {
        while count - at >= 8 {
            let (a, b) = (word(left.add(at)), word(right.add(at)));
            if a != b {
                return if a.swap_bytes() < b.swap_bytes() {
                    -1
                } else {
                    1
                };
            }
            at += 8;
        }
        while at < count {
            let difference = i32::from(*left.add(at)) - i32::from(*right.add(at));
            if difference != 0 {
                return difference;
            }
            at += 1;
        }
    }
    0
}

/// # Safety
///
/// As for [`memcmp`].
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    // SAFETY: guaranteed by the caller.
    unsafe { memcmp(left, right, count) }
}

/// # Safety
///
/// `count` bytes at `from` are readable, at `to` writable, and `to` is not inside the source.
unsafe fn copy_forward(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: every access below lies inside the `count` bytes that the caller vouches for.
    unsafe {
        if count >= STRING_INSTRUCTION_MIN {
            asm!(
                "rep movsb",
                inout("rcx") count => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
        } else if count > VECTOR {
            // Read first: if source and target overlap, the loop may overwrite it.
            let last = _mm_loadu_si128(from.add(count - VECTOR).cast());
            let mut at = 0;
            while at < count - VECTOR {
                _mm_storeu_si128(to.add(at).cast(), _mm_loadu_si128(from.add(at).cast()));
                at += VECTOR;
            }
            _mm_storeu_si128(to.add(count - VECTOR).cast(), last);
        } else {
            copy_small(to, from, count);
        }
    }
}

/// # Safety
///
/// `count` bytes at `from` are readable and at `to` writable, and `to` is higher than `from`.
unsafe fn copy_backward(to: *mut u8, from: *const u8, count: usize) {
    let mut left = count;
    // SAFETY: every access below lies inside the `count` bytes that the caller vouches for. Bytes that are still to be
    // read lie below all written ones.
    unsafe {
        while left > VECTOR {
            left -= VECTOR;
            _mm_storeu_si128(to.add(left).cast(), _mm_loadu_si128(from.add(left).cast()));
        }
        copy_small(to, from, left);
    }
}

/// Copies up to 16 bytes. Reads all of them before it writes any, so the two may overlap.
///
/// # Safety
///
/// `count` <= 16 bytes at `from` are readable and at `to` writable.
unsafe fn copy_small(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: each arm's two accesses lie inside `count` bytes, since `count` is at least one
    // access wide.
    unsafe {
        match count {
            0 => {}
            1 => to.write(*from),
            2..=3 => copy_ends::<u16>(to, from, count),
            4..=7 => copy_ends::<u32>(to, from, count),
            _ => copy_ends::<u64>(to, from, count),
        }
    }
}

/// # Safety
///
/// `count` is between one and two words of `T`; readable at `from`, writable at `to`.
unsafe fn copy_ends<T: Copy>(to: *mut u8, from: *const u8, count: usize) {
    let end = count - size_of::<T>();
    // SAFETY: both words lie inside the `count` bytes.
    unsafe {
        let first = from.cast::<T>().read_unaligned();
        let last = from.add(end).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(end).cast::<T>().write_unaligned(last);
    }
}

/// # Safety
///
/// Eight bytes at `at` are readable.
unsafe fn word(at: *const u8) -> u64 {
    // SAFETY: the caller vouches for the bytes.
    unsafe { at.cast::<u64>().read_unaligned() }
}
