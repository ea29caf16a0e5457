//! Where everything lies in the memory of a `#[virtine]` function's guests.
//!
//! Drawn in `docs/architecture.md` and in `virtine_rt::abi`.

use kvm_bindings::kvm_sregs;
use virtine_rt::abi::image::{Access, Image, Segment};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

use crate::Error;
use crate::arch::cpuid::GuestCpu;
use crate::arch::descriptors::{Ports, Supervisor};
use crate::arch::paging::{Geometry, PageTables, Rights};
use crate::arch::registers;
use crate::memory_file::MemoryFile;

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
    pub(crate) stack_top: u64,
    pub(crate) heap_start: u64,
    pub(crate) heap_end: u64,
    pub(crate) tables: Geometry,
}

impl Layout {
    /// Lays out a checked image: image, guard page, stack, guard page, heap, page tables.
    pub(crate) fn of(image: &Image<'_>) -> Self {
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
        }
    }

    /// Bytes of all this.
    pub(crate) const fn size(&self) -> u64 {
        self.heap_end + self.tables.size()
    }

    /// Bytes of memory that the function's attribute grants.
    pub(crate) const fn granted(&self) -> u64 {
        self.heap_end - USER_BASE
    }

    /// The special registers of a machine that starts with this.
    pub(crate) fn special(&self) -> impl FnOnce(&kvm_sregs, &GuestCpu) -> kvm_sregs {
        let root = self.tables.root();
        move |reset, cpu| registers::user64(reset, cpu, root, &SUPERVISOR)
    }

    /// Whether the guest may have handed over `length` bytes at `address`: its own memory only, not
    /// the supervisor's below or the page tables behind it.
    pub(crate) fn is_guests_own(&self, address: u64, length: u64) -> bool {
        let end = address.checked_add(length);
        address >= USER_BASE && end.is_some_and(|end| end <= self.heap_end)
    }

    /// Writes supervisor pages, image and page tables.
    pub(crate) fn write(&self, image: &Image<'_>, file: &mut MemoryFile) -> Result<(), Error> {
        for (address, bytes) in SUPERVISOR.contents() {
            file.write(address, &bytes)?;
        }
        for segment in &image.segments {
            file.write(segment.address, segment.bytes)?;
        }
        let tables = self.page_tables(&image.segments);
        file.write(self.tables.root(), &tables.into_bytes())
    }

    fn page_tables(&self, segments: &[Segment<'_>]) -> PageTables {
        let mut tables = PageTables::new(self.tables);
        SUPERVISOR.map(&mut tables);
        for segment in segments {
            let write = segment.access == Access::Write;
            let execute = segment.access == Access::Execute;
            let rights = Rights {
                user: true,
                write,
                execute,
            };
            tables.map(segment.address, segment.end(), rights);
        }
        tables.map(self.stack_bottom, self.stack_top, USER_DATA);
        tables.map(self.heap_start, self.heap_end, USER_DATA);
        tables
    }
}
