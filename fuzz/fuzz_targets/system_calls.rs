//! The personality of Linux programs: any system calls, with any registers and any memory.
//!
//! Looked for, besides crashes: answers that are no answers, and memory out of the program's reach that was
//! changed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wasp_core::fuzzing::{SYSTEM_CALL_MEMORY, system_calls};
use wasp_core::{Policy, Quota};

#[derive(Arbitrary, Debug)]
struct Input {
    calls: Vec<Call>,
    memory: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Call {
    number: u16,
    arguments: [Argument; 6],
}

#[derive(Arbitrary, Debug)]
enum Argument {
    Any(u64),
    Small(u8),
    /// Of a page, in the memory or around it.
    Page(u8),
    /// In the pages that are mapped from the start.
    Address(u16),
    Negative(u8),
}

impl Argument {
    fn value(&self) -> u64 {
        let start = SYSTEM_CALL_MEMORY.start;
        match *self {
            Self::Any(value) => value,
            Self::Small(value) => value.into(),
            Self::Page(page) => start + 0x1000 * u64::from(page) - 0x8000,
            Self::Address(offset) => start + u64::from(offset) % 0x4000,
            Self::Negative(value) => u64::MAX - u64::from(value),
        }
    }
}

fuzz_target!(|input: Input| {
    let calls: Vec<(u64, [u64; 6])> = input
        .calls
        .iter()
        .map(|call| {
            (
                u64::from(call.number % 470),
                call.arguments.each_ref().map(Argument::value),
            )
        })
        .collect();
    let policy = Policy::new().random().limit(Quota::Hypercalls, 200);
    system_calls(policy, &calls, &input.memory);
});
