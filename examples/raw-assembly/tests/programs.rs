//! Both host programs, and the bytes that they run.

use std::process::Command;

use raw_assembly::{EXIT, SQUARE};
use wasp_core::{Exit, Mode, Virtine};

fn output(program: &str) -> String {
    let output = Command::new(program).output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn host_programs_print_the_answer() {
    assert_eq!(
        output(env!("CARGO_BIN_EXE_without-cache")),
        "12 * 12 = 144\n"
    );
    assert_eq!(
        output(env!("CARGO_BIN_EXE_with-cache")),
        "12 * 12 = 144\n12 * 12 = 144\n12 * 12 = 144\n3 from the cache, 0 made on demand\n"
    );
}

#[test]
fn guests_are_assembled_to_the_bytes_that_they_say() {
    // out 0xfa, eax with 32-bit operands in 16-bit mode.
    assert_eq!(EXIT(), [0x66, 0xe7, 0xfa]);
    assert_eq!(SQUARE(), [0x66, 0xbf, 12, 0, 0, 0, 0xe6, 0xff, 0xe6, 0xfa]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn the_seeds_guest_exits_in_every_mode() {
    for mode in [Mode::Real16, Mode::Protected32, Mode::Long64, Mode::User64] {
        let mut virtine = Virtine::builder().mode(mode).build().expect("a virtine");
        virtine.load_raw(EXIT(), 0x8000).expect("it fits");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited, "{mode:?}");
    }
}
