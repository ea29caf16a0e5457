//! Compiles the tests' virtines and Linux programs, and tells the tests whether they may do without KVM.

use std::env;
use std::path::Path;
use std::process::Command;

const WITHOUT_KVM: &str = "WASP_TEST_WITHOUT_KVM";

/// What each C program is made of: its name, its source, the linker's flags.
const PROGRAMS: [(&str, &str, &[&str]); 5] = [
    ("ordinary", "ordinary.c", &["-static", "-no-pie"]),
    ("independent", "ordinary.c", &["-static-pie", "-fPIE"]),
    ("dynamic", "ordinary.c", &[]),
    ("calls", "calls.c", &["-static", "-no-pie"]),
    ("hostile", "hostile.c", &["-static", "-no-pie"]),
];

fn main() {
    virtine_build::build();
    for (name, source, flags) in PROGRAMS {
        compile(name, source, flags);
    }
    println!("cargo::rerun-if-env-changed={WITHOUT_KVM}");
    println!("cargo::rustc-check-cfg=cfg(without_kvm)");
    if env::var(WITHOUT_KVM).is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=without_kvm");
    }
}

fn compile(name: &str, source: &str, flags: &[&str]) {
    let source = Path::new("virtines/linux").join(source);
    println!("cargo::rerun-if-changed={}", source.display());
    let folder = env::var_os("OUT_DIR").expect("cargo sets it");
    let status = Command::new("cc")
        .args(["-O1", "-w", "-D_GNU_SOURCE"])
        .args(flags)
        .arg("-o")
        .arg(Path::new(&folder).join(name))
        .arg(&source)
        .arg("-lm")
        .status();
    let compiled = status.expect("a C compiler").success();
    assert!(compiled, "cc fails for {}", source.display());
}
