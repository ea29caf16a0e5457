//! `WASP_TEST_WITHOUT_KVM=1` leaves out the tests that run a virtine.

fn main() {
    println!("cargo::rerun-if-env-changed=WASP_TEST_WITHOUT_KVM");
    println!("cargo::rustc-check-cfg=cfg(without_kvm)");
    if std::env::var("WASP_TEST_WITHOUT_KVM").is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=without_kvm");
    }
}
