//! An image laid out in memory and brought to the state from which every call starts.
//!
//! Made once per function. The image's contents and page tables go into a file; a first machine
//! boots from it and initialises the guest; the pages which that changed go into the file as well;
//! the file is sealed. From then on a machine is a copy-on-write mapping of the file, and a reset
//! copies back the pages that a call has dirtied.

use std::time::Duration;

use virtine_rt::abi::image::Image;
use virtine_rt::abi::{PAGE_SIZE, USER_BASE, hypercall, page_align_up};

use crate::Error;
use crate::arch::registers::Entry;
use crate::exit::{Exception, Fault};
use crate::guest::{self, Return};
use crate::layout::Layout;
use crate::machine::{Machine, Paging};
use crate::memory::{GuestMemory, page_of};
use crate::memory_file::{FrozenMemory, MemoryFile};

/// What all machines of one function start from.
pub(crate) struct Template {
    memory: FrozenMemory,
    layout: Layout,
    start: u64,
    call: u64,
    /// Where a snapshot's guest expects its arguments; `None` where guests boot at every call.
    arguments: Option<u64>,
}

impl Template {
    /// Lays out `image` and, with `snapshot`, boots it once, for at most `limit`.
    pub(crate) fn new(image: &Image<'_>, snapshot: bool, limit: Duration) -> Result<Self, Error> {
        let layout = Layout::of(image);
        let mut file = MemoryFile::create(layout.size())?;
        layout.write(image, &mut file)?;
        let boot = Boot {
            start: image.start,
            layout,
            limit,
        };
        let arguments = match snapshot {
            true => Some(boot.into_snapshot(&mut file)?),
            false => None,
        };
        Ok(Self {
            memory: file.freeze()?,
            layout,
            start: image.start,
            call: image.call,
            arguments,
        })
    }

    /// Where everything lies.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A new machine in the template's state.
    pub(crate) fn machine(&self) -> Result<Machine, Error> {
        let memory = GuestMemory::map(self.memory.descriptor(), self.memory.size())?;
        Machine::new(memory, Paging::On, self.layout.special())
    }

    /// Brings a clean machine to where a call may start; returns the addresses between which the
    /// arguments may lie.
    pub(crate) fn prepare(
        &self,
        machine: &mut Machine,
        limit: Duration,
    ) -> Result<[u64; 2], Error> {
        let arguments = match self.arguments {
            Some(address) => address,
            None => {
                let Self { start, layout, .. } = *self;
                Boot {
                    start,
                    layout,
                    limit,
                }
                .run(machine)?
            }
        };
        Ok([arguments, self.layout.heap_end])
    }

    /// How a call starts whose encoded arguments are the `length` bytes at `address`.
    pub(crate) const fn call(&self, address: u64, length: u64) -> Entry {
        Entry {
            rip: self.call,
            rsp: self.layout.stack_top,
            arguments: [address, length],
        }
    }

    /// Puts a machine back into the template's state after a call whose arguments were the `length`
    /// bytes at `address`. False, with nothing done, where the call changed so much that a new
    /// machine is cheaper.
    ///
    /// The guest's writes show in its page tables. The host's own, the arguments, do not, and are
    /// named by the caller.
    pub(crate) fn reset(&self, machine: &mut Machine, address: u64, length: u64) -> bool {
        let mut changed: Vec<u64> = (page_of(address)..address + length)
            .step_by(PAGE_SIZE as usize)
            .collect();
        self.layout
            .tables
            .for_each_dirty(machine.memory(), USER_BASE, |page| changed.push(page));
        self.memory.restore(machine.memory_mut(), &changed)
    }
}

/// What it takes to initialise a guest.
struct Boot {
    start: u64,
    layout: Layout,
    limit: Duration,
}

impl Boot {
    /// Runs a fresh machine's guest until it is ready; returns where it wants its arguments.
    fn run(&self, machine: &mut Machine) -> Result<u64, Error> {
        let Layout {
            stack_top,
            heap_start,
            heap_end,
            ..
        } = self.layout;
        let entry = Entry {
            rip: self.start,
            rsp: stack_top,
            arguments: [heap_start, heap_end],
        };
        match guest::enter(machine, &entry, self.limit)? {
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
            Return::Fault(Fault::Exception(exception)) if self.is_refused_entry(exception) => {
                Err(Error::CpuTooOld {
                    expected: "XSAVE or no FSGSBASE",
                })
            }
            other => Err(guest::failure(other, machine, &self.layout, self.limit)),
        }
    }

    /// Whether the processor did not know an instruction of the runtime's entry code.
    fn is_refused_entry(&self, exception: Exception) -> bool {
        const ENTRY_CODE: u64 = 64;
        let Exception { vector, rip, .. } = exception;
        vector == Exception::INVALID_INSTRUCTION
            && (self.start..self.start + ENTRY_CODE).contains(&rip)
    }

    /// Boots a machine from `file` and adds to it what the initialisation changed.
    fn into_snapshot(self, file: &mut MemoryFile) -> Result<u64, Error> {
        let memory = GuestMemory::map(file.descriptor(), self.layout.size())?;
        let mut machine = Machine::new(memory, Paging::On, self.layout.special())?;
        let arguments = self.run(&mut machine)?;
        let mut result = Ok(());
        self.layout
            .tables
            .for_each_dirty(machine.memory(), USER_BASE, |page| {
                if let (Ok(()), Some(contents)) = (&result, machine.memory().bytes(page, PAGE_SIZE))
                {
                    result = file.write(page, contents);
                }
            });
        result.map(|()| arguments)
    }
}
