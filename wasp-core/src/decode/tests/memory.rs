//! How much memory a value takes of what its caller grants.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{MIB, decoded, encoded, is_too_large, within};
use crate::decode::failure::Failure;
use crate::decode::reader::MAX_EMPTY_ELEMENTS;

#[test]
fn memory_is_charged_before_it_is_taken() {
    // Bytes from a guest of 64 MiB that would become 3.4 GB.
    type Wide = Vec<Option<[u64; 20]>>;
    let mut bytes = (20 * MIB).to_le_bytes().to_vec();
    bytes.resize(bytes.len() + 20 * MIB as usize, 0);
    let start = Instant::now();
    let wide = within::<Wide>(64 * MIB, &bytes);
    assert!(is_too_large(&wide));
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    let text = wide.expect_err("too large").to_string();
    assert!(
        text.contains("67108864") && text.contains("memory"),
        "{text}"
    );
}

#[derive(Debug, Default, Deserialize)]
struct Skipped {
    #[serde(skip)]
    _bytes: [[u64; 32]; 32],
}

#[test]
fn elements_without_bytes_take_memory_or_are_counted() {
    // 8 bytes that would become half a gigabyte.
    let claimed = |count: u64| count.to_le_bytes();
    assert!(is_too_large(&within::<Vec<Skipped>>(
        64 * MIB,
        &claimed(65_536)
    )));
    let few = within::<Vec<Skipped>>(64 * MIB, &claimed(8_000)).expect("62.5 MiB");
    assert_eq!(few.len(), 8_000);
    let bound = u64::from(MAX_EMPTY_ELEMENTS);
    for count in [bound, bound + 1, u64::MAX] {
        let units = within::<Vec<()>>(MIB, &claimed(count));
        assert_eq!(units.is_ok(), count == bound, "{count}");
    }
    // Elements that take memory are not counted.
    #[derive(Deserialize)]
    struct Byte {
        #[serde(skip)]
        _byte: u8,
    }
    assert!(within::<Vec<Byte>>(MIB, &claimed(MIB)).is_ok());
    assert!(is_too_large(&within::<Vec<Byte>>(MIB, &claimed(MIB + 1))));
}

#[test]
fn value_fits_exactly_where_its_own_size_is_granted() {
    fn exactly<T: Serialize + DeserializeOwned>(value: &T, size: u64) {
        let bytes = encoded(value);
        assert!(within::<T>(size, &bytes).is_ok(), "{size}");
        match within::<T>(size - 1, &bytes) {
            Err(Failure::TooLarge { needed, available }) => {
                assert_eq!((needed, available), (size, size - 1));
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{size} were not needed"),
        }
    }
    // Inline values are charged once, with the value that contains them.
    type Inline = (u8, Option<[u32; 4]>, Result<u64, (u8, u8)>);
    exactly(
        &vec![(1_u8, Some([2_u32; 4]), Ok::<u64, (u8, u8)>(3)); 10_000],
        10_000 * size_of::<Inline>() as u64,
    );
    exactly(&vec![7_u8; 100_000], 100_000);
    exactly(&"x".repeat(100_000), 100_000);
    exactly(&vec!["x".repeat(100); 1000], 1000 * (24 + 100));
    exactly(&BTreeMap::from([(1_u64, 2_u8), (3, 4)]), 2 * (8 + 1));
    // A value behind a pointer is charged for itself.
    exactly(&vec![Box::new([5_u64; 30]); 1000], 1000 * (8 + 240));
    exactly(&vec![Box::new("x".to_owned()); 1000], 1000 * (8 + 24 + 1));
    exactly(&Some(Box::new(Box::new(vec![5_u64; 3]))), 24 + 3 * 8);
    // Indistinguishable from inline values: a box's contents that are no larger than the box.
    exactly(&Some(Box::new(Some(Box::new((1_u64, 2_u64))))), 16);
    exactly(&vec![Box::<str>::from("12345678"); 1000], 1000 * (16 + 8));
}

#[test]
fn shared_pointers_and_nodes_are_charged() {
    #[derive(Deserialize)]
    struct Node {
        #[serde(skip)]
        _bytes: [[u64; 32]; 4],
        _next: Option<Box<Node>>,
    }
    let node = size_of::<Node>() as u64;
    let bytes = [vec![1; 99], vec![0]].concat();
    assert!(within::<Node>(99 * node, &bytes).is_ok());
    assert!(is_too_large(&within::<Node>(99 * node - 1, &bytes)));
}

#[test]
fn collections_make_room_only_for_what_is_charged() {
    /// How many elements a collection is told to expect.
    #[derive(Debug)]
    struct Expected(usize);
    impl<'de> Deserialize<'de> for Expected {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Expecting)
        }
    }
    struct Expecting;
    impl<'de> serde::de::Visitor<'de> for Expecting {
        type Value = Expected;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a sequence")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut elements: A,
        ) -> Result<Expected, A::Error> {
            let expected = elements.size_hint().expect("a hint");
            while elements.next_element::<u8>()?.is_some() {}
            Ok(Expected(expected))
        }
    }
    for (length, expected) in [(3, 3), (100_000, 4096)] {
        let found: Expected = decoded(&encoded(&vec![1_u8; length])).expect("elements");
        assert_eq!(found.0, expected);
    }

    // Room for all elements that a sequence may expect is charged with its first element, before it is created.
    #[derive(Debug, Deserialize)]
    struct Nested {
        #[serde(skip)]
        _bytes: [[[u64; 32]; 32]; 4],
        _inner: Vec<Nested>,
    }
    let claims = [1_u64 << 40; 400];
    let bytes: Vec<u8> = claims
        .iter()
        .flat_map(|claim| claim.to_le_bytes())
        .collect();
    let expected = (399 * 8 * size_of::<Nested>()) as u64;
    match within::<Nested>(64 * MIB, &bytes) {
        Err(Failure::TooLarge { needed, .. }) => assert_eq!(needed, expected),
        other => panic!("{other:?}"),
    }
}
