//! What all processes of one image start from, and how a used one gets back there.

use std::sync::Arc;

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::exit::Fault;
use crate::base::registers::Registers;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::machine::entry::Entry;
use crate::machine::plan::{MachineKind, MachinePlan};
use crate::machine::process::machine::{ProcessMachine, no_memory};
use crate::machine::process::plan::{ProcessPlan, registers};
use crate::machine::process::restore::{changed, restore, split};
use crate::machine::process::script::Script;
use crate::machine::process::state::ProcessState;
use crate::machine::process::support::Support;
use crate::machine::stop::Stop;
use crate::memory::image_file::{FrozenMemory, ImageFile};
use crate::memory::runs::Runs;

/// The state of an image's guests before their first instruction.
pub(crate) struct ProcessSnapshot {
    memory: FrozenMemory,
    plan: Arc<ProcessPlan>,
    script: Script,
    general: Registers,
    state: ProcessState,
}

impl ProcessSnapshot {
    fn new(
        file: ImageFile,
        plan: Arc<ProcessPlan>,
        general: Registers,
        state: ProcessState,
    ) -> Result<Self, Error> {
        let memory = file.freeze()?;
        let killable = Support::get()?.wait_killable;
        let script = Script::new(&memory.contents(), &plan.regions, plan.end, killable)?;
        Ok(Self {
            memory,
            plan,
            script,
            general,
            state,
        })
    }

    /// What `machine` holds, which was made of `file`, as the start of others: with `entry` and in the `state` that it
    /// had before its guest ran.
    pub(crate) fn of(
        machine: &mut ProcessMachine,
        mut file: ImageFile,
        state: ProcessState,
        entry: &Entry,
    ) -> Result<Self, Error> {
        let mut contents = [0; PAGE_SIZE as usize];
        for page in machine.written_pages()? {
            read_page(machine, page, &mut contents)?;
            file.write_page(page, &contents)?;
        }
        Self::new(file, Arc::clone(machine.plan()), registers(entry), state)
    }

    /// What `machine` holds in `pages`, laid out by another plan.
    pub(crate) fn laid_out_anew(
        machine: &ProcessMachine,
        plan: &MachinePlan,
        pages: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        let plan = ProcessPlan::of(plan)?;
        let mut file = ImageFile::create(plan.end)?;
        let mut contents = [0; PAGE_SIZE as usize];
        for page in pages {
            read_page(machine, page, &mut contents)?;
            file.write(page, &contents)?;
        }
        Self::new(file, Arc::new(plan), Registers::default(), machine.state())
    }

    /// The state that a machine of this snapshot's is in now, its guest stopped at the door. `memory` is how much of it
    /// is the guest's; `meter` is of the guest that asks for it.
    pub(crate) fn retake(
        &self,
        machine: &mut ProcessMachine,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        let mut file = ImageFile::create(self.plan.end)?;
        let mut pages = machine.written_pages()?;
        pages.extend(self.memory.pages());
        pages.sort_unstable();
        pages.dedup();
        let mut contents = [0; PAGE_SIZE as usize];
        for page in pages {
            if let Err(ended) = meter.check() {
                return Ok(Err(ended));
            }
            if page < memory {
                read_page(machine, page, &mut contents)?;
                file.write_page(page, &contents)?;
            }
        }
        let general = *machine.general();
        Self::new(file, Arc::clone(&self.plan), general, machine.state()).map(Ok)
    }

    /// Which machines can be made this snapshot's.
    pub(crate) fn kind(&self) -> MachineKind {
        self.plan.kind()
    }

    /// A new machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<ProcessMachine, Error> {
        let plan = Arc::clone(&self.plan);
        let file = self.memory.contents().file;
        let mut machine = ProcessMachine::new(plan, &self.script, file, &self.state)?;
        machine.set_start(self.general, &self.state);
        Ok(machine)
    }

    /// Starts a guest in a clean machine at `entry`, and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn start(
        &self,
        machine: &mut ProcessMachine,
        entry: &Entry,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        self.start_with(machine, registers(entry), deadline)
    }

    /// As [`ProcessSnapshot::start`], with these general registers.
    #[inline]
    pub(crate) fn start_with(
        &self,
        machine: &mut ProcessMachine,
        registers: Registers,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        machine.set_start(registers, &self.state);
        machine.resume(deadline)
    }

    /// Cleans a used machine whose guest has stopped in good order; false where it is left to
    /// [`ProcessSnapshot::clean`].
    #[inline]
    pub(crate) fn clean_at_once(&self, machine: &mut ProcessMachine) -> bool {
        machine.is_at_door() && self.clean(machine).is_ok()
    }

    /// Cleans a used machine whose guest has stopped in good order.
    #[inline]
    pub(crate) fn clean(&self, machine: &mut ProcessMachine) -> Result<(), Error> {
        let mut runs = std::mem::take(&mut machine.dirty);
        // The page map has the host's writes as well.
        machine.memory_mut().take_written(&mut runs);
        runs.clear();
        machine.dirty_runs(&mut runs)?;
        runs.settle();
        self.restore(machine, &runs)?;
        runs.clear();
        machine.dirty = runs;
        machine.clear_control();
        machine.set_start(self.general, &self.state);
        Ok(())
    }

    /// Restores these pages. From time to time, where they are many, drops those that are no longer used.
    fn restore(&self, machine: &mut ProcessMachine, runs: &Runs) -> Result<(), Error> {
        let (memory, set) = machine.memory_and_working_set();
        let Some(memory) = memory.as_remote() else {
            return Ok(());
        };
        if set.is_small_with(runs.pages()) || !set.hold(runs) {
            return self.put_back(machine, runs);
        }
        let changed = changed(&self.memory, memory, runs);
        changed.each_page().for_each(|page| set.uses(page));
        let unused = set.end_call().unwrap_or_default();
        self.put_back(machine, &changed)?;
        unused
            .iter()
            .try_for_each(|run| machine.discard(run.start, run.end))
    }

    /// Writes the snapshot's contents over these pages.
    fn put_back(&self, machine: &mut ProcessMachine, runs: &Runs) -> Result<(), Error> {
        /// To ask the child takes as long as it takes the kernel to write so many pages.
        const WORTH_ASKING: u64 = 16;
        let Some(memory) = machine.memory().as_remote() else {
            return Ok(());
        };
        let worth_asking = |pages: &Runs| pages.pages() >= WORTH_ASKING;
        let parts = worth_asking(runs)
            .then(|| split(&self.memory, runs, |run| self.plan.stays_writable(run)))
            .filter(|(_, zero)| worth_asking(zero));
        let Some((others, zero)) = parts else {
            return restore(&self.memory, memory, runs).map_err(no_memory);
        };
        restore(&self.memory, memory, &others).map_err(no_memory)?;
        machine.zero(&zero.into_boxed())
    }

    /// Has a clean machine give its memory back.
    pub(crate) fn release_memory(machine: &mut ProcessMachine) -> Result<(), Error> {
        let plan = Arc::clone(machine.plan());
        machine.memory_and_working_set().1.clear();
        machine.discard(plan.start(), plan.end)
    }
}

fn read_page(
    machine: &ProcessMachine,
    page: u64,
    contents: &mut [u8; PAGE_SIZE as usize],
) -> Result<(), Error> {
    let read = machine.memory().read(page, contents);
    read.ok_or(Error::Fault(Fault::ProcessGone))
}
