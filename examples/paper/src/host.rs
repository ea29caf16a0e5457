//! The machine that is measured on.

use std::fs;

/// Who executes a guest's code in ring 0, real mode included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring0 {
    Processor,
    /// kvm_pvm runs ring 3 on the processor and all else in KVM's instruction emulator.
    Emulator,
}

impl Ring0 {
    /// A row's name, with what must be known to read it.
    pub(crate) fn row(self, name: &str) -> String {
        match self {
            Self::Processor => name.to_owned(),
            Self::Emulator => format!("{name} (ring 0: emulated here)"),
        }
    }
}

/// What a reader must know of it.
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
        let modules = read("/proc/modules").unwrap_or_default();
        let module = kvm_module(&modules);
        let (ring0, kind) = kind(&module);
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
            ("KVM", format!("{module}: {kind}")),
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

/// The module that does the work behind kvm.ko.
fn kvm_module(modules: &str) -> String {
    let names = modules.lines().filter_map(|line| line.split(' ').next());
    let vendor = names
        .filter(|name| name.starts_with("kvm_"))
        .collect::<Vec<_>>();
    match vendor.is_empty() {
        true => "built into the kernel".to_owned(),
        false => vendor.join(", "),
    }
}

fn kind(module: &str) -> (Ring0, &'static str) {
    match module {
        _ if module.contains("kvm_pvm") => (
            Ring0::Emulator,
            "no hardware virtualization; ring 3 runs on the processor, ring 0 and real mode in KVM's emulator",
        ),
        _ if module.contains("kvm_intel") => (Ring0::Processor, "Intel VT-x"),
        _ if module.contains("kvm_amd") => (Ring0::Processor, "AMD-V"),
        _ => (Ring0::Processor, "of a kind that cannot be told"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_tells_who_runs_ring_0() {
        let pvm = kvm_module("kvm_pvm 1 0 - Live 0x0\nkvm 2 1 kvm_pvm, Live 0x0");
        assert_eq!(kind(&pvm).0, Ring0::Emulator);
        let amd = kvm_module("ccp 1 0\nkvm_amd 1 0 - Live 0x0\nkvm 2 1 kvm_amd, Live 0x0");
        assert_eq!(kind(&amd).0, Ring0::Processor);
        assert_eq!(kvm_module("xfs 1 0"), "built into the kernel");
    }
}
