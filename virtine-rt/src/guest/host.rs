//! Calls of host functions.

use alloc_crate::vec;
use alloc_crate::vec::Vec;
use core::ffi::CStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::describe::describe;
use super::request;
use crate::codec::{self, Decoder};

/// A buffer size that fits most results. A longer one costs a second hypercall.
const USUAL: usize = 1024;

/// Calls the host function with this name.
///
/// # Panics
///
/// If the policy does not grant it, or if arguments or result do not match the host's function.
#[track_caller]
pub fn call<A: Serialize, R: DeserializeOwned>(name: &CStr, arguments: &A) -> R {
    let mut encoded = Vec::new();
    if let Err(error) = codec::encode(arguments, &mut encoded) {
        panic!("arguments of the host function {name:?} cannot be encoded: {error}");
    }
    let mut buffer = vec![0; USUAL];
    let length = match request::host(name, &encoded, &mut buffer) {
        Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Err(error) => panic!("host function {name:?}: {}", describe(error)),
    };
    if length > buffer.len() {
        buffer.resize(length, 0);
        if let Err(error) = request::host_result(&mut buffer) {
            panic!("host function {name:?}: {}", describe(error));
        }
    }
    buffer.truncate(length);
    match Decoder::new(&buffer).take() {
        Ok(result) => result,
        Err(error) => panic!("result of the host function {name:?} cannot be decoded: {error}"),
    }
}
