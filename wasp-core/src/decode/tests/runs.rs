//! Runs of plain values, which a guest names in place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use virtine_rt::codec::plain::Changed;
use virtine_rt::codec::{DEPTH, ELSEWHERE, Encoding, encode};

use super::naming::{Known, Naming};
use super::{Clocked, MIB, is_invalid, is_too_large};
use crate::decode::elsewhere::{Copies, Elsewhere};
use crate::decode::statics::Statics;
use crate::decode::{Failure, Source, decode};

/// Decodes bytes of a guest with this memory, which may use this much host memory.
fn within<T: DeserializeOwned>(granted: u64, bytes: &[u8], memory: &[u8]) -> Result<T, Failure> {
    let known = Known(&[memory]);
    let copies = Copies::new();
    let source = Source {
        bytes,
        encoding: Encoding::Bare,
        depth: DEPTH,
        elsewhere: Elsewhere::of(&known, &copies, u64::MAX),
        statics: Statics::NONE,
    };
    decode(source, &mut Clocked::new(granted, || true), |_| Ok(()))
}

/// The encoding with which a guest names a number of elements at these bytes.
fn named(count: u64, bytes: &[u8]) -> Vec<u8> {
    let words = [
        count | ELSEWHERE,
        bytes.as_ptr().addr() as u64,
        bytes.len() as u64,
    ];
    words.map(u64::to_le_bytes).concat()
}

fn bytes_of<T>(values: &[T]) -> &[u8] {
    // SAFETY: numbers, without padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
    tag: [u16; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Padded {
    small: u8,
    large: u64,
}

const POINT: Point = Point {
    x: 1.5,
    y: -2.0,
    tag: [1, 2, 3, 4],
};

/// Encodes `value`, whose elements are these. Checks that they are named exactly if `named`, and that decoding restores
/// the value.
fn travels<T, E>(value: &T, elements: &[E], named: bool)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let memory = bytes_of(elements);
    let mut sink = Naming::memory(memory);
    encode(value, &mut sink).expect("a Vec takes all");
    assert_eq!(sink.bytes.len() < 48, named, "{} bytes", sink.bytes.len());
    assert_eq!(
        &within::<T>(MIB, &sink.bytes, memory).expect("a value"),
        value
    );
}

#[test]
fn runs_of_plain_values_are_named_wherever_they_stand() {
    let numbers = vec![7_u32; 100];
    let memory = numbers.clone();
    travels(&memory, &memory, true);
    let points = vec![POINT; 10];
    travels(&points, &points, true);
    let pairs = vec![(1_u32, 2.5_f32); 20];
    travels(&pairs, &pairs, true);
    let arrays = vec![[1_i16; 3]; 30];
    travels(&arrays, &arrays, true);
    let truths = vec![true; 80];
    travels(&truths, &truths, true);
    let letters = vec!['\u{1f980}'; 20];
    travels(&letters, &letters, true);
    let text = "text".repeat(30);
    travels(&text, bytes_of(text.as_bytes()), true);
    let boxed: Box<[u64]> = vec![3; 20].into();
    travels(&boxed, &boxed, true);
    // Too few to be worth it, and values whose layout differs from their encoding.
    travels(&vec![7_u8; 63], &[0_u8; 0], false);
    let padded = vec![Padded { small: 1, large: 2 }; 10];
    travels(&padded, &[0_u8; 0], false);
}

#[test]
fn runs_are_named_from_inside_other_values() {
    type Value = (u8, Option<Vec<u32>>, BTreeMap<u8, Vec<u32>>, Vec<Vec<u32>>);
    let rows: Vec<Vec<u32>> = (0..10).map(|row| vec![row; 100]).collect();
    let memory: Vec<&[u8]> = rows.iter().map(|row| bytes_of(row)).collect();
    let mut bytes = Vec::new();
    bytes.extend([1, 1]);
    bytes.extend(named(100, memory[0]));
    bytes.extend(1_u64.to_le_bytes());
    bytes.push(9);
    bytes.extend(named(100, memory[1]));
    bytes.extend(10_u64.to_le_bytes());
    bytes.extend(memory.iter().flat_map(|row| named(100, row)));
    let known = Known(&memory);
    let copies = Copies::new();
    let source = Source {
        bytes: &bytes,
        encoding: Encoding::Bare,
        depth: DEPTH,
        elsewhere: Elsewhere::of(&known, &copies, u64::MAX),
        statics: Statics::NONE,
    };
    let value: Value =
        decode(source, &mut Clocked::new(MIB, || true), |_| Ok(())).expect("a value");
    let first = rows[0].clone();
    assert_eq!(value.1, Some(first));
    assert_eq!(value.2, BTreeMap::from([(9, rows[1].clone())]));
    assert_eq!(value.3, rows);
}

#[test]
fn rows_that_do_not_lie_together_are_copied_from_where_they_part() {
    let mut queue: VecDeque<Point> = VecDeque::with_capacity(8);
    queue.extend([POINT; 8]);
    queue.rotate_left(3);
    queue.pop_front();
    let skipped: Vec<&Point> = queue.iter().skip(1).step_by(2).collect();
    let mut sink = Naming::memory(&[]);
    encode(&queue, &mut sink).expect("a Vec takes all");
    encode(&skipped, &mut sink).expect("a Vec takes all");
    type Both = (VecDeque<Point>, Vec<Point>);
    let both: Both = within(MIB, &sink.bytes, &[]).expect("both");
    assert_eq!(both.0, queue);
    assert_eq!(both.1, vec![POINT; skipped.len()]);
}

#[test]
fn what_a_types_code_makes_to_be_encoded_is_not_taken_for_the_elements() {
    /// A value that is encoded as another one, which is gone afterwards.
    #[derive(Clone, Copy)]
    struct Doubled(f64);
    impl Serialize for Doubled {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let made = Point {
                x: self.0 * 2.0,
                ..POINT
            };
            made.serialize(serializer)
        }
    }
    let values: Vec<Doubled> = (0..10_u8).map(|x| Doubled(x.into())).collect();
    let mut sink = Naming::memory(bytes_of(&values));
    encode(&values, &mut sink).expect("a Vec takes all");
    let points: Vec<Point> = within(MIB, &sink.bytes, &[]).expect("points");
    let found: Vec<f64> = points.iter().map(|point| point.x).collect();
    assert_eq!(
        found,
        (0..10_u8).map(|x| f64::from(x) * 2.0).collect::<Vec<_>>()
    );
}

#[test]
fn items_that_are_made_one_by_one_come_back_however_many_they_turn_out_to_be() {
    struct Made;
    impl Serialize for Made {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let made = (0..100_u32).map(|number| (number, f64::from(number)));
            serializer.collect_seq(made.filter(|(number, _)| number % 2 == 1))
        }
    }
    let mut sink = Naming::memory(&[]);
    encode(&(7_u8, Made, 8_u8), &mut sink).expect("a Vec takes all");
    type Value = (u8, Vec<(u32, f64)>, u8);
    let (before, pairs, behind): Value = within(MIB, &sink.bytes, &[]).expect("pairs");
    assert_eq!((before, pairs.len(), behind), (7, 50, 8));
    assert_eq!(pairs[49], (99, 99.0));
}

#[test]
fn run_must_be_the_guests_memory_and_as_long_as_its_elements() {
    let memory: Vec<u64> = (0..100).collect();
    let bytes = bytes_of(&memory);
    let all: Vec<u64> = within(MIB, &named(100, bytes), bytes).expect("all");
    assert_eq!(all, memory);
    // Not aligned, and up to the last byte.
    let odd: Vec<u64> = within(MIB, &named(12, &bytes[703..799]), bytes).expect("unaligned");
    assert_eq!(
        odd[0],
        u64::from_le_bytes(bytes[703..711].try_into().expect("eight"))
    );
    for (count, part) in [
        (99, bytes),
        (101, bytes),
        (0, bytes),
        (u64::MAX >> 1, bytes),
    ] {
        let wrong = within::<Vec<u64>>(MIB, &named(count, part), bytes);
        assert!(is_invalid(&wrong), "{count}: {wrong:?}");
        let wrong = within::<Vec<Point>>(MIB, &named(count, part), bytes);
        assert!(wrong.is_err(), "{count}: {wrong:?}");
    }
    for known in [&bytes[1..], &bytes[..799], &[]] {
        let wrong = within::<Vec<u64>>(MIB, &named(100, bytes), known);
        assert!(is_invalid(&wrong), "{wrong:?}");
    }
    let mut forged = named(100, bytes);
    for (at, byte) in [(8, 0xff), (15, 0xff), (16, 0xff), (23, 0xff)] {
        let honest = std::mem::replace(&mut forged[at], byte);
        let wrong = within::<Vec<u64>>(MIB, &forged, bytes);
        assert!(wrong.is_err(), "{at}: {wrong:?}");
        forged[at] = honest;
    }
    // Naming is not allowed here.
    let nowhere = super::within::<Vec<u64>>(MIB, &forged);
    assert!(is_invalid(&nowhere), "{nowhere:?}");
}

#[test]
fn values_of_a_run_are_checked() {
    let mut truths = vec![1_u8; 100];
    assert!(within::<Vec<bool>>(MIB, &named(100, &truths), &truths).is_ok());
    truths[99] = 2;
    let wrong = within::<Vec<bool>>(MIB, &named(100, &truths), &truths);
    assert!(is_invalid(&wrong), "{wrong:?}");
    let wrong = within::<Vec<[bool; 4]>>(MIB, &named(25, &truths), &truths);
    assert!(is_invalid(&wrong), "{wrong:?}");
    for wrong in [0xd800, 0xdfff, 0x11_0000, u32::MAX] {
        let letters = [vec![65; 20], vec![wrong]].concat();
        let bytes = bytes_of(&letters);
        let letters = within::<Vec<char>>(MIB, &named(21, bytes), bytes);
        assert!(is_invalid(&letters), "{wrong:#x}");
        let letters = within::<Changed<char>>(MIB, &named(21, bytes), bytes);
        assert!(is_invalid(&letters), "{wrong:#x}");
    }
    let text = within::<String>(MIB, &named(100, &[0xff; 100]), &[]);
    assert!(is_invalid(&text), "{text:?}");
}

#[test]
fn types_that_check_their_values_do_so_in_a_run_too() {
    /// Serde's `try_from` goes through its own code for each element.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "(u32, u32)")]
    struct Rising;
    impl TryFrom<(u32, u32)> for Rising {
        type Error = &'static str;
        fn try_from((from, to): (u32, u32)) -> Result<Self, &'static str> {
            if from < to {
                Ok(Self)
            } else {
                Err("not rising")
            }
        }
    }
    let pairs = [(1_u32, 2_u32); 20].map(|(from, to)| [from, to]);
    let mut flat = pairs.as_flattened().to_vec();
    let bytes = bytes_of(&flat).to_vec();
    assert!(within::<Vec<Rising>>(MIB, &named(20, &bytes), &bytes).is_ok());
    flat[39] = 0;
    let bytes = bytes_of(&flat).to_vec();
    assert!(is_invalid(&within::<Vec<Rising>>(
        MIB,
        &named(20, &bytes),
        &bytes
    )));

    /// A custom visitor, for a `Vec` of numbers.
    #[derive(Debug)]
    struct Sorted;
    impl<'de> Deserialize<'de> for Sorted {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Sorting).map(|_| Self)
        }
    }
    struct Sorting;
    impl<'de> serde::de::Visitor<'de> for Sorting {
        type Value = Vec<u32>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("rising numbers")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut elements: A,
        ) -> Result<Vec<u32>, A::Error> {
            let mut found = Vec::new();
            while let Some(next) = elements.next_element()? {
                if found.last().is_some_and(|last| *last > next) {
                    return Err(serde::de::Error::custom("not rising"));
                }
                found.push(next);
            }
            Ok(found)
        }
    }
    let mut rising: Vec<u32> = (0..40).collect();
    let bytes = bytes_of(&rising).to_vec();
    assert!(within::<Sorted>(MIB, &named(40, &bytes), &bytes).is_ok());
    rising[39] = 1;
    let bytes = bytes_of(&rising).to_vec();
    assert!(is_invalid(&within::<Sorted>(
        MIB,
        &named(40, &bytes),
        &bytes
    )));
}

#[test]
fn run_is_charged_each_time_that_it_is_named() {
    let memory = vec![1_u8; 10_000];
    let often = |times: u64| {
        let mut bytes = times.to_le_bytes().to_vec();
        bytes.extend(named(10_000, &memory).repeat(times as usize));
        bytes
    };
    let each = 10_000 + 24;
    type Rows = Vec<Vec<u8>>;
    assert!(within::<Rows>(100 * each, &often(100), &memory).is_ok());
    assert!(is_too_large(&within::<Rows>(
        100 * each - 1,
        &often(100),
        &memory
    )));
    type Texts = Vec<String>;
    assert!(is_too_large(&within::<Texts>(
        100 * each - 1,
        &often(100),
        &memory
    )));
    // Elements with contents behind a pointer, and bytes that decode to more than their size.
    type Boxes = Vec<Box<[[u8; 10]; 10]>>;
    let boxes = named(100, &memory);
    assert!(within::<Boxes>(100 * 108, &boxes, &memory).is_ok());
    assert!(is_too_large(&within::<Boxes>(
        100 * 108 - 1,
        &boxes,
        &memory
    )));
    #[derive(Debug, Deserialize)]
    struct Wide {
        _byte: u8,
        #[serde(skip)]
        _room: [u64; 32],
    }
    let wide = named(10_000, &memory);
    assert!(within::<Vec<Wide>>(10_000 * 264, &wide, &memory).is_ok());
    assert!(is_too_large(&within::<Vec<Wide>>(
        10_000 * 264 - 1,
        &wide,
        &memory
    )));
    // Values that are returned in place take no memory.
    let changed = within::<Changed<u8>>(0, &named(10_000, &memory), &memory);
    assert_eq!(changed.expect("in place").len(), 10_000);
}

#[test]
fn run_holds_nothing_that_nests() {
    let inner = [3_u64.to_le_bytes().to_vec(), vec![1, 2, 3]].concat();
    let rows = within::<Vec<Vec<u8>>>(MIB, &named(1, &inner), &inner);
    assert!(is_invalid(&rows), "{rows:?}");
    let some = within::<Vec<Option<u8>>>(MIB, &named(2, &[1, 7, 0]), &[]);
    assert!(is_invalid(&some), "{some:?}");
    let memory = [1_u8; 100];
    for count in [99, 101, 1 << 40] {
        let set = within::<BTreeSet<u8>>(MIB, &named(count, &memory), &memory);
        assert!(is_invalid(&set), "{set:?}");
    }
    let map = within::<BTreeMap<u8, u8>>(MIB, &named(50, &memory), &memory);
    assert!(is_invalid(&map), "{map:?}");
    let units = within::<Vec<()>>(MIB, &named(1 << 40, &[]), &memory);
    assert!(is_invalid(&units), "{units:?}");
}

#[test]
fn deadline_holds_while_a_run_is_copied() {
    let memory = vec![1_u8; 8 << 20];
    let mut looks = 0;
    let known = Known(&[&memory]);
    let bytes = named(8 << 20, &memory);
    let copies = Copies::new();
    let source = Source {
        bytes: &bytes,
        encoding: Encoding::Bare,
        depth: DEPTH,
        elsewhere: Elsewhere::of(&known, &copies, u64::MAX),
        statics: Statics::NONE,
    };
    let mut budget = Clocked::new(16 * MIB, || {
        looks += 1;
        looks < 3
    });
    let ended = decode::<Vec<u8>>(source, &mut budget, |_| Ok(()));
    assert!(matches!(ended, Err(Failure::Ended(_))), "{ended:?}");
}

proptest! {
    #[test]
    fn forged_runs_are_values_or_refused(
        words in prop::collection::vec(any::<u64>(), 0..6),
        near in prop::collection::vec((0..3_u64, 0..300_u64, 0..300_u64), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let memory = [1_u8; 256];
        let base = memory.as_ptr().addr() as u64;
        let mut bytes: Vec<u8> = near
            .iter()
            .flat_map(|(count, start, length)| [(count * length) | ELSEWHERE, base + start, *length])
            .chain(words)
            .flat_map(u64::to_le_bytes)
            .collect();
        bytes.extend(tail);
        let _ = within::<Vec<u8>>(MIB, &bytes, &memory);
        let _ = within::<Vec<Vec<bool>>>(MIB, &bytes, &memory);
        let _ = within::<(String, Vec<Point>, BTreeMap<u8, char>)>(MIB, &bytes, &memory);
        let _ = within::<(Changed<u32>, Vec<Box<[u16; 3]>>)>(MIB, &bytes, &memory);
    }
}
