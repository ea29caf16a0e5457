//! A Linux program's mappings: runs of pages with their protection.
//!
//! This is only bookkeeping. [`mapping`](crate::linux::mapping) applies it to a machine's page tables.

use std::collections::BTreeMap;

use rustix::io::Errno;
use virtine_rt::abi::PAGE_SIZE;

/// A program cannot have more mappings than this, a quarter of Linux's default limit
/// (Documentation/admin-guide/sysctl/vm.rst, max_map_count).
const MAX_REGIONS: usize = 16_384;

/// What a program may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

impl Protection {
    pub(crate) const NONE: Self = Self {
        read: false,
        write: false,
        execute: false,
    };
    pub(crate) const DATA: Self = Self {
        read: true,
        write: true,
        execute: false,
    };

    /// Parses the argument of `mmap` and `mprotect`. Both writable and executable is [`Errno::ACCESS`], as under a
    /// security module that forbids it.
    pub(crate) const fn parse(bits: u64) -> Result<Self, Errno> {
        let protection = Self {
            read: bits & libc::PROT_READ as u64 != 0,
            write: bits & libc::PROT_WRITE as u64 != 0,
            execute: bits & libc::PROT_EXEC as u64 != 0,
        };
        let known = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
        if bits & !known != 0 {
            return Err(Errno::INVAL);
        }
        match protection.write && protection.execute {
            true => Err(Errno::ACCESS),
            false => Ok(protection),
        }
    }

    /// The effective protection: whatever can be written or executed can be read.
    const fn effective(self) -> Self {
        Self {
            read: self.is_accessible(),
            ..self
        }
    }

    /// Whether the page can be accessed at all. On x86-64, whatever can be written or executed can be read.
    pub(crate) const fn is_accessible(self) -> bool {
        self.read || self.write || self.execute
    }
}

/// A run of pages with the same protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) protection: Protection,
}

/// A program's mappings between two addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddressSpace {
    start: u64,
    end: u64,
    /// Bytes that are mapped, and how many may be. Gaps between a program's segments do not count.
    mapped: u64,
    most: u64,
    /// Keyed by start. None overlap, and neighbors differ.
    regions: BTreeMap<u64, (u64, Protection)>,
}

impl AddressSpace {
    /// An empty space between `start` and `end`, multiples of the page size, in which `most` bytes may be mapped.
    pub(crate) const fn new(start: u64, end: u64, most: u64) -> Self {
        Self {
            start,
            end,
            mapped: 0,
            most,
            regions: BTreeMap::new(),
        }
    }

    /// All mappings, in ascending order.
    pub(crate) fn regions(&self) -> impl Iterator<Item = Region> {
        self.regions
            .iter()
            .map(|(&start, &(end, protection))| Region {
                start,
                end,
                protection,
            })
    }

    /// The parts of mappings that lie between `start` and `end`.
    pub(crate) fn regions_in(&self, start: u64, end: u64) -> Vec<Region> {
        let before = self.regions.range(..start).next_back();
        let first = before.map_or(start, |(&first, _)| first);
        self.regions
            .range(first..end.max(first))
            .filter(|(_, (region_end, _))| *region_end > start)
            .map(|(&first, &(last, protection))| Region {
                start: first.max(start),
                end: last.min(end),
                protection,
            })
            .collect()
    }

    /// The first address after `length` bytes at `start`, rounded up to a page. Fails if the program can have nothing
    /// there.
    pub(crate) fn end_of(&self, start: u64, length: u64) -> Result<u64, Errno> {
        let end = start
            .checked_add(length)
            .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
            .ok_or(Errno::NOMEM)?;
        match start.is_multiple_of(PAGE_SIZE) && start >= self.start && end <= self.end {
            true => Ok(end),
            false => Err(Errno::NOMEM),
        }
    }

    /// Maps the pages, replacing what was there.
    pub(crate) fn map(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), Errno> {
        let replaced: u64 = lengths(&self.regions_in(start, end));
        let mapped = self.mapped - replaced + (end - start);
        if self.regions.len() + 2 > MAX_REGIONS || mapped > self.most {
            return Err(Errno::NOMEM);
        }
        self.unmap(start, end);
        self.mapped = mapped;
        let (mut first, mut last) = (start, end);
        if let Some((&before, &(before_end, alike))) = self.regions.range(..start).next_back()
            && before_end == start
            && alike == protection
        {
            first = before;
        }
        if let Some(&(after_end, alike)) = self.regions.get(&end)
            && alike == protection
        {
            self.regions.remove(&end);
            last = after_end;
        }
        self.regions.insert(first, (last, protection));
        Ok(())
    }

    /// Unmaps those of the pages that are mapped.
    pub(crate) fn unmap(&mut self, start: u64, end: u64) {
        for part in self.regions_in(start, end) {
            let holder = self.regions.range(..=part.start).next_back();
            let Some((&first, &(last, protection))) = holder else {
                continue;
            };
            self.regions.remove(&first);
            self.mapped -= part.end - part.start;
            if first < part.start {
                self.regions.insert(first, (part.start, protection));
            }
            if part.end < last {
                self.regions.insert(part.end, (last, protection));
            }
        }
    }

    /// Whether the pages can be unmapped. Pages inside a mapping split it in two.
    pub(crate) fn can_unmap(&self, start: u64, end: u64) -> bool {
        let around = self.regions.range(..start).next_back();
        self.regions.len() < MAX_REGIONS || around.is_none_or(|(_, (last, _))| *last <= end)
    }

    /// Whether all pages are mapped.
    pub(crate) fn holds(&self, start: u64, end: u64) -> bool {
        lengths(&self.regions_in(start, end)) == end.saturating_sub(start)
    }

    /// Whether no page is mapped.
    pub(crate) fn is_free(&self, start: u64, end: u64) -> bool {
        self.regions_in(start, end).is_empty()
    }

    /// The highest free run of `length` bytes that starts at `lowest` or above.
    pub(crate) fn find_free(&self, lowest: u64, length: u64) -> Option<u64> {
        let mut end = self.end;
        for (&start, &(region_end, _)) in self.regions.iter().rev() {
            if end.saturating_sub(region_end.max(lowest)) >= length {
                break;
            }
            end = end.min(start);
        }
        end.checked_sub(length).filter(|start| *start >= lowest)
    }

    /// The first mapped address from `address` on, or the end of the space if there is none.
    pub(crate) fn next_mapped(&self, address: u64) -> u64 {
        let next = self.regions.range(address..).next();
        next.map_or(self.end, |(&start, _)| start)
    }

    /// How far the program may read (or write, with `write`) from `address` on. `None` if not even there.
    pub(crate) fn reach(&self, address: u64, write: bool) -> Option<u64> {
        let allows =
            |protection: Protection| protection.is_accessible() && (protection.write || !write);
        let mut reached = None;
        let first = self.regions.range(..=address).next_back()?.0;
        for (&start, &(end, protection)) in self.regions.range(first..) {
            let at = *reached.get_or_insert(address);
            if start > at || end <= at || !allows(protection) {
                break;
            }
            reached = Some(end);
        }
        reached.filter(|reached| *reached > address)
    }

    /// The runs of pages in which the two differ, with their protection in `self`.
    pub(crate) fn difference(&self, other: &Self) -> Vec<(u64, u64, Protection)> {
        let mut edges: Vec<u64> = [self, other]
            .iter()
            .flat_map(|space| {
                space
                    .regions()
                    .flat_map(|region| [region.start, region.end])
            })
            .collect();
        edges.sort_unstable();
        edges.dedup();
        edges
            .array_windows()
            .filter(|[start, _]| self.at(*start).effective() != other.at(*start).effective())
            .map(|&[start, end]| (start, end, self.at(start)))
            .collect()
    }

    fn at(&self, address: u64) -> Protection {
        let holder = self.regions.range(..=address).next_back();
        holder
            .filter(|(_, (end, _))| address < *end)
            .map_or(Protection::NONE, |(_, &(_, protection))| protection)
    }
}

fn lengths(parts: &[Region]) -> u64 {
    parts.iter().map(|part| part.end - part.start).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 0x20_0000;
    const PAGES: u64 = 32;
    const READ: Protection = Protection {
        read: true,
        write: false,
        execute: false,
    };

    fn space() -> AddressSpace {
        AddressSpace::new(START, START + PAGES * PAGE_SIZE, u64::MAX)
    }

    fn page(number: u64) -> u64 {
        START + number * PAGE_SIZE
    }

    #[test]
    fn free_runs_are_found_from_the_top() {
        let mut space = space();
        assert_eq!(space.find_free(START, PAGE_SIZE), Some(page(PAGES - 1)));
        space
            .map(page(PAGES - 2), page(PAGES - 1), READ)
            .expect("room");
        assert_eq!(space.find_free(START, 2 * PAGE_SIZE), Some(page(PAGES - 4)));
        assert_eq!(space.find_free(START, (PAGES - 1) * PAGE_SIZE), None);
        assert_eq!(space.find_free(page(PAGES), PAGE_SIZE), None);
    }

    #[test]
    fn holes_make_no_more_mappings_than_there_may_be() {
        let end = START + 4 * MAX_REGIONS as u64 * PAGE_SIZE;
        let mut space = AddressSpace::new(START, end, u64::MAX);
        space.map(START, end, READ).expect("room");
        let mut holes = (1..).step_by(2).map(page);
        while space.regions.len() < MAX_REGIONS {
            let hole = holes.next().expect("endless");
            assert!(space.can_unmap(hole, hole + PAGE_SIZE));
            space.unmap(hole, hole + PAGE_SIZE);
        }
        let hole = holes.next().expect("endless");
        assert!(!space.can_unmap(hole, hole + PAGE_SIZE));
        assert!(space.can_unmap(hole, end), "which makes none");
        assert!(space.can_unmap(START, START + PAGE_SIZE), "nor does this");
    }

    #[test]
    fn no_more_is_mapped_than_is_granted_wherever_it_lies() {
        let mut space = AddressSpace::new(START, page(PAGES), 3 * PAGE_SIZE);
        space.map(page(20), page(22), READ).expect("two pages");
        space
            .map(page(21), page(23), Protection::DATA)
            .expect("three");
        assert_eq!(space.map(page(1), page(2), READ), Err(Errno::NOMEM));
        space.map(page(20), page(23), READ).expect("the same three");
        space.unmap(page(19), page(21));
        space.map(page(1), page(2), READ).expect("in its place");
        assert_eq!(space.map(page(30), page(31), READ), Err(Errno::NOMEM));
    }

    #[test]
    fn what_wraps_or_lies_outside_is_refused() {
        let space = space();
        for (start, length) in [
            (START, u64::MAX),
            (u64::MAX - PAGE_SIZE + 1, 1),
            (START - PAGE_SIZE, PAGE_SIZE),
            (START + 1, 1),
            (page(PAGES), 1),
        ] {
            assert_eq!(space.end_of(start, length), Err(Errno::NOMEM), "{start:#x}");
        }
        assert_eq!(space.end_of(page(PAGES - 1), 1), Ok(page(PAGES)));
    }

    #[test]
    fn writable_and_executable_is_refused() {
        assert_eq!(Protection::parse(6), Err(Errno::ACCESS));
        assert_eq!(Protection::parse(0x1000), Err(Errno::INVAL));
        assert_eq!(Protection::parse(3), Ok(Protection::DATA));
    }

    proptest! {
        /// Tracking every page on its own is the simplest model.
        #[test]
        fn every_page_is_as_it_was_mapped_last(
            steps in prop::collection::vec((0..PAGES, 1..PAGES, 0..4_u8), 0..40)
        ) {
            let mut space = space();
            let mut model = vec![None; PAGES as usize];
            for (first, count, what) in steps {
                let last = (first + count).min(PAGES);
                let protection = match what {
                    0 => None,
                    1 => Some(Protection::NONE),
                    2 => Some(READ),
                    _ => Some(Protection::DATA),
                };
                match protection {
                    Some(protection) => space.map(page(first), page(last), protection).expect("room"),
                    None => space.unmap(page(first), page(last)),
                }
                model[first as usize..last as usize].fill(protection);
            }
            for (number, expected) in (0..).zip(&model) {
                prop_assert_eq!(space.is_free(page(number), page(number + 1)), expected.is_none());
                prop_assert_eq!(space.holds(page(number), page(number + 1)), expected.is_some());
                for write in [false, true] {
                    let allows = |at: &Option<Protection>| at.is_some_and(|at| {
                        at.is_accessible() && (at.write || !write)
                    });
                    let run = model[number as usize..].iter().take_while(|at| allows(at)).count() as u64;
                    let expected = (run > 0).then(|| page(number + run));
                    prop_assert_eq!(space.reach(page(number), write), expected);
                }
            }
            let neighbours: Vec<Region> = space.regions().collect();
            for pair in neighbours.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
                prop_assert!(pair[0].end < pair[1].start || pair[0].protection != pair[1].protection);
            }
        }
    }
}
