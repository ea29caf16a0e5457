//! What KVM needs for a plan: page tables, descriptors and special registers.

use kvm_bindings::{kvm_regs, kvm_sregs};
use virtine_rt::abi::USER_BASE;

use crate::Error;
use crate::limits::deadline::Deadline;
use crate::machine::entry::Entry;
use crate::machine::kvm::host::Host;
use crate::machine::kvm::user_mode_monitor::UserModeMonitor;
use crate::machine::kvm::vcpu::Vcpu;
use crate::machine::kvm::x86_64::cpuid::GuestCpu;
use crate::machine::kvm::x86_64::descriptors::Supervisor;
use crate::machine::kvm::x86_64::identity::IdentityMap;
use crate::machine::kvm::x86_64::paging::{PageTables, Rights};
use crate::machine::kvm::x86_64::registers;
use crate::machine::kvm::x86_64::system_calls::SystemCalls;
use crate::machine::plan::{Interface, MachineKind, MachinePlan, Paging, UserPlan};
use crate::machine::stop::Stop;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::ImageFile;

/// How a machine is laid out and starts.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Bytes of the machine's memory, including what is hidden from the guest.
    size: u64,
    start: Start,
}

/// The mode in which a vCPU starts, and what this mode needs in memory.
#[derive(Clone, Debug)]
enum Start {
    Real16,
    Protected32,
    Long64(IdentityMap),
    User64(UserModeMonitor),
}

impl Setup {
    /// The setup for a plan.
    pub(super) fn of(plan: &MachinePlan) -> Self {
        match plan {
            MachinePlan::Real16 { memory } => Self {
                size: *memory,
                start: Start::Real16,
            },
            MachinePlan::Protected32 { memory } => Self {
                size: *memory,
                start: Start::Protected32,
            },
            MachinePlan::Long64 { memory } => {
                let map = IdentityMap::new(*memory, *memory);
                Self {
                    size: map.end(),
                    start: Start::Long64(map),
                }
            }
            MachinePlan::User(plan) => Self::of_user(plan),
        }
    }

    /// The page tables come after all other memory.
    fn of_user(plan: &UserPlan) -> Self {
        let supervisor = Supervisor::new(plan.monitor, plan.interface);
        let end = plan.end.max(supervisor.end());
        let mut tables = PageTables::new(end, end);
        if plan.interface == Interface::SystemCalls {
            // The guest may have any page made writable, so the scan covers all of user memory.
            tables.scan_from(USER_BASE);
        }
        for region in &plan.regions {
            if let Some(rights) = Rights::of(region.protection) {
                tables.map(region.start, region.end, rights);
            }
        }
        supervisor.map(&mut tables);
        Self {
            size: tables.end(),
            start: Start::User64(UserModeMonitor::new(supervisor, tables)),
        }
    }

    /// Bytes of the machine's memory, including what is hidden from the guest.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The monitor of the guest, if the guest is confined to ring 3.
    #[inline]
    pub(super) const fn monitor(&self) -> Option<&UserModeMonitor> {
        match &self.start {
            Start::User64(monitor) => Some(monitor),
            _ => None,
        }
    }

    /// The entry page for the guest's system calls, if it may make them.
    pub(super) fn system_calls(&self) -> Option<SystemCalls> {
        self.monitor().and_then(UserModeMonitor::system_calls)
    }

    /// The kind of machine that this setup needs.
    pub(super) fn kind(&self) -> MachineKind {
        MachineKind {
            size: self.size,
            paging: self.paging(),
            system_calls: self.system_calls().is_some(),
        }
    }

    /// Runs the guest of a machine with this setup until it stops, or until `deadline`.
    #[inline]
    pub(super) fn run(
        &self,
        vcpu: &mut Vcpu,
        memory: &mut GuestMemory,
        deadline: &Deadline,
    ) -> Result<Stop, Error> {
        match self.monitor() {
            Some(monitor) => monitor.run(vcpu, memory, deadline),
            None => vcpu.run(deadline),
        }
    }

    /// Whether the machine starts with paging on.
    pub(super) const fn paging(&self) -> Paging {
        match self.start {
            Start::Real16 | Start::Protected32 => Paging::Off,
            Start::Long64(_) | Start::User64(_) => Paging::On,
        }
    }

    /// Initial memory contents besides the image: addresses and bytes.
    pub(super) fn hidden(&self) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        Ok(match &self.start {
            Start::Real16 | Start::Protected32 => Vec::new(),
            Start::Long64(map) => vec![(map.root(), map.to_bytes())],
            Start::User64(monitor) => monitor.hidden(Host::get()?.cpu().gate),
        })
    }

    /// A file that holds the initial memory contents besides the image.
    pub(super) fn file(&self) -> Result<ImageFile, Error> {
        let mut file = ImageFile::create(self.size)?;
        for (address, bytes) in self.hidden()? {
            file.write(address, &bytes)?;
        }
        Ok(file)
    }

    /// The special registers that the vCPU starts with, derived from those after a reset.
    pub(super) fn special(&self, reset: &kvm_sregs, cpu: &GuestCpu) -> kvm_sregs {
        match &self.start {
            Start::Real16 => registers::real16(reset),
            Start::Protected32 => registers::protected32(reset),
            Start::Long64(map) => registers::long64(reset, cpu, map.root()),
            Start::User64(monitor) => monitor.special(reset, cpu),
        }
    }

    /// The general registers of a guest that starts at `entry`.
    #[inline]
    pub(super) fn registers(&self, entry: &Entry) -> kvm_regs {
        let [rdi, rsi, rdx] = entry.arguments;
        kvm_regs {
            rip: entry.rip,
            rsp: entry.rsp,
            rdi,
            rsi,
            rdx,
            rflags: match self.start {
                Start::User64(_) => registers::USER_RFLAGS,
                _ => registers::RFLAGS,
            },
            ..Default::default()
        }
    }
}
