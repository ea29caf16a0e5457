//! `std` for a guest: the contents of `core` and `alloc`, under std's paths, and the parts that `std` adds and that
//! need no operating system.
//!
//! Features that need the host (`fs`, clocks, the standard streams) are requests to the host, under a policy. Features
//! that no host grants are absent, or present but not callable (`thread::spawn`). Using them is a compile error at the
//! user's own line.

pub mod collections;
pub mod env;
mod float;
pub mod fs;
pub mod hash;
pub mod io;
mod macros;
pub mod path;
pub mod prelude;
pub mod process;
mod streams;
pub mod sync;
pub mod thread;
pub mod time;

pub use alloc_crate::{alloc, borrow, boxed, fmt, rc, slice, str, string, vec};
pub use core::{
    any, arch, array, ascii, cell, char, clone, cmp, convert, default, error, f32, f64, future,
    hint, i8, i16, i32, i64, i128, isize, iter, marker, mem, num, ops, option, panic, pin,
    primitive, ptr, result, u8, u16, u32, u64, u128, usize,
};

pub(crate) use streams::FromHandle;

/// `std::net`: addresses, and streams that a host hands over.
pub mod net {
    pub use super::streams::TcpStream;
    pub use core::net::*;
}

/// `std::os`: only what a host hands over.
pub mod os {
    /// `std::os::unix`.
    pub mod unix {
        /// `std::os::unix::net`.
        pub mod net {
            pub use crate::facade::streams::UnixStream;
        }
    }
}

pub use alloc_crate::format;
pub use core::{
    assert, assert_eq, assert_ne, cfg, column, compile_error, concat, debug_assert,
    debug_assert_eq, debug_assert_ne, env, file, format_args, include, include_bytes, include_str,
    line, matches, module_path, option_env, stringify, todo, unimplemented, unreachable, write,
    writeln,
};

/// `std::ffi`: C's types and strings.
pub mod ffi {
    pub use alloc_crate::ffi::{CString, FromVecWithNulError, IntoStringError, NulError};
    pub use core::ffi::*;
    pub use unix_str::{UnixStr as OsStr, UnixString as OsString};
}

/// `std::task`.
pub mod task {
    pub use alloc_crate::task::*;
    pub use core::task::*;
}
