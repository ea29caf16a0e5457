//! Whole small packages, each built by real cargo as its user would build it.
//!
//! The packages lie in the folder above, one folder each. A test copies one out of the repository,
//! runs cargo on the copy, and looks at what cargo and the program print.

#[path = "../editor.rs"]
mod editor;
#[path = "../environment.rs"]
mod environment;
#[path = "../errors.rs"]
mod errors;
#[path = "../language.rs"]
mod language;
#[path = "../libraries.rs"]
mod libraries;
#[path = "../rebuild.rs"]
mod rebuild;
#[path = "../targets.rs"]
mod targets;
