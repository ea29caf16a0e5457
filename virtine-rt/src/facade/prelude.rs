//! `std::prelude`: rustc imports the edition's module of the crate that is named `std`.

/// The contents of every edition. They include `std`'s macros, since rustc does not import macros from a crate that is
/// merely named `std`.
pub mod v1 {
    pub use alloc_crate::borrow::ToOwned;
    pub use alloc_crate::boxed::Box;
    pub use alloc_crate::string::{String, ToString};
    pub use alloc_crate::vec::Vec;
    pub use alloc_crate::{format, vec};
    pub use core::prelude::v1::*;

    pub use crate::collections::hash_map::InsertEntry as _;
    pub use crate::facade::float::{F32 as _, F64 as _};
    pub use crate::{dbg, eprint, eprintln, is_x86_feature_detected, print, println, thread_local};
}

/// Edition 2015.
pub mod rust_2015 {
    pub use super::v1::*;
}

/// Edition 2018.
pub mod rust_2018 {
    pub use super::v1::*;
}

/// Edition 2021.
pub mod rust_2021 {
    pub use super::v1::*;
    pub use core::prelude::rust_2021::*;
}

/// Edition 2024.
pub mod rust_2024 {
    pub use super::v1::*;
    pub use core::prelude::rust_2024::*;
}
