//! Guest crates to static libraries: the nested cargo, its messages, and what is removed because it does not
//! compile.

pub(crate) mod left_out;
pub(crate) mod messages;
pub(crate) mod nested;
pub(crate) mod prune;
