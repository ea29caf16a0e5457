//! Guest memory from the host's side: mapped bytes, the file that clean pages share, and the addresses that a guest
//! has.

pub(crate) mod address_space;
pub(crate) mod elf;
pub(crate) mod guest_memory;
pub(crate) mod image_file;
pub(crate) mod remote_memory;
pub(crate) mod runs;
pub(crate) mod working_set;
