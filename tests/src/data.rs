//! Virtines with large arguments or results, and the same work without a virtine.

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

/// The sum, in eight parts, so that any compiler vectorizes it.
#[must_use]
pub fn sum_natively(values: &[f64]) -> f64 {
    let (parts, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for part in parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// The sum.
#[virtine(memory = "80MiB")]
pub fn sum(values: &[f64]) -> f64 {
    sum_natively(values)
}

/// Doubles each value.
pub fn double_natively(values: &mut [f32]) {
    for value in values {
        *value *= 2.0;
    }
}

/// Doubles each value.
#[virtine(memory = "80MiB")]
pub fn double(values: &mut [f32]) {
    double_natively(values);
}

/// This many bytes.
#[must_use]
pub fn bytes_natively(count: usize) -> Vec<u8> {
    vec![7; count]
}

/// This many bytes.
#[virtine(memory = "80MiB")]
pub fn bytes(count: usize) -> Vec<u8> {
    bytes_natively(count)
}

/// This many floats.
#[must_use]
pub fn floats_natively(count: usize) -> Vec<f64> {
    vec![1.5; count]
}

/// This many floats.
#[virtine(memory = "80MiB")]
pub fn floats(count: usize) -> Vec<f64> {
    floats_natively(count)
}

/// A thousand rows of this many bytes.
#[must_use]
pub fn rows_natively(each: usize) -> Vec<Vec<u8>> {
    (0..1000).map(|row| vec![row as u8; each]).collect()
}

/// A thousand rows of this many bytes.
#[virtine(memory = "80MiB")]
pub fn rows(each: usize) -> Vec<Vec<u8>> {
    rows_natively(each)
}

/// Returns its argument.
#[virtine(memory = "160MiB")]
pub fn rows_back(rows: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    rows
}

/// Three columns of plain values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// Integers.
    pub keys: Vec<u64>,
    /// Floats, as many as keys.
    pub values: Vec<f64>,
    /// Bytes, as many as keys.
    pub marks: Vec<u8>,
}

/// Three columns of this many values.
#[must_use]
pub fn columns_natively(count: usize) -> Columns {
    Columns {
        keys: vec![3; count],
        values: vec![0.5; count],
        marks: vec![1; count],
    }
}

/// Three columns of this many values.
#[virtine(memory = "80MiB")]
pub fn columns(count: usize) -> Columns {
    columns_natively(count)
}

/// This many pairs.
#[must_use]
pub fn pairs_natively(count: usize) -> Vec<(u32, f32)> {
    vec![(1, 0.5); count]
}

/// This many pairs.
#[virtine(memory = "80MiB")]
pub fn pairs(count: usize) -> Vec<(u32, f32)> {
    pairs_natively(count)
}

/// A point, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Towards the viewer.
    pub z: f64,
}

/// This many points.
#[must_use]
pub fn points_natively(count: usize) -> Vec<Point> {
    vec![
        Point {
            x: 1.0,
            y: 2.0,
            z: 3.0
        };
        count
    ]
}

/// This many points.
#[virtine(memory = "80MiB")]
pub fn points(count: usize) -> Vec<Point> {
    points_natively(count)
}

/// The sum of all `x` coordinates.
#[must_use]
pub fn reach_natively(points: &[Point]) -> f64 {
    points.iter().map(|point| point.x).sum()
}

/// The sum of all `x` coordinates.
#[virtine(memory = "80MiB")]
pub fn reach(points: &[Point]) -> f64 {
    reach_natively(points)
}

/// A tree of small structs with strings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// A number.
    pub weight: u32,
    /// An optional mark.
    pub mark: Option<bool>,
    /// Its child nodes.
    pub children: Vec<Node>,
}

/// A tree of 1 + 19 * (1 + 1052) nodes: 20,008.
#[must_use]
pub fn tree_natively() -> Node {
    let leaf = |number: u32| Node {
        name: format!("node {number:06}"),
        weight: number,
        mark: (!number.is_multiple_of(3)).then_some(number.is_multiple_of(2)),
        children: Vec::new(),
    };
    let branch = |number: u32| Node {
        children: (0..1052).map(|child| leaf(number * 1052 + child)).collect(),
        ..leaf(number)
    };
    Node {
        children: (0..19).map(branch).collect(),
        ..leaf(0)
    }
}

/// The number of nodes in a tree.
#[must_use]
pub fn count_natively(tree: &Node) -> u32 {
    1 + tree.children.iter().map(count_natively).sum::<u32>()
}

/// The number of nodes in a tree.
#[virtine(memory = "64MiB")]
pub fn count(tree: Node) -> u32 {
    count_natively(&tree)
}

/// A tree.
#[virtine(memory = "64MiB")]
pub fn tree() -> Node {
    tree_natively()
}
