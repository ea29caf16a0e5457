//! How a process is laid out for a plan.

use std::ops::Range;

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::registers::Registers;
use crate::machine::entry::Entry;
use crate::machine::plan::{Interface, MachineKind, MachinePlan, Paging, UserPlan};
use crate::machine::process::layout::GUEST_END;
use crate::memory::address_space::Region;

/// Bit 1, which is always set, and interrupts on.
const RFLAGS: u64 = 0x202;
/// Below this no process may map anything, unless the system says otherwise (vm.mmap_min_addr).
pub(crate) const LOWEST: u64 = 0x1_0000;
/// What a guest with memory there is told.
const BELOW: &str = "memory below 0x10000 (vm.mmap_min_addr)";

/// Refuses bytes below what a process can have.
pub(crate) const fn check_address(address: u64, length: u64) -> Result<(), Error> {
    match address < LOWEST && length > 0 {
        true => Err(Error::NeedsKvm { feature: BELOW }),
        false => Ok(()),
    }
}

/// How a process is laid out.
#[derive(Clone, Debug)]
pub(crate) struct ProcessPlan {
    pub(super) regions: Vec<Region>,
    /// Behind all of its guest's memory.
    pub(super) end: u64,
    pub(super) interface: Interface,
}

impl ProcessPlan {
    /// Of a plan; an error for modes that no process can be in.
    pub(crate) fn of(plan: &MachinePlan) -> Result<Self, Error> {
        let mode = match plan {
            MachinePlan::User(plan) => return Self::of_user(plan),
            MachinePlan::Real16 { .. } => "16-bit real mode",
            MachinePlan::Protected32 { .. } => "32-bit protected mode",
            MachinePlan::Long64 { .. } => "ring 0",
        };
        Err(Error::NeedsKvm { feature: mode })
    }

    fn of_user(plan: &UserPlan) -> Result<Self, Error> {
        let end = plan
            .regions
            .last()
            .map_or(plan.end, |last| last.end.max(plan.end))
            .next_multiple_of(PAGE_SIZE);
        if end > GUEST_END {
            return Err(Error::NeedsKvm {
                feature: "memory above 512 GiB",
            });
        }
        if end <= LOWEST {
            return Err(Error::NeedsKvm { feature: BELOW });
        }
        let regions = plan.regions.iter().filter(|region| region.end > LOWEST);
        let regions = regions.map(|region| Region {
            start: region.start.max(LOWEST),
            ..*region
        });
        Ok(Self {
            regions: regions.collect(),
            end,
            interface: plan.interface,
        })
    }

    /// The lowest address that is mapped.
    pub(super) fn start(&self) -> u64 {
        self.regions.first().map_or(LOWEST, |region| region.start)
    }

    /// Whether the code at an address stays what it is: no guest can write there.
    pub(super) fn is_constant_code(&self, address: u64) -> bool {
        let at = self.regions.partition_point(|region| region.end <= address);
        self.regions.get(at).is_some_and(|region| {
            region.start <= address && region.protection.execute && !region.protection.write
        })
    }

    /// Whether its guests can write these pages, whatever they have done. A guest that makes system calls may have taken
    /// its own right to.
    pub(super) fn stays_writable(&self, run: &Range<u64>) -> bool {
        let at = self
            .regions
            .partition_point(|region| region.end <= run.start);
        self.interface != Interface::SystemCalls
            && self.regions.get(at).is_some_and(|region| {
                region.start <= run.start && run.end <= region.end && region.protection.write
            })
    }

    /// Whether whoever runs a guest is told of signals for the thread: of raw guests alone.
    pub(super) const fn tells_signals(&self) -> bool {
        matches!(self.interface, Interface::Ports)
    }

    /// Which machines can be made one of this plan.
    pub(super) const fn kind(&self) -> MachineKind {
        MachineKind {
            size: self.end,
            paging: Paging::On,
            system_calls: matches!(self.interface, Interface::SystemCalls),
        }
    }
}

/// The general registers of a guest that starts at `entry`.
#[inline]
pub(super) fn registers(entry: &Entry) -> Registers {
    let [rdi, rsi, rdx] = entry.arguments;
    Registers {
        rip: entry.rip,
        rsp: entry.rsp,
        rdi,
        rsi,
        rdx,
        rflags: RFLAGS,
        ..Registers::default()
    }
}
