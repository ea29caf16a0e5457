//! What the tests of the build helper share.

pub mod support;
