//! Texts that stand in the image: a guest's result may borrow them.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use virtine_rt::abi::image::{Access, Segment};
use virtine_rt::codec::{DEPTH, Note, encode_noting};

use super::{Clocked, MIB, is_invalid};
use crate::decode::{Failure, Source, Statics, decode};

pub(super) fn noted<'s, T: Deserialize<'s>>(
    value: &impl Serialize,
    image: &'s [u8],
    change: impl FnOnce(&mut Vec<u8>),
) -> Result<T, Failure> {
    let start = image.as_ptr().addr();
    let mut bytes = Vec::new();
    let mut notes =
        encode_noting(value, &mut bytes, start..start + image.len()).expect("a Vec takes all");
    change(&mut notes);
    let segments = [Segment {
        address: start as u64,
        size: image.len() as u64,
        access: Access::Read,
        bytes: image,
    }];
    let source = Source {
        bytes: &bytes,
        depth: DEPTH,
        statics: Statics::new(&segments, &notes),
    };
    decode(source, &mut Clocked::new(MIB, || true), |_| Ok(()))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Labelled<'a> {
    number: u8,
    label: &'a str,
    rest: Vec<Option<&'a str>>,
}

#[test]
fn static_texts_are_those_of_the_image_wherever_they_stand() {
    static IMAGE: &str = "onetwothree";
    let value = Labelled {
        number: 1,
        label: &IMAGE[3..6],
        rest: vec![Some(""), Some(&IMAGE[6..]), None, Some(IMAGE)],
    };
    let found: Labelled<'static> = noted(&value, IMAGE.as_bytes(), |_| {}).expect("all noted");
    assert_eq!(found, value);
    assert!(std::ptr::eq(found.label, value.label));
    // An owned text needs no note, and has none the worse for one.
    let owned: (u8, String) =
        noted(&(1_u8, &IMAGE[3..6]), IMAGE.as_bytes(), |_| {}).expect("owned");
    assert_eq!(owned.1, "two");
}

#[test]
fn static_text_without_a_right_note_is_refused() {
    static IMAGE: &str = "onetwothree";
    let value = (&IMAGE[..3], &IMAGE[3..6]);
    type Pair = (&'static str, &'static str);
    let changes: [fn(&mut Vec<u8>); 6] = [
        |notes| notes.clear(),
        |notes| notes.truncate(31),
        // One byte further; nowhere; at the end of all addresses.
        |notes| notes[8] += 1,
        |notes| notes[8..16].fill(0),
        |notes| notes[8..16].fill(0xff),
        // For a later position than the second's.
        |notes| notes[0] = 30,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let pair = noted::<Pair>(&value, IMAGE.as_bytes(), change);
        assert!(is_invalid(&pair), "{number}: {pair:?}");
    }
    // For no text at all.
    for change in [1, 255] {
        let one = noted::<&'static str>(&&IMAGE[..3], IMAGE.as_bytes(), |notes| {
            notes[0] = notes[0].wrapping_add(change);
        });
        assert!(is_invalid(&one), "{change}: {one:?}");
    }
    let elsewhere = noted::<Pair>(&("one", &String::from("two")), b"onetwo", |_| {});
    assert!(is_invalid(&elsewhere), "{elsewhere:?}");
}

#[test]
fn notes_are_read_once_however_many_there_are() {
    static IMAGE: &str = "abcdefgh";
    let texts: Vec<&str> = (0..50_000).map(|at| &IMAGE[at % 8..=at % 8]).collect();
    let start = Instant::now();
    let found: Vec<&'static str> = {
        let start = IMAGE.as_ptr().addr();
        let mut bytes = Vec::new();
        let notes = encode_noting(&texts, &mut bytes, start..start + 8).expect("a Vec takes all");
        let segments = [Segment {
            address: start as u64,
            size: 8,
            access: Access::Read,
            bytes: IMAGE.as_bytes(),
        }];
        let source = Source {
            bytes: &bytes,
            depth: DEPTH,
            statics: Statics::new(&segments, &notes),
        };
        decode(source, &mut Clocked::new(MIB, || true), |_| Ok(())).expect("all noted")
    };
    assert_eq!(found, texts);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn notes_out_of_order_are_refused() {
    static IMAGE: &str = "x";
    let note = |position| {
        let address = IMAGE.as_ptr().addr() as u64;
        Note { position, address }.to_bytes()
    };
    let value = (0_u64, IMAGE);
    for (before, right) in [(&[1, 2][..], true), (&[1, 1], false), (&[2, 1], false)] {
        let found = noted::<(u64, &'static str)>(&value, IMAGE.as_bytes(), |notes| {
            let before: Vec<u8> = before.iter().flat_map(|position| note(*position)).collect();
            notes.splice(..0, before);
        });
        assert_eq!(found.is_ok(), right, "{before:?}: {found:?}");
    }
}
