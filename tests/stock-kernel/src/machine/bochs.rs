//! Bochs, which emulates a machine with an Intel processor.
//!
//! ```text
//! Bochs's stdin   -> first serial port: this descriptor, too, is the end of a pipe to write to
//! Bochs's stderr  -> second serial port; and Bochs's own words
//! Bochs's stdout  -> nowhere: its debugger's words
//! ```

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;

use super::{KERNEL_OPTIONS, Launch, Machine, Ports, disc, emulator};
use crate::error::Error;
use crate::scratch;
use crate::tools::{BOCHS, BOCHS_BIOS, BOCHS_VGA_BIOS};

/// The newest processor of Debian's Bochs on which KVM finds all that it can use: VT-x with EPT,
/// VPID and unrestricted guests, XSAVE, FSGSBASE, AVX2. One that Bochs calls newer lacks XSAVE for KVM.
const MODEL: &str = "corei7_haswell_4770";

/// Instructions in a second of the machine's time, so the pace of its clocks; this many take some
/// 10 seconds of the host's.
const SPEED: u32 = 500_000_000;

/// What the kernel needs to be told in this machine.
///
/// Its time stamp counter counts instructions, so it need not be measured and can be relied on, and
/// watching it and the rest of the kernel for stalls finds nothing but the emulation's slowness.
/// With MWAIT instead of HLT the machine would not skip the time in which it has nothing to do.
const OPTIONS: &str = "tsc=reliable nowatchdog rcupdate.rcu_cpu_stall_suppress=1 idle=halt";

pub(super) fn launch(machine: Machine, ports: Ports) -> Result<Launch, Error> {
    let disc = disc::burn(&machine.kernel, &machine.initramfs, &kernel_options())?;
    // Debian's Bochs has its debugger built in, which waits for a command at power-on.
    let script = text("debugger", "continue\n")?;
    let configuration = text(
        "configuration",
        &configuration(machine.memory, &scratch::path(&disc)),
    )?;
    let mut command = emulator::command(BOCHS);
    command
        // Without a menu.
        .arg("-q")
        .args(["-f", &scratch::path(&configuration)])
        .args(["-rc", &scratch::path(&script)])
        // The display paints on a pseudo-terminal of its own, which nobody reads: once its 64 KiB are full,
        // Bochs waits for ever. This kind of terminal cannot hide and show its cursor, as the display would do
        // some times a second, until that is reached after a quarter of an hour.
        .env("TERM", "vt100")
        .stdin(ports.console)
        .stdout(Stdio::null())
        .stderr(ports.report);
    Ok(Launch {
        command,
        files: vec![disc, configuration, script],
    })
}

fn kernel_options() -> String {
    format!("{KERNEL_OPTIONS} {OPTIONS} tsc_early_khz={}", SPEED / 1_000)
}

fn text(purpose: &str, text: &str) -> Result<File, Error> {
    scratch::nameless(purpose, |mut file| file.write_all(text.as_bytes()))
}

/// The clock: time passes by instructions, and not with the host's. The log: words that come on every
/// run would tear the report apart. The processor: where a guest of KVM's ends in a triple fault, the
/// machine itself goes on. Sound: the default driver opens the host's card.
fn configuration(memory: u32, disc: &str) -> String {
    format!(
        "display_library: term
config_interface: textconfig
cpu: model={MODEL}, count=1, ips={SPEED}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
romimage: file={BOCHS_BIOS}, options=fastboot
vgaromimage: file={BOCHS_VGA_BIOS}
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={disc}, status=inserted
boot: cdrom
clock: sync=none, time0=utc
com1: enabled=1, mode=file, dev=/dev/stdin
com2: enabled=1, mode=file, dev=/dev/stderr
log: /dev/stderr
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
speaker: enabled=0
sound: driver=dummy
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number behind `name` in a text.
    fn number(text: &str, name: &str) -> Option<u32> {
        let (_, rest) = text.split_once(name)?;
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    }

    #[test]
    fn kernel_is_told_the_pace_of_the_machines_clock() {
        let instructions = number(&configuration(64, "disc"), "ips=").expect("a speed");
        let kilohertz = number(&kernel_options(), "tsc_early_khz=").expect("a frequency");
        assert_eq!(instructions, kilohertz * 1_000);
    }

    #[test]
    fn memory_and_disc_are_the_machines() {
        let configuration = configuration(64, "/proc/1/fd/3");
        assert_eq!(number(&configuration, "guest="), Some(64));
        assert_eq!(number(&configuration, "host="), Some(64));
        assert!(
            configuration.contains("path=/proc/1/fd/3,"),
            "{configuration}"
        );
    }
}
