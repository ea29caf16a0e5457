//! The seam between a machine and everything above it.
//!
//! A machine is one isolated guest with its memory. The caller makes a [`MachinePlan`], starts a guest at an [`Entry`],
//! and learns from a [`Stop`] why the guest stopped. The backend alone decides how to find dirty pages, restore
//! registers and map memory.
//!
//! | | |
//! |---|---|
//! | `plan`, `entry`, `stop` | how a machine is laid out, where its guest starts, why it stops |
//! | `mapped_memory` | memory whose page protections can change |
//! | `snapshot` | the state that all machines of one image start from and are reset to |
//! | `kvm` | the backend: a virtual machine with one vCPU |
//!
//! Dispatch is by `match`, which a CPU predicts well. There is one backend so far.

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
    /// A KVM virtual machine.
    Kvm(Vm),
}

/// A guest's start state besides its general registers, as the backend stores it.
pub(crate) enum MachineState {
    /// The state of a vCPU.
    Kvm(VcpuState),
}

impl Machine {
    /// Creates a machine whose memory file holds each of `contents` at its address. Returns the file too.
    pub(crate) fn prepare<'a>(
        plan: &MachinePlan,
        contents: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(Self, ImageFile), Error> {
        Vm::prepare(plan, contents).map(|(vm, file)| (Self::Kvm(vm), file))
    }

    /// Creates a machine whose memory is all zero.
    pub(crate) fn anonymous(plan: &MachinePlan) -> Result<Self, Error> {
        Vm::anonymous(plan).map(Self::Kvm)
    }

    /// Starts a guest in an unused machine and runs it, at most until `deadline`.
    pub(crate) fn start(&mut self, entry: &Entry, deadline: &Deadline) -> Result<Stop, Error> {
        self.set_entry(entry);
        self.resume(deadline)
    }

    /// Sets the entry point of the guest of an unused machine.
    pub(crate) fn set_entry(&mut self, entry: &Entry) {
        match self {
            Self::Kvm(vm) => {
                let registers = vm.registers(entry);
                vm.vcpu_mut().set_general(registers);
            }
        }
    }

    /// Resumes a guest from where it stopped and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn resume(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        match self {
            Self::Kvm(vm) => vm.resume(deadline),
        }
    }

    /// Like [`Machine::resume`], but continues after signals that were not for this run. `stop` is the last stop.
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

    /// Answers the hypercall or system call at which the guest stopped.
    #[inline]
    pub(crate) fn answer(&mut self, answer: u64) {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().answer(answer),
        }
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) const fn memory(&self) -> &GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory(),
        }
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory_mut(),
        }
    }

    /// The memory and its page mappings, for a guest in user mode.
    pub(crate) fn mapped_memory(&mut self) -> Option<MappedMemory<'_>> {
        match self {
            Self::Kvm(vm) => vm.mapped_memory().map(MappedMemory::Kvm),
        }
    }

    /// The pages that guest and host have written since the machine was created.
    pub(crate) fn written_pages(&mut self) -> Vec<u64> {
        match self {
            Self::Kvm(vm) => vm.written_pages(),
        }
    }

    /// The number of pages that the machine keeps in memory between calls, or 0 if it is small.
    pub(crate) const fn kept_pages(&self) -> u64 {
        match self {
            Self::Kvm(vm) => vm.kept_pages(),
        }
    }

    /// The guest's start state besides its general registers.
    pub(crate) fn state(&self) -> Result<MachineState, Error> {
        match self {
            Self::Kvm(vm) => vm.state().map(MachineState::Kvm),
        }
    }

    /// The stack pointer of a stopped guest.
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

    /// A handle that ends the runs of the machine's current user.
    pub(crate) fn canceller(&self) -> Canceller {
        match self {
            Self::Kvm(vm) => Canceller::new(vm.vcpu().watchdog(), Arc::clone(vm.vcpu().slot())),
        }
    }

    /// The machine's slot with the watchdog.
    #[inline]
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        match self {
            Self::Kvm(vm) => vm.vcpu().slot(),
        }
    }

    /// The virtual machine, for code that reads and sets x86-64 registers.
    pub(crate) const fn vm(&self) -> &Vm {
        match self {
            Self::Kvm(vm) => vm,
        }
    }

    /// The virtual machine, for code that reads and sets x86-64 registers.
    pub(crate) const fn vm_mut(&mut self) -> &mut Vm {
        match self {
            Self::Kvm(vm) => vm,
        }
    }
}
