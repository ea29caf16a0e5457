//! `std` for a guest: what `core` and `alloc` have, under the paths that `std` gives it.
//!
//! What would need an operating system (`fs`, `net`, `thread`, `process`, `env`, `io`) is absent, so
//! its use is an error of the compiler at the user's own line.

pub mod collections;
pub mod prelude;

pub use alloc_crate::{alloc, borrow, boxed, ffi, fmt, rc, slice, str, string, task, vec};
pub use core::{
    any, arch, array, ascii, cell, char, clone, cmp, convert, default, error, f32, f64, future,
    hash, hint, i8, i16, i32, i64, i128, isize, iter, marker, mem, net, num, ops, option, panic,
    pin, primitive, ptr, result, time, u8, u16, u32, u64, u128, usize,
};

pub use alloc_crate::format;
pub use core::{
    assert, assert_eq, assert_ne, cfg, column, compile_error, concat, debug_assert,
    debug_assert_eq, debug_assert_ne, env, file, format_args, include, include_bytes, include_str,
    line, matches, module_path, option_env, stringify, todo, unimplemented, unreachable, write,
    writeln,
};

/// Shared ownership and atomics; locks are not there yet.
pub mod sync {
    pub use alloc_crate::sync::{Arc, Weak};
    pub use core::sync::atomic;
}
