//! The state that all machines of one image start from and are reset to.

use crate::Error;
use crate::base::ended::Ended;
use crate::base::registers::Registers;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::machine::entry::Entry;
use crate::machine::kvm;
use crate::machine::plan::{MachineKind, MachinePlan};
use crate::machine::process::snapshot::ProcessSnapshot;
use crate::machine::stop::Stop;
use crate::machine::{Machine, MachineState};
use crate::memory::image_file::ImageFile;

/// What all machines of one image start from, and get back to.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what a warm call uses, and a box would cost it a load"
)]
pub(crate) enum Snapshot {
    /// A snapshot of KVM virtual machines.
    Kvm(kvm::snapshot::Snapshot),
    /// Of processes.
    Process(Box<ProcessSnapshot>),
}

/// One program has one backend, and a snapshot meets only machines that were made by it or for it.
const OF_ONE_BACKEND: &str = "a snapshot and its machines are of one backend";

impl Snapshot {
    /// Takes the contents of `machine`, which was made of `file`, as the start of others: at `entry`, and in the
    /// `state` that it had before its guest ran.
    pub(crate) fn of(
        machine: &mut Machine,
        file: ImageFile,
        state: MachineState,
        entry: &Entry,
    ) -> Result<Self, Error> {
        match (machine, state) {
            (Machine::Kvm(vm), MachineState::Kvm(state)) => {
                kvm::snapshot::Snapshot::of(vm, file, state, entry).map(Self::Kvm)
            }
            (Machine::Process(machine), MachineState::Process(state)) => {
                ProcessSnapshot::of(machine, file, state, entry).map(Self::process)
            }
            _ => unreachable!("{OF_ONE_BACKEND}"),
        }
    }

    fn process(snapshot: ProcessSnapshot) -> Self {
        Self::Process(Box::new(snapshot))
    }

    /// Takes the contents of `machine` in `pages`, laid out by another plan.
    pub(crate) fn laid_out_anew(
        machine: &Machine,
        plan: &MachinePlan,
        pages: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        match machine {
            Machine::Kvm(vm) => {
                kvm::snapshot::Snapshot::laid_out_anew(vm, plan, pages).map(Self::Kvm)
            }
            Machine::Process(machine) => {
                ProcessSnapshot::laid_out_anew(machine, plan, pages).map(Self::process)
            }
        }
    }

    /// Takes a snapshot of a machine of this snapshot. Its guest has stopped at a hypercall that is finished. The guest
    /// has the first `memory` bytes. `meter` belongs to the guest that asks for the snapshot.
    pub(crate) fn retake(
        &self,
        machine: &mut Machine,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => {
                Ok(snapshot.retake(vm, memory, meter)?.map(Self::Kvm))
            }
            (Self::Process(snapshot), Machine::Process(machine)) => {
                Ok(snapshot.retake(machine, memory, meter)?.map(Self::process))
            }
            _ => unreachable!("{OF_ONE_BACKEND}"),
        }
    }

    /// The kind of machine that this snapshot needs.
    pub(crate) fn kind(&self) -> MachineKind {
        match self {
            Self::Kvm(snapshot) => snapshot.kind(),
            Self::Process(snapshot) => snapshot.kind(),
        }
    }

    /// Creates a machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        match self {
            Self::Kvm(snapshot) => snapshot.machine().map(Machine::Kvm),
            Self::Process(snapshot) => {
                let machine = snapshot.machine()?;
                Ok(Machine::Process(Box::new(machine)))
            }
        }
    }

    /// A clean machine of another snapshot's, of the same kind, brought to this one's state. A new process is made in
    /// less time than an old one's mappings are.
    pub(crate) fn adopt(&self, machine: Machine) -> Result<Machine, Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.adopt(vm).map(Machine::Kvm),
            (_, other) => {
                drop(other);
                self.machine()
            }
        }
    }

    /// Starts a guest in a clean machine at `entry` and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn start(
        &self,
        machine: &mut Machine,
        entry: &Entry,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.start(vm, entry, deadline),
            (Self::Process(snapshot), Machine::Process(machine)) => {
                snapshot.start(machine, entry, deadline)
            }
            _ => unreachable!("{OF_ONE_BACKEND}"),
        }
    }

    /// As [`Snapshot::start`], with these general registers.
    #[inline]
    pub(crate) fn start_with(
        &self,
        machine: &mut Machine,
        registers: &Registers,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => {
                snapshot.start_with(vm, &registers.into(), deadline)
            }
            (Self::Process(snapshot), Machine::Process(machine)) => {
                snapshot.start_with(machine, *registers, deadline)
            }
            _ => unreachable!("{OF_ONE_BACKEND}"),
        }
    }

    /// Whether a guest that was to start has been kept from its first instruction.
    #[inline]
    pub(crate) fn is_unstarted(&self, machine: &mut Machine) -> bool {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.is_at_gate(vm),
            (_, Machine::Process(machine)) => machine.is_unstarted(),
            _ => false,
        }
    }

    /// Sets all registers but the general ones in a machine whose guest has not started, so that they can be read.
    pub(crate) fn materialise(&self, machine: &mut Machine) -> Result<(), Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.materialise(vm),
            _ => Ok(()),
        }
    }

    /// Cleans a used machine whose guest stopped normally, if it can be done at once. Returns false if the machine is
    /// left to [`Snapshot::clean`].
    #[inline]
    pub(crate) fn clean_at_once(&self, machine: &mut Machine) -> bool {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.clean_at_once(vm),
            (Self::Process(snapshot), Machine::Process(machine)) => snapshot.clean_at_once(machine),
            _ => false,
        }
    }

    /// Whether a guest that stopped normally may have left something pending that would hit the next guest and that
    /// cannot be cleared.
    pub(crate) fn is_beyond_cleaning(&self, machine: &Machine) -> Result<bool, Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.is_beyond_cleaning(vm),
            (_, Machine::Process(machine)) => Ok(!machine.is_at_door()),
            _ => Ok(true),
        }
    }

    /// Cleans a used machine whose guest stopped normally.
    pub(crate) fn clean(&self, machine: &mut Machine) -> Result<(), Error> {
        match (self, machine) {
            (Self::Kvm(snapshot), Machine::Kvm(vm)) => snapshot.clean(vm),
            (Self::Process(snapshot), Machine::Process(machine)) => snapshot.clean(machine),
            _ => unreachable!("{OF_ONE_BACKEND}"),
        }
    }

    /// Releases the memory of a clean machine.
    pub(crate) fn release_memory(machine: &mut Machine) -> Result<(), Error> {
        match machine {
            Machine::Kvm(vm) => kvm::snapshot::Snapshot::release_memory(vm),
            Machine::Process(machine) => ProcessSnapshot::release_memory(machine),
        }
    }
}
