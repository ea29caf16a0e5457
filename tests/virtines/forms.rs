//! Types that serde does not support, within other types.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::num::ParseIntError;

use wasp_core::virtine;

#[virtine]
fn transposed(board: [[u8; 40]; 40]) -> [[u8; 40]; 40] {
    std::array::from_fn(|row| std::array::from_fn(|column| board[column][row]))
}

#[virtine]
fn columns(
    rows: Vec<[u16; 40]>,
    extra: Option<&[u16; 40]>,
) -> Result<Vec<Box<[u16; 50]>>, [u8; 33]> {
    match rows.len() + extra.iter().len() {
        0 => Err([7; 33]),
        count => {
            let cell = |column: usize, row: usize| {
                rows.iter()
                    .chain(extra)
                    .nth(row)
                    .map_or(0, |all| all[column])
            };
            let column = |column| Box::new(std::array::from_fn(|row| cell(column, row)));
            Ok((0..40.min(40 * count)).map(column).collect())
        }
    }
}

#[virtine]
fn compared(pairs: Vec<(f64, f64)>) -> (Vec<Option<Ordering>>, Result<Ordering, String>) {
    let orders = pairs.iter().map(|(one, other)| one.partial_cmp(other));
    let first = pairs
        .first()
        .and_then(|(one, other)| one.partial_cmp(other));
    (
        orders.collect(),
        first.ok_or_else(|| "not comparable".to_owned()),
    )
}

#[virtine]
fn rotated(cells: &mut [[u32; 33]], order: &mut Ordering, rows: &mut Vec<[u8; 34]>) {
    cells.rotate_left(1);
    *order = order.reverse();
    rows.push([9; 34]);
}

#[virtine]
fn lengths(
    rows: &[&[i32]],
    words: Option<&[&str]>,
    one: Option<&String>,
    parts: Vec<(&[u64], &u8)>,
    texts: &[&String],
) -> Vec<usize> {
    let rows = rows.iter().map(|row| row.len());
    let words = words.into_iter().flatten().map(|word| word.len());
    let parts = parts
        .iter()
        .map(|(part, more)| part.len() + usize::from(**more));
    rows.chain(words)
        .chain(one.map(String::len))
        .chain(parts)
        .chain(texts.iter().map(|text| text.len()))
        .collect()
}

#[virtine]
fn number(text: &str) -> Result<i8, ParseIntError> {
    text.parse()
}

#[virtine]
fn total(texts: Vec<String>) -> Result<f64, Box<dyn Error>> {
    let mut total = 0.0;
    for text in texts {
        let (value, unit) = text.split_once(' ').ok_or("no unit")?;
        if unit != "kg" {
            return Err(format!("{unit} is no unit").into());
        }
        total += value.parse::<f64>()?;
    }
    Ok(total)
}

/// Caused by what went wrong.
#[derive(Debug)]
struct Failed(ParseIntError);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no number")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[virtine(std)]
fn number_with_std(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    Ok(text.parse().map_err(Failed)?)
}

/// The same in a guest with the real std.
#[virtine(std)]
fn lengths_with_std(rows: &[&[i32]], order: Option<Ordering>) -> (usize, Option<Ordering>) {
    (
        rows.iter().map(|row| row.len()).sum(),
        order.map(Ordering::reverse),
    )
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arrays_travel_within_arrays_and_all_else() {
    let board: [[u8; 40]; 40] =
        std::array::from_fn(|row| std::array::from_fn(|column| (row * 40 + column) as u8));
    assert_eq!(transposed(transposed(board)), board);
    assert_eq!(transposed(board)[1][0], board[0][1]);
    let columns_of = columns(vec![[3; 40], [4; 40]], Some(&[5; 40])).expect("some rows");
    assert_eq!(
        (columns_of.len(), &columns_of[39][..4]),
        (40, &[3, 4, 5, 0][..])
    );
    assert_eq!(columns(vec![], None), Err([7; 33]));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn orderings_travel_within_all_else() {
    let (orders, first) = compared(vec![(1.0, 2.0), (f64::NAN, 1.0), (2.0, 1.0)]);
    assert_eq!(
        orders,
        [Some(Ordering::Less), None, Some(Ordering::Greater)]
    );
    assert_eq!(first, Ok(Ordering::Less));
    assert_eq!(compared(vec![]), (vec![], Err("not comparable".to_owned())));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn what_is_changed_may_hold_them() {
    let (mut cells, mut order, mut rows) = ([[1; 33], [2; 33]], Ordering::Less, vec![]);
    rotated(&mut cells, &mut order, &mut rows);
    assert_eq!((cells, order), ([[2; 33], [1; 33]], Ordering::Greater));
    assert_eq!(rows, [[9; 34]]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn references_travel_within_slices_and_options() {
    let (one, texts) = ("four".to_owned(), ["a".to_owned(), "bc".to_owned()]);
    let found = lengths(
        &[&[1, 2, 3], &[]],
        Some(&["word", "is"]),
        Some(&one),
        vec![(&[1, 2], &5)],
        &[&texts[0], &texts[1]],
    );
    assert_eq!(found, [3, 0, 4, 2, 4, 7, 1, 2]);
    assert!(lengths(&[], None, None, vec![], &[]).is_empty());
    let with_std = lengths_with_std(&[&[1, 2], &[3]], Some(Ordering::Less));
    assert_eq!(with_std, (3, Some(Ordering::Greater)));
}

#[virtine]
#[allow(mismatched_lifetime_syntaxes, reason = "as older code is written")]
fn trimmed(text: &str, off: char) -> (Cow<str>, Vec<Cow<'_, [u8]>>) {
    let trimmed = text.trim_matches(off);
    let parts = trimmed.split('-').map(|part| part.as_bytes().into());
    (trimmed.into(), parts.collect())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn results_that_may_borrow_come_back_owned() {
    let expected = || ("a-b".into(), vec![b"a".into(), b"b".into()]);
    assert_eq!(trimmed("xa-bx", 'x'), expected());
    let calls = trimmed::with(wasp_core::Policy::new());
    let text = "xa-bx".to_owned();
    let result = calls.call(&text, 'x');
    drop(text);
    assert_eq!(result, expected());
}

#[test]
fn errors_of_std_are_the_ones_that_happened() {
    for text in ["7", "", "x", "128", "-129"] {
        assert_eq!(number(text), text.parse::<i8>(), "{text:?}");
    }
}

#[test]
fn errors_of_any_type_come_back_as_their_texts() {
    let of = |texts: &[&str]| {
        let texts = texts.iter().map(|&text| text.to_owned());
        total(texts.collect()).map_err(|error| error.to_string())
    };
    assert_eq!(of(&["1 kg", "2.5 kg"]), Ok(3.5));
    assert_eq!(of(&["1"]), Err("no unit".to_owned()));
    assert_eq!(of(&["1 lb"]), Err("lb is no unit".to_owned()));
    assert_eq!(of(&["x kg"]), Err("invalid float literal".to_owned()));

    assert!(matches!(number_with_std("4"), Ok(4)));
    let error = number_with_std("x").expect_err("not a number");
    let source = error.source().map(ToString::to_string);
    assert_eq!(
        (error.to_string(), source),
        (
            "no number".to_owned(),
            Some("invalid digit found in string".to_owned())
        )
    );
}
