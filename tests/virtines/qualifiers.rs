//! Functions with qualifiers: `const` and `unsafe`.

use wasp_core::{Error, Policy, virtine};

#[virtine]
const fn area(width: usize, height: usize) -> usize {
    width * height
}

/// The byte at `at`.
///
/// # Safety
///
/// `at` lies in `text`.
#[virtine]
pub unsafe fn byte_at(text: &str, at: usize) -> u8 {
    // SAFETY: the caller promises it.
    unsafe { *text.as_bytes().get_unchecked(at) }
}

/// What lies at `address`.
///
/// # Safety
///
/// Something lies there.
#[virtine]
unsafe fn peek(address: usize) -> u8 {
    // SAFETY: the caller promises it.
    unsafe { (address as *const u8).read() }
}

/// A page that no guest has.
const UNMAPPED: usize = 1 << 46;

#[test]
fn constant_functions_are_called() {
    assert_eq!(area(6, 7), 42);
}

#[test]
fn unsafe_functions_stay_unsafe_by_every_name() -> Result<(), Error> {
    let closed = Policy::new();
    // SAFETY: 1 is below 3.
    let found = unsafe {
        [
            byte_at("abc", 1),
            byte_at::try_call("abc", 1)?,
            byte_at::with(closed.clone()).call("abc", 1),
            byte_at::with(closed).try_call("abc", 1)?,
        ]
    };
    assert_eq!(found, [b'b'; 4]);
    Ok(())
}

#[test]
fn broken_promise_is_a_fault_of_the_guest() {
    // SAFETY: the promise is broken on purpose. Only the guest's memory is read.
    let broken = unsafe { peek::try_call(UNMAPPED) };
    assert!(matches!(broken, Err(Error::Fault(_))), "{broken:?}");
}

#[test]
fn functions_in_bodies_may_be_unsafe_too() {
    #[virtine]
    unsafe fn next(x: u8) -> u8 {
        // SAFETY: the caller promises that `x` is below 255.
        unsafe { x.unchecked_add(1) }
    }
    // SAFETY: 4 is below 255.
    let found = unsafe { (next(4), next::try_call(4)) };
    assert!(matches!(found, (5, Ok(5))), "{found:?}");
}
