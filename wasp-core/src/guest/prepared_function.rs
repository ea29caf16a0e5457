//! An image laid out in memory and brought to the state from which every call starts.
//!
//! Made once per function. The image's contents and page tables are written to a file. A first machine boots from it
//! and initializes the guest. The pages that this changed are written to the file as well. The file is sealed, and is
//! the snapshot that every machine maps.

use std::time::Duration;

use virtine_rt::abi::image::{Entries, Program};
use virtine_rt::abi::{hypercall, page_align_up};

use crate::Error;
use crate::base::backend::Backend;
use crate::base::exit::Fault;
use crate::base::hypercall::Hypercall;
use crate::guest::layout::Layout;
use crate::guest::protocol::Call;
use crate::guest::std_boot::{self, Booted};
use crate::host::random;
use crate::limits::cancel::CancelToken;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::linux::process::Process;
use crate::machine::Machine;
use crate::machine::entry::Entry;
use crate::machine::snapshot::Snapshot;
use crate::machine::stop::Stop;
use crate::service::Completion;

/// The layout of a function's machines, and where its code starts.
pub(crate) struct PreparedFunction {
    layout: Layout,
    entries: Entries,
    /// Where a snapshot's guest expects its arguments. `None` for guests that boot at every call.
    arguments: Option<u64>,
    /// The guest's state as a Linux program, if it is one.
    process: Option<Process>,
    /// The seed of the hash maps of a guest that is started here.
    seed: u64,
}

fn seed() -> u64 {
    u128::from_le_bytes(random::seed()) as u64
}

impl PreparedFunction {
    /// Lays out `program`. With `snapshot`, boots it once, for at most `limit` or until it is cancelled. Also returns
    /// the machine that this used, which can be reset to the snapshot.
    pub(crate) fn new(
        backend: Backend,
        program: &Program<'_>,
        snapshot: bool,
        limit: Duration,
        cancel: Option<&CancelToken>,
    ) -> Result<(Self, Snapshot, Machine), Error> {
        let mut prepared = Self {
            layout: Layout::of(program),
            entries: program.entries,
            arguments: None,
            process: None,
            seed: seed(),
        };
        let segments = program.image.segments.iter();
        let contents = segments.map(|segment| (segment.address, segment.bytes));
        let (mut machine, file) = Machine::prepare(backend, &prepared.layout.plan(), contents)?;
        let state = machine.state()?;
        if snapshot {
            let cancelling = cancel.map(|token| token.watch(machine.canceller()));
            prepared.arguments = Some(prepared.initialise(&mut machine, limit)?);
            drop(cancelling);
            machine.slot().end_tenancy();
        }
        let snapshot = Snapshot::of(&mut machine, file, state, &prepared.boot())?;
        Ok((prepared, snapshot, machine))
    }

    /// Starts `program`, which uses the real std, for at most `limit` or until it is cancelled.
    pub(crate) fn of_linux(
        backend: Backend,
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
        } = std_boot::boot(backend, program, limit, cancel)?;
        let prepared = Self {
            layout,
            entries: program.entries,
            arguments: Some(start),
            process: Some(process),
            // std asks for its own.
            seed: 0,
        };
        Ok((prepared, snapshot, machine))
    }

    /// The guest's state as a Linux program at the start of every call, if it is one.
    pub(crate) const fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Makes room for arguments that exceed the space mapped for every call.
    #[inline]
    pub(crate) fn map_argument_overflow(
        &self,
        machine: &mut Machine,
        arguments: [u64; 2],
    ) -> Result<Option<Process>, Error> {
        match &self.process {
            Some(process) => std_boot::map_argument_overflow(process, machine, arguments),
            None => Ok(None),
        }
    }

    /// The memory layout.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Brings a clean machine to the point where a call may start. Returns the addresses between which the arguments
    /// may lie.
    #[inline]
    pub(crate) fn boot_if_needed(
        &self,
        machine: &mut Machine,
        snapshot: &Snapshot,
        meter: &Meter,
    ) -> Result<[u64; 2], Error> {
        let arguments = match self.arguments {
            Some(address) => address,
            None => {
                let deadline = meter.deadline();
                let stop = snapshot.start(machine, &self.boot(), deadline)?;
                let stop = machine.resume_behind_signals(stop, deadline)?;
                self.ready(stop, machine, deadline.total())?
            }
        };
        Ok([arguments, self.layout.heap_end])
    }

    /// The entry of a call whose encoded arguments are the `length` bytes at `address`. `grants` are those of the ABI.
    pub(crate) const fn call(&self, address: u64, length: u64, grants: u64) -> Entry {
        let arguments = [address, length, grants];
        Entry::function(self.entries.call, self.layout.stack_top, arguments)
    }

    /// The entry of a guest that initializes itself.
    const fn boot(&self) -> Entry {
        let Layout {
            stack_top,
            heap_start,
            heap_end,
            ..
        } = self.layout;
        let arguments = [heap_start, heap_end, self.seed];
        Entry::function(self.entries.start, stack_top, arguments)
    }

    /// Runs a new machine's guest until it is ready. Returns the address at which it expects its arguments.
    fn initialise(&self, machine: &mut Machine, limit: Duration) -> Result<u64, Error> {
        let deadline = &Deadline::after(limit);
        let stop = machine.start(&self.boot(), deadline)?;
        let stop = machine.resume_behind_signals(stop, deadline)?;
        self.ready(stop, machine, limit)
    }

    fn ready(&self, stop: Stop, machine: &Machine, limit: Duration) -> Result<u64, Error> {
        let layout = &self.layout;
        match stop {
            Stop::Hypercall(Hypercall {
                number: hypercall::READY,
                arguments: [unused, ..],
            }) => {
                let inside = (layout.heap_start..=layout.heap_end).contains(&unused);
                inside
                    .then(|| page_align_up(unused))
                    .flatten()
                    .ok_or(Error::Fault(Fault::Pointer {
                        address: unused,
                        length: 0,
                    }))
            }
            other => {
                let call = Call {
                    machine,
                    layout,
                    limit,
                    exhausted: None,
                };
                Err(call.failure(Completion::Stopped(other)))
            }
        }
    }
}
