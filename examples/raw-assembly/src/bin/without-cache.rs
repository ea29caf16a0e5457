//! Wasp's first host program: one virtine, created, loaded and run by hand.

use raw_assembly::{SQUARE, answer};
use wasp_core::{Error, Exit, Mode, Virtine};

#[expect(clippy::print_stdout, reason = "the answer is what the program is for")]
fn main() -> Result<(), Error> {
    let mut virtine = Virtine::builder()
        .memory(0x8000)
        .mode(Mode::Real16)
        .build()?;
    virtine.load_raw(SQUARE(), 0x1000)?;
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
    Ok(())
}
