//! What x86-64 in particular wants of a host that starts guests directly in ring 3 of long mode.

pub(crate) mod cpuid;
pub(crate) mod descriptors;
pub(crate) mod gate;
pub(crate) mod identity;
pub(crate) mod paging;
pub(crate) mod registers;
pub(crate) mod system_calls;
