//! The base of all other rooms: errors, the vocabulary of grants, and small helpers.

pub(crate) mod address;
pub(crate) mod backend;
pub(crate) mod capability;
pub(crate) mod caught;
pub(crate) mod elf_error;
pub(crate) mod ended;
pub(crate) mod error;
pub(crate) mod excerpt;
pub(crate) mod exit;
pub(crate) mod fork;
pub(crate) mod hypercall;
pub(crate) mod quietly;
pub(crate) mod quota;
pub(crate) mod refusal;
pub(crate) mod registers;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod xgetbv;
