//! Virtines that use other crates, and know `wasp-core` by another name.

use isolation::virtine;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::{DefaultHasher, Hasher};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

#[virtine]
fn read_order(text: &str) -> Result<Order, String> {
    json::from_str(text).map_err(|error| error.to_string())
}

#[virtine]
fn fingerprint(number: u64) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write_u64(number);
    hasher.finish()
}

#[virtine]
fn distance(miles: f64) -> f64 {
    units::kilometres(miles)
}

#[virtine]
fn patched() -> u32 {
    fastrand::guaranteed()
}

#[virtine]
fn version(values: &mut Vec<u8>, array: [u8; 40]) -> String {
    values.extend(array);
    env!("CARGO_PKG_VERSION").to_owned()
}

fn main() {
    println!("{:?}", read_order(r#"{"item": "tea", "count": 2}"#));
    println!("{:?}", read_order(r#"{"item": "tea"}"#));
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(7);
    println!("{} {}", fingerprint(7) == hasher.finish(), distance(100.0));
    println!("{}", patched());
    let mut values = vec![1];
    println!("{} {}", version(&mut values, [7; 40]), values.len());
}
