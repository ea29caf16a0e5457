//! Runs virtines, both well-behaved and malicious. Needs /dev/kvm, or WASP_BACKEND=process.
//!
//! This is one binary, so that it is linked once and is copied as a whole to the stock kernel.

#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "hostile guests are machine code, of which no part is safer than another"
)]

mod alone;
mod arguments;
mod attacks;
mod backend;
mod bodies;
mod cache;
mod calls;
mod cancels;
mod capabilities;
mod deadlines;
mod decoding;
mod described;
mod devices;
mod exceptions;
mod forms;
mod handovers;
mod hostile;
mod hosts;
mod isolation;
mod limits;
mod linux;
mod memory_end;
mod own_code;
mod panics;
mod paths;
mod processes;
mod processor;
mod qualifiers;
mod raw;
mod real_std;
mod refusals;
mod seeds;
mod serving;
mod signals;
mod skipped;
mod snapshots;
mod states;
mod system_calls;
mod terminal;
mod threads;
mod working_sets;
