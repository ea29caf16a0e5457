//! Selectors of the segments in the GDT (Intel SDM vol. 3, 3.4.2).

pub(super) const KERNEL_CODE: u16 = 0x08;
pub(super) const KERNEL_DATA: u16 = 0x10;
pub(super) const USER_DATA: u16 = 0x18 | 3;
pub(super) const USER_CODE: u16 = 0x20 | 3;
pub(super) const TASK: u16 = 0x28;
