//! Arguments and results of virtines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    tags: Vec<String>,
    parent: Option<Box<Record>>,
    scores: BTreeMap<String, f32>,
}

type Integers = (
    u8,
    u16,
    u32,
    u64,
    u128,
    i8,
    i16,
    i32,
    i64,
    i128,
    usize,
    isize,
);

#[virtine]
fn integers(values: Integers) -> Integers {
    values
}

#[virtine]
fn others(
    flag: bool,
    letter: char,
    double: f64,
    unit: (),
    array: [u16; 3],
) -> (bool, char, f64, (), [u16; 3]) {
    (!flag, letter, -double, unit, array)
}

#[virtine]
fn record(record: Record, by_reference: &Record) -> (Record, bool) {
    let same = record == *by_reference;
    (
        Record {
            id: record.id + 1,
            parent: Some(Box::new(record)),
            ..Record::default()
        },
        same,
    )
}

#[virtine]
fn slices(text: &str, bytes: &[u8], words: &[u32], names: &[String]) -> (usize, u64, u64, String) {
    let bytes = bytes.iter().map(|&byte| u64::from(byte)).sum();
    let words = words.iter().map(|&word| u64::from(word)).sum();
    (text.chars().count(), bytes, words, names.join("+"))
}

#[virtine]
fn patterns((a, b): (u8, u8), [c, ..]: [u8; 3], mut d: u8, _: u8) -> u32 {
    d += 1;
    u32::from(a) + u32::from(b) + u32::from(c) + u32::from(d)
}

#[virtine]
fn checked(divisor: u32) -> Result<Option<u32>, String> {
    match divisor {
        0 => Err("division by zero".to_owned()),
        1 => Ok(None),
        _ => Ok(Some(100 / divisor)),
    }
}

#[virtine]
fn lifetimes<'a>(one: &'a str, two: &'a str) -> String {
    let longer: &'a str = if one.len() > two.len() { one } else { two };
    longer.to_owned()
}

#[virtine]
#[expect(clippy::too_many_arguments, reason = "the point of it")]
fn twenty(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: u8,
    o: u8,
    p: u8,
    q: u8,
    r: u8,
    s: u8,
    t: u8,
) -> Vec<u8> {
    vec![a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t]
}

#[virtine(memory = "64MiB")]
fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

#[virtine]
fn set(values: BTreeSet<String>) -> BTreeSet<String> {
    values.into_iter().map(|value| value + "!").collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn integers_keep_their_extremes() {
    let largest: Integers = (
        u8::MAX,
        u16::MAX,
        u32::MAX,
        u64::MAX,
        u128::MAX,
        i8::MIN,
        i16::MIN,
        i32::MIN,
        i64::MIN,
        i128::MIN,
        usize::MAX,
        isize::MIN,
    );
    assert_eq!(integers(largest), largest);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn other_plain_types_travel() {
    let result = others(true, '\u{1f980}', f64::MIN_POSITIVE, (), [1, 2, 3]);
    assert_eq!(
        result,
        (false, '\u{1f980}', -f64::MIN_POSITIVE, (), [1, 2, 3])
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn own_structs_travel_by_value_and_by_reference() {
    let original = Record {
        id: 7,
        name: "seven".to_owned(),
        tags: vec![String::new(), "odd".to_owned()],
        parent: None,
        scores: BTreeMap::from([("x".to_owned(), 0.5)]),
    };
    let (child, same) = record(original.clone(), &original);
    assert!(same);
    assert_eq!(child.id, 8);
    assert_eq!(child.parent.as_deref(), Some(&original));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn slices_travel_whole() {
    let names = ["a".to_owned(), "b".to_owned()];
    assert_eq!(
        slices("naïve", &[255; 1000], &[u32::MAX, 1], &names),
        (5, 255_000, 1 << 32, "a+b".to_owned())
    );
    assert_eq!(slices("", &[], &[], &[]), (0, 0, 0, String::new()));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn parameters_may_be_patterns() {
    assert_eq!(patterns((1, 2), [3, 9, 9], 4, 99), 11);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn results_may_be_errors_of_the_functions_own() {
    assert_eq!(checked(0), Err("division by zero".to_owned()));
    assert_eq!(checked(1), Ok(None));
    assert_eq!(checked(7), Ok(Some(14)));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn named_lifetimes_and_twenty_parameters_work() {
    assert_eq!(lifetimes("one", "three"), "three");
    let all = twenty(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    );
    assert_eq!(all, (0..20).collect::<Vec<u8>>());
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn megabytes_travel_both_ways() {
    let bytes: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let expected: Vec<u8> = bytes.iter().rev().copied().collect();
    for _ in 0..2 {
        assert!(reversed(&bytes) == expected);
    }
    assert_eq!(reversed(b"abc"), b"cba");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn sets_travel() {
    assert_eq!(
        set(BTreeSet::from(["b".to_owned(), "a".to_owned()])),
        BTreeSet::from(["a!".to_owned(), "b!".to_owned()])
    );
}

#[virtine]
fn changes(
    count: &mut u32,
    words: &mut Vec<String>,
    cells: &mut [u16],
    table: &mut [u8; 40],
) -> u32 {
    *count += 1;
    words.push(format!("{count}"));
    cells.reverse();
    table[39] = 7;
    *count * 2
}

#[virtine]
fn changes_and_fails(count: &mut u32, cells: &mut [u16]) {
    *count += 1;
    cells.fill(9);
    panic!("after the change");
}

#[virtine]
fn long_arrays(numbers: [u32; 100], by_reference: &[u8; 33]) -> [u64; 50] {
    let last = u64::from(by_reference[32]);
    std::array::from_fn(|at| u64::from(numbers[at]) + u64::from(numbers[99 - at]) + last)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn mutable_references_come_back_changed() {
    let (mut count, mut words) = (4, vec!["a".to_owned()]);
    let (mut cells, mut table) = ([1, 2, 3], [0; 40]);
    assert_eq!(changes(&mut count, &mut words, &mut cells, &mut table), 10);
    assert_eq!((count, words), (5, vec!["a".to_owned(), "5".to_owned()]));
    assert_eq!((cells, table[39]), ([3, 2, 1], 7));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn mutable_references_stay_as_they_are_where_the_call_fails() {
    let (mut count, mut cells) = (4, [1, 2, 3]);
    assert!(changes_and_fails::try_call(&mut count, &mut cells).is_err());
    assert_eq!((count, cells), (4, [1, 2, 3]));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arrays_of_any_length_travel() {
    let numbers = std::array::from_fn(|at| at as u32);
    assert_eq!(long_arrays(numbers, &[1; 33]), [100; 50]);
}

#[virtine]
fn static_texts(number: i32) -> (&'static str, Option<&'static str>, Result<u8, &'static str>) {
    let sign = match number {
        0 => "zero",
        1.. => "positive",
        _ => "negative",
    };
    let even = (number % 2 == 0).then_some("even");
    (sign, even, u8::try_from(number).map_err(|_| "no byte"))
}

#[virtine]
fn leaked_text(number: u32) -> &'static str {
    number.to_string().leak()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn static_texts_are_returned_from_the_image() {
    assert_eq!(static_texts(4), ("positive", Some("even"), Ok(4)));
    assert_eq!(static_texts(-1), ("negative", None, Err("no byte")));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn static_text_that_is_none_of_the_image_is_an_error() {
    let error = leaked_text::try_call(987_654_321).expect_err("not in the image");
    assert!(
        matches!(error, wasp_core::Error::CorruptResult { .. }),
        "{error}"
    );
}

#[virtine]
fn reversed_order(order: std::cmp::Ordering) -> std::cmp::Ordering {
    order.reverse()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn orderings_travel() {
    assert_eq!(reversed_order(1.cmp(&2)), 2.cmp(&1));
}
