//! The state that all machines of one image start from and are reset to.
//!
//! The memory is a sealed file, which machines map copy-on-write. The registers are stored beside it.

use std::sync::{Arc, OnceLock};

use kvm_bindings::kvm_regs;
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::ended::Ended;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::machine::entry::Entry;
use crate::machine::kvm::host::Host;
use crate::machine::kvm::setup::Setup;
use crate::machine::kvm::user_mode_monitor::UserModeMonitor;
use crate::machine::kvm::vcpu_state::VcpuState;
use crate::machine::kvm::vm::Vm;
use crate::machine::kvm::x86_64::gate::Gate;
use crate::machine::plan::{MachineKind, MachinePlan};
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::{FrozenMemory, ImageFile};
use crate::memory::runs::Runs;

/// The number of pages that a new machine copies before its first call.
const PREFAULTED: usize = 256;

/// The state of an image's guests before their first instruction.
pub(crate) struct Snapshot {
    memory: FrozenMemory,
    setup: Arc<Setup>,
    general: kvm_regs,
    state: VcpuState,
    /// Whether guests start through the gate.
    gated: bool,
    /// The pages that the first machine wrote. Later machines will most likely write them too.
    working_set: OnceLock<Box<[u64]>>,
}

impl Snapshot {
    /// Seals `file` as the memory of machines that start with `general` registers and in `state`.
    fn new(
        file: ImageFile,
        setup: Arc<Setup>,
        general: kvm_regs,
        state: VcpuState,
    ) -> Result<Self, Error> {
        Ok(Self {
            memory: file.freeze()?,
            gated: setup.monitor().is_some()
                && Host::get()?.cpu().gate.exists()
                && state.is_gates(),
            setup,
            general,
            state,
            working_set: OnceLock::new(),
        })
    }

    /// Takes the contents of `vm`, which was made of `file`, as the start of others: with `entry`, and in the `state`
    /// that it had before its guest ran.
    pub(crate) fn of(
        vm: &mut Vm,
        mut file: ImageFile,
        state: VcpuState,
        entry: &Entry,
    ) -> Result<Self, Error> {
        for page in vm.written_pages() {
            let contents = vm.memory().in_place(page, PAGE_SIZE);
            file.write_page(page, contents.unwrap_or_default())?;
        }
        let general = vm.registers(entry);
        Self::new(file, Arc::clone(vm.setup()), general, state)
    }

    /// Takes the contents of `vm` in `pages`, laid out by another plan, with its registers except the general ones.
    pub(crate) fn laid_out_anew(
        vm: &Vm,
        plan: &MachinePlan,
        pages: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        let state = vm.state()?;
        let setup = Setup::of(plan);
        let mut file = setup.file()?;
        for page in pages {
            let contents = vm.memory().in_place(page, PAGE_SIZE);
            file.write(page, contents.unwrap_or_default())?;
        }
        if let Some(monitor) = setup.monitor() {
            let form = Host::get()?.cpu().gate;
            let gate = Gate::page_for(form, state.fs_base());
            file.write(monitor.gate().base, &gate)?;
        }
        Self::new(file, Arc::new(setup), kvm_regs::default(), state)
    }

    /// The kind of machine that this snapshot needs.
    pub(crate) fn kind(&self) -> MachineKind {
        self.setup.kind()
    }

    /// Creates a machine in the snapshot's state.
    pub(crate) fn machine(&self) -> Result<Vm, Error> {
        let memory = GuestMemory::map(&self.memory.contents())?;
        let mut vm = Vm::new(memory, Arc::clone(&self.setup))?;
        self.prefault(&mut vm);
        if self.monitor().is_none() {
            self.state.apply(vm.vcpu_mut())?;
        }
        Ok(vm)
    }

    /// Brings a clean machine of another snapshot, of the same kind, to this snapshot's state.
    pub(crate) fn adopt(&self, mut vm: Vm) -> Result<Vm, Error> {
        vm.working_set.clear();
        vm.set_setup(&self.setup);
        vm.memory_mut().remap(&self.memory.contents())?;
        self.materialise(&mut vm)?;
        self.prefault(&mut vm);
        Ok(vm)
    }

    fn prefault(&self, vm: &mut Vm) {
        if let Some(pages) = self.working_set.get() {
            vm.memory_mut().populate(pages);
        }
        vm.vcpu_mut().set_general(self.general);
    }

    /// Starts a guest in a clean machine at `entry` and runs it, at most until `deadline`.
    #[inline]
    pub(crate) fn start(
        &self,
        vm: &mut Vm,
        entry: &Entry,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        let registers = self.setup.registers(entry);
        self.start_with(vm, &registers, deadline)
    }

    /// Like [`Snapshot::start`], with these general registers.
    #[inline]
    pub(crate) fn start_with(
        &self,
        vm: &mut Vm,
        registers: &kvm_regs,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        match self.monitor() {
            Some(monitor) => {
                let (vcpu, memory) = vm.vcpu_and_memory();
                monitor.start(vcpu, memory, (&self.state, registers), deadline)
            }
            None => {
                vm.vcpu_mut().set_general(*registers);
                vm.resume(deadline)
            }
        }
    }

    /// Whether a guest that was to start was stopped before its first instruction.
    #[inline]
    pub(crate) fn is_at_gate(&self, vm: &mut Vm) -> bool {
        self.monitor()
            .is_some_and(|monitor| monitor.gate().contains(vm.vcpu_mut().general().rip))
    }

    /// Sets all registers except the general ones by system calls, and clears all pending events. The gate does the
    /// same at lower cost, but only when the guest starts.
    pub(crate) fn materialise(&self, vm: &mut Vm) -> Result<(), Error> {
        vm.vcpu_mut().complete_io()?;
        self.state.apply(vm.vcpu_mut())
    }

    /// The monitor of guests that start through the gate.
    #[inline]
    fn monitor(&self) -> Option<&UserModeMonitor> {
        self.setup.monitor().filter(|_| self.gated)
    }

    /// Cleans a used machine whose guest stopped normally, if it can be done at once. Returns false if the machine is
    /// left to [`Snapshot::clean`].
    ///
    /// The thread that used the machine restores its pages, however many there are. Another thread would have to be
    /// woken and to fetch all of them from this one's caches, which takes three times as long. Meanwhile the next call
    /// would have to use another machine, which has nothing in memory yet.
    #[inline]
    pub(crate) fn clean_at_once(&self, vm: &mut Vm) -> bool {
        let Some(monitor) = self.monitor().filter(|_| !vm.vcpu().may_hold_events()) else {
            return false;
        };
        let runs = self.dirty_runs(monitor, vm);
        let restored = self.restore(monitor, vm, runs).is_ok();
        vm.vcpu_mut().set_general(self.general);
        restored
    }

    /// Whether a guest that stopped normally may have left a pending debug exception or event. It would hit the next
    /// guest, and no ioctl clears it. In ring 0, a breakpoint that the guest set may have raised it.
    pub(crate) fn is_beyond_cleaning(&self, vm: &Vm) -> Result<bool, Error> {
        const ENABLED: u64 = 0xff;
        Ok(vm.vcpu().may_hold_events()
            || self.setup.monitor().is_none() && vm.vcpu().debug()?.dr7 & ENABLED != 0)
    }

    /// Cleans a used machine whose guest stopped normally.
    ///
    /// In ring 3 the page tables show what the guest has written. A guest in ring 0 owns its page tables, so the only
    /// safe way to clean its memory is to drop all of it.
    pub(crate) fn clean(&self, vm: &mut Vm) -> Result<(), Error> {
        match self.setup.monitor() {
            Some(monitor) => {
                let runs = self.dirty_runs(monitor, vm);
                self.restore(monitor, vm, runs)?;
            }
            None => vm.memory_mut().discard()?,
        }
        if self.monitor().is_none() {
            self.materialise(vm)?;
        }
        vm.vcpu_mut().set_general(self.general);
        Ok(())
    }

    /// Restores these pages. If that fails, the machine keeps their list for the next attempt.
    #[inline]
    fn restore(&self, monitor: &UserModeMonitor, vm: &mut Vm, mut runs: Runs) -> Result<(), Error> {
        let restored = match vm.working_set.is_small_with(runs.pages()) {
            true => {
                self.memory.restore(vm.memory_mut(), &runs);
                Ok(())
            }
            false => self.restore_many(monitor, vm, &runs),
        };
        if restored.is_ok() {
            runs.clear();
        }
        vm.dirty = runs;
        restored
    }

    /// Restores many pages. From time to time, compares them with the snapshot, and drops those that are no longer used.
    #[cold]
    #[inline(never)]
    fn restore_many(
        &self,
        monitor: &UserModeMonitor,
        vm: &mut Vm,
        runs: &Runs,
    ) -> Result<(), Error> {
        let (memory, set) = vm.memory_and_working_set();
        if !set.hold(runs) {
            self.memory.restore(memory, runs);
            return Ok(());
        }
        self.memory
            .restore_changed(memory, runs, |page| set.uses(page));
        match set.end_call() {
            Some(unused) => monitor.drop_pages(memory, &unused),
            None => Ok(()),
        }
    }

    /// The pages that guest and host have written, each once. Reuses the machine's list, so that a warm call does not
    /// allocate.
    #[inline]
    fn dirty_runs(&self, monitor: &UserModeMonitor, vm: &mut Vm) -> Runs {
        let mut runs = std::mem::take(&mut vm.dirty);
        vm.memory_mut().take_written(&mut runs);
        monitor.dirty_runs(vm.memory(), &mut runs);
        runs.settle();
        self.working_set
            .get_or_init(|| runs.each_page().take(PREFAULTED).collect());
        runs
    }

    /// Releases the memory of a clean machine.
    pub(crate) fn release_memory(vm: &mut Vm) -> Result<(), Error> {
        vm.working_set.clear();
        vm.memory_mut().discard()
    }

    /// Takes a snapshot of a machine of this snapshot. Its guest has stopped at a hypercall that KVM has finished. The
    /// guest has the first `memory` bytes. `meter` belongs to the guest that asks for the snapshot.
    pub(crate) fn retake(
        &self,
        vm: &mut Vm,
        memory: u64,
        meter: &Meter,
    ) -> Result<Result<Self, Ended>, Error> {
        let mut file = self.setup.file()?;
        for page in self.pages_in_use(vm)? {
            if let Err(ended) = meter.check() {
                return Ok(Err(ended));
            }
            if page < memory {
                let contents = vm.memory().in_place(page, PAGE_SIZE);
                file.write_page(page, contents.unwrap_or_default())?;
            }
        }
        let state = vm.state()?;
        if let Some(monitor) = self.setup.monitor() {
            let form = Host::get()?.cpu().gate;
            let (address, bytes) = monitor
                .gate()
                .page_with(form, &state.extended, state.fs_base());
            file.write(address, &bytes)?;
        }
        let general = *vm.vcpu_mut().general();
        Self::new(file, Arc::clone(&self.setup), general, state).map(Ok)
    }

    /// All pages of a machine that may hold something other than zeros, in ascending order.
    fn pages_in_use(&self, vm: &mut Vm) -> Result<Vec<u64>, Error> {
        let mut pages = match self.setup.monitor() {
            Some(monitor) => self.dirty_runs(monitor, vm).each_page().collect(),
            None => vm.memory().private_pages()?,
        };
        pages.extend(self.memory.pages());
        pages.sort_unstable();
        pages.dedup();
        Ok(pages)
    }
}
