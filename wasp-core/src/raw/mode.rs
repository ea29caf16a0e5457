//! The modes in which a raw guest can start, and what each needs in its memory.

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::address::GuestAddress;
use crate::machine::entry::Entry;
use crate::machine::kvm::vm::IDENTITY_MAP_PAGE;
use crate::machine::plan::{Interface, MachinePlan, UserPlan};
use crate::memory::address_space::{Protection, Region};

/// The CPU mode in which a guest starts. It is set from outside; no boot code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 16-bit real mode with CS base 0, as Wasp's own images expect.
    Real16,
    /// 32-bit protected mode, ring 0, flat segments, no paging.
    Protected32,
    /// 64-bit long mode, ring 0. Memory is identity-mapped, readable, writable and executable.
    Long64,
    /// 64-bit long mode, ring 3. Memory is mapped as in `Long64`. Page tables, descriptors and control registers are
    /// out of the guest's reach, and exceptions are reported in detail.
    #[default]
    User64,
}

/// Where Wasp's guests start and where their stack starts.
const WASP_START: u64 = 0x8000;
/// A raw guest's memory is all its own.
const ALL: Protection = Protection {
    read: true,
    write: true,
    execute: true,
};

/// The layout of a raw guest's machine: the guest's memory from 0 on, then the memory that is hidden from it.
///
/// ```text
/// 0 .. memory          the guest's
///   .. supervisor end  descriptors, exception stubs, gate (User64)
///   .. size            page tables (Long64, User64)
/// ```
#[derive(Clone, Debug)]
pub(crate) struct RawLayout {
    mode: Mode,
    memory: u64,
}

impl RawLayout {
    /// Lays out `memory` bytes for a guest of `mode`.
    pub(crate) fn new(mode: Mode, memory: u64) -> Result<Self, Error> {
        let largest = match mode {
            Mode::Real16 | Mode::Protected32 => IDENTITY_MAP_PAGE,
            Mode::Long64 | Mode::User64 => 4 << 30,
        };
        if memory == 0 || !memory.is_multiple_of(PAGE_SIZE) || memory > largest {
            return Err(Error::MemorySize {
                found: memory,
                largest,
            });
        }
        Ok(Self { mode, memory })
    }

    /// Bytes of the guest's own memory.
    pub(crate) const fn memory(&self) -> u64 {
        self.memory
    }

    /// The address as a number, after checking that the guest has `length` bytes of memory there.
    pub(crate) fn check(&self, address: GuestAddress, length: u64) -> Result<u64, Error> {
        let (address, memory) = (address.0, self.memory);
        match address.checked_add(length) {
            Some(end) if end <= memory => Ok(address),
            _ => Err(Error::OutOfBounds {
                address,
                length,
                memory,
            }),
        }
    }

    /// Where the guest starts, before an image is loaded.
    pub(crate) const fn entry(&self) -> Entry {
        let rsp = match self.mode {
            Mode::Real16 => WASP_START,
            Mode::Protected32 | Mode::Long64 | Mode::User64 => self.memory,
        };
        Entry::program(WASP_START, rsp)
    }

    /// The plan of such a guest's machine.
    pub(crate) fn plan(&self) -> MachinePlan {
        let memory = self.memory;
        match self.mode {
            Mode::Real16 => MachinePlan::Real16 { memory },
            Mode::Protected32 => MachinePlan::Protected32 { memory },
            Mode::Long64 => MachinePlan::Long64 { memory },
            Mode::User64 => MachinePlan::User(UserPlan {
                regions: vec![Region {
                    start: 0,
                    end: memory,
                    protection: ALL,
                }],
                monitor: memory,
                end: memory,
                interface: Interface::Ports,
            }),
        }
    }
}
