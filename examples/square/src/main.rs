//! The smallest program with a virtine. It exits successfully only if the virtual machine gave the right answer.

use std::process::ExitCode;

use wasp_core::virtine;

#[virtine]
fn square(x: i32) -> i32 {
    x * x
}

fn main() -> ExitCode {
    match square::try_call(12) {
        Ok(144) => ExitCode::SUCCESS,
        Ok(other) => fail(&format!("expected 144, found {other}")),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("square: {message}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
    fn any_number_is_squared() {
        for x in [0, 1, -7, 46_340] {
            assert_eq!(super::square(x), x * x);
        }
    }

    #[test]
    #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
    fn overflow_comes_out_as_the_panic_that_it_is() {
        let answer = super::square::try_call(46_341);
        match cfg!(debug_assertions) {
            true => {
                let error = answer.expect_err("overflow").to_string();
                assert!(
                    error.contains("attempt to multiply with overflow"),
                    "{error}"
                );
            }
            false => assert_eq!(answer.expect("wrapped"), 46_341_i32.wrapping_mul(46_341)),
        }
    }
}
