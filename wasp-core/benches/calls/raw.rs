//! Guests of the raw API that are timed.

use wasp_core::{Cache, Exit, Lease, Virtine};

/// Where images start.
const START: u64 = 0x8000;

/// ```text
/// e6 ff    out 0xff, al
/// eb fc    jmp back
/// ```
const CALLER: [u8; 4] = [0xe6, 0xff, 0xeb, 0xfc];

/// A virtine that makes one hypercall after another.
pub(crate) fn caller(memory: u64) -> Virtine {
    let mut virtine = Virtine::builder()
        .memory(memory)
        .build()
        .expect("a virtine");
    virtine.load_raw(&CALLER, START).expect("it fits");
    virtine
}

/// The same from a cache, in an image of so many bytes.
pub(crate) fn cache(memory: u64, image: usize) -> Cache {
    let mut bytes = CALLER.to_vec();
    bytes.resize(image, 0x90);
    Cache::builder(memory)
        .binary(bytes, START)
        .build()
        .expect("a cache")
}

/// Runs to the next hypercall.
pub(crate) fn run(virtine: &mut Virtine) {
    let exit = virtine.run().expect("a run");
    assert!(
        matches!(exit, Exit::Hypercall { port: 0xff, .. }),
        "{exit:?}"
    );
}

/// Takes, runs and gives back.
pub(crate) fn call(cache: &Cache) {
    let mut virtine: Lease = cache.get().expect("a virtine");
    run(&mut virtine);
    cache.put(virtine);
}
