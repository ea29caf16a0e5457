//! Types that are determined by the bytes: they are sent described. Their functions learn this from their first calls.

use std::arch::asm;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use wasp_core::{Error, Fault, virtine};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
    List(Vec<Untagged>),
    Point { x: i8, y: Option<char> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    First { value: u8 },
    Second,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Plain {
    Unit,
    One(u8),
    Two(u8, String),
    Fields { z: f64, bytes: Vec<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    more: BTreeMap<String, Untagged>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sometimes: Option<u8>,
    plain: Vec<Plain>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    words: Vec<u16>,
    last: u64,
}

#[virtine]
fn untagged(values: Vec<Untagged>) -> Vec<Untagged> {
    values
}

#[virtine(std)]
fn untagged_by_the_real_std(values: Vec<Untagged>) -> Vec<Untagged> {
    values
}

#[virtine]
fn tagged(values: Vec<Tagged>) -> Vec<Tagged> {
    values
}

#[virtine]
fn flat(value: Flat) -> Flat {
    value
}

#[virtine]
fn sparse(value: Sparse) -> Sparse {
    value
}

#[virtine]
fn beside_slices(floats: &mut [f64], points: &[(u8, u32)], value: &mut Untagged) -> f64 {
    floats[0] += 1.0;
    *value = Untagged::Number(points.len() as u32);
    floats.iter().sum()
}

#[virtine]
fn beside_a_file(mut file: File, value: Untagged) -> std::io::Result<(String, bool)> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((text, value == Untagged::Number(1)))
}

fn values() -> Vec<Untagged> {
    vec![
        Untagged::Number(1),
        Untagged::Text("text".repeat(100)),
        Untagged::List(vec![Untagged::Number(2), Untagged::List(Vec::new())]),
        Untagged::Point {
            x: -1,
            y: Some('\u{1f980}'),
        },
        Untagged::Point { x: 1, y: None },
    ]
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn types_without_a_tag_of_their_own_travel() {
    for _ in 0..3 {
        assert_eq!(untagged(values()), values());
        assert_eq!(untagged_by_the_real_std(values()), values());
        let both = vec![Tagged::First { value: 3 }, Tagged::Second];
        assert_eq!(tagged(both.clone()), both);
    }
    // Whether a type asks for a description may depend on its value.
    assert_eq!(untagged(Vec::new()), []);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn fields_that_are_flattened_or_skipped_travel() {
    let plain = vec![
        Plain::Unit,
        Plain::One(1),
        Plain::Two(2, "two".to_owned()),
        Plain::Fields {
            z: 1.5,
            bytes: vec![7; 200],
        },
    ];
    for sometimes in [None, Some(3), None] {
        let value = Flat {
            id: 1,
            more: [("more".to_owned(), Untagged::Number(5))].into(),
            sometimes,
            plain: plain.clone(),
        };
        assert_eq!(flat(value.clone()), value);
    }
    for words in [vec![1, 2, 3], Vec::new(), vec![4; 1000]] {
        let value = Sparse { words, last: 9 };
        assert_eq!(sparse(value.clone()), value);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn what_travels_beside_them_does_as_well() {
    for _ in 0..3 {
        let (mut floats, mut value) = ([1.0; 50], Untagged::Text(String::new()));
        assert_eq!(beside_slices(&mut floats, &[(1, 2); 30], &mut value), 51.0);
        assert_eq!((floats[0], floats[1]), (2.0, 1.0));
        assert_eq!(value, Untagged::Number(30));
        let file = File::open("/proc/self/comm").expect("a file");
        let told = beside_a_file(file, Untagged::Number(1)).expect("read");
        assert!(!told.0.is_empty() && told.1);
    }
}

/// Makes a hypercall.
fn ask(number: u64, place: *const u8, length: usize, last: u64) {
    // SAFETY: not safe; it runs in a virtine.
    unsafe {
        asm!("out 0xff, al", in("rdi") number, in("rsi") place, in("rdx") length, in("rcx") last, out("rax") _);
    }
}

const DONE: u64 = 0x101;
const UNDESCRIBED: u64 = 0x104;

/// Claims that its arguments are not described, in any case.
#[virtine]
fn never_content(number: u32) -> u32 {
    ask(UNDESCRIBED, std::ptr::null(), 0, 0);
    number
}

/// Claims that these bytes are its result, and keeps doing so.
#[virtine]
fn forged(bytes: &[u8], encoding: u64) -> Vec<Untagged> {
    loop {
        ask(DONE, bytes.as_ptr(), bytes.len(), encoding);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guests_that_ask_for_ever_are_asked_once() {
    for _ in 0..2 {
        assert!(matches!(
            never_content::try_call(1),
            Err(Error::Fault(Fault::Hypercall {
                number: UNDESCRIBED
            }))
        ));
    }
    let bare = [1_u64.to_le_bytes().to_vec(), vec![1, 0, 0, 0]].concat();
    for _ in 0..2 {
        let result = forged::try_call(&bare, 0);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{result:?}"
        );
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn forged_descriptions_are_values_or_refused() {
    // The tuple of everything that is returned: a sequence, and empty tuples for unchanged arguments.
    let around = |elements: &[u8], count: u64| {
        let mut bytes = vec![18];
        bytes.extend(2_u64.to_le_bytes());
        bytes.push(18);
        bytes.extend(count.to_le_bytes());
        bytes.extend(elements);
        let nothing = [&[18][..], &2_u64.to_le_bytes(), &[0]].concat();
        bytes.extend(nothing.repeat(2));
        bytes.push(0);
        bytes
    };
    let number = [&[10][..], &7_u32.to_le_bytes()].concat();
    let honest = forged::try_call(&around(&number, 1), 1);
    assert_eq!(honest.expect("a number"), [Untagged::Number(7)]);
    // Invalid tags, truncated values, false counts, and endless variants and lists.
    let variants = [20, 16, 1, 0, 0, 0, 0, 0, 0, 0, b'x'].repeat(100_000);
    let lists = [&[18][..], &1_u64.to_le_bytes()].concat().repeat(100_000);
    let options = [1, 1].repeat(100_000);
    for (elements, count) in [
        (&[21][..], 1),
        (&[255], 1),
        (&[10, 7], 1),
        (&number, 2),
        (&number, u64::MAX >> 1),
        (&number, u64::MAX),
        (&variants, 1),
        (&lists, 1),
        (&options, 1),
        (&[], 1),
    ] {
        let result = forged::try_call(&around(elements, count), 1);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{:?} {count}: {result:?}",
            &elements[..elements.len().min(20)]
        );
    }
}
