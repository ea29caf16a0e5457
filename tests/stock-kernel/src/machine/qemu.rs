//! QEMU, which emulates a machine with an AMD CPU.
//!
//! ```text
//! QEMU's stdin   <- the initramfs, a file without a name
//! QEMU's stdout  -> first serial port
//! QEMU's stderr  -> second serial port, and QEMU's own messages
//! ```

use super::{KERNEL_OPTIONS, Launch, Machine, Ports, emulator};
use crate::tools::QEMU;

/// All arguments except memory and files. The kernel's options come last.
///
/// A single thread emulates both CPUs. With two threads, about one run of the whole test suite in ten had a guest that
/// faulted or hung for no reason. With one thread, none had.
const ARGUMENTS: &str = "-accel tcg,thread=single -cpu EPYC,+svm,+npt -smp 2 -nodefaults -display none \
                         -no-reboot -initrd /dev/stdin -serial file:/dev/stdout \
                         -serial file:/dev/stderr -append";

pub(super) fn launch(machine: Machine, ports: Ports) -> Launch {
    let mut command = emulator::command(QEMU);
    command
        .args(ARGUMENTS.split_whitespace())
        .arg(KERNEL_OPTIONS)
        .args(["-m", &machine.memory.to_string()])
        .arg("-kernel")
        .arg(machine.kernel)
        .stdin(machine.initramfs)
        .stdout(ports.console)
        .stderr(ports.report);
    Launch {
        command,
        files: Vec::new(),
    }
}
