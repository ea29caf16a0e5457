//! The handle that `#[virtine]` emits: encode the arguments, run, decode the result.

pub(crate) mod arguments;
pub(crate) mod handle;
pub(crate) mod io_result;
pub(crate) mod pending_result;
pub(crate) mod ready;
pub(crate) mod reentry;
pub(crate) mod returned;
