//! Results of guests, and arguments of host functions: bytes that claim to be values.
#![no_main]

use std::collections::{BTreeMap, HashMap};

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use virtine_rt::codec;
use wasp_core::fuzzing;

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Text(String),
    Node { left: Box<Tree>, right: Option<Box<Tree>>, weight: f64 },
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

/// What decodes is a value: to encode it again does not fail.
fn check<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
    if let Some(value) = fuzzing::decode::<T>(bytes, &[], &[]) {
        let mut again = Vec::new();
        codec::encode(&value, &mut again).expect("a value");
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Tree>(bytes);
    check::<Mixed>(bytes);
    check::<(u64, ((), (Vec<u8>, ())))>(bytes);
    check::<Result<String, (Option<i32>, u8, String)>>(bytes);
    check::<Vec<Tree>>(bytes);
    check::<List>(bytes);
    static TEXT: &[u8] = b"a text of the image's";
    // Notes of texts are as hostile as the texts.
    let (value, notes) = bytes.split_at(bytes.len() / 2);
    let _ = fuzzing::decode::<(&'static str, Vec<&'static str>)>(value, notes, TEXT);
});
