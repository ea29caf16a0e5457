//! Whole small packages, each built by real cargo as its user would build it.
//!
//! The packages lie beside this file, one folder each. A test copies one out of the repository,
//! runs cargo on the copy, and looks at what cargo and the program print.

mod setup;
