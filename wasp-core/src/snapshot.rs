//! What all machines of one image start from, and how a used one gets back there.
//!
//! The memory is a sealed file, which machines map copy-on-write; the registers are kept beside it.

use std::sync::OnceLock;

use kvm_bindings::kvm_regs;
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::blueprint::Blueprint;
use crate::deadline::Deadline;
use crate::kvm::Host;
use crate::machine::{Machine, Stop};
use crate::memory::GuestMemory;
use crate::memory_file::{FrozenMemory, MemoryFile};
use crate::meter::Meter;
use crate::ring3::Ring3;
use crate::vcpu_state::VcpuState;
use crate::watchdog::Ended;

/// A used machine with no more dirty pages than this is cleaned by the thread that used it. To hand it over
/// takes that thread 10 us, a page 0.07 us; and what another processor has cleaned is in that one's caches
/// afterwards, where each page takes as long again to fetch (a call with 256 dirty pages: 104 us, not 73).
const CLEANED_AT_ONCE: usize = 384;
/// A machine with more dirty pages than this drops them all instead of having them copied back, so
/// that no pool keeps their memory.
const KEPT: usize = 4096;
/// After so many calls in a row that changed few of a machine's dirty pages, it drops them as well.
const PATIENCE: u32 = 16;
/// Of how many pages a new machine gets copies ahead of its first call.
const PRESET: usize = 256;

/// The state of an image's guests before their first instruction.
pub(crate) struct Snapshot {
    memory: FrozenMemory,
    blueprint: Blueprint,
    general: kvm_regs,
    state: VcpuState,
    /// Guests start through the gate.
    gated: bool,
    /// The pages that the first machine was seen to write: most likely the next ones will, too.
    working_set: OnceLock<Box<[u64]>>,
}

impl Snapshot {
    /// Seals `file`: the memory of machines that start with `general` registers and in `state`.
    pub(crate) fn new(
        file: MemoryFile,
        blueprint: Blueprint,
        general: kvm_regs,
        state: VcpuState,
    ) -> Result<Self, Error> {
        Ok(Self {
            memory: file.freeze()?,
            gated: blueprint.watched().is_some()
                && Host::get()?.cpu().gate.exists()
                && state.is_gates(),
            blueprint,
            general,
            state,
            working_set: OnceLock::new(),
        })
    }

    /// What a machine is made of for it.
    pub(crate) const fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// A new machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        let memory = GuestMemory::map(&self.memory.contents())?;
        let mut machine = Machine::new(memory, &self.blueprint)?;
        self.preset(&mut machine);
        if self.gated().is_none() {
            self.state.apply(&machine)?;
        }
        Ok(machine)
    }

    /// A clean machine of another snapshot's, of the same size and paging, brought to this one's state.
    pub(crate) fn adopt(&self, mut machine: Machine) -> Result<Machine, Error> {
        machine.memory_mut().remap(&self.memory.contents())?;
        self.materialise(&mut machine)?;
        self.preset(&mut machine);
        Ok(machine)
    }

    fn preset(&self, machine: &mut Machine) {
        if let Some(pages) = self.working_set.get() {
            machine.memory_mut().populate(pages);
        }
        machine.set_general(self.general);
    }

    /// Starts a guest in a clean machine with `registers`, and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn start(
        &self,
        machine: &mut Machine,
        registers: &kvm_regs,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        match self.gated() {
            Some(ring3) => ring3.start(machine, &self.state, registers, deadline),
            None => {
                machine.set_general(*registers);
                self.blueprint.run(machine, deadline)
            }
        }
    }

    /// Lets a guest go on that has stopped, at most until `deadline`.
    #[inline]
    pub(crate) fn resume(&self, machine: &mut Machine, deadline: &Deadline) -> Result<Stop, Error> {
        self.blueprint.run(machine, deadline)
    }

    /// Whether a guest that was to start has been kept from its first instruction.
    #[inline]
    pub(crate) fn is_at_gate(&self, machine: &mut Machine) -> bool {
        self.gated()
            .is_some_and(|ring3| ring3.gate().contains(machine.general().rip))
    }

    /// Sets by system calls all registers but the general ones, and lets nothing be pending. The gate
    /// does the same for less, but only when the guest starts.
    pub(crate) fn materialise(&self, machine: &mut Machine) -> Result<(), Error> {
        machine.complete_io()?;
        self.state.apply(machine)
    }

    /// The watch over guests that start through the gate.
    #[inline]
    fn gated(&self) -> Option<&Ring3> {
        self.blueprint.watched().filter(|_| self.gated)
    }

    /// Cleans a used machine whose guest has stopped in good order, if that is done at once; false
    /// where it is left to [`Snapshot::clean`].
    #[inline]
    pub(crate) fn clean_at_once(&self, machine: &mut Machine) -> bool {
        let Some(ring3) = self.gated().filter(|_| !machine.may_hold_events()) else {
            return false;
        };
        let mut pages = self.dirty_pages(ring3, machine);
        let few = pages.len() <= CLEANED_AT_ONCE;
        if few {
            self.memory.restore(machine.memory_mut(), &pages);
            machine.set_general(self.general);
            pages.clear();
        }
        machine.dirty = pages;
        few
    }

    /// Whether a guest that stopped in good order may have left a debug exception or an event pending, which
    /// would meet the next one and which no ioctl takes away. In ring 0 a breakpoint of the guest's may have
    /// raised it.
    pub(crate) fn is_beyond_cleaning(&self, machine: &Machine) -> Result<bool, Error> {
        const ENABLED: u64 = 0xff;
        Ok(machine.may_hold_events()
            || self.blueprint.watched().is_none() && machine.debug()?.dr7 & ENABLED != 0)
    }

    /// Cleans a used machine whose guest has stopped in good order.
    ///
    /// In ring 3 the page tables tell what the guest has written. A guest in ring 0 owns its page
    /// tables, so nothing about its memory is certain but that it is gone when it is dropped.
    pub(crate) fn clean(&self, machine: &mut Machine) -> Result<(), Error> {
        match self.blueprint.watched() {
            Some(ring3) => self.restore_dirty(ring3, machine)?,
            None => machine.memory_mut().discard()?,
        }
        if self.gated().is_none() {
            self.materialise(machine)?;
        }
        machine.set_general(self.general);
        Ok(())
    }

    fn restore_dirty(&self, ring3: &Ring3, machine: &mut Machine) -> Result<(), Error> {
        let mut pages = self.dirty_pages(ring3, machine);
        let drop_all = pages.len() > KEPT || {
            let changed = self.memory.restore_changed(machine.memory_mut(), &pages);
            machine.is_bloated_by(pages.len(), changed, PATIENCE)
        };
        pages.clear();
        machine.dirty = pages;
        match drop_all {
            true => machine.memory_mut().discard(),
            false => Ok(()),
        }
    }

    /// The pages that guest and host have written, some more than once. Takes the machine's own list,
    /// so that a warm call allocates nothing.
    fn dirty_pages(&self, ring3: &Ring3, machine: &mut Machine) -> Vec<u64> {
        let mut pages = std::mem::take(&mut machine.dirty);
        machine.memory_mut().take_written(&mut pages);
        ring3.dirty_pages(machine.memory(), &mut pages);
        self.working_set.get_or_init(|| {
            let mut pages: Vec<u64> = pages.iter().copied().take(PRESET).collect();
            pages.sort_unstable();
            pages.dedup();
            pages.into()
        });
        pages
    }

    /// The state that a machine of this snapshot's is in now, its guest stopped at a hypercall that KVM
    /// has finished. `memory` is how much of it is the guest's.
    /// `meter` is of the guest that asks for it.
    pub(crate) fn retake(
        &self,
        machine: &mut Machine,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        let mut file = self.blueprint.file()?;
        for page in self.pages_in_use(machine)? {
            if let Err(ended) = meter.check() {
                return Ok(Err(ended));
            }
            if page < memory {
                let contents = machine.memory().bytes(page, PAGE_SIZE);
                file.write_page(page, contents.unwrap_or_default())?;
            }
        }
        let state = VcpuState::of(machine, &self.blueprint)?;
        if let Some(ring3) = self.blueprint.watched() {
            let form = Host::get()?.cpu().gate;
            let (address, bytes) = ring3
                .gate()
                .page_with(form, &state.extended, state.fs_base());
            file.write(address, &bytes)?;
        }
        let general = *machine.general();
        Self::new(file, self.blueprint.clone(), general, state).map(Ok)
    }

    /// All pages of a machine that may hold something other than zeros, in ascending order.
    fn pages_in_use(&self, machine: &mut Machine) -> Result<Vec<u64>, Error> {
        let mut pages = match self.blueprint.watched() {
            Some(ring3) => self.dirty_pages(ring3, machine),
            None => machine.memory().private_pages()?,
        };
        pages.extend(self.memory.pages());
        pages.sort_unstable();
        pages.dedup();
        Ok(pages)
    }
}
