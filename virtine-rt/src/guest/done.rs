//! The end of a call that has a result.

use serde::Serialize;

use super::never::Never;
use super::request;
use super::result::Encoded;
use crate::abi::hypercall as number;
use crate::assembly::hypercall;
use crate::codec::{self, CodecError, Encoding};

/// Ends the call with its result. `flush` writes buffered output.
///
/// # Panics
///
/// If the result's own `Serialize` fails.
pub(super) fn done<T: Serialize + ?Sized>(result: &T, flush: fn()) -> Never {
    let mut encoding = request::result_encoding();
    loop {
        let mut encoded = Encoded::new();
        match codec::encode_in(encoding, result, &mut encoded) {
            Ok(()) => {
                flush();
                let bytes = encoded.bytes();
                let place = [bytes.as_ptr() as u64, bytes.len() as u64, encoding as u64];
                // SAFETY: the host fills no memory. If it answers, it wants the result described.
                unsafe { hypercall::ask(number::DONE, place) };
            }
            Err(CodecError::Undescribed) => {}
            Err(error) => panic!("result cannot be encoded: {error}"),
        }
        encoding = Encoding::Described;
    }
}
