//! Guests with the runtime's ABI (`virtine_rt::abi`): how they are prepared, entered and served.

pub(crate) mod layout;
pub(crate) mod prepared_function;
pub(crate) mod protocol;
pub(crate) mod service;
pub(crate) mod std_boot;
pub(crate) mod symbolizer;
