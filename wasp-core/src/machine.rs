//! The seam between a machine and everything above it.
//!
//! A machine is one isolated guest with its memory. The caller makes a [`MachinePlan`], starts a guest at an [`Entry`],
//! and learns from a [`Stop`] why the guest stopped. The backend alone decides how to find dirty pages, restore
//! registers and map memory.
//!
//! | | |
//! |---|---|
//! | `plan`, `entry`, `stop` | what a machine is to be, where its guest starts, why it stops |
//! | `mapped_memory` | memory whose pages can be mapped otherwise |
//! | `snapshot` | what all machines of one image start from, and get back to |
//! | `backend` | which of the two is used |
//! | `kvm` | a virtual machine with one vCPU |
//! | `process` | a process that may make no system call |
//!
//! Dispatch is by `match`, which a processor predicts.

use std::sync::Arc;

use crate::Error;
use crate::base::backend::Backend;
use crate::base::hypercall::Hypercall;
use crate::base::registers::Registers;
use crate::limits::cancel::Canceller;
use crate::limits::deadline::Deadline;
use crate::limits::watchdog::slot::Slot;
use crate::machine::entry::Entry;
use crate::machine::kvm::vcpu::Vcpu;
use crate::machine::kvm::vcpu_state::VcpuState;
use crate::machine::kvm::vm::Vm;
use crate::machine::mapped_memory::MappedMemory;
use crate::machine::plan::MachinePlan;
use crate::machine::process::machine::ProcessMachine;
use crate::machine::process::plan::ProcessPlan;
use crate::machine::process::state::ProcessState;
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::ImageFile;

pub(crate) mod backend;
pub(crate) mod entry;
pub(crate) mod kvm;
pub(crate) mod mapped_memory;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod snapshot;
pub(crate) mod stop;

/// One guest with its memory.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what a warm call uses, and a box would cost it a load"
)]
pub(crate) enum Machine {
    /// A KVM virtual machine.
    Kvm(Vm),
    /// A process.
    Process(Box<ProcessMachine>),
}

/// What a guest starts with besides its general registers, as the backend keeps it.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one lives as long as it takes to make a snapshot"
)]
pub(crate) enum MachineState {
    /// The state of a vCPU.
    Kvm(VcpuState),
    /// Of a process.
    Process(ProcessState),
}

impl Machine {
    /// A machine of this backend's that holds `contents`, each at its address, and the file that they are in.
    pub(crate) fn prepare<'a>(
        backend: Backend,
        plan: &MachinePlan,
        contents: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(Self, ImageFile), Error> {
        match backend {
            Backend::Kvm => Vm::prepare(plan, contents).map(|(vm, file)| (Self::Kvm(vm), file)),
            Backend::Process => {
                let prepared = ProcessMachine::prepare(ProcessPlan::of(plan)?, contents);
                prepared.map(|(machine, file)| (Self::Process(Box::new(machine)), file))
            }
        }
    }

    /// A machine whose memory is all zero.
    pub(crate) fn anonymous(backend: Backend, plan: &MachinePlan) -> Result<Self, Error> {
        match backend {
            Backend::Kvm => Vm::anonymous(plan).map(Self::Kvm),
            Backend::Process => Self::prepare(backend, plan, []).map(|(machine, _)| machine),
        }
    }

    /// What it is held by.
    pub(crate) const fn backend(&self) -> Backend {
        match self {
            Self::Kvm(_) => Backend::Kvm,
            Self::Process(_) => Backend::Process,
        }
    }

    /// Refuses bytes at addresses that no guest of this backend's can have.
    #[inline]
    pub(crate) const fn check_address(&self, address: u64, length: u64) -> Result<(), Error> {
        match self {
            Self::Kvm(_) => Ok(()),
            Self::Process(_) => process::plan::check_address(address, length),
        }
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
            Self::Process(machine) => machine.set_entry(entry),
        }
    }

    /// Resumes a guest from where it stopped and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn resume(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        match self {
            Self::Kvm(vm) => vm.resume(deadline),
            Self::Process(machine) => machine.resume(deadline),
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

    /// Has the instruction finished that the guest has stopped at, so that all registers are as behind it.
    pub(crate) fn finish_exit(&mut self) -> Result<(), Error> {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().complete_io(),
            Self::Process(_) => Ok(()),
        }
    }

    /// The hypercall that the guest has stopped at.
    #[inline]
    pub(crate) fn hypercall(&mut self) -> Hypercall {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().hypercall(),
            Self::Process(machine) => machine.hypercall(),
        }
    }

    /// Answers the hypercall or system call that the guest has stopped at.
    #[inline]
    pub(crate) fn answer(&mut self, answer: u64) {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().answer(answer),
            Self::Process(machine) => machine.answer(answer),
        }
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) const fn memory(&self) -> &GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory(),
            Self::Process(machine) => machine.memory(),
        }
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) fn memory_mut(&mut self) -> &mut GuestMemory {
        match self {
            Self::Kvm(vm) => vm.memory_mut(),
            Self::Process(machine) => machine.memory_mut(),
        }
    }

    /// The memory and its page mappings, for a guest in user mode.
    pub(crate) fn mapped_memory(&mut self) -> Option<MappedMemory<'_>> {
        match self {
            Self::Kvm(vm) => vm.mapped_memory().map(MappedMemory::Kvm),
            Self::Process(machine) => {
                let mapped = process::mapped_memory::MappedMemory::new(machine);
                Some(MappedMemory::Process(mapped))
            }
        }
    }

    /// The pages that guest and host have written since the machine was made.
    pub(crate) fn written_pages(&mut self) -> Result<Vec<u64>, Error> {
        match self {
            Self::Kvm(vm) => Ok(vm.written_pages()),
            Self::Process(machine) => machine.written_pages(),
        }
    }

    /// The number of pages that the machine keeps in memory between calls, or 0 if it is small.
    pub(crate) const fn kept_pages(&self) -> u64 {
        match self {
            Self::Kvm(vm) => vm.kept_pages(),
            Self::Process(machine) => machine.kept_pages(),
        }
    }

    /// The guest's start state besides its general registers.
    pub(crate) fn state(&self) -> Result<MachineState, Error> {
        match self {
            Self::Kvm(vm) => vm.state().map(MachineState::Kvm),
            Self::Process(machine) => Ok(MachineState::Process(machine.state())),
        }
    }

    /// The general registers, of a guest that stands still.
    pub(crate) fn general(&mut self) -> Registers {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().general().into(),
            Self::Process(machine) => *machine.general(),
        }
    }

    /// Sets the general registers that the guest goes on with.
    pub(crate) fn set_general(&mut self, registers: &Registers) {
        match self {
            Self::Kvm(vm) => vm.vcpu_mut().set_general(registers.into()),
            Self::Process(machine) => machine.set_general(*registers),
        }
    }

    /// The stack pointer of a stopped guest.
    pub(crate) fn stack_pointer(&mut self) -> u64 {
        self.general().rsp
    }

    /// The thread pointer: the base of FS.
    pub(crate) fn thread_pointer(&self) -> Result<u64, Error> {
        match self {
            Self::Kvm(vm) => Ok(vm.vcpu().special()?.fs.base),
            Self::Process(machine) => Ok(machine.thread_pointer()),
        }
    }

    /// Sets the thread pointer.
    pub(crate) fn set_thread_pointer(&mut self, address: u64) -> Result<(), Error> {
        match self {
            Self::Kvm(vm) => vm.vcpu().set_fs_base(address),
            Self::Process(machine) => machine.set_thread_pointer(address),
        }
    }

    /// A handle that ends the runs of the machine's current user.
    pub(crate) fn canceller(&self) -> Canceller {
        let watchdog = match self {
            Self::Kvm(vm) => vm.vcpu().watchdog(),
            Self::Process(machine) => machine.watchdog(),
        };
        Canceller::new(watchdog, Arc::clone(self.slot()))
    }

    /// The machine's slot with the watchdog.
    #[inline]
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        match self {
            Self::Kvm(vm) => vm.vcpu().slot(),
            Self::Process(machine) => machine.slot(),
        }
    }

    /// The vCPU, for whoever reads and sets its special registers.
    pub(crate) const fn vcpu(&self) -> Result<&Vcpu, Error> {
        match self {
            Self::Kvm(vm) => Ok(vm.vcpu()),
            Self::Process(_) => Err(Error::NeedsKvm {
                feature: "access to special and floating-point registers",
            }),
        }
    }
}
