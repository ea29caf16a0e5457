//! The modes that a raw guest can start in, and what each needs of its memory.

use kvm_bindings::kvm_regs;
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::address::GuestAddress;
use crate::arch::descriptors::{Ports, Supervisor};
use crate::arch::identity::IdentityMap;
use crate::arch::paging::{PageTables, Rights};
use crate::arch::registers;
use crate::blueprint::{Blueprint, Start};
use crate::machine::IDENTITY_MAP_PAGE;

/// The processor mode that a guest starts in; set from outside, no boot code runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// 16-bit real mode with CS base 0, as Wasp's own images expect it.
    Real16,
    /// 32-bit protected mode, ring 0, flat segments, no paging.
    Protected32,
    /// 64-bit long mode, ring 0. Memory is identity-mapped, readable, writable and executable.
    Long64,
    /// 64-bit long mode, ring 3. Memory is mapped as in `Long64`; page tables, descriptors and control
    /// registers are out of the guest's reach, and exceptions are told as what they are.
    #[default]
    User64,
}

/// Where Wasp's guests start and where their stack starts.
const WASP_START: u64 = 0x8000;
/// Bit 1, which is always set.
const RFLAGS: u64 = 1 << 1;
const RIGHTS_OF_ALL: Rights = Rights {
    user: true,
    write: true,
    execute: true,
};

/// What lies where in a raw guest's machine: the guest's memory from 0 on, then what is hidden from it.
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
    blueprint: Blueprint,
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
        Ok(Self {
            mode,
            memory,
            blueprint: blueprint(mode, memory),
        })
    }

    /// Bytes of the guest's own memory.
    pub(crate) const fn memory(&self) -> u64 {
        self.memory
    }

    /// What the machine is made of besides.
    pub(crate) const fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// The address as a number, once it is sure that the guest has `length` bytes of memory there.
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

    /// The general registers that the guest starts with, before an image is loaded.
    pub(crate) fn general(&self) -> kvm_regs {
        let (rsp, rflags) = match self.mode {
            Mode::Real16 => (WASP_START, RFLAGS),
            Mode::Protected32 | Mode::Long64 => (self.memory, RFLAGS),
            Mode::User64 => (self.memory, registers::USER_RFLAGS),
        };
        kvm_regs {
            rip: WASP_START,
            rsp,
            rflags,
            ..Default::default()
        }
    }
}

fn blueprint(mode: Mode, memory: u64) -> Blueprint {
    let unpaged = |start| Blueprint {
        size: memory,
        start,
    };
    match mode {
        Mode::Real16 => unpaged(Start::Real16),
        Mode::Protected32 => unpaged(Start::Protected32),
        Mode::Long64 => {
            let map = IdentityMap::new(memory, memory);
            Blueprint {
                size: map.end(),
                start: Start::Long64(map),
            }
        }
        Mode::User64 => {
            let supervisor = Supervisor::new(memory, Ports::All);
            let mut tables = PageTables::new(supervisor.end(), supervisor.end());
            tables.map(0, memory, RIGHTS_OF_ALL);
            Blueprint::ring3(supervisor, tables)
        }
    }
}
