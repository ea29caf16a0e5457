//! Types with their own encoding and decoding code: what it may do, and what it must not do to others.

use std::arch::asm;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasp_core::{Error, virtine};

// The constants of virtine-rt's ABI.
const DONE: u64 = 0x101;
const UNDESCRIBED: u64 = 0x104;

fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Skipping {
    a: u16,
    #[serde(default, skip_serializing_if = "is_zero")]
    b: u16,
}

#[virtine]
fn skipping(values: Vec<Skipping>, last: u32) -> (Vec<Skipping>, u32) {
    (values, last)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn skipped_fields_are_told_in_sequences_too() {
    let all = |fields: &[(u16, u16)]| -> Vec<Skipping> {
        fields.iter().map(|&(a, b)| Skipping { a, b }).collect()
    };
    for fields in [
        &[(1, 0)][..],
        &[(1, 2), (3, 0)],
        &[(1, 0), (3, 4)],
        &[(1, 2), (3, 4)],
    ] {
        let values = all(fields);
        assert_eq!(skipping(values.clone(), 7), (values, 7));
    }
}

/// Encodes itself through a buffer that all values of its type share.
struct Hex(Vec<u8>, Rc<RefCell<String>>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = self.1.borrow_mut();
        text.clear();
        for byte in &self.0 {
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(pair, 16).unwrap_or_default()
        });
        Ok(Self(bytes.collect(), Rc::default()))
    }
}

#[virtine]
fn hexes() -> Vec<Hex> {
    let buffer = Rc::new(RefCell::new(String::with_capacity(1000)));
    (1..4)
        .map(|n| Hex(vec![n; 40], Rc::clone(&buffer)))
        .collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn buffer_that_is_used_again_is_read_in_time() {
    let found: Vec<u8> = hexes().iter().map(|hex| hex.0[0]).collect();
    assert_eq!(found, [1, 2, 3]);
}

/// Creates a long string from itself, but encodes a short one.
#[derive(Debug, PartialEq)]
struct Padded(u32);

impl Serialize for Padded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(format!("{:>200}", self.0).trim())
    }
}

impl<'de> Deserialize<'de> for Padded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.parse().unwrap_or_default()))
    }
}

// In an emulated machine it takes seconds. The memory holds 3 MiB of heap, the long strings are 4 MB together.
#[virtine(timeout = "60s", memory = "4MiB")]
fn padded(count: u32) -> Vec<Padded> {
    (0..count).map(Padded).collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn what_an_element_allocates_is_the_next_ones() {
    let found = padded(20_000);
    assert_eq!(found.len(), 20_000);
    assert_eq!(found[19_999], Padded(19_999));
}

/// A `bool` that is encoded as -1 or 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flag(bool);

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(-i8::from(self.0))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i8::deserialize(deserializer).map(|number| Self(number != 0))
    }
}

/// A number that its own code validates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "u16", from = "u16")]
struct Small(u16);

impl From<u16> for Small {
    fn from(number: u16) -> Self {
        assert!(number < 500, "expected less than 500, found {number}");
        Self(number)
    }
}

impl From<Small> for u16 {
    fn from(small: Small) -> Self {
        small.0
    }
}

#[virtine]
fn judged(flags: &[Flag], small: &[Small]) -> (usize, u16, Vec<u8>) {
    // SAFETY: a `Flag` is a `bool`, which is a byte.
    let bytes = flags
        .iter()
        .map(|flag| unsafe { *(&raw const *flag).cast::<u8>() });
    let bytes = bytes.collect();
    let set = flags.iter().filter(|flag| flag.0).count();
    (set, small.iter().map(|small| small.0).sum(), bytes)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn elements_in_place_are_values_of_their_type() {
    let flags = [Flag(true), Flag(false), Flag(true)];
    let found = judged(&flags, &[Small(3), Small(499)]);
    assert_eq!(found, (2, 502, vec![1, 0, 1]));
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OneSided {
    a: u8,
    #[serde(skip_deserializing)]
    b: u8,
    c: u8,
}

#[virtine]
fn one_sided(values: Vec<OneSided>, last: u32) -> (Vec<u8>, u32) {
    (
        values
            .iter()
            .map(|value| value.a + value.b + value.c)
            .collect(),
        last,
    )
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_that_are_not_all_taken_are_refused() {
    let values = vec![OneSided { a: 1, b: 2, c: 3 }; 2];
    let error = one_sided::try_call(values, 9).expect_err("they are read otherwise than written");
    assert!(error.to_string().contains("`serde(skip)`"), "{error}");
}

/// Drops its contents.
#[derive(Serialize)]
#[serde(transparent)]
struct Forgotten(Vec<Vec<u8>>);

impl<'de> Deserialize<'de> for Forgotten {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forgets;
        impl<'de> Visitor<'de> for Forgets {
            type Value = Forgotten;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Forgotten, A::Error> {
                while parts.next_element::<Vec<u8>>()?.is_some() {}
                Ok(Forgotten(Vec::new()))
            }
        }
        deserializer.deserialize_seq(Forgets)
    }
}

/// The number of words in the unused heap that are not zero.
#[virtine]
fn left_over(forgotten: Forgotten, skipping: Skipping, look: bool) -> usize {
    const WORDS: usize = 1 << 18;
    let _ = (forgotten.0.len(), skipping.a);
    if !look {
        return 0;
    }
    let room: Vec<u64> = std::hint::black_box(Vec::with_capacity(WORDS));
    // The first words are the allocator's own.
    let word = |index| {
        // SAFETY: there is room for this many words, each of which is initialised: the memory has been zeroed.
        unsafe { room.as_ptr().add(index).read_volatile() }
    };
    (8..WORDS).filter(|index| word(*index) != 0).count()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_that_were_encoded_twice_leave_nothing_behind() {
    let small = || Skipping { a: 1, b: 1 };
    assert_eq!(left_over(Forgotten(Vec::new()), small(), true), 0);
    // Takes less room described than bare, which is tried first.
    let many = Forgotten(vec![vec![0xaa]; 40_000]);
    assert_eq!(left_over(many, Skipping { a: 1, b: 0 }, false), 0);
    for _ in 0..4 {
        assert_eq!(left_over(Forgotten(Vec::new()), small(), true), 0);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

/// Prints while it is encoded.
#[derive(Debug, PartialEq)]
struct Loud(u8);

impl Serialize for Loud {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut output = std::io::stdout();
        let _ = output.write_all(b".").and_then(|()| output.flush());
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for Loud {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(Self)
    }
}

#[virtine(allow(stdout))]
fn loud() -> (Untagged, Loud) {
    (Untagged::Number(1), Loud(2))
}

#[virtine(std, memory = "64MiB")]
fn texts(count: usize) -> Vec<Untagged> {
    (0..count)
        .map(|n| Untagged::Text(format!("{n:>100}")))
        .collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn result_that_is_encoded_once_more_may_ask_for_something() {
    for _ in 0..2 {
        assert_eq!(loud(), (Untagged::Number(1), Loud(2)));
        assert_eq!(texts(20_000).len(), 20_000);
    }
}

/// If hostile, asks for its arguments again.
#[virtine]
fn asks_again(bytes: Vec<u8>, is_hostile: bool) -> usize {
    if is_hostile {
        // mov edi, UNDESCRIBED; out 0xff, al
        // SAFETY: the host ends this run.
        unsafe {
            asm!("out 0xff, al", in("rdi") UNDESCRIBED, in("rsi") 0, in("rdx") 0, in("rcx") 0, out("rax") _);
        }
    }
    bytes.len()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn guest_does_not_decide_how_later_calls_encode() {
    // Described, it would take twice as much.
    const MANY: usize = 6 << 20;
    assert_eq!(asks_again(vec![7; MANY], false), MANY);
    let error = asks_again::try_call(Vec::new(), true).expect_err("it asks again for ever");
    assert!(matches!(error, Error::Fault(_)), "{error}");
    assert_eq!(asks_again(vec![7; MANY], false), MANY);
}

/// Each level can be recognized only by its contents.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Node {
    Pair { left: Box<Node>, kind: u8 },
    Other { left: Box<Node>, other: String },
    Leaf(u8),
}

/// Returns these bytes as its result, described.
#[virtine(timeout = "1s")]
fn nested(bytes: &[u8]) -> Node {
    loop {
        // mov edi, DONE; mov ecx, 1; out 0xff, al
        // SAFETY: the host ends this run.
        unsafe {
            asm!("out 0xff, al", in("rdi") DONE, in("rsi") bytes.as_ptr(), in("rdx") bytes.len(), in("rcx") 1, out("rax") _);
        }
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn values_that_serde_looks_at_twice_may_not_nest_deep() {
    for levels in [5, 40, 900] {
        let mut bytes = Vec::new();
        for _ in 0..levels {
            // A map with one entry, and its key, a string.
            bytes.push(19);
            bytes.extend(1_u64.to_le_bytes());
            bytes.push(16);
            bytes.extend(4_u64.to_le_bytes());
            bytes.extend(b"left");
        }
        bytes.extend([8, 1]);
        let start = std::time::Instant::now();
        let error = nested::try_call(&bytes).expect_err("no variant fits");
        assert!(matches!(error, Error::CorruptResult { .. }), "{error}");
        assert!(
            start.elapsed().as_secs() < 20,
            "{levels}: {:?}",
            start.elapsed()
        );
    }
}
