//! Virtines that use other crates, and know `wasp-core` by another name.

use isolation::virtine;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
fn fingerprint(data: &[u8]) -> String {
    let mut sha = Sha256::new();
    sha.update(data);
    sha.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[virtine]
fn distance(miles: f64) -> f64 {
    units::kilometres(miles)
}

#[virtine]
fn version(values: &mut Vec<u8>, array: [u8; 40]) -> String {
    values.extend(array);
    env!("CARGO_PKG_VERSION").to_owned()
}

fn main() {
    println!("{:?}", read_order(r#"{"item": "tea", "count": 2}"#));
    println!("{:?}", read_order(r#"{"item": "tea"}"#));
    println!("{} {}", fingerprint(b"abc"), distance(100.0));
    let mut values = vec![1];
    println!("{} {}", version(&mut values, [7; 40]), values.len());
}
