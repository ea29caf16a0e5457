//! The memory layout of a program.
//!
//! ```text
//! 0x0000_1000  supervisor, gate, entry of system calls
//! ELF file's addresses: its segments, by their own rights
//! heap: from the end of these up, as `brk` moves its end
//!   ...
//! mappings: from the stack down
//! guard page
//! stack
//! guard page
//! end of the segments + memory; behind it the page tables, mapped nowhere
//! ```

use std::arch::x86_64::__cpuid;

use virtine_rt::abi::image::ImageError;
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

use crate::Error;
use crate::base::elf_error::ElfError;
use crate::machine::plan::{Interface, MachinePlan, UserPlan};
use crate::memory::address_space::{AddressSpace, Protection};
use crate::memory::elf::Executable;

/// The largest memory of a program.
const MOST: u64 = 4 << 30;

/// Memory needed besides segments and stack: guard pages and some heap.
const SMALLEST_REST: u64 = 4 * PAGE_SIZE;

/// The memory layout of a program.
pub(crate) struct Layout {
    pub(crate) space: AddressSpace,
    pub(crate) heap: u64,
    pub(crate) stack_top: u64,
    /// The address after everything else, where the page tables lie.
    pub(crate) end: u64,
}

impl Layout {
    /// Lays out a program that may have this much memory in total, including its segments, with `stack` bytes of stack.
    pub(crate) fn within(
        executable: &Executable<'_>,
        memory: u64,
        stack: u64,
    ) -> Result<Self, Error> {
        let segments = executable.segments.iter();
        let taken: u64 = segments.map(|segment| segment.end - segment.start).sum();
        let needed = taken.saturating_add(stack).saturating_add(SMALLEST_REST);
        match memory.checked_sub(taken) {
            Some(rest) if memory >= needed => Self::new(executable, rest, stack),
            _ => Err(Error::Program(ElfError::Memory {
                segments: taken,
                needed,
                granted: memory,
            })),
        }
    }

    /// Lays out a program with this much memory besides its segments, with `stack` bytes of stack.
    pub(crate) fn new(executable: &Executable<'_>, memory: u64, stack: u64) -> Result<Self, Error> {
        let aligned = memory.is_multiple_of(PAGE_SIZE) && stack.is_multiple_of(PAGE_SIZE);
        if !aligned || stack == 0 || memory > MOST {
            return Err(ImageError::Sizes { memory, stack }.into());
        }
        let needed = stack.saturating_add(SMALLEST_REST);
        if memory < needed {
            return Err(ImageError::MemoryTooSmall { memory, needed }.into());
        }
        let image_end = executable.end();
        let end = image_end + memory;
        let stack_top = end - PAGE_SIZE;
        let stack_bottom = stack_top - stack;
        let segments = executable.segments.iter();
        let taken: u64 = segments.map(|segment| segment.end - segment.start).sum();
        let mut space = AddressSpace::new(USER_BASE, stack_top, taken.saturating_add(memory));
        let full = |_| ImageError::SegmentCount { found: 0 };
        for segment in &executable.segments {
            space
                .map(segment.start, segment.end, segment.protection)
                .map_err(full)?;
        }
        let guard = stack_bottom - PAGE_SIZE;
        space
            .map(guard, stack_bottom, Protection::NONE)
            .map_err(full)?;
        space
            .map(stack_bottom, stack_top, Protection::DATA)
            .map_err(full)?;
        Ok(Self {
            space,
            heap: image_end,
            stack_top,
            end,
        })
    }
}

impl Layout {
    /// The machine of a program with this layout.
    pub(crate) fn plan(&self) -> MachinePlan {
        plan(&self.space, self.end)
    }
}

/// A machine in which this is mapped, and nothing else below `end`.
pub(crate) fn plan(space: &AddressSpace, end: u64) -> MachinePlan {
    MachinePlan::User(UserPlan {
        regions: space.regions().collect(),
        monitor: PAGE_SIZE,
        end,
        interface: Interface::SystemCalls,
    })
}

/// The value of AT_HWCAP: EDX of CPUID's leaf 1.
pub(crate) fn features() -> u64 {
    __cpuid(1).edx.into()
}
