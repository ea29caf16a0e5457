//! Encodings of types that serde does not support: arrays of any length, `Ordering`, errors of std, errors of any type,
//! and types that contain them.
//!
//! A type's *form* is composed like the type, with [`SerdeForm`] for everything that serde supports itself:
//! `Option<Vec<[u8; 64]>>` has the form `Optional<List<Array<SerdeForm>>>`. `#[virtine]` and `virtine-build` derive it
//! from the spelling of the type, each for its side. The encoding is the one that serde's own implementations, where
//! they exist, would produce.
//!
//! `serde_with` follows the same idea. It has more forms than necessary here, and adds 30 packages to each user's
//! Cargo.lock.

mod array;
mod containers;
mod error_chain;
mod ordering;
mod reference;
mod simple_error;
mod tuples;
mod wire;

pub use array::Array;
pub use containers::{Boxed, Fallible, List, Optional, SerdeForm};
pub use error_chain::{Chain, SendChain};
pub use ordering::Ordered;
pub use reference::Borrowed;
pub use simple_error::SimpleError;
pub use wire::{As, AsRef, DecodeAs, EncodeAs};

#[cfg(test)]
mod tests {
    use alloc_crate::boxed::Box;
    use alloc_crate::string::String;
    use alloc_crate::{vec, vec::Vec};
    use core::cmp::Ordering;
    use core::fmt;

    use super::super::{Decoder, encode};
    use super::*;

    fn travels<F, T>(value: &T) -> Vec<u8>
    where
        F: EncodeAs<T> + for<'de> DecodeAs<'de, T>,
        T: PartialEq + fmt::Debug,
    {
        let mut bytes = Vec::new();
        encode(&AsRef::<F, T>::new(value), &mut bytes).expect("a Vec takes all");
        let trusted: As<F, T> = Decoder::new(&bytes).take().expect("trusted");
        assert_eq!(&trusted.0, value);
        bytes
    }

    #[test]
    fn forms_hold_one_another() {
        let boards = Some(vec![[[1_u16; 40]; 33], [[2; 40]; 33]]);
        travels::<Optional<List<Array<Array<SerdeForm>>>>, _>(&boards);
        travels::<(Ordered, SerdeForm), _>(&(Ordering::Less, String::from("less")));
        type Compared = Result<Option<Ordering>, [u8; 50]>;
        for compared in [Ok(Some(Ordering::Greater)), Ok(None), Err([7; 50])] {
            travels::<Fallible<Optional<Ordered>, Array<SerdeForm>>, Compared>(&compared);
        }
        let boxed: Box<[Box<[u8; 64]>]> = Box::new([Box::new([3; 64])]);
        travels::<List<Boxed<Array<SerdeForm>>>, _>(&boxed);
    }

    #[test]
    fn what_goes_over_is_what_serde_would_send() {
        let value = (vec![Some(1_u32), None], Box::new([1_u8, 2, 3]));
        let mut bytes = Vec::new();
        encode(&value, &mut bytes).expect("a Vec takes all");
        let formed = travels::<(List<Optional<SerdeForm>>, Boxed<Array<SerdeForm>>), _>(&value);
        assert_eq!(bytes, formed);
    }
}
