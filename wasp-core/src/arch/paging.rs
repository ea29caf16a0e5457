//! The guest's page tables: where they lie, how they are written, and what the processor's dirty
//! bits in them tell.
//!
//! Four levels of 4 KiB tables (Intel SDM vol. 3, 5.5), identity-mapped, all in one run behind the
//! guest's memory, in an order that makes every table's address plain arithmetic:
//!
//! ```text
//! base   PML4 | PDPT | one PD per GiB ... | one PT per 2 MiB ...
//! ```
//!
//! The tables themselves are mapped nowhere, so no guest can read or write them. A host that reads
//! them follows no pointer: it computes the addresses.

use virtine_rt::abi::PAGE_SIZE;

use crate::memory::GuestMemory;

const ENTRIES: u64 = 512;
/// Bytes that one entry of a page table, page directory or page-directory-pointer table maps.
const PT_SPAN: u64 = PAGE_SIZE;
const PD_SPAN: u64 = PT_SPAN * ENTRIES;
const PDPT_SPAN: u64 = PD_SPAN * ENTRIES;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;

/// What a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) user: bool,
    pub(crate) write: bool,
    pub(crate) execute: bool,
}

impl Rights {
    /// ACCESSED is set ahead, which spares the processor a write; DIRTY never is, for it is what a
    /// reset goes by.
    const fn leaf(self) -> u64 {
        let user = if self.user { USER } else { 0 };
        let write = if self.write { WRITABLE } else { 0 };
        let execute = if self.execute { 0 } else { NO_EXECUTE };
        PRESENT | ACCESSED | user | write | execute
    }
}

/// Where the tables lie that map all addresses below `reach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    base: u64,
    reach: u64,
}

impl Geometry {
    /// Tables from `base` on, a multiple of the page size, for addresses below `reach`, which is at
    /// most 512 GiB.
    pub(crate) const fn new(base: u64, reach: u64) -> Self {
        Self { base, reach }
    }

    /// Address of the PML4, for CR3.
    pub(crate) const fn root(&self) -> u64 {
        self.base
    }

    /// Bytes of all tables.
    pub(crate) const fn size(&self) -> u64 {
        (2 + self.directories() + self.page_tables()) * PAGE_SIZE
    }

    const fn directories(&self) -> u64 {
        self.reach.div_ceil(PDPT_SPAN)
    }

    const fn page_tables(&self) -> u64 {
        self.reach.div_ceil(PD_SPAN)
    }

    const fn pdpt(&self) -> u64 {
        self.base + PAGE_SIZE
    }

    const fn directory(&self, index: u64) -> u64 {
        self.base + (2 + index) * PAGE_SIZE
    }

    const fn page_table(&self, index: u64) -> u64 {
        self.base + (2 + self.directories() + index) * PAGE_SIZE
    }

    /// Calls `visit` with the address of every page that the guest has written since the tables
    /// were laid out.
    ///
    /// Goes from the top and passes over every entry that the processor has not used, so that a
    /// scan costs what was used, not what is mapped. The bits are only read: a bit cleared under a
    /// live VM would be lost, since processor and shadow tables may hold the old entry.
    ///
    /// Pages below `from` are passed over, a whole table's at a time.
    pub(crate) fn for_each_dirty(
        &self,
        memory: &GuestMemory,
        from: u64,
        mut visit: impl FnMut(u64),
    ) {
        let from = from / PD_SPAN;
        for directory in 0..self.directories() {
            if !accessed(memory, self.pdpt(), directory) {
                continue;
            }
            let first = directory * ENTRIES;
            for table in first.max(from)..self.page_tables().min(first + ENTRIES) {
                if accessed(memory, self.directory(directory), table % ENTRIES) {
                    self.for_each_dirty_in(memory, table, &mut visit);
                }
            }
        }
    }

    /// Most entries are clean, so eight at a time are told to be so by one comparison.
    fn for_each_dirty_in(&self, memory: &GuestMemory, table: u64, visit: &mut impl FnMut(u64)) {
        let bytes = memory
            .bytes(self.page_table(table), PAGE_SIZE)
            .unwrap_or_default();
        let (entries, _) = bytes.as_chunks::<8>();
        for (chunk, entries) in (0..).zip(entries.chunks(8)) {
            let entries = entries.iter().map(|entry| u64::from_le_bytes(*entry));
            if entries.clone().fold(0, |all, entry| all | entry) & DIRTY == 0 {
                continue;
            }
            for (at, _) in (0..).zip(entries).filter(|(_, entry)| entry & DIRTY != 0) {
                visit((table * ENTRIES + chunk * 8 + at) * PAGE_SIZE);
            }
        }
    }
}

fn accessed(memory: &GuestMemory, table: u64, index: u64) -> bool {
    entry(memory, table, index) & ACCESSED != 0
}

fn entry(memory: &GuestMemory, table: u64, index: u64) -> u64 {
    memory.read_word(table + 8 * index)
}

/// Page tables in the making.
pub(crate) struct PageTables {
    geometry: Geometry,
    words: Vec<u64>,
}

impl PageTables {
    /// Tables that map nothing yet.
    pub(crate) fn new(geometry: Geometry) -> Self {
        let mut tables = Self {
            geometry,
            words: vec![0; (geometry.size() / 8) as usize],
        };
        tables.link(geometry.root(), 0, geometry.pdpt());
        for index in 0..geometry.directories() {
            tables.link(geometry.pdpt(), index, geometry.directory(index));
        }
        for index in 0..geometry.page_tables() {
            let directory = geometry.directory(index / ENTRIES);
            tables.link(directory, index % ENTRIES, geometry.page_table(index));
        }
        tables
    }

    /// Maps the pages from `start` to `end`, both multiples of the page size, onto themselves.
    pub(crate) fn map(&mut self, start: u64, end: u64, rights: Rights) {
        for page in start / PAGE_SIZE..end / PAGE_SIZE {
            let table = self.geometry.page_table(page / ENTRIES);
            self.set(table, page % ENTRIES, (page * PAGE_SIZE) | rights.leaf());
        }
    }

    /// The tables as they are to lie in guest memory from [`Geometry::root`] on.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// Upper levels allow everything; the leaf decides. ACCESSED stays clear here, for it tells the
    /// scan where to look.
    fn link(&mut self, table: u64, index: u64, next: u64) {
        self.set(table, index, next | PRESENT | WRITABLE | USER);
    }

    fn set(&mut self, table: u64, index: u64, value: u64) {
        let word = (table - self.geometry.base) / 8 + index;
        self.words[word as usize] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    /// Walks the tables as the processor does.
    fn walk(tables: &PageTables, address: u64) -> u64 {
        let base = tables.geometry.base;
        let read = |table: u64, index: u64| tables.words[((table - base) / 8 + index) as usize];
        let mut table = tables.geometry.root();
        for shift in [39, 30, 21] {
            let entry = read(table, address >> shift & 0x1ff);
            if entry & PRESENT == 0 {
                return 0;
            }
            table = entry & 0x000f_ffff_ffff_f000;
        }
        read(table, address >> 12 & 0x1ff)
    }

    #[test]
    fn mapped_pages_are_found_and_others_are_not() {
        let rights = Rights {
            user: true,
            write: true,
            execute: false,
        };
        for reach in [4 * MIB, 2 * GIB + 6 * MIB] {
            let mut tables = PageTables::new(Geometry::new(reach, reach));
            let (start, end) = (reach - MIB, reach - PAGE_SIZE);
            tables.map(start, end, rights);
            assert_eq!(walk(&tables, start), start | rights.leaf());
            assert_eq!(
                walk(&tables, end - PAGE_SIZE),
                (end - PAGE_SIZE) | rights.leaf()
            );
            assert_eq!(walk(&tables, end), 0);
            assert_eq!(walk(&tables, start - PAGE_SIZE), 0);
        }
    }

    #[test]
    fn tables_are_as_large_as_the_geometry_says() {
        for reach in [PAGE_SIZE, 2 * MIB, 2 * MIB + PAGE_SIZE, GIB, 3 * GIB] {
            let geometry = Geometry::new(0x10_0000, reach);
            assert_eq!(
                PageTables::new(geometry).into_bytes().len() as u64,
                geometry.size()
            );
        }
    }

    #[test]
    fn no_leaf_starts_dirty() {
        for rights in [
            (true, true, false),
            (false, true, false),
            (true, false, true),
        ] {
            let (user, write, execute) = rights;
            assert_eq!(
                Rights {
                    user,
                    write,
                    execute
                }
                .leaf()
                    & DIRTY,
                0
            );
        }
    }
}
