//! The modes that a raw guest can start in, and what each needs of its memory.

use kvm_bindings::{kvm_regs, kvm_sregs};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::address::GuestAddress;
use crate::arch::cpuid::GuestCpu;
use crate::arch::descriptors::{Ports, Supervisor};
use crate::arch::paging::{Geometry, PageTables, Rights};
use crate::arch::registers;
use crate::machine::{Paging, TASK_STATE_PAGES};

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
///   .. supervisor end  descriptors, exception stubs (User64)
///   .. size            page tables (Long64, User64)
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLayout {
    mode: Mode,
    memory: u64,
    supervisor: Supervisor,
    tables: Geometry,
    size: u64,
}

impl RawLayout {
    /// Lays out `memory` bytes for a guest of `mode`.
    pub(crate) fn new(mode: Mode, memory: u64) -> Result<Self, Error> {
        let largest = match mode {
            Mode::Real16 | Mode::Protected32 => TASK_STATE_PAGES,
            Mode::Long64 | Mode::User64 => 4 << 30,
        };
        if memory == 0 || !memory.is_multiple_of(PAGE_SIZE) || memory > largest {
            return Err(Error::MemorySize {
                found: memory,
                largest,
            });
        }
        let supervisor = Supervisor::new(memory, Ports::All);
        let reach = if mode == Mode::User64 {
            supervisor.end()
        } else {
            memory
        };
        let tables = Geometry::new(reach, reach);
        let size = match mode {
            Mode::Real16 | Mode::Protected32 => memory,
            Mode::Long64 | Mode::User64 => reach + tables.size(),
        };
        Ok(Self {
            mode,
            memory,
            supervisor,
            tables,
            size,
        })
    }

    /// Bytes of the guest's own memory.
    pub(crate) const fn memory(&self) -> u64 {
        self.memory
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

    /// Bytes in all.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn paging(&self) -> Paging {
        match self.mode {
            Mode::Real16 | Mode::Protected32 => Paging::Off,
            Mode::Long64 | Mode::User64 => Paging::On,
        }
    }

    /// What is hidden from the guest: addresses and contents.
    pub(crate) fn hidden(&self) -> Vec<(u64, Vec<u8>)> {
        if self.paging() == Paging::Off {
            return Vec::new();
        }
        let mut tables = PageTables::new(self.tables);
        tables.map(0, self.memory, RIGHTS_OF_ALL);
        let mut contents = Vec::new();
        if self.mode == Mode::User64 {
            self.supervisor.map(&mut tables);
            contents.extend(self.supervisor.contents());
        }
        contents.push((self.tables.root(), tables.into_bytes()));
        contents
    }

    /// The page tables, where the guest cannot reach them, so that their dirty bits are the
    /// processor's own word.
    pub(crate) fn trusted_tables(&self) -> Option<&Geometry> {
        (self.mode == Mode::User64).then_some(&self.tables)
    }

    /// The special registers that the guest starts with.
    pub(crate) fn special(&self, reset: &kvm_sregs, cpu: &GuestCpu) -> kvm_sregs {
        let root = self.tables.root();
        match self.mode {
            Mode::Real16 => registers::real16(reset),
            Mode::Protected32 => registers::protected32(reset),
            Mode::Long64 => registers::long64(reset, cpu, root),
            Mode::User64 => registers::user64(reset, cpu, root, &self.supervisor),
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

    /// The supervisor that exceptions end in, where the guest has one.
    pub(crate) fn supervisor(&self) -> Option<&Supervisor> {
        (self.mode == Mode::User64).then_some(&self.supervisor)
    }
}
