//! Results of guests, and arguments of host functions: bytes that claim to be values.
#![no_main]

use std::collections::{BTreeMap, HashMap};

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use virtine_rt::codec::{self, Encoding};
use wasp_core::fuzzing;

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Text(String),
    Node {
        left: Box<Tree>,
        right: Option<Box<Tree>>,
        weight: f64,
    },
}

/// Nests as deep as it may, and takes memory that no byte stands for.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    #[serde(skip)]
    #[expect(dead_code, reason = "only takes room")]
    room: [u64; 32],
    next: Option<Box<List>>,
    others: Vec<List>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mixed {
    flag: bool,
    letter: char,
    numbers: Vec<u16>,
    nested: Vec<Vec<()>>,
    table: BTreeMap<String, (i8, u128)>,
    index: HashMap<u8, [u8; 4]>,
    result: Result<(), String>,
}

/// Told from the bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Told {
    Truth(bool),
    Number(u64),
    Text(String),
    List(Vec<Told>),
    Table(BTreeMap<String, Told>),
    Nothing,
}

/// Runs of plain values.
#[derive(Debug, Serialize, Deserialize)]
struct Runs {
    truths: Vec<bool>,
    letters: Vec<char>,
    points: Vec<(u32, f32)>,
    boxes: Vec<Box<[u16; 4]>>,
    text: String,
}

/// What decodes is a value: to encode it again does not fail. The second half is the guest's memory as well.
fn check<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
    let (_, memory) = bytes.split_at(bytes.len() / 2);
    for encoding in [Encoding::Bare, Encoding::Described] {
        if let Some(value) = fuzzing::decode::<T>(encoding, bytes, memory, &[]) {
            let mut again = Vec::new();
            codec::encode_in(encoding, &value, &mut again).expect("a value");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Tree>(bytes);
    check::<Mixed>(bytes);
    check::<(u64, ((), (Vec<u8>, ())))>(bytes);
    check::<Result<String, (Option<i32>, u8, String)>>(bytes);
    check::<Vec<Tree>>(bytes);
    check::<List>(bytes);
    check::<Told>(bytes);
    check::<Runs>(bytes);
    static TEXT: &[u8] = b"a text of the image's";
    // What a guest has in place of the image is as hostile as all else.
    let (value, memory) = bytes.split_at(bytes.len() / 2);
    let _ = fuzzing::decode::<(&'static str, Vec<&'static str>)>(Encoding::Bare, value, memory, TEXT);
});
