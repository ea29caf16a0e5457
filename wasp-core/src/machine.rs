//! The seam between a machine and everything above it.
//!
//! A machine is one isolated guest with its memory. Whoever uses one makes a [`MachinePlan`], starts a guest at an
//! [`Entry`], and is told by a [`Stop`] why it does not run any more. How pages are found dirty, how registers are put
//! right and how memory is mapped is the backend's own affair.
//!
//! | | |
//! |---|---|
//! | `plan`, `entry`, `stop` | what a machine is to be, where its guest starts, why it stops |
//! | `mapped_memory` | memory whose pages can be mapped otherwise |
//! | `snapshot` | what all machines of one image start from, and get back to |
//! | `kvm` | the backend: a virtual machine with one vCPU |
//!
//! Dispatch is by `match`, which a processor predicts. There is one backend so far.

use std::sync::Arc;

use crate::Error;
use crate::limits::cancel::Canceller;
use crate::limits::deadline::Deadline;
use crate::limits::watchdog::slot::Slot;
use crate::machine::entry::Entry;
use crate::machine::kvm::vcpu_state::VcpuState;
use crate::machine::kvm::vm::Vm;
use crate::machine::mapped_memory::MappedMemory;
use crate::machine::plan::MachinePlan;
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::ImageFile;

pub(crate) mod entry;
pub(crate) mod kvm;
pub(crate) mod mapped_memory;
pub(crate) mod plan;
pub(crate) mod snapshot;
pub(crate) mod stop;

/// One guest with its memory.
pub(crate) enum Machine {
    /// A virtual machine of KVM's.
    Kvm(Vm),
}

/// What a guest starts with besides its general registers, as the backend keeps it.
pub(crate) enum MachineState {
    /// Of a vCPU.
    Kvm(VcpuState),
}

impl Machine {
    /// A machine that holds `contents`, each at its address, and the file that they are in.
    pub(crate) fn prepare<'a>(
        plan: &MachinePlan,
        contents: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(Self, ImageFile), Error> {
        Vm::prepare(plan, contents).map(|(vm, file)| (Self::Kvm(vm), file))
    }

    /// A machine whose memory is all zero.
    pub(crate) fn anonymous(plan: &MachinePlan) -> Result<Self, Error> {
        Vm::anonymous(plan).map(Self::Kvm)
    }

    /// Starts a guest in a machine that nobody has used, and runs it, at most until `deadline`.
    pub(crate) fn start(&mut self, entry: &Entry, deadline: &Deadline) -> Result<Stop, Error> {
        self.set_entry(entry);
        self.resume(deadline)
    }

    /// Has the guest of a machine that nobody has used start there.
    pub(crate) fn set_entry(&mut self, entry: &Entry) {
        match self {
            Self::Kvm(vm) => {
                let registers = vm.registers(entry);
                vm.vcpu_mut().set_general(registers);
            }
        }
    }

    /// Runs a guest on from where it stopped, at most until `deadline`.
    #[inline]
    pub(crate) fn resume(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        match self {
            Self::Kvm(vm) => vm.resume(deadline),
        }
    }

    /// As [`Machine::resume`], on through signals that were for somebody else; `stop` is the last one.
    #[inline]
    pub(crate) fn resume_behind_signals(
        &mut self,
        mut stop: Stop,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        while matches!(stop, Stop::Interrupted) {
            stop = self.resume(deadline)?;
        }
        Ok(stop)
    }

    /// Answers the hypercall or system call that the guest has stopped at.
    #[inline]
    pub(crate) fn answer(&mut self, answer: u64) {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().answer(answer),
        }
    }

    /// The guest's memory, while it does not run.
    #[inline]
    pub(crate) const fn memory(&self) -> &GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory(),
        }
    }

    /// The guest's memory, while it does not run.
    #[inline]
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory_mut(),
        }
    }

    /// The memory and how its pages are mapped, for a guest in user mode.
    pub(crate) fn mapped_memory(&mut self) -> Option<MappedMemory<'_>> {
        match self {
            Self::Kvm(vm) => vm.mapped_memory().map(MappedMemory::Kvm),
        }
    }

    /// The pages that guest and host have written since the machine was made.
    pub(crate) fn written_pages(&mut self) -> Vec<u64> {
        match self {
            Self::Kvm(vm) => vm.written_pages(),
        }
    }

    /// Pages that the machine keeps in memory from one call to the next, if these are many.
    pub(crate) const fn kept_pages(&self) -> u64 {
        match self {
            Self::Kvm(vm) => vm.kept_pages(),
        }
    }

    /// What the guest would start with besides its general registers.
    pub(crate) fn state(&self) -> Result<MachineState, Error> {
        match self {
            Self::Kvm(vm) => vm.state().map(MachineState::Kvm),
        }
    }

    /// The stack pointer, of a guest that stands still.
    pub(crate) fn stack_pointer(&mut self) -> u64 {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().general().rsp,
        }
    }

    /// The thread pointer: the base of FS.
    pub(crate) fn thread_pointer(&self) -> Result<u64, Error> {
        match self {
            Self::Kvm(vm) => Ok(vm.vcpu().special()?.fs.base),
        }
    }

    /// Sets the thread pointer.
    pub(crate) fn set_thread_pointer(&self, address: u64) -> Result<(), Error> {
        match self {
            Self::Kvm(vm) => vm.vcpu().set_fs_base(address),
        }
    }

    /// A handle that ends the runs of whoever uses the machine now.
    pub(crate) fn canceller(&self) -> Canceller {
        match self {
            Self::Kvm(vm) => Canceller::new(vm.vcpu().watchdog(), Arc::clone(vm.vcpu().slot())),
        }
    }

    /// The machine's place with the watchdog.
    #[inline]
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        match self {
            Self::Kvm(vm) => vm.vcpu().slot(),
        }
    }

    /// The virtual machine, for whoever reads and sets registers of x86-64.
    pub(crate) const fn vm(&self) -> &Vm {
        match self {
            Self::Kvm(vm) => vm,
        }
    }

    /// The virtual machine, for whoever reads and sets registers of x86-64.
    pub(crate) const fn vm_mut(&mut self) -> &mut Vm {
        match self {
            Self::Kvm(vm) => vm,
        }
    }
}
