//! An image laid out in memory and brought to the state from which every call starts.
//!
//! Made once per function. The image's contents and page tables go into a file; a first machine
//! boots from it and initialises the guest; the pages which that changed go into the file as well;
//! the file is sealed, and is the snapshot that every machine maps.

use std::time::Duration;

use virtine_rt::abi::image::{Entries, Program};
use virtine_rt::abi::{PAGE_SIZE, hypercall, page_align_up};

use crate::Error;
use crate::arch::registers::Entry;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::exit::Fault;
use crate::guest::{self, Return};
use crate::layout::Layout;
use crate::linux::{self, Booted, Process};
use crate::machine::Machine;
use crate::memory::GuestMemory;
use crate::memory_file::MemoryFile;
use crate::meter::Meter;
use crate::ring3::Ring3;
use crate::snapshot::Snapshot;
use crate::vcpu_state::VcpuState;

/// Where everything lies in a function's machines, and where its code starts.
pub(crate) struct Template {
    layout: Layout,
    entries: Entries,
    /// Where a snapshot's guest expects its arguments; `None` where guests boot at every call.
    arguments: Option<u64>,
    /// What the guest is as a Linux program, if it is one.
    process: Option<Process>,
    /// What a guest that is started here begins its hash maps with.
    seed: u64,
}

fn seed() -> u64 {
    u128::from_le_bytes(crate::doors::seed()) as u64
}

impl Template {
    /// Lays out `program` and, with `snapshot`, boots it once, for at most `limit` or until it is cancelled. The
    /// machine that this takes is left over, to be made one of the snapshot's.
    pub(crate) fn new(
        program: &Program<'_>,
        snapshot: bool,
        limit: Duration,
        cancel: Option<&CancelToken>,
    ) -> Result<(Self, Snapshot, Machine), Error> {
        let mut template = Self {
            layout: Layout::of(program),
            entries: program.entries,
            arguments: None,
            process: None,
            seed: seed(),
        };
        let blueprint = template.layout.blueprint.clone();
        let mut file = blueprint.file()?;
        for segment in &program.image.segments {
            file.write(segment.address, segment.bytes)?;
        }
        let memory = GuestMemory::map(&file.contents())?;
        let mut machine = Machine::new(memory, &blueprint)?;
        let state = VcpuState::of(&machine, &blueprint)?;
        if let (true, Some(ring3)) = (snapshot, blueprint.watched()) {
            let cancelling = cancel.map(|token| token.watch(machine.canceller()));
            template.arguments = Some(template.initialise(&mut machine, ring3, limit)?);
            drop(cancelling);
            machine.slot().end_tenancy();
            copy_dirty(&machine, ring3, &mut file)?;
        }
        let snapshot = Snapshot::new(file, blueprint, Default::default(), state)?;
        Ok((template, snapshot, machine))
    }

    /// Starts `program`, which has the real std, for at most `limit` or until it is cancelled.
    pub(crate) fn of_linux(
        program: &Program<'_>,
        limit: Duration,
        cancel: Option<&CancelToken>,
    ) -> Result<(Self, Snapshot, Machine), Error> {
        let Booted {
            layout,
            snapshot,
            machine,
            process,
            arguments: [start, _],
        } = linux::boot(program, limit, cancel)?;
        let template = Self {
            layout,
            entries: program.entries,
            arguments: Some(start),
            process: Some(process),
            // std asks for its own.
            seed: 0,
        };
        Ok((template, snapshot, machine))
    }

    /// What the guest is as a Linux program, if it is one, as every call finds it.
    pub(crate) const fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Makes room for arguments that take more than there is for every call.
    #[inline]
    pub(crate) fn admit(
        &self,
        machine: &mut Machine,
        arguments: [u64; 2],
    ) -> Result<Option<Process>, Error> {
        match &self.process {
            Some(process) => process.with_arguments(machine, &self.layout.blueprint, arguments),
            None => Ok(None),
        }
    }

    /// Where everything lies.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Brings a clean machine to where a call may start; returns the addresses between which the
    /// arguments may lie.
    #[inline]
    pub(crate) fn prepare(
        &self,
        machine: &mut Machine,
        snapshot: &Snapshot,
        meter: &Meter,
    ) -> Result<[u64; 2], Error> {
        let arguments = match self.arguments {
            Some(address) => address,
            None => {
                let deadline = meter.deadline();
                let exit = guest::enter(machine, snapshot, &self.boot(), deadline)?;
                self.ready(exit, machine, deadline.total())?
            }
        };
        Ok([arguments, self.layout.heap_end])
    }

    /// How a call starts whose encoded arguments are the `length` bytes at `address`; `grants` are the ABI's.
    pub(crate) const fn call(&self, address: u64, length: u64, grants: u64) -> Entry {
        Entry {
            rip: self.entries.call,
            stack_top: self.layout.stack_top,
            arguments: [address, length, grants],
        }
    }

    /// How a guest starts that initialises itself.
    const fn boot(&self) -> Entry {
        Entry {
            rip: self.entries.start,
            stack_top: self.layout.stack_top,
            arguments: [self.layout.heap_start, self.layout.heap_end, self.seed],
        }
    }

    /// Runs a new machine's guest until it is ready; returns where it wants its arguments.
    fn initialise(
        &self,
        machine: &mut Machine,
        ring3: &Ring3,
        limit: Duration,
    ) -> Result<u64, Error> {
        let deadline = &Deadline::after(limit);
        machine.set_general(self.boot().registers());
        let stop = ring3.run(machine, deadline)?;
        let exit = guest::until_it_returns(machine, stop, |machine| ring3.run(machine, deadline))?;
        self.ready(exit, machine, limit)
    }

    fn ready(&self, exit: Return, machine: &Machine, limit: Duration) -> Result<u64, Error> {
        let Layout {
            heap_start,
            heap_end,
            ..
        } = self.layout;
        match exit {
            Return::Hypercall {
                number: hypercall::READY,
                arguments: [unused, ..],
            } => {
                let inside = (heap_start..=heap_end).contains(&unused);
                inside
                    .then(|| page_align_up(unused))
                    .flatten()
                    .ok_or(Error::Fault(Fault::Pointer {
                        address: unused,
                        length: 0,
                    }))
            }
            other => Err(guest::failure(other, machine, &self.layout, limit)),
        }
    }
}

/// Adds to `file` what the guest has changed.
fn copy_dirty(machine: &Machine, ring3: &Ring3, file: &mut MemoryFile) -> Result<(), Error> {
    let mut pages = Vec::new();
    ring3.dirty_pages(machine.memory(), &mut pages);
    for page in pages {
        let contents = machine.memory().bytes(page, PAGE_SIZE);
        file.write_page(page, contents.unwrap_or_default())?;
    }
    Ok(())
}
