//! x86-64.

#[cfg(any(feature = "guest", feature = "std"))]
pub(crate) mod hypercall;
#[cfg(feature = "guest")]
mod mem;
pub(crate) mod word;
