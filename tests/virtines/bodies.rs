//! Virtines inside function bodies: they see the items beside them and around them.

use wasp_core::{Error, virtine};

const BASE: u32 = 10;

fn base() -> u32 {
    BASE
}

/// Calls two virtines with the same name, each of which finds its own `step`.
fn counted() -> [u32; 2] {
    let forwards = {
        const STEP: u32 = 1;
        fn step(x: u32) -> u32 {
            x + STEP
        }
        #[virtine]
        fn count(x: u32) -> u32 {
            step(x) + base()
        }
        count(5)
    };
    let backwards = {
        use std::ops::Sub as _;
        fn step(x: u32) -> u32 {
            x.sub(1)
        }
        #[virtine]
        fn count(x: u32) -> u32 {
            step(x) + self::base()
        }
        count(5)
    };
    [forwards, backwards]
}

struct Meter {
    scale: u32,
}

impl Meter {
    fn read(&self, raw: u32) -> Result<u32, Error> {
        /// Panics if there is nothing to read.
        #[virtine(timeout = "1s")]
        fn checked(raw: u32, scale: u32) -> u32 {
            assert!(raw > 0, "nothing to read");
            raw * super::bodies::BASE / scale
        }
        checked::try_call(raw, self.scale)
    }
}

/// A virtine that contains another one.
#[virtine]
fn outer(x: u32) -> u32 {
    #[virtine]
    fn inner(x: u32) -> u32 {
        x * 2
    }
    inner(x) + 1
}

#[cfg_attr(all(), virtine)]
#[cfg_attr(any(), virtine(unknown))]
fn by_cfg_attr(x: u32) -> u32 {
    // The host has no code at such an address; only a virtine has.
    u32::from((by_cfg_attr as *const () as usize) < 1 << 32) + x
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn virtines_in_bodies_see_what_the_body_sees() {
    assert_eq!(counted(), [16, 14]);
    assert_eq!(outer(20), 41);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn virtines_in_methods_tell_errors_and_their_place() {
    let meter = Meter { scale: 5 };
    assert_eq!(meter.read(3).expect("a reading"), 6);
    match meter.read(0) {
        Err(Error::Panicked(panic)) => {
            assert_eq!(panic.message, "nothing to read");
            assert!(panic.file.ends_with("virtines/bodies.rs"), "{}", panic.file);
        }
        other => panic!("expected a panic, got {other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn virtine_in_the_body_of_a_test_is_one() {
    #[virtine]
    fn is_low(address_bits: u32) -> bool {
        (is_low as *const () as usize) >> address_bits == 0
    }
    assert!(is_low(32));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn attribute_may_depend_on_a_cfg() {
    assert_eq!(by_cfg_attr(1), 2);
}
