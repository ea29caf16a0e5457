//! The memory layout of a `#[virtine]` function's guests.
//!
//! Drawn in `docs/architecture.md` and in `virtine_rt::abi`.

use std::ops::Range;

use virtine_rt::abi::image::{Access, Program, Segment, Sizes};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

use crate::machine::plan::{Interface, MachinePlan, UserPlan};
use crate::memory::address_space::{AddressSpace, Protection, Region};

/// The memory layout of one function's guests.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) stack_top: u64,
    /// The page below the stack, which is never mapped.
    pub(crate) stack_guard: Range<u64>,
    pub(crate) heap_start: u64,
    pub(crate) heap_end: u64,
    /// The first address after all of the guest's memory.
    end: u64,
    /// Bytes of memory that the function's attribute grants.
    pub(crate) granted: u64,
    /// The memory that the guest may touch, in ascending order.
    mapped: Vec<Region>,
}

impl Layout {
    /// Lays out a program: image, guard page, stack, guard page, heap.
    pub(crate) fn of(program: &Program<'_>) -> Self {
        let Program { image, sizes, .. } = program;
        let Sizes { memory, stack } = *sizes;
        let stack_bottom = image.end() + PAGE_SIZE;
        let stack_top = stack_bottom + stack;
        let heap_start = stack_top + PAGE_SIZE;
        let heap_end = image.end() + memory;
        let data = |start, end| Region {
            start,
            end,
            protection: Protection::DATA,
        };
        let rest = [data(stack_bottom, stack_top), data(heap_start, heap_end)];
        Self {
            mapped: image.segments.iter().map(region).chain(rest).collect(),
            stack_top,
            stack_guard: image.end()..stack_bottom,
            heap_start,
            heap_end,
            end: heap_end,
            granted: memory,
        }
    }

    /// The layout of a Linux program: what it has mapped, the addresses between which its arguments may lie, and the
    /// end of its memory.
    pub(crate) fn of_linux(
        space: &AddressSpace,
        [heap_start, heap_end]: [u64; 2],
        end: u64,
        granted: u64,
    ) -> Self {
        let readable = space.regions().filter(|one| one.protection.is_accessible());
        Self {
            stack_top: end,
            stack_guard: 0..0,
            heap_start,
            heap_end,
            end,
            granted,
            mapped: readable.collect(),
        }
    }

    /// The machine of a guest with this layout that makes no system calls.
    pub(crate) fn plan(&self) -> MachinePlan {
        MachinePlan::User(UserPlan {
            regions: self.mapped.clone(),
            // Below all of the guest's memory. Page 0 stays unmapped.
            monitor: PAGE_SIZE,
            end: self.end,
            interface: Interface::Hypercalls,
        })
    }

    /// Whether the guest may hand over `length` bytes at `address`. It may only hand over its own memory, not the
    /// supervisor's below it or the page tables after it.
    pub(crate) fn is_guests_own(&self, address: u64, length: u64) -> bool {
        let end = address.checked_add(length);
        address >= USER_BASE && end.is_some_and(|end| end <= self.end)
    }

    /// The end of the mapping that holds `address`. With `write`, only if the guest may write there.
    pub(crate) fn mapped_up_to(&self, address: u64, write: bool) -> Option<u64> {
        let holds = |region: &&Region| {
            (region.start..region.end).contains(&address) && (region.protection.write || !write)
        };
        self.mapped.iter().find(holds).map(|region| region.end)
    }
}

fn region(segment: &Segment<'_>) -> Region {
    Region {
        start: segment.address,
        end: segment.end(),
        protection: Protection {
            read: true,
            write: segment.access == Access::Write,
            execute: segment.access == Access::Execute,
        },
    }
}
