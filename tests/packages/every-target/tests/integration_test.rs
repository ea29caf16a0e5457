//! An integration test.

use wasp_core::virtine;

#[virtine]
fn same(x: u32) -> u32 {
    500 + x
}

#[test]
fn integration_test_calls_its_own_virtine_and_the_librarys() {
    assert_eq!(same(0), 500);
    assert_eq!(every_target::same(0), 100);
}
