//! Where everything lies in the memory of a `#[virtine]` function's guests.
//!
//! Drawn in `docs/architecture.md` and in `virtine_rt::abi`.

use virtine_rt::abi::image::{Access, Program, Segment, Sizes};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

use crate::arch::descriptors::{Ports, Supervisor};
use crate::arch::paging::{PageTables, Rights};
use crate::blueprint::Blueprint;
use crate::linux::AddressSpace;

/// Below everything of the guest's own; page 0 stays unmapped.
const SUPERVISOR: Supervisor = Supervisor::new(PAGE_SIZE, Ports::Hypercall);

const USER_DATA: Rights = Rights {
    user: true,
    write: true,
    execute: false,
};

/// Where everything lies in the memory of one function's guests.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) stack_top: u64,
    pub(crate) heap_start: u64,
    pub(crate) heap_end: u64,
    /// Behind all that is the guest's.
    end: u64,
    /// Bytes of memory that the function's attribute grants.
    pub(crate) granted: u64,
    pub(crate) blueprint: Blueprint,
    /// What the guest may touch, in ascending order: start, end, whether it may write there.
    mapped: Vec<(u64, u64, bool)>,
}

impl Layout {
    /// Lays out a program: image, guard page, stack, guard page, heap, page tables.
    pub(crate) fn of(program: &Program<'_>) -> Self {
        let Program { image, sizes, .. } = program;
        let Sizes { memory, stack } = *sizes;
        let stack_bottom = image.end() + PAGE_SIZE;
        let stack_top = stack_bottom + stack;
        let heap_start = stack_top + PAGE_SIZE;
        let heap_end = image.end() + memory;
        let mut tables = PageTables::new(heap_end, heap_end);
        for segment in &image.segments {
            tables.map(segment.address, segment.end(), rights(segment));
        }
        tables.map(stack_bottom, stack_top, USER_DATA);
        tables.map(heap_start, heap_end, USER_DATA);
        let segments = image.segments.iter().map(|segment| {
            let (start, end) = (segment.address, segment.end());
            (start, end, segment.access == Access::Write)
        });
        let rest = [
            (stack_bottom, stack_top, true),
            (heap_start, heap_end, true),
        ];
        Self {
            mapped: segments.chain(rest).collect(),
            stack_top,
            heap_start,
            heap_end,
            end: heap_end,
            granted: memory,
            blueprint: Blueprint::ring3(SUPERVISOR, tables),
        }
    }

    /// Of a Linux program: what it has mapped, between which addresses its arguments may lie, and where its
    /// memory ends.
    pub(crate) fn of_linux(
        space: &AddressSpace,
        [heap_start, heap_end]: [u64; 2],
        end: u64,
        granted: u64,
        blueprint: Blueprint,
    ) -> Self {
        let readable = space
            .regions()
            .filter(|one| one.protection.rights().is_some());
        Self {
            stack_top: end,
            heap_start,
            heap_end,
            end,
            granted,
            blueprint,
            mapped: readable
                .map(|one| (one.start, one.end, one.protection.write))
                .collect(),
        }
    }

    /// Whether the guest may have handed over `length` bytes at `address`: its own memory only, not
    /// the supervisor's below or the page tables behind it.
    pub(crate) fn is_guests_own(&self, address: u64, length: u64) -> bool {
        let end = address.checked_add(length);
        address >= USER_BASE && end.is_some_and(|end| end <= self.end)
    }

    /// The end of the mapping that holds `address`; with `write`, if the guest may write there.
    pub(crate) fn mapped_up_to(&self, address: u64, write: bool) -> Option<u64> {
        let holds = |(start, end, writable): &&(u64, u64, bool)| {
            (*start..*end).contains(&address) && (*writable || !write)
        };
        self.mapped.iter().find(holds).map(|(_, end, _)| *end)
    }
}

fn rights(segment: &Segment<'_>) -> Rights {
    Rights {
        user: true,
        write: segment.access == Access::Write,
        execute: segment.access == Access::Execute,
    }
}
