//! The machine that is measured on, as cells of a CSV row: without these, a figure says nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) struct Machine {
    cells: [String; 5],
}

impl Machine {
    pub(crate) const COLUMNS: &str = "date,processor,kernel,kvm,vmscape";

    pub(crate) fn inspect() -> Self {
        let module = ["kvm_pvm", "kvm_intel", "kvm_amd"]
            .into_iter()
            .find(|name| Path::new("/sys/module").join(name).exists());
        let facts = [
            date(),
            processor(),
            read("/proc/sys/kernel/osrelease"),
            module.unwrap_or("unknown").to_owned(),
            // Where the kernel flushes predictors between a guest's exit and user space, each exit costs more.
            read("/sys/devices/system/cpu/vulnerabilities/vmscape"),
        ];
        Self {
            cells: facts.map(|fact| fact.replace(',', ";")),
        }
    }

    pub(crate) fn cells(&self) -> String {
        self.cells.join(",")
    }
}

/// By the command, because std has no calendar.
fn date() -> String {
    let output = Command::new("date").args(["--utc", "+%F"]).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn processor() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
