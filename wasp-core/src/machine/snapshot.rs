//! What all machines of one image start from, and get back to.

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

/// What all machines of one image start from, and get back to.
pub(crate) enum Snapshot {
    /// Of virtual machines of KVM's.
    Kvm(kvm::snapshot::Snapshot),
}

impl Snapshot {
    /// What `machine` holds, which was made of `file`, as the start of others: at `entry`, and in the `state` that it
    /// had before its guest ran.
    pub(crate) fn of(
        machine: &mut Machine,
        file: ImageFile,
        state: MachineState,
        entry: &Entry,
    ) -> Result<Self, Error> {
        let (Machine::Kvm(vm), MachineState::Kvm(state)) = (machine, state);
        kvm::snapshot::Snapshot::of(vm, file, state, entry).map(Self::Kvm)
    }

    /// What `machine` holds in `pages`, laid out by another plan.
    pub(crate) fn laid_out_anew(
        machine: &Machine,
        plan: &MachinePlan,
        pages: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        let Machine::Kvm(vm) = machine;
        kvm::snapshot::Snapshot::laid_out_anew(vm, plan, pages).map(Self::Kvm)
    }

    /// The state that a machine of this snapshot's is in now, its guest stopped at a hypercall that has been
    /// finished. `memory` is how much of it is the guest's; `meter` is of the guest that asks for it.
    pub(crate) fn retake(
        &self,
        machine: &mut Machine,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        Ok(snapshot.retake(vm, memory, meter)?.map(Self::Kvm))
    }

    /// Which machines can be made this snapshot's.
    pub(crate) fn kind(&self) -> MachineKind {
        match self {
            Self::Kvm(snapshot) => snapshot.kind(),
        }
    }

    /// A new machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        match self {
            Self::Kvm(snapshot) => snapshot.machine().map(Machine::Kvm),
        }
    }

    /// A clean machine of another snapshot's, of the same kind, brought to this one's state.
    pub(crate) fn adopt(&self, machine: Machine) -> Result<Machine, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.adopt(vm).map(Machine::Kvm)
    }

    /// Starts a guest in a clean machine at `entry`, and runs it, at most until `deadline`.
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

    /// Cleans a used machine whose guest has stopped in good order, if that is done at once; false
    /// if it is left to [`Snapshot::clean`].
    #[inline]
    pub(crate) fn clean_at_once(&self, machine: &mut Machine) -> bool {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.clean_at_once(vm)
    }

    /// Whether a guest that stopped in good order may have left something pending that would meet the next one and
    /// that nothing takes away.
    pub(crate) fn is_beyond_cleaning(&self, machine: &Machine) -> Result<bool, Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.is_beyond_cleaning(vm)
    }

    /// Cleans a used machine whose guest has stopped in good order.
    pub(crate) fn clean(&self, machine: &mut Machine) -> Result<(), Error> {
        let (Self::Kvm(snapshot), Machine::Kvm(vm)) = (self, machine);
        snapshot.clean(vm)
    }

    /// Has a clean machine give its memory back.
    pub(crate) fn release_memory(machine: &mut Machine) -> Result<(), Error> {
        let Machine::Kvm(vm) = machine;
        kvm::snapshot::Snapshot::release_memory(vm)
    }

    /// The snapshot, for whoever reads and sets registers of x86-64.
    pub(crate) const fn of_vm(&self) -> &kvm::snapshot::Snapshot {
        match self {
            Self::Kvm(snapshot) => snapshot,
        }
    }
}
