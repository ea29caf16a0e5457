//! What cargo knows: the build script's environment, the package and its patches; and what cargo is to watch.

pub(crate) mod environment;
pub(crate) mod package;
pub(crate) mod patch;
pub(crate) mod target;
pub(crate) mod watch;
