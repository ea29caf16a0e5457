//! Compiles the package's virtines, and tells its tests whether they may do without KVM.

use std::env;

fn main() {
    virtine_build::build();
    println!("cargo::rerun-if-env-changed=WASP_TEST_WITHOUT_KVM");
    println!("cargo::rustc-check-cfg=cfg(without_kvm)");
    if env::var("WASP_TEST_WITHOUT_KVM").is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=without_kvm");
    }
}
