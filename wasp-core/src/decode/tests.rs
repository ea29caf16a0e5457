//! How bytes are decoded, and what they may cost.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::rc::Rc;
use std::thread;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use virtine_rt::codec::{DEPTH, Encoding, encode, form};

use super::*;
use crate::base::ended::Ended;
use crate::decode::elsewhere::Elsewhere;
use crate::decode::statics::Statics;

mod memory;
mod naming;
mod runs;
mod statics;

/// A budget with this much memory, and with time until a clock says otherwise.
struct Clocked<C> {
    memory: u64,
    in_time: C,
}

impl<C: FnMut() -> bool> Clocked<C> {
    const fn new(memory: u64, in_time: C) -> Self {
        Self { memory, in_time }
    }
}

impl<C: FnMut() -> bool> Budget for Clocked<C> {
    fn take(&mut self, bytes: u64) -> Result<(), u64> {
        self.memory = self.memory.checked_sub(bytes).ok_or(self.memory)?;
        Ok(())
    }

    fn check(&mut self) -> Result<(), Ended> {
        match (self.in_time)() {
            true => Ok(()),
            false => Err(Ended::TimedOut),
        }
    }
}

const MIB: u64 = 1 << 20;

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).expect("a Vec takes all");
    bytes
}

fn source(bytes: &[u8], depth: u32) -> Source<'_, 'static> {
    Source {
        bytes,
        encoding: Encoding::Bare,
        depth,
        elsewhere: Elsewhere::nowhere(),
        statics: Statics::NONE,
    }
}

/// Decodes bytes that may take this much memory.
fn within<T: DeserializeOwned>(memory: u64, bytes: &[u8]) -> Result<T, Failure> {
    let mut budget = Clocked::new(memory, || true);
    decode(source(bytes, DEPTH), &mut budget, |_| Ok(()))
}

/// Decodes bytes that may nest this deep.
fn as_deep_as<T: DeserializeOwned>(depth: u32, bytes: &[u8]) -> Result<T, Failure> {
    let mut budget = Clocked::new(1 << 32, || true);
    decode(source(bytes, depth), &mut budget, |_| Ok(()))
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    within(64 * MIB, bytes)
}

fn is_invalid<T>(result: &Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Invalid(_)))
}

fn is_too_large<T>(result: &Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::TooLarge { .. }))
}

#[test]
fn values_come_back() {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        assert_eq!(decoded::<T>(&encoded(&value)).expect("a value"), value);
    }
    check((i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    check((u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    check((f32::MIN, f64::MAX, true, false, ()));
    check(vec!['a', '\u{e9}', '\u{20ac}', '\u{1f980}', '\u{10ffff}']);
    check(BTreeMap::from([
        (1_u8, "one".to_owned()),
        (2, String::new()),
    ]));
    check([Ok(3_u16), Err(Some("x".to_owned()))]);
    check(vec![(); 5]);
    check(vec![vec![Some(Some(1_u8))], vec![None, Some(None)]]);
    check(vec![("a".to_owned(), Some(1.5_f64)), (String::new(), None)]);
}

#[test]
fn arrays_and_orderings_travel_in_their_forms() {
    type Numbers = form::As<form::Array<form::SerdeForm>, [u16; 100]>;
    let array: [u16; 100] = std::array::from_fn(|number| number as u16);
    let numbers: Numbers = decoded(&encoded(&array[..])[8..]).expect("an array");
    assert_eq!(numbers.0, array);
    assert!(is_invalid(&decoded::<Numbers>(&[0; 199])));
    assert!(is_invalid(&decoded::<
        form::As<form::Ordered, std::cmp::Ordering>,
    >(&[2])));
}

#[test]
fn bytes_that_are_too_many_or_too_few_are_refused() {
    let mut bytes = encoded(&1_u32);
    assert!(is_invalid(&decoded::<u64>(&bytes)));
    bytes.push(0);
    match decoded::<u32>(&bytes) {
        Err(Failure::Invalid(reason)) => assert_eq!(reason, "1 bytes follow the value"),
        other => panic!("{other:?}"),
    }
    for claim in [5, 1 << 20, 1 << 40, u64::MAX] {
        let mut bytes = encoded("abcd");
        bytes[..8].copy_from_slice(&claim.to_le_bytes());
        assert!(decoded::<String>(&bytes).is_err(), "{claim}");
        assert!(decoded::<Vec<u64>>(&bytes).is_err(), "{claim}");
    }
}

#[test]
fn text_is_utf8_also_where_it_is_taken_in_pieces() {
    let mut bytes = encoded("abcd");
    bytes[8] = 0xff;
    assert!(is_invalid(&decoded::<String>(&bytes)));
    // Three bytes per character, so that a character crosses the end of each piece.
    let long = "\u{20ac}".repeat(1 << 20);
    let mut bytes = encoded(&long);
    assert_eq!(decoded::<String>(&bytes).expect("text"), long);
    bytes.truncate(bytes.len() - 1);
    let length = bytes.len() as u64 - 8;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    assert!(is_invalid(&decoded::<String>(&bytes)));
    bytes[8 + (1 << 20)] = 0xff;
    assert!(is_invalid(&decoded::<String>(&bytes)));
}

#[derive(Debug, Serialize, Deserialize)]
struct List {
    next: Option<Box<List>>,
}

/// A list with this many levels: two for each node, and one for the last.
fn list(levels: usize) -> Vec<u8> {
    [vec![1; levels / 2], vec![0; levels % 2]].concat()
}

#[test]
fn levels_are_bounded_and_the_error_says_how_to_raise_it() {
    // As deep as possible without its own stack. The error says how deep.
    assert!(as_deep_as::<List>(8, &list(9)).is_ok());
    for levels in [11, 10_000_000] {
        match as_deep_as::<List>(8, &list(levels)) {
            Err(failure @ Failure::TooDeep { levels: 8 }) => {
                let text = failure.to_string();
                assert!(
                    text.contains("8 levels") && text.contains("depth"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn allowed_depth_overflows_no_stack_however_little_the_caller_has() {
    for (stack, levels) in [(64 << 10, 1_001), (256 << 10, 100_001), (2 << 20, 300_001)] {
        let decoding = move || {
            let value = as_deep_as::<List>(levels, &list(levels as usize)).expect("allowed");
            // Dropping it is up to the caller.
            std::mem::forget(value);
            // Refused at the very end, and one level too deep: dropped by the decoder.
            let bytes = [list(levels as usize), vec![0]].concat();
            assert!(is_invalid(&as_deep_as::<List>(levels, &bytes)));
            let beyond = as_deep_as::<(List, List)>(
                levels,
                &[list(levels as usize - 2), list(levels as usize + 2)].concat(),
            );
            assert!(matches!(beyond, Err(Failure::TooDeep { .. })), "{beyond:?}");
        };
        let thread = thread::Builder::new().stack_size(stack).spawn(decoding);
        thread.expect("a thread").join().expect("no overflow");
    }
}

/// Nests with a type that takes no memory and needs no drop.
struct Counted(u32);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let inner = Option::<Box<Self>>::deserialize(deserializer)?;
        Ok(Self(inner.map_or(0, |inner| inner.0 + 1)))
    }
}

#[test]
fn type_without_anything_to_drop_may_nest_as_well() {
    let decoding = || {
        let bytes = [vec![1; 50_000], vec![0]].concat();
        let counted = as_deep_as::<Counted>(50_000, &bytes).expect("allowed");
        assert_eq!(counted.0, 50_000);
    };
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(decoding);
    thread.expect("a thread").join().expect("no overflow");
}

const LARGE: usize = 1 << 20;

type Large = form::As<form::Array<form::SerdeForm>, [u8; LARGE]>;

#[derive(Deserialize)]
struct LargeNode {
    _bytes: Large,
    next: Option<Box<LargeNode>>,
}

#[test]
fn large_values_behind_boxes_overflow_no_small_stack() {
    for stack in [64 << 10, 2 << 20] {
        let decoding = || {
            let mut bytes = Vec::new();
            for last in [false, false, true] {
                bytes.resize(bytes.len() + LARGE, 7);
                bytes.push(u8::from(!last));
            }
            let mut node = Some(as_deep_as::<Box<LargeNode>>(100, &bytes).expect("three nodes"));
            let mut nodes = 0;
            while let Some(this) = node {
                nodes += 1;
                node = this.next;
            }
            assert_eq!(nodes, 3);
            bytes.push(0);
            assert!(is_invalid(&as_deep_as::<Box<LargeNode>>(100, &bytes)));
        };
        let thread = thread::Builder::new().stack_size(stack).spawn(decoding);
        thread.expect("a thread").join().expect("no overflow");
    }
}

#[test]
fn clock_is_asked_now_and_then() {
    let elements = vec![Some(1_u8); 100_000];
    let bytes = vec![1_u8; 8 << 20];
    let text = "x".repeat(8 << 20);
    let nested = [vec![1; 100_000], vec![0]].concat();
    let looks = Cell::new(0);
    let mut budget = Clocked::new(1 << 30, || {
        looks.set(looks.get() + 1);
        true
    });
    decode::<Vec<Option<u8>>>(source(&encoded(&elements), DEPTH), &mut budget, |_| Ok(()))
        .expect("a value");
    assert!(looks.take() >= 20);
    decode::<Vec<u8>>(source(&encoded(&bytes), DEPTH), &mut budget, |_| Ok(())).expect("a value");
    assert!(looks.take() >= 7);
    decode::<String>(source(&encoded(&text), DEPTH), &mut budget, |_| Ok(())).expect("a value");
    assert!(looks.take() >= 7);
    decode::<Counted>(source(&nested, 200_000), &mut budget, |_| Ok(())).expect("a value");
    assert!(looks.take() >= 20);

    let large: Vec<Option<[[[u64; 32]; 32]; 16]>> = vec![None; 100];
    let bytes = encoded(&large);
    decode::<Vec<Option<[[[u64; 32]; 32]; 16]>>>(source(&bytes, DEPTH), &mut budget, |_| Ok(()))
        .expect("a value");
    assert!(looks.take() >= 12);

    let mut late = Clocked::new(1 << 30, || false);
    let bytes = (u64::MAX >> 1).to_le_bytes();
    let ended = decode::<Vec<Skipped0>>(source(&bytes, DEPTH), &mut late, |_| Ok(()));
    assert!(
        matches!(ended, Err(Failure::Ended(Ended::TimedOut))),
        "{ended:?}"
    );
    let ended = decode::<String>(source(&encoded(&text), DEPTH), &mut late, |_| Ok(()));
    assert!(
        matches!(ended, Err(Failure::Ended(Ended::TimedOut))),
        "{ended:?}"
    );
}

#[derive(Debug, Deserialize)]
struct Skipped0 {
    #[serde(skip)]
    _byte: u8,
}

/// A float with an order, as several crates have.
#[derive(Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Ordered(f64);

impl Eq for Ordered {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "what users write")]
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.partial_cmp(other).expect("a number")
    }
}

#[test]
fn panic_of_a_types_own_code_is_an_error() {
    let ordered: BTreeSet<Ordered> = decoded(&encoded(&vec![1.0, 2.0])).expect("two numbers");
    assert_eq!(ordered.len(), 2);
    match decoded::<BTreeSet<Ordered>>(&encoded(&vec![1.0, f64::NAN])) {
        Err(failure @ Failure::Panicked(_)) => {
            assert_eq!(
                failure.to_string(),
                "its type's own code panicked: a number"
            );
        }
        other => panic!("{other:?}"),
    }
    #[derive(Debug, Deserialize)]
    struct Loud(#[expect(dead_code, reason = "only read")] u8);
    impl Drop for Loud {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    // Dropped because a byte follows it, or because the second of two values is missing.
    for (result, bytes) in [
        (decoded::<Loud>(&[1, 2]), 2),
        (decoded::<(Loud, u8)>(&[1]).map(|both| both.0), 1),
    ] {
        assert!(
            matches!(result, Err(Failure::Panicked(_))),
            "{bytes}: {result:?}"
        );
    }
}

#[test]
fn words_of_an_error_are_few() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Never;
    impl TryFrom<String> for Never {
        type Error = String;
        fn try_from(text: String) -> Result<Self, String> {
            Err(text)
        }
    }
    match decoded::<Never>(&encoded(&"\u{20ac}".repeat(100_000))) {
        Err(Failure::Invalid(reason)) => assert_eq!(reason, "\u{20ac}".repeat(85)),
        other => panic!("{other:?}"),
    }
    // Serde quotes unexpected values.
    match decode::<&'static str>(
        source(&encoded(&"x".repeat(100_000)), DEPTH),
        &mut Clocked::new(MIB, || true),
        |_| Ok(()),
    ) {
        Err(Failure::Invalid(reason)) => assert_eq!(reason.len(), 256, "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn decoding_within_decoding_has_a_stack_of_its_own() {
    struct Outer(Rc<Vec<u8>>);
    impl<'de> Deserialize<'de> for Outer {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let inner = Vec::<u8>::deserialize(deserializer)?;
            let again: Vec<u8> = decoded(&encoded(&inner)).expect("the same");
            Ok(Self(Rc::new(again)))
        }
    }
    for _ in 0..3 {
        let outer: Outer = decoded(&encoded(&vec![1_u8, 2, 3])).expect("a value");
        assert_eq!(*outer.0, [1, 2, 3]);
    }
}

/// A value of every shape that the codec supports.
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

proptest! {
    #[test]
    fn any_value_comes_back(value in shape()) {
        prop_assert_eq!(decoded::<Shape>(&encoded(&value)).expect("well formed"), value);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decoded::<Vec<u16>>(&bytes) {
            prop_assert!(value.len() <= bytes.len());
        }
        let _ = decoded::<Shape>(&bytes);
    }

    #[test]
    fn damaged_values_are_a_value_or_an_error(
        value in shape(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut bytes = encoded(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = decoded::<Shape>(&bytes);
    }
}
