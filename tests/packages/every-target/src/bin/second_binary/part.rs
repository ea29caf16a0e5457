pub fn base() -> u32 {
    300
}
