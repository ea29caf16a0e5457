//! What holds for all input: values come back as they were, and images are read from bytes that nobody vouches for.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use virtine_rt::abi::image::{Access, Image, Segment};
use virtine_rt::codec::{self, Decoder, Elements, Encoding, Sink};

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

fn encoded(encoding: Encoding, value: &Shape) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode_in(encoding, value, &mut bytes).expect("a Vec takes all");
    bytes
}

/// Memory as a guest finds its arguments in.
#[derive(Default)]
struct Aligned(Vec<u128>, usize);

impl Aligned {
    fn bytes(&self) -> &[u8] {
        // SAFETY: initialised, and without padding.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.1) }
    }
}

impl Sink for Aligned {
    const ALIGNED: bool = true;

    fn position(&self) -> usize {
        self.1
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        let start = self.1;
        self.1 += bytes.len();
        self.0.resize(self.1.div_ceil(16), 0);
        self.patch(start, bytes);
        true
    }

    fn patch(&mut self, position: usize, bytes: &[u8]) {
        for (at, byte) in (position..).zip(bytes) {
            let shift = at % 16 * 8;
            self.0[at / 16] &= !(0xff << shift);
            self.0[at / 16] |= u128::from(*byte) << shift;
        }
    }
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
        for encoding in [Encoding::Bare, Encoding::Described] {
            let bytes = encoded(encoding, &value);
            let decoder = Decoder::new(&bytes).in_encoding(encoding);
            let trusted = { decoder }.take::<Shape>().expect("well formed");
            prop_assert_eq!(&trusted, &value);
        }
    }

    #[test]
    fn elements_are_used_where_they_lie(
        text in any::<String>(),
        words in any::<Vec<u16>>(),
        wide in any::<Vec<u128>>(),
        pairs in any::<Vec<(u32, f32)>>(),
        padded in any::<Vec<(u8, u32)>>(),
    ) {
        let mut memory = Aligned::default();
        codec::encode(&text, &mut memory).expect("it takes all");
        codec::encode(&words[..], &mut memory).expect("it takes all");
        codec::encode(&wide[..], &mut memory).expect("it takes all");
        codec::encode(&pairs[..], &mut memory).expect("it takes all");
        codec::encode(&padded[..], &mut memory).expect("it takes all");
        let mut decoder = Decoder::aligned(memory.bytes());
        prop_assert_eq!(decoder.take::<String>(), Ok(text));
        fn elements<T: PartialEq + std::fmt::Debug>(found: Elements<'_, T>, expected: &[T], in_place: bool) {
            match found {
                Elements::InPlace(found) => assert!(in_place && found == expected),
                Elements::Copied(found) => assert!(!in_place && found == expected),
            }
        }
        elements(decoder.take_elements().expect("words"), &words, true);
        elements(decoder.take_elements().expect("wide ones"), &wide, true);
        let same_bits = |pairs: &[(u32, f32)]| -> Vec<(u32, u32)> {
            pairs.iter().map(|(a, b)| (*a, b.to_bits())).collect()
        };
        match decoder.take_elements::<(u32, f32)>().expect("pairs") {
            Elements::InPlace(found) => prop_assert_eq!(same_bits(found), same_bits(&pairs)),
            Elements::Copied(found) => prop_assert_eq!(same_bits(&found), same_bits(&pairs)),
        }
        elements(decoder.take_elements().expect("padded ones"), &padded, padded.is_empty());
    }

    #[test]
    fn image_that_parses_is_one_that_checks(bytes in image_like()) {
        if let Ok(image) = Image::parse(&bytes) {
            prop_assert!(image.check().is_ok());
            prop_assert!(image.segments.iter().all(|segment| segment.end() <= image.end()));
        }
    }
}
