//! The raw API: virtual machines for the caller's own guests, and a cache of them.

pub(crate) mod cache;
pub(crate) mod hypercalls;
pub(crate) mod mode;
pub(crate) mod registers;
pub(crate) mod serve;
pub(crate) mod virtine;
