//! Error messages for virtines that do not compile.

mod alternatives;
pub(crate) mod failure;
