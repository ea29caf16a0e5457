//! Malicious raw guests, as machine code, one file per topic. Each ends as the test says, within its deadline. The next
//! virtine of the same cache is fresh and works.

use std::time::{Duration, Instant};

use wasp_core::{Cache, Exit, Fault, Lease, Mode};

use crate::backend::{self, LOWEST, MEMORY, START};

mod capabilities;
mod code;
mod faults;
mod memory;
mod msrs;
mod ports;
mod processes;
mod ring0;
mod shadows;
mod snapshots;
mod spins;

/// Where the image has a guest that behaves.
const GOOD: u64 = LOWEST + 0x9000;
/// Longest run of an attack. Far more than any needs that does not spin.
const DEADLINE: Duration = Duration::from_millis(500);

/// The same in 16, 32 and 64 bits:
///
/// ```text
/// b0 2a    mov al, 42
/// e6 30    out 0x30, al
/// e6 fa    out 0xfa, al
/// ```
const BEHAVED: [u8; 6] = [0xb0, 42, 0xe6, 0x30, 0xe6, 0xfa];

/// A cache of one virtine whose image is `attack`, followed by a well-behaved guest.
fn cache(mode: Mode, attack: &[u8]) -> Cache {
    let mut image = attack.to_vec();
    image.resize((GOOD - START) as usize, 0x90);
    image.extend(BEHAVED);
    Cache::builder(MEMORY)
        .mode(mode)
        .binary(image, backend::start(mode))
        .deadline(DEADLINE)
        .limit(1)
        .build()
        .expect("a cache")
}

/// Runs the attack three times, each followed by a well-behaved guest. Returns how it ended.
fn attack(mode: Mode, code: &[u8]) -> Exit {
    let cache = cache(mode, code);
    let mut exits = (0..3).map(|_| {
        let start = Instant::now();
        let exit = cache.get().expect("a virtine").run().expect("a run");
        assert!(start.elapsed() < 20 * DEADLINE, "{:?}", start.elapsed());
        behaves(&cache);
        exit
    });
    let first = exits.next().expect("three");
    let rest: Vec<Exit> = exits.collect();
    assert!(
        rest.iter().all(|exit| *exit == first),
        "it ends alike every time: {first:?} {rest:?}"
    );
    first
}

/// Whether the next virtine does what it should.
fn behaves(cache: &Cache) {
    let mut virtine = cache.get().expect("a virtine");
    let registers = virtine.registers().expect("registers");
    virtine
        .set_registers(&wasp_core::Registers {
            rip: registers.rip + GOOD - START,
            ..registers
        })
        .expect("set");
    answers(&mut virtine, "the next virtine");
}

/// Runs the guest that starts at [`GOOD`], which gives its answer and exits.
fn answers(virtine: &mut Lease, of: &str) {
    let exit = virtine.run().expect("a run");
    assert!(
        matches!(
            exit,
            Exit::Hypercall {
                port: 0x30,
                data: 42,
                ..
            }
        ),
        "{of}: {exit:?}"
    );
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
}

/// The exception that ended an attack.
fn vector(exit: &Exit) -> Option<u8> {
    match exit {
        Exit::Faulted {
            cause: Fault::Exception(exception),
        } => Some(exception.vector),
        _ => None,
    }
}
