//! The return type of a call that has ended.

/// A type without values.
pub enum Never {}
