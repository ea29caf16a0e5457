//! What a machine is made of besides its guest's own memory: the mode it starts in, and what lies in its
//! memory where the guest cannot reach it.

use kvm_bindings::kvm_sregs;

use crate::Error;
use crate::arch::cpuid::GuestCpu;
use crate::arch::descriptors::Supervisor;
use crate::arch::identity::IdentityMap;
use crate::arch::paging::PageTables;
use crate::arch::registers;
use crate::arch::system_calls::SystemCalls;
use crate::deadline::Deadline;
use crate::kvm::Host;
use crate::machine::{Machine, Paging, Stop};
use crate::memory_file::MemoryFile;
use crate::ring3::Ring3;

/// How a machine is laid out and starts.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    /// Bytes of the machine's memory, what is hidden from the guest included.
    pub(crate) size: u64,
    pub(crate) start: Start,
}

/// The mode in which a vCPU starts, and what this mode needs in memory.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Real16,
    Protected32,
    Long64(IdentityMap),
    User64(Ring3),
}

impl Blueprint {
    /// A machine whose guest runs in ring 3, with its page tables behind all other memory.
    pub(crate) fn ring3(supervisor: Supervisor, mut tables: PageTables) -> Self {
        supervisor.map(&mut tables);
        Self {
            size: tables.end(),
            start: Start::User64(Ring3::new(supervisor, tables)),
        }
    }

    /// The watch over the guest, where it runs in ring 3.
    pub(crate) const fn watched(&self) -> Option<&Ring3> {
        match &self.start {
            Start::User64(ring3) => Some(ring3),
            _ => None,
        }
    }

    /// The entry of its guest's system calls, where it may make them.
    pub(crate) fn system_calls(&self) -> Option<SystemCalls> {
        self.watched().and_then(Ring3::system_calls)
    }

    /// Runs the guest of such a machine until it stops, or until `deadline`.
    pub(crate) fn run(&self, machine: &mut Machine, deadline: &Deadline) -> Result<Stop, Error> {
        match self.watched() {
            Some(ring3) => ring3.run(machine, deadline),
            None => machine.run(deadline),
        }
    }

    /// Whether the machine starts with paging on.
    pub(crate) const fn paging(&self) -> Paging {
        match self.start {
            Start::Real16 | Start::Protected32 => Paging::Off,
            Start::Long64(_) | Start::User64(_) => Paging::On,
        }
    }

    /// What lies in memory at the start besides the image: addresses and contents.
    pub(crate) fn hidden(&self) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        Ok(match &self.start {
            Start::Real16 | Start::Protected32 => Vec::new(),
            Start::Long64(map) => vec![(map.root(), map.to_bytes())],
            Start::User64(ring3) => ring3.hidden(Host::get()?.cpu().gate),
        })
    }

    /// A file that holds what lies in memory at the start besides the image.
    pub(crate) fn file(&self) -> Result<MemoryFile, Error> {
        let mut file = MemoryFile::create(self.size)?;
        for (address, bytes) in self.hidden()? {
            file.write(address, &bytes)?;
        }
        Ok(file)
    }

    /// The special registers that the vCPU starts with, made of those after a reset.
    pub(crate) fn special(&self, reset: &kvm_sregs, cpu: &GuestCpu) -> kvm_sregs {
        match &self.start {
            Start::Real16 => registers::real16(reset),
            Start::Protected32 => registers::protected32(reset),
            Start::Long64(map) => registers::long64(reset, cpu, map.root()),
            Start::User64(ring3) => ring3.special(reset, cpu),
        }
    }
}
