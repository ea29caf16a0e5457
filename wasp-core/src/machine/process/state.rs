//! What a guest starts with besides its general registers.

use crate::machine::process::control::EXTENDED_ROOM;

/// The least that XRSTOR reads: the legacy region and the header (Intel SDM vol. 1, 13.4).
const HEADER_END: usize = 576;
/// Where the control words are that have no zero for a start: x87's, and MXCSR.
const X87_CONTROL: usize = 0;
const MXCSR: usize = 24;

/// Extended registers, as XSAVE lays them out in the standard form, and the bases of FS and GS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessState {
    pub(super) extended: Box<[u8]>,
    pub(super) bases: [u64; 2],
}

impl ProcessState {
    /// After a reset: all states are initial (Intel SDM vol. 3, table 11-1; Linux starts programs so).
    pub(super) fn initial() -> Self {
        let mut extended = vec![0; EXTENDED_ROOM];
        extended[X87_CONTROL..X87_CONTROL + 2].copy_from_slice(&0x37f_u16.to_le_bytes());
        extended[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80_u32.to_le_bytes());
        Self {
            extended: extended.into(),
            bases: [0; 2],
        }
    }

    /// What a signal frame holds, of which nothing is believed: XRSTOR faults in the guest's process where it is no
    /// such area. What the kernel has put where the processor keeps nothing is left out.
    pub(super) fn of_frame(mut extended: Vec<u8>, bases: [u64; 2]) -> Self {
        const RESERVED: std::ops::Range<usize> = 464..512;
        extended.resize(EXTENDED_ROOM, 0);
        extended[RESERVED].fill(0);
        debug_assert!(extended.len() >= HEADER_END);
        Self {
            extended: extended.into(),
            bases,
        }
    }
}
