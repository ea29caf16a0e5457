//! The build script's environment, the package and its patches, and the files that cargo watches.

pub(crate) mod environment;
pub(crate) mod features;
pub(crate) mod note;
pub(crate) mod package;
pub(crate) mod patch;
pub(crate) mod profile;
pub(crate) mod target;
pub(crate) mod told;
pub(crate) mod watch;
