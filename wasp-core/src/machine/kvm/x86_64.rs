//! The x86-64 specifics of a host that starts guests directly in ring 3 of long mode.

pub(crate) mod cpuid;
pub(crate) mod descriptors;
pub(crate) mod extended_states;
pub(crate) mod gate;
mod gate_code;
mod hidden_features;
pub(crate) mod identity;
pub(crate) mod paging;
pub(crate) mod registers;
pub(crate) mod same_fields;
mod selectors;
pub(crate) mod system_calls;
