//! The machine on which the measurements run.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use wasp_core::{Mode, Virtine};

use crate::guests::{COUNT, START};

/// What executes a guest's code in ring 0, including real mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring0 {
    Processor,
    /// kvm_pvm runs ring 3 on the CPU and everything else in KVM's instruction emulator.
    Emulator,
}

impl Ring0 {
    const fn shown(self) -> &'static str {
        match self {
            Self::Processor => "by the processor",
            Self::Emulator => {
                "by KVM's instruction emulator, real and protected mode too; ring 3 by the processor"
            }
        }
    }

    /// A row's name, with a note that readers need.
    pub(crate) fn row(self, name: &str) -> String {
        match self {
            Self::Processor => name.to_owned(),
            Self::Emulator => format!("{name} (ring 0: emulated here)"),
        }
    }
}

/// What a reader must know about the machine.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) ring0: Ring0,
    /// Name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Host {
    pub(crate) fn inspect() -> Result<Self, String> {
        let cpu = read("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| field(&cpu, name).unwrap_or_else(|| "unknown".to_owned());
        let module = kvm_module();
        let ring0 = ring0()?;
        let nested = cpu.contains(" hypervisor");
        let known = |path: &str| read(path).unwrap_or_else(|| "not told by the kernel".to_owned());
        let facts = vec![
            ("CPU", field("model name")),
            ("cores", cores()?),
            (
                "inside a virtual machine",
                if nested { "yes" } else { "no" }.to_owned(),
            ),
            ("kernel", known("/proc/sys/kernel/osrelease")),
            ("KVM", module),
            ("ring 0 of guests", ring0.shown().to_owned()),
            (
                "governor",
                known("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            ),
            (
                "clock source",
                known("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            ),
            (
                "build",
                if cfg!(debug_assertions) {
                    "debug: do not use these numbers"
                } else {
                    "release"
                }
                .to_owned(),
            ),
        ];
        Ok(Self { ring0, facts })
    }

    /// The load averages over 1, 5 and 15 minutes.
    pub(crate) fn load() -> String {
        let load = read("/proc/loadavg").unwrap_or_default();
        load.split(' ').take(3).collect::<Vec<_>>().join(" ")
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

fn cores() -> Result<String, String> {
    std::thread::available_parallelism()
        .map(|cores| cores.to_string())
        .map_err(|error| format!("cannot count the cores: {error}"))
}

fn field(cpuinfo: &str, name: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    line.split_once(": ").map(|(_, value)| value.to_owned())
}

/// The module that does the work for kvm.ko, and the technique that it uses.
fn kvm_module() -> String {
    let kinds = [
        ("kvm_pvm", "without hardware virtualization"),
        ("kvm_intel", "Intel VT-x"),
        ("kvm_amd", "AMD-V"),
    ];
    let here = |name: &str| Path::new("/sys/module").join(name).exists();
    let found: Vec<String> = kinds
        .into_iter()
        .filter(|(name, _)| here(name))
        .map(|(name, kind)| format!("{name} ({kind})"))
        .collect();
    match found.is_empty() {
        true => "of a kind that cannot be told".to_owned(),
        false => found.join(", "),
    }
}

/// Module names are not reliable, so this times a loop of a few thousand instructions. An emulator takes some hundred
/// times as long.
fn ring0() -> Result<Ring0, String> {
    let [ring0, ring3] = [Mode::Long64, Mode::User64].map(loop_time);
    match ring0? > 10 * ring3? {
        true => Ok(Ring0::Emulator),
        false => Ok(Ring0::Processor),
    }
}

/// The shortest of three runs.
fn loop_time(mode: Mode) -> Result<Duration, String> {
    let run = || {
        let mut virtine = Virtine::builder().mode(mode).build()?;
        virtine.load_raw(COUNT(), START)?;
        let mut times = [Duration::MAX; 3];
        for time in &mut times {
            let start = Instant::now();
            virtine.run()?;
            *time = start.elapsed();
        }
        Ok(times.into_iter().min().unwrap_or_default())
    };
    run().map_err(|error: wasp_core::Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
    fn ring_0_is_emulated_where_there_is_no_hardware_for_it() {
        let pvm = Path::new("/sys/module/kvm_pvm").exists();
        assert_eq!(ring0() == Ok(Ring0::Emulator), pvm);
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(
            field(cpuinfo, "model name").as_deref(),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(field(cpuinfo, "flags"), None);
    }
}
