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

/// Writes to a page every 4 KiB from 1 MiB on, 1,024 of them.
///
/// ```text
/// bf 00 00 10 00         mov edi, 0x100000
/// b9 00 04 00 00         mov ecx, 1024
/// 89 3f                  mov [rdi], edi
/// 81 c7 00 10 00 00      add edi, 4096
/// ff c9                  dec ecx
/// 75 f4                  jnz back
/// e6 ff                  out 0xff, al
/// ```
const WRITER: [u8; 24] = [
    0xbf, 0, 0, 0x10, 0, 0xb9, 0, 4, 0, 0, 0x89, 0x3f, 0x81, 0xc7, 0, 0x10, 0, 0, 0xff, 0xc9, 0x75,
    0xf4, 0xe6, 0xff,
];

/// A cache of virtines that write 1,024 pages each.
pub(crate) fn writers() -> Cache {
    let builder = Cache::builder(8 << 20).binary(WRITER, START);
    builder.build().expect("a cache")
}

/// Takes, runs and gives back.
pub(crate) fn call(cache: &Cache) {
    let mut virtine: Lease = cache.get().expect("a virtine");
    run(&mut virtine);
    cache.put(virtine);
}
