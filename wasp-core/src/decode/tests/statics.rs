//! Strings in the image: a guest's result may borrow them.

use serde::{Deserialize, Serialize};
use virtine_rt::abi::image::{Access, Segment};
use virtine_rt::codec::{DEPTH, Encoding, encode};

use super::naming::{Known, Naming};
use super::{Clocked, MIB, is_invalid};
use crate::decode::elsewhere::{Copies, Elsewhere};
use crate::decode::statics::Statics;
use crate::decode::{Failure, Source, decode};

/// Decodes a value whose guest has `memory` where its `image` should be.
fn borrowed<'s, T: Deserialize<'s>>(
    value: &impl Serialize,
    memory: &[u8],
    image: &'s [u8],
) -> Result<T, Failure> {
    let mut sink = Naming::constants(memory);
    encode(value, &mut sink).expect("a Vec takes all");
    let segments = [Segment {
        address: memory.as_ptr().addr() as u64,
        size: image.len() as u64,
        access: Access::Read,
        bytes: image,
    }];
    let known = Known(&[memory]);
    let copies = Copies::new();
    let source = Source {
        bytes: &sink.bytes,
        encoding: Encoding::Bare,
        depth: DEPTH,
        elsewhere: Elsewhere::of(&known, &copies, u64::MAX),
        statics: Statics::new(&segments),
    };
    decode(source, &mut Clocked::new(MIB, || true), |_| Ok(()))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Labelled<'a> {
    number: u8,
    label: &'a str,
    rest: Vec<Option<&'a str>>,
}

#[test]
fn static_texts_are_those_of_the_image_wherever_they_stand() {
    static IMAGE: &str = "onetwothree";
    let value = Labelled {
        number: 1,
        label: &IMAGE[3..6],
        rest: vec![Some(""), Some(&IMAGE[6..]), None, Some(IMAGE)],
    };
    let image = IMAGE.as_bytes();
    let found: Labelled<'static> = borrowed(&value, image, image).expect("all are there");
    assert_eq!(found, value);
    assert!(std::ptr::eq(found.label, value.label));
    // An owned string is a copy.
    let owned: (u8, String) = borrowed(&(1_u8, &IMAGE[3..6]), image, image).expect("owned");
    assert_eq!(owned.1, "two");
}

#[test]
fn static_text_that_the_image_has_not_is_refused() {
    static IMAGE: &str = "onetwothree";
    // The guest has changed it, or it goes beyond the end of the image.
    let memory = b"oneTwothree".to_owned();
    let value = str::from_utf8(&memory[3..6]).expect("text");
    let changed = borrowed::<&'static str>(&value, &memory, IMAGE.as_bytes());
    assert!(is_invalid(&changed), "{changed:?}");
    let value = str::from_utf8(&memory[6..]).expect("text");
    let beyond = borrowed::<&'static str>(&value, &memory, &IMAGE.as_bytes()[..10]);
    assert!(is_invalid(&beyond), "{beyond:?}");
    // Nothing says where it is.
    let made = borrowed::<&'static str>(&"two".to_owned(), &memory, IMAGE.as_bytes());
    assert!(is_invalid(&made), "{made:?}");
    assert_eq!(borrowed::<&'static str>(&"", &memory, &[]).ok(), Some(""));
}
