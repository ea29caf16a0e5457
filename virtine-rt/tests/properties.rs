//! What holds for all input: values come back as they were, and images are read from bytes that nobody vouches for.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use virtine_rt::abi::image::{Access, Image, Segment};
use virtine_rt::codec::{self, Decoder};

/// A value of every shape that the codec knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Number(i64),
    Text(String),
    Tuple(u8, char, f64),
    Fields { some: Option<bool>, words: Vec<u16> },
    Map(BTreeMap<String, u32>),
    Nested(Vec<Shape>),
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<i64>().prop_map(Shape::Number),
        any::<String>().prop_map(Shape::Text),
        (any::<u8>(), any::<char>(), -1e300..1e300).prop_map(|(a, b, c)| Shape::Tuple(a, b, c)),
        (any::<Option<bool>>(), any::<Vec<u16>>())
            .prop_map(|(some, words)| Shape::Fields { some, words }),
        prop::collection::btree_map(any::<String>(), any::<u32>(), 0..5).prop_map(Shape::Map),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(Shape::Nested)
    })
}

fn encoded(value: &Shape) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(value, &mut bytes).expect("a Vec takes all");
    bytes
}

/// An image's bytes, of which the fields that are checked are mostly right.
fn image_like() -> impl Strategy<Value = Vec<u8>> {
    let sane = Image {
        id: [0; 20],
        segments: vec![Segment {
            address: 0x20_0000,
            size: 64,
            access: Access::Execute,
            bytes: &[0x90; 64],
        }],
    };
    let bytes = sane.to_bytes();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (changes, prop::collection::vec(any::<u8>(), 0..100)).prop_map(move |(changes, tail)| {
        let mut bytes = bytes.clone();
        bytes.extend(tail);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn values_come_back(value in shape()) {
        let bytes = encoded(&value);
        let trusted = Decoder::new(&bytes).take::<Shape>().expect("well formed");
        prop_assert_eq!(trusted, value);
    }

    #[test]
    fn image_that_parses_is_one_that_checks(bytes in image_like()) {
        if let Ok(image) = Image::parse(&bytes) {
            prop_assert!(image.check().is_ok());
            prop_assert!(image.segments.iter().all(|segment| segment.end() <= image.end()));
        }
    }
}
