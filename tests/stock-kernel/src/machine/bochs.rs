//! Bochs, which emulates a machine with an Intel CPU.
//!
//! ```text
//! Bochs's stdin   -> first serial port: this descriptor is also the end of a pipe to write to
//! Bochs's stderr  -> second serial port, and Bochs's own messages
//! Bochs's stdout  -> discarded: the debugger's messages
//! ```

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;

use super::{KERNEL_OPTIONS, Launch, Machine, Ports, disc, emulator};
use crate::error::Error;
use crate::scratch;
use crate::tools::{BOCHS, BOCHS_BIOS, BOCHS_VGA_BIOS};

/// The newest CPU of Debian's Bochs that offers KVM everything it can use: VT-x with EPT, VPID and unrestricted guests,
/// XSAVE, FSGSBASE, AVX2. A CPU that Bochs calls newer lacks XSAVE for KVM.
const MODEL: &str = "corei7_haswell_4770";

/// Instructions per second of the machine's time, which sets the pace of its clocks. This many take some 10 seconds on
/// the host.
const SPEED: u32 = 500_000_000;

/// Kernel options for this machine.
///
/// Its time stamp counter counts instructions, so it is reliable and needs no calibration. Checks for stalls would only
/// detect that the emulation is slow. With MWAIT instead of HLT the machine would not skip idle time.
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
        // The display paints on its own pseudo-terminal, which nobody reads. Once its 64 KiB are full, Bochs waits
        // forever. This terminal type cannot hide and show its cursor. Otherwise the display would do so several times
        // a second, and fill the buffer within a quarter of an hour.
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

/// Clock: time advances with instructions, not with the host's time. Log: messages that appear in every run would
/// clutter the report. CPU: if a KVM guest ends in a triple fault, the machine itself continues. Sound: the default
/// driver opens the host's card.
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

    /// The number after `name` in a text.
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
