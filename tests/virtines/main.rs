//! Virtines, run: those that behave and those that do not. Needs /dev/kvm.
//!
//! One binary, so that it links once and travels whole to the stock kernel.

mod arguments;
mod calls;
mod exceptions;
mod hostile;
mod isolation;
mod limits;
mod panics;
mod snapshots;
mod threads;
