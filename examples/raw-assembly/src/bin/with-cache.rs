//! Wasp's second host program: virtines from a cache, which keeps some ready and cleans each that is returned.

use raw_assembly::{SQUARE, answer};
use wasp_core::{Cache, Error, Exit, Mode};

#[expect(clippy::print_stdout, reason = "the answer is what the program is for")]
fn main() -> Result<(), Error> {
    let cache = Cache::builder(16 * 4096)
        .mode(Mode::Real16)
        .binary(SQUARE(), 0x8000)
        .build()?;
    cache.ensure(12)?;
    for _ in 0..3 {
        let mut virtine = cache.get()?;
        loop {
            match virtine.run()? {
                Exit::Hypercall { port: 0xff, .. } => {
                    let mut registers = virtine.registers()?;
                    answer(&mut registers);
                    virtine.set_registers(&registers)?;
                }
                Exit::Exited => break,
                other => panic!("expected a hypercall or the exit, found {other:?}"),
            }
        }
        println!("12 * 12 = {}", virtine.registers()?.rax);
        cache.put(virtine);
    }
    println!(
        "{} from the cache, {} made on demand",
        cache.hits(),
        cache.misses()
    );
    Ok(())
}
