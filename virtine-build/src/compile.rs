//! From guest crates to static libraries: runs the nested cargo, reads its messages, and removes what does not compile.

pub(crate) mod left_out;
pub(crate) mod messages;
pub(crate) mod nested;
pub(crate) mod prune;
