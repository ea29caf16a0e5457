//! What all virtines of one cache start from, and how a used one gets back there.

use std::time::Duration;

use kvm_bindings::{kvm_regs, kvm_sregs, kvm_xsave};
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::machine::Machine;
use crate::memory::{GuestMemory, PageSet};
use crate::memory_file::{FrozenMemory, MemoryFile};
use crate::mode::RawLayout;

/// A flat image, laid out with what its mode needs.
pub(crate) struct Snapshot {
    memory: FrozenMemory,
    layout: RawLayout,
    deadline: Duration,
    general: kvm_regs,
    /// What ring 3 can change besides memory; of ring 0's, MSRs and debug registers are not here.
    special: kvm_sregs,
    extended: kvm_xsave,
}

impl Snapshot {
    /// Lays `image` out at `address`, inside the guest's memory, where it also starts.
    pub(crate) fn new(
        layout: RawLayout,
        image: &[u8],
        address: u64,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let mut file = MemoryFile::create(layout.size())?;
        for (address, bytes) in layout.hidden() {
            file.write(address, &bytes)?;
        }
        file.write(address, image)?;
        let memory = file.freeze()?;
        let general = kvm_regs {
            rip: address,
            ..layout.general()
        };
        let pristine = machine(&memory, &layout)?;
        let (special, extended) = (pristine.special()?, pristine.extended()?);
        Ok(Self {
            memory,
            layout,
            deadline,
            general,
            special,
            extended,
        })
    }

    /// The state that a machine made from this one is in now, its guest stopped at a hypercall that
    /// KVM has finished.
    pub(crate) fn retake(&self, machine: &mut Machine) -> Result<Self, Error> {
        let mut file = MemoryFile::create(self.layout.size())?;
        for (address, bytes) in self.layout.hidden() {
            file.write(address, &bytes)?;
        }
        for page in (0..self.layout.memory()).step_by(PAGE_SIZE as usize) {
            let contents = machine.memory().bytes(page, PAGE_SIZE).unwrap_or_default();
            if contents.iter().any(|&byte| byte != 0) {
                file.write(page, contents)?;
            }
        }
        Ok(Self {
            memory: file.freeze()?,
            layout: self.layout,
            deadline: self.deadline,
            general: *machine.general(),
            special: machine.special()?,
            extended: machine.extended()?,
        })
    }

    pub(crate) const fn layout(&self) -> RawLayout {
        self.layout
    }

    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A new machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        let mut machine = machine(&self.memory, &self.layout)?;
        self.set_registers(&mut machine)?;
        Ok(machine)
    }

    /// Puts a machine back whose guest has stopped in good order; false where that cannot be, and it
    /// must be torn down.
    ///
    /// In ring 3 the page tables tell what the guest has written, and `written` what the host has. A
    /// guest in ring 0 owns its page tables, MSRs and debug registers: nothing about it is certain.
    pub(crate) fn restore(&self, machine: &mut Machine, written: &PageSet) -> Result<bool, Error> {
        let Some(tables) = self.layout.trusted_tables() else {
            return Ok(false);
        };
        let mut pages: Vec<u64> = written.iter().collect();
        tables.for_each_dirty(machine.memory(), 0, |page| pages.push(page));
        let restored = self.memory.restore(machine.memory_mut(), &pages);
        machine.complete_io()?;
        self.set_registers(machine)?;
        Ok(restored)
    }

    fn set_registers(&self, machine: &mut Machine) -> Result<(), Error> {
        machine.set_special(&self.special)?;
        machine.set_extended(&self.extended)?;
        machine.set_general(self.general);
        Ok(())
    }
}

fn machine(memory: &FrozenMemory, layout: &RawLayout) -> Result<Machine, Error> {
    let memory = GuestMemory::map(memory.descriptor(), memory.size())?;
    Machine::new(memory, layout.paging(), |reset, cpu| {
        layout.special(reset, cpu)
    })
}
