//! Found by `#[path]`.

pub fn doubled(n: u32) -> u32 {
    n * 2
}

pub mod deeper {
    pub fn tripled(n: u32) -> u32 {
        super::doubled(n) + n
    }
}
