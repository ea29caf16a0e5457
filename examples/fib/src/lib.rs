//! Fibonacci numbers, computed slowly, natively and in virtines: work of any length that touches no memory except the
//! stack.

use wasp_core::virtine;

/// The `n`th Fibonacci number, on the host itself. A virtine runs the same code.
pub fn recursive(n: u64) -> u64 {
    match n {
        0 | 1 => n,
        _ => recursive(n - 1) + recursive(n - 2),
    }
}

/// The same in a virtine that starts from a snapshot.
#[virtine(timeout = "10min")]
pub fn fib(n: u64) -> u64 {
    recursive(n)
}

/// The same in a virtine that boots from its image at every call.
#[virtine(timeout = "10min", snapshot = false)]
pub fn fib_from_image(n: u64) -> u64 {
    recursive(n)
}
