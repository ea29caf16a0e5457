//! One virtual machine: its memory, its vCPU, and the monitor of a guest in user mode.

use std::sync::Arc;

use kvm_bindings::{kvm_regs, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;
use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::limits::deadline::Deadline;
use crate::machine::entry::Entry;
use crate::machine::kvm::host::{Host, uninterrupted};
use crate::machine::kvm::ioctl;
use crate::machine::kvm::mapped_memory::MappedMemory;
use crate::machine::kvm::msrs;
use crate::machine::kvm::setup::Setup;
use crate::machine::kvm::vcpu::Vcpu;
use crate::machine::kvm::vcpu_state::VcpuState;
use crate::machine::plan::{MachinePlan, Paging};
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::ImageFile;
use crate::memory::runs::Runs;
use crate::memory::working_set::WorkingSet;

/// Where the kernel may put three of its own pages on Intel CPUs that cannot run real mode natively (KVM API document,
/// KVM_SET_TSS_ADDR): below 4 GiB, where no such guest has memory.
const TASK_STATE_PAGES: u64 = 0xfffb_d000;
/// Where the kernel puts one more page by default (KVM_SET_IDENTITY_MAP_ADDR): right below.
pub(crate) const IDENTITY_MAP_PAGE: u64 = 0xfffb_c000;

/// A virtual machine.
pub(crate) struct Vm {
    // Dropped in this order: the VM must be gone before its memory is unmapped.
    vcpu: Vcpu,
    _vm: VmFd,
    memory: GuestMemory,
    setup: Arc<Setup>,
    /// Pages that a failed reset has yet to restore; otherwise empty, and kept for its capacity.
    pub(super) dirty: Runs,
    /// The pages that its guests use, if there are many.
    pub(super) working_set: WorkingSet,
}

impl Vm {
    /// Creates a machine with this memory, laid out as in `setup`.
    pub(super) fn new(memory: GuestMemory, setup: Arc<Setup>) -> Result<Self, Error> {
        let host = Host::get()?;
        let vm = host.create_vm()?;
        if setup.paging() == Paging::Off {
            uninterrupted(|| vm.set_tss_address(TASK_STATE_PAGES as usize))
                .map_err(ioctl::refused("KVM_SET_TSS_ADDR"))?;
        }
        if let Some(page) = identity_map_page(memory.size()) {
            uninterrupted(|| vm.set_identity_map_address(page))
                .map_err(ioctl::refused("KVM_SET_IDENTITY_MAP_ADDR"))?;
        }
        let region = kvm_userspace_memory_region {
            slot: 0,
            guest_phys_addr: 0,
            memory_size: memory.size(),
            userspace_addr: memory.host_address(),
            flags: 0,
        };
        // SAFETY: the mapping stays in place until after the VM is closed: see the fields' order.
        uninterrupted(|| unsafe { vm.set_user_memory_region(region) })
            .map_err(ioctl::refused("KVM_SET_USER_MEMORY_REGION"))?;
        let cpu = host.cpu();
        let vcpu = Vcpu::new(&vm, cpu, |reset| setup.special(reset, cpu))?;
        if let Some(entry) = setup.system_calls() {
            msrs::set_all(vcpu.fd(), &entry.msrs())?;
        }
        if setup.monitor().is_none() {
            host.msrs(vcpu.fd())?.shield(&vm)?;
        }
        Ok(Self {
            vcpu,
            _vm: vm,
            memory,
            setup,
            dirty: Runs::default(),
            working_set: WorkingSet::new(),
        })
    }

    /// Creates a machine whose memory file holds each of `contents` at its address. Returns the file too.
    pub(crate) fn prepare<'a>(
        plan: &MachinePlan,
        contents: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(Self, ImageFile), Error> {
        let setup = Setup::of(plan);
        let mut file = setup.file()?;
        for (address, bytes) in contents {
            file.write(address, bytes)?;
        }
        let memory = GuestMemory::map(&file.contents())?;
        Ok((Self::new(memory, Arc::new(setup))?, file))
    }

    /// Creates a machine without a memory file. Its memory is zero except for what the plan itself needs there.
    pub(crate) fn anonymous(plan: &MachinePlan) -> Result<Self, Error> {
        let setup = Setup::of(plan);
        let mut memory = GuestMemory::anonymous(setup.size())?;
        let hidden = setup.hidden()?;
        memory.populate(&pages_of(&hidden));
        for (address, bytes) in hidden {
            memory
                .put(address, &bytes)
                .expect("the machine's size holds all of its parts");
        }
        Self::new(memory, Arc::new(setup))
    }

    /// The machine's layout.
    pub(super) const fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    /// Switches to another layout of the same size and kind, whose contents the memory already has.
    pub(super) fn set_setup(&mut self, setup: &Arc<Setup>) {
        self.setup = Arc::clone(setup);
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The guest's memory. The guest is not running.
    #[inline]
    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// The guest's memory, and which of its pages are in use. The guest is not running.
    pub(super) const fn memory_and_working_set(&mut self) -> (&mut GuestMemory, &mut WorkingSet) {
        (&mut self.memory, &mut self.working_set)
    }

    /// The memory and its page tables. `None` for a guest in ring 0, which owns its page tables.
    pub(crate) fn mapped_memory(&mut self) -> Option<MappedMemory<'_>> {
        let tables = self.setup.monitor()?.tables();
        Some(MappedMemory::new(&mut self.memory, tables))
    }

    /// All vCPU state that the guest can change, except the general registers.
    pub(crate) fn state(&self) -> Result<VcpuState, Error> {
        VcpuState::of(&self.vcpu, self.setup.monitor().is_some())
    }

    /// The pages that guest and host have written since the machine was created.
    pub(crate) fn written_pages(&mut self) -> Vec<u64> {
        let mut runs = Runs::default();
        self.memory.take_written(&mut runs);
        if let Some(monitor) = self.setup.monitor() {
            monitor.dirty_runs(&self.memory, &mut runs);
        }
        runs.each_page().collect()
    }

    /// The number of pages that the machine keeps in memory between calls, or 0 if it is small.
    pub(crate) const fn kept_pages(&self) -> u64 {
        self.working_set.pages()
    }

    /// The vCPU.
    #[inline]
    pub(crate) const fn vcpu(&self) -> &Vcpu {
        &self.vcpu
    }

    /// The vCPU.
    #[inline]
    pub(crate) const fn vcpu_mut(&mut self) -> &mut Vcpu {
        &mut self.vcpu
    }

    /// The vCPU, and the memory. The guest is not running.
    #[inline]
    pub(super) const fn vcpu_and_memory(&mut self) -> (&mut Vcpu, &mut GuestMemory) {
        (&mut self.vcpu, &mut self.memory)
    }

    /// The general registers of a guest that starts at `entry`.
    #[inline]
    pub(crate) fn registers(&self, entry: &Entry) -> kvm_regs {
        self.setup.registers(entry)
    }

    /// Runs the guest until it stops, or until `deadline`.
    #[inline]
    pub(crate) fn resume(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        let Self {
            vcpu,
            memory,
            setup,
            ..
        } = self;
        setup.run(vcpu, memory, deadline)
    }
}

/// The pages that these contents occupy, in ascending order.
fn pages_of(contents: &[(u64, Vec<u8>)]) -> Vec<u64> {
    let pages = contents.iter().flat_map(|(address, bytes)| {
        (*address..*address + bytes.len() as u64).step_by(PAGE_SIZE as usize)
    });
    let mut pages: Vec<u64> = pages.collect();
    pages.sort_unstable();
    pages
}

/// Where to move the identity map's page if memory of this size would cover it; `None` if it does not. Only a guest
/// that switches paging off would use the page. It then reads its own memory there instead, at a 32-bit address.
fn identity_map_page(memory: u64) -> Option<u64> {
    (memory > IDENTITY_MAP_PAGE).then(|| memory.next_multiple_of(PAGE_SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_map_lies_behind_memory_that_would_hold_it() {
        for (memory, page) in [
            (PAGE_SIZE, None),
            (IDENTITY_MAP_PAGE, None),
            (
                IDENTITY_MAP_PAGE + PAGE_SIZE,
                Some(IDENTITY_MAP_PAGE + PAGE_SIZE),
            ),
            (4 << 30, Some(4 << 30)),
            ((4 << 30) + 0x5000, Some((4 << 30) + 0x5000)),
        ] {
            assert_eq!(identity_map_page(memory), page, "{memory:#x}");
        }
    }
}
