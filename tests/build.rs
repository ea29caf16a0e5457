//! Compiles the tests' virtines, and tells the tests whether they may do without KVM.

use std::env;

const WITHOUT_KVM: &str = "WASP_TEST_WITHOUT_KVM";

fn main() {
    virtine_build::build();
    println!("cargo::rerun-if-env-changed={WITHOUT_KVM}");
    println!("cargo::rustc-check-cfg=cfg(without_kvm)");
    if env::var(WITHOUT_KVM).is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=without_kvm");
    }
}
