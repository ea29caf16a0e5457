//! An image laid out in memory and brought to the state from which every call starts.
//!
//! Made once per function. The image's contents and page tables go into a file; a first machine
//! boots from it and initialises the guest; the pages which that changed go into the file as well;
//! the file is sealed. From then on a machine is a copy-on-write mapping of the file, and a reset
//! copies back the pages that a call has dirtied.

use std::time::Duration;

use kvm_bindings::kvm_sregs;

use virtine_rt::abi::image::{Access, Image, Segment};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE, hypercall, page_align_up};

use crate::Error;
use crate::arch::cpuid::GuestCpu;
use crate::arch::descriptors::{Ports, Supervisor};
use crate::arch::paging::{Geometry, PageTables, Rights};
use crate::arch::registers::{self, Entry};
use crate::exit::{Exception, Fault};
use crate::function::failure;
use crate::guest::{self, Return};
use crate::machine::{Machine, Paging};
use crate::memory::{GuestMemory, page_of};
use crate::memory_file::{FrozenMemory, MemoryFile};

/// Beyond this, copying pages back costs more than a new machine does (some 0.8 ms), and their
/// memory would stay with the pool.
pub(crate) const MAX_PAGES_TO_RESET: usize = 4096;

/// Below everything that the guest can reach; page 0 stays unmapped.
pub(crate) const SUPERVISOR: Supervisor = Supervisor::new(PAGE_SIZE, Ports::Hypercall);

const USER_DATA: Rights = Rights {
    user: true,
    write: true,
    execute: false,
};

/// Where everything lies in the memory of one image's guests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    stack_bottom: u64,
    stack_top: u64,
    heap_start: u64,
    heap_end: u64,
    tables: Geometry,
    size: u64,
}

impl Layout {
    /// Lays out a checked image: image, guard page, stack, guard page, heap, page tables.
    fn of(image: &Image<'_>) -> Self {
        let stack_bottom = image.end() + PAGE_SIZE;
        let stack_top = stack_bottom + image.stack;
        let heap_end = USER_BASE + image.memory;
        let tables = Geometry::new(heap_end, heap_end);
        Self {
            stack_bottom,
            stack_top,
            heap_start: stack_top + PAGE_SIZE,
            heap_end,
            tables,
            size: heap_end + tables.size(),
        }
    }

    fn special(&self) -> impl FnOnce(&kvm_sregs, &GuestCpu) -> kvm_sregs {
        let root = self.tables.root();
        move |reset, cpu| registers::user64(reset, cpu, root, &SUPERVISOR)
    }

    /// Whether the guest may have handed over `length` bytes at `address`: its own memory only, not
    /// the supervisor's below or the page tables behind it.
    pub(crate) fn is_guests_own(&self, address: u64, length: u64) -> bool {
        let end = address.checked_add(length);
        address >= USER_BASE && end.is_some_and(|end| end <= self.heap_end)
    }
}

/// What all machines of one function start from.
pub(crate) struct Template {
    memory: FrozenMemory,
    layout: Layout,
    start: u64,
    call: u64,
    granted: u64,
    /// Where a snapshot's guest expects its arguments; `None` where guests boot at every call.
    arguments: Option<u64>,
}

impl Template {
    /// Lays out `image` and, with `snapshot`, boots it once, for at most `limit`.
    pub(crate) fn new(image: &Image<'_>, snapshot: bool, limit: Duration) -> Result<Self, Error> {
        let layout = Layout::of(image);
        let mut file = MemoryFile::create(layout.size)?;
        fill(&mut file, image, &layout)?;
        let boot = Boot {
            start: image.start,
            granted: image.memory,
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
            granted: image.memory,
            arguments,
        })
    }

    /// Where everything lies.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes of memory that the function's attribute grants.
    pub(crate) const fn granted(&self) -> u64 {
        self.granted
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
                let Self {
                    start,
                    granted,
                    layout,
                    ..
                } = *self;
                Boot {
                    start,
                    granted,
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
        if changed.len() > MAX_PAGES_TO_RESET {
            return false;
        }
        changed.iter().all(|&page| match self.memory.page(page) {
            Some(contents) => machine.memory_mut().write(page, contents).is_some(),
            None => machine.memory_mut().zero(page, PAGE_SIZE).is_some(),
        })
    }
}

/// What it takes to initialise a guest.
struct Boot {
    start: u64,
    granted: u64,
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
            other => Err(failure(
                other,
                machine,
                &self.layout,
                self.granted,
                self.limit,
            )),
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
        let memory = GuestMemory::map(file.descriptor(), self.layout.size)?;
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

/// Writes supervisor pages, image and page tables.
fn fill(file: &mut MemoryFile, image: &Image<'_>, layout: &Layout) -> Result<(), Error> {
    for (address, bytes) in SUPERVISOR.contents() {
        file.write(address, &bytes)?;
    }
    for segment in &image.segments {
        file.write(segment.address, segment.bytes)?;
    }
    file.write(
        layout.tables.root(),
        &page_tables(&image.segments, layout).into_bytes(),
    )
}

fn page_tables(segments: &[Segment<'_>], layout: &Layout) -> PageTables {
    let mut tables = PageTables::new(layout.tables);
    SUPERVISOR.map(&mut tables);
    for segment in segments {
        let write = segment.access == Access::Write;
        let execute = segment.access == Access::Execute;
        tables.map(
            segment.address,
            segment.end(),
            Rights {
                user: true,
                write,
                execute,
            },
        );
    }
    tables.map(layout.stack_bottom, layout.stack_top, USER_DATA);
    tables.map(layout.heap_start, layout.heap_end, USER_DATA);
    tables
}
