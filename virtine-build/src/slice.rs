//! Everything that a function may reach, by name.

mod host_calls;
mod reach;
mod resolve;
mod std_traits;

pub(crate) use host_calls::mark_host_functions;
pub(crate) use reach::Slice;

#[cfg(test)]
mod tests;
