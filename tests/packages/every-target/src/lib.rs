//! The library. Its crate has the name of the default binary's.

use wasp_core::virtine;

pub mod deep;
#[path = "elsewhere/odd_name.rs"]
pub mod moved;
pub mod shared;

const NUMBER: u32 = 100;

#[virtine]
pub fn same(x: u32) -> u32 {
    NUMBER + x
}

pub mod inline {
    use wasp_core::virtine;

    #[virtine]
    pub fn same(x: u32) -> u32 {
        super::NUMBER + x + 1
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn unit_test_calls_the_librarys_virtines() {
        assert_eq!(super::same(0), 100);
        assert_eq!(super::inline::same(0), 101);
        assert_eq!(super::shared::number(), 100);
    }
}
