//! The state that all machines of one image start from and are reset to.

use crate::Error;
use crate::base::ended::Ended;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::machine::entry::Entry;
use crate::machine::kvm;
use crate::machine::plan::{MachineKind, MachinePlan};
use crate::machine::stop::Stop;
use crate::machine::{Machine, MachineState};
use crate::memory::image_file::ImageFile;

/// The state that all machines of one image start from and are reset to.
pub(crate) enum Snapshot {
    /// A snapshot of KVM virtual machines.
    Kvm(kvm::snapshot::Snapshot),
}

impl Snapshot {
    /// Takes the contents of `machine`, which was made of `file`, as the start of others: at `entry`, and in the
    /// `state` that it had before its guest ran.
    pub(crate) fn of(
        machine: &mut Machine,
        file: ImageFile,
        state: MachineState,
        entry: &Entry,
    ) -> Result<Self, Error> {
        let (Machine::Kvm(vm), MachineState::Kvm(state)) = (machine, state);
        kvm::snapshot::Snapshot::of(vm, file, state, entry).map(Self::Kvm)
    }

    /// Takes the contents of `machine` in `pages`, laid out by another plan.
    pub(crate) fn laid_out_anew(
        machine: &Machine,
        plan: &MachinePlan,
        pages: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        let Machine::Kvm(vm) = machine;
        kvm::snapshot::Snapshot::laid_out_anew(vm, plan, pages).map(Self::Kvm)
    }

    /// Takes a snapshot of a machine of this snapshot. Its guest has stopped at a hypercall that is finished. The guest
    /// has the first `memory` bytes. `meter` belongs to the guest that asks for the snapshot.
    pub(crate) fn retake(
        &self,
        machine: &mut Machine,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        Ok(snapshot.retake(vm, memory, meter)?.map(Self::Kvm))
    }

    /// The kind of machine that this snapshot needs.
    pub(crate) fn kind(&self) -> MachineKind {
        match self {
            Self::Kvm(snapshot) => snapshot.kind(),
        }
    }

    /// Creates a machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        match self {
            Self::Kvm(snapshot) => snapshot.machine().map(Machine::Kvm),
        }
    }

    /// Brings a clean machine of another snapshot, of the same kind, to this snapshot's state.
    pub(crate) fn adopt(&self, machine: Machine) -> Result<Machine, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.adopt(vm).map(Machine::Kvm)
    }

    /// Starts a guest in a clean machine at `entry` and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn start(
        &self,
        machine: &mut Machine,
        entry: &Entry,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.start(vm, entry, deadline)
    }

    /// Cleans a used machine whose guest stopped normally, if it can be done at once. Returns false if the machine is
    /// left to [`Snapshot::clean`].
    #[inline]
    pub(crate) fn clean_at_once(&self, machine: &mut Machine) -> bool {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.clean_at_once(vm)
    }

    /// Whether a guest that stopped normally may have left something pending that would hit the next guest and that
    /// cannot be cleared.
    pub(crate) fn is_beyond_cleaning(&self, machine: &Machine) -> Result<bool, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.is_beyond_cleaning(vm)
    }

    /// Cleans a used machine whose guest stopped normally.
    pub(crate) fn clean(&self, machine: &mut Machine) -> Result<(), Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.clean(vm)
    }

    /// Releases the memory of a clean machine.
    pub(crate) fn release_memory(machine: &mut Machine) -> Result<(), Error> {
        let Machine::Kvm(vm) = machine;
        kvm::snapshot::Snapshot::release_memory(vm)
    }

    /// The snapshot, for code that reads and sets x86-64 registers.
    pub(crate) const fn of_vm(&self) -> &kvm::snapshot::Snapshot {
        match self {
            Self::Kvm(snapshot) => snapshot,
        }
    }
}
