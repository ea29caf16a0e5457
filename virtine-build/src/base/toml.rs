//! Writes TOML.

use serde_json::{Map, Value};

/// One line of a table of crates: `"name" = { key = value, .. }`.
pub(crate) fn line(name: &str, table: &Map<String, Value>) -> String {
    let fields: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect();
    format!("{} = {{ {} }}\n", quoted(name), fields.join(", "))
}

/// A string. JSON's strings, numbers, lists and booleans are valid TOML.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
