//! Virtines against a table and against the host.

const FIRST: [u64; 13] = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144];

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn virtines_give_the_right_numbers() {
    for (n, expected) in (0..).zip(FIRST) {
        assert_eq!(fib::recursive(n), expected);
        assert_eq!(fib::fib(n), expected);
        assert_eq!(fib::fib_from_image(n), expected);
    }
    assert_eq!(fib::fib(25), 75_025);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn program_prints_one_line_for_each_way() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fib"))
        .arg("20")
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.matches("fib(20) = 6765 ").count(), 3, "{text}");
}

#[test]
fn program_refuses_what_takes_years() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fib"))
        .arg("51")
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
}
