//! The guest crates on disk: the user's sources with everything outside the slice blanked, and manifests.

pub(crate) mod edits;
pub(crate) mod guest_crate;
pub(crate) mod manifest;
pub(crate) mod mask;
pub(crate) mod removals;
pub(crate) mod shim;
