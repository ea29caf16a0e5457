//! The guest's page tables: where they lie, how they are written, and how the CPU's dirty bits in them are read.
//!
//! Four levels of 4 KiB tables (Intel SDM vol. 3, 5.5), identity-mapped, all in one run after the guest's memory. Their
//! order makes every table's address plain arithmetic:
//!
//! ```text
//! base   PML4 | PDPT | one PD per GiB ... | one PT per 2 MiB ...
//! ```
//!
//! The tables themselves are not mapped, so no guest can read or write them. The host follows no pointer when it reads
//! them: it computes the addresses.
//!
//! Space is reserved for every table, but only a few are written at the start: those for memory that every guest uses.
//! The others are filled in when a guest first touches memory that they map ([`PageTables::fill`]), so unused memory
//! costs nothing.

use std::cmp;
use std::ops::Range;

use virtine_rt::abi::PAGE_SIZE;

use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;

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
    /// The rights of ring 3. `None` for a page that it may not even read.
    pub(crate) const fn of(protection: Protection) -> Option<Self> {
        match protection.is_accessible() {
            true => Some(Self {
                user: true,
                write: protection.write,
                execute: protection.execute,
            }),
            false => None,
        }
    }

    /// ACCESSED is set ahead, which saves the CPU a write. DIRTY never is, because a reset relies on it.
    const fn leaf(self) -> u64 {
        let user = if self.user { USER } else { 0 };
        let write = if self.write { WRITABLE } else { 0 };
        let execute = if self.execute { 0 } else { NO_EXECUTE };
        PRESENT | ACCESSED | user | write | execute
    }
}

/// A run of identity-mapped pages with the same rights.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    start: u64,
    end: u64,
    rights: Rights,
}

/// The part of each mapping that is in the tables from the start: its first 32 MiB, and its end.
const EAGER: u64 = 16 * PD_SPAN;
/// The number of tables that are filled in at a time: those of an aligned run of 16 MiB.
const BATCH: u64 = 8;

/// The page tables of one guest: what they map, and where they lie.
#[derive(Clone, Debug)]
pub(crate) struct PageTables {
    base: u64,
    reach: u64,
    mappings: Vec<Mapping>,
    /// The lowest page table of a page that ring 3 can write.
    first_written: u64,
}

impl PageTables {
    /// Tables from `base` on, a multiple of the page size, for addresses below `reach`, which is at most 512 GiB. They
    /// map nothing yet.
    pub(crate) const fn new(base: u64, reach: u64) -> Self {
        Self {
            base,
            reach,
            mappings: Vec::new(),
            first_written: u64::MAX,
        }
    }

    /// Identity-maps the pages from `start` to `end`, both multiples of the page size.
    pub(crate) fn map(&mut self, start: u64, end: u64, rights: Rights) {
        if start == end {
            return;
        }
        if rights.user && rights.write {
            self.first_written = self.first_written.min(start / PD_SPAN);
        }
        self.mappings.push(Mapping { start, end, rights });
    }

    /// Address of the PML4, for CR3.
    pub(crate) const fn root(&self) -> u64 {
        self.base
    }

    /// The first address after all tables, including those that are not filled in.
    pub(crate) const fn end(&self) -> u64 {
        self.page_table(self.page_tables())
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

    /// Address of the page directory's entry for a page table.
    const fn link(&self, table: u64) -> u64 {
        self.directory(table / ENTRIES) + 8 * (table % ENTRIES)
    }

    /// The tables that exist from the start: addresses and contents.
    pub(crate) fn initial(&self) -> Vec<(u64, Vec<u8>)> {
        let mut eager: Vec<u64> = self.mappings.iter().flat_map(eager_tables).collect();
        eager.sort_unstable();
        eager.dedup();
        let mut upper = vec![0; ((2 + self.directories()) * PAGE_SIZE / 8) as usize];
        let mut set = |address, value| upper[((address - self.base) / 8) as usize] = value;
        set(self.root(), upper_entry(self.pdpt()));
        for index in 0..self.directories() {
            set(self.pdpt() + 8 * index, upper_entry(self.directory(index)));
        }
        for &table in &eager {
            set(self.link(table), upper_entry(self.page_table(table)));
        }
        let mut tables = vec![(self.base, to_bytes(&upper))];
        tables.extend(
            eager
                .into_iter()
                .map(|table| (self.page_table(table), self.contents(table))),
        );
        tables
    }

    /// Fills in the tables around `address`, where a guest has touched a page that is not present. Returns false if the
    /// page is not mapped.
    ///
    /// The CPU caches no translation of pages that are not present (Intel SDM vol. 3, 5.10.2.3), and KVM's shadow
    /// tables read the guest's tables when the guest faults.
    pub(crate) fn fill(&self, memory: &mut GuestMemory, address: u64) -> bool {
        let table = address / PD_SPAN;
        if !self.maps(address) || self.is_filled(memory, table) {
            return false;
        }
        let first = table - table % BATCH;
        for table in first..cmp::min(first + BATCH, self.page_tables()) {
            if !self.is_filled(memory, table) {
                self.fill_one(memory, table);
            }
        }
        true
    }

    /// Makes the scan for dirty pages start at `address` or lower, because pages from there on may become writable
    /// while the guest lives.
    pub(crate) fn scan_from(&mut self, address: u64) {
        self.first_written = self.first_written.min(address / PD_SPAN);
    }

    /// Maps the pages from `start` to `end` in the tables of a machine whose guest is stopped. `None` unmaps them.
    /// Accessed and dirty bits stay. The caller must drop the CPU's translations: [`GuestMemory::drop_translations`].
    pub(crate) fn remap(
        &self,
        memory: &mut GuestMemory,
        start: u64,
        end: u64,
        rights: Option<Rights>,
    ) {
        for table in start / PD_SPAN..end.div_ceil(PD_SPAN) {
            if !self.is_filled(memory, table) {
                if rights.is_none() && !self.maps_any_of(table) {
                    continue;
                }
                self.fill_one(memory, table);
            }
            let first = start.max(table * PD_SPAN);
            let last = end.min((table + 1) * PD_SPAN);
            let words: Vec<u64> = (first..last)
                .step_by(PAGE_SIZE as usize)
                .map(|page| {
                    let used = memory.read_word(self.entry(page)) & DIRTY;
                    used | rights.map_or(0, |rights| page | rights.leaf())
                })
                .collect();
            let _ = memory.put(self.entry(first), &to_bytes(&words));
        }
    }

    /// Marks the pages of a run as not written. The caller has made sure that no translation of them is live.
    pub(crate) fn clean(&self, memory: &mut GuestMemory, run: Range<u64>) {
        for page in run.step_by(PAGE_SIZE as usize) {
            let entry = self.entry(page);
            let word = memory.read_word(entry);
            if page / PD_SPAN < self.page_tables() && word & DIRTY != 0 {
                let _ = memory.put(entry, &(word & !DIRTY).to_le_bytes());
            }
        }
    }

    /// Whether the guest has written the page at `page` since the tables were laid out.
    pub(crate) fn is_dirty(&self, memory: &GuestMemory, page: u64) -> bool {
        let table = page / PD_SPAN;
        table < self.page_tables()
            && self.is_filled(memory, table)
            && memory.read_word(self.entry(page)) & DIRTY != 0
    }

    /// Address of the page table's entry for a page.
    const fn entry(&self, page: u64) -> u64 {
        self.page_table(page / PD_SPAN) + 8 * (page / PAGE_SIZE % ENTRIES)
    }

    fn maps_any_of(&self, table: u64) -> bool {
        let (start, end) = (table * PD_SPAN, (table + 1) * PD_SPAN);
        let mut mappings = self.mappings.iter();
        mappings.any(|mapping| mapping.start < end && start < mapping.end)
    }

    fn fill_one(&self, memory: &mut GuestMemory, table: u64) {
        let _ = memory.put(self.page_table(table), &self.contents(table));
        let entry = upper_entry(self.page_table(table));
        let _ = memory.put(self.link(table), &entry.to_le_bytes());
    }

    fn maps(&self, address: u64) -> bool {
        let mut mappings = self.mappings.iter();
        mappings.any(|mapping| (mapping.start..mapping.end).contains(&address))
    }

    fn is_filled(&self, memory: &GuestMemory, table: u64) -> bool {
        memory.read_word(self.link(table)) & PRESENT != 0
    }

    fn contents(&self, table: u64) -> Vec<u8> {
        let mut words = [0; ENTRIES as usize];
        let span = table * PD_SPAN..(table + 1) * PD_SPAN;
        for mapping in &self.mappings {
            let start = mapping.start.max(span.start);
            for page in (start..mapping.end.min(span.end)).step_by(PAGE_SIZE as usize) {
                words[((page - span.start) / PAGE_SIZE) as usize] = page | mapping.rights.leaf();
            }
        }
        to_bytes(&words)
    }

    /// Calls `visit` with the address of every page in ring 3's memory that the guest has written since the tables were
    /// laid out.
    ///
    /// Walks from the top and skips every entry that the CPU has not used. So the cost of a scan depends on the memory
    /// that was used, not on what is mapped. The bits are only read: clearing a bit under a live VM would lose writes,
    /// since the CPU and shadow tables may hold the old entry.
    #[inline]
    pub(crate) fn for_each_dirty(&self, memory: &GuestMemory, mut visit: impl FnMut(u64)) {
        let directories = self.directories();
        for directory in 0..directories {
            // A single directory is always used, and every page that is read takes time, because KVM_RUN leaves the TLB
            // empty.
            if directories > 1 && !accessed(memory, self.pdpt() + 8 * directory) {
                continue;
            }
            let first = directory * ENTRIES;
            let tables = first.max(self.first_written)..self.page_tables().min(first + ENTRIES);
            for table in tables.filter(|&table| accessed(memory, self.link(table))) {
                self.for_each_dirty_in(memory, table, &mut visit);
            }
        }
    }

    /// Most entries are clean, so one comparison checks eight at a time.
    fn for_each_dirty_in(&self, memory: &GuestMemory, table: u64, visit: &mut impl FnMut(u64)) {
        let bytes = memory
            .in_place(self.page_table(table), PAGE_SIZE)
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

fn accessed(memory: &GuestMemory, entry: u64) -> bool {
    memory.read_word(entry) & ACCESSED != 0
}

/// Upper levels allow everything; the leaf decides. ACCESSED stays clear here, because it tells the scan where to look.
const fn upper_entry(next: u64) -> u64 {
    next | PRESENT | WRITABLE | USER
}

fn eager_tables(mapping: &Mapping) -> impl Iterator<Item = u64> {
    let Mapping { start, end, .. } = *mapping;
    let last = (end - 1) / PD_SPAN;
    let eager_end = end.min(start + EAGER).div_ceil(PD_SPAN);
    (start / PD_SPAN..eager_end).chain([last])
}

/// In chunks, which the compiler turns into a copy.
pub(super) fn to_bytes(words: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; 8 * words.len()];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    const DATA: Rights = Rights {
        user: true,
        write: true,
        execute: false,
    };

    /// Tables for the `reach` bytes after them, mapping all but the first and the last page.
    fn tables(reach: u64) -> PageTables {
        let mut tables = PageTables::new(reach, reach);
        tables.map(PAGE_SIZE, reach - PAGE_SIZE, DATA);
        tables
    }

    /// Memory with the initial contents of the tables.
    fn memory(tables: &PageTables) -> GuestMemory {
        let mut memory = GuestMemory::anonymous(tables.end()).expect("memory");
        for (address, bytes) in tables.initial() {
            memory.put(address, &bytes).expect("inside");
        }
        memory
    }

    /// Walks the tables as the CPU does, and sets accessed and dirty bits as for a write.
    fn write(memory: &mut GuestMemory, tables: &PageTables, address: u64) -> u64 {
        let mut table = tables.root();
        let mut entry = 0;
        for (shift, mark) in [
            (39, ACCESSED),
            (30, ACCESSED),
            (21, ACCESSED),
            (12, ACCESSED | DIRTY),
        ] {
            let at = table + 8 * (address >> shift & 0x1ff);
            entry = memory.read_word(at);
            if entry & PRESENT == 0 {
                return 0;
            }
            memory
                .put(at, &(entry | mark).to_le_bytes())
                .expect("inside");
            table = entry & 0x000f_ffff_ffff_f000;
        }
        entry
    }

    fn dirty(memory: &GuestMemory, tables: &PageTables) -> Vec<u64> {
        let mut pages = Vec::new();
        tables.for_each_dirty(memory, |page| pages.push(page));
        pages
    }

    #[test]
    fn mapped_pages_are_found_and_others_are_not() {
        for reach in [4 * MIB, 2 * GIB + 6 * MIB] {
            let tables = tables(reach);
            let mut memory = memory(&tables);
            let last = reach - 2 * PAGE_SIZE;
            for page in [PAGE_SIZE, 3 * MIB, last] {
                assert_eq!(write(&mut memory, &tables, page), page | DATA.leaf());
            }
            for page in [0, last + PAGE_SIZE] {
                assert_eq!(write(&mut memory, &tables, page), 0);
                assert!(!tables.fill(&mut memory, page), "a fault that is a fault");
            }
            assert_eq!(dirty(&memory, &tables), [PAGE_SIZE, 3 * MIB, last]);
        }
    }

    #[test]
    fn tables_of_large_memory_are_filled_where_it_is_touched() {
        let tables = tables(4 * GIB);
        let mut memory = memory(&tables);
        let bytes: usize = tables.initial().iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes < 100 << 10, "{bytes} bytes at the start");
        let far = 3 * GIB + 5 * MIB;
        assert_eq!(write(&mut memory, &tables, far), 0);
        assert!(tables.fill(&mut memory, far));
        assert_eq!(write(&mut memory, &tables, far), far | DATA.leaf());
        assert_eq!(write(&mut memory, &tables, far + 16 * MIB), 0);
        assert!(!tables.fill(&mut memory, far), "it is there by now");
        assert_eq!(dirty(&memory, &tables), [far]);
    }

    #[test]
    fn addresses_out_of_reach_are_never_filled() {
        let tables = tables(64 * MIB);
        let mut memory = memory(&tables);
        for address in [64 * MIB, 512 * GIB, u64::MAX] {
            assert!(!tables.fill(&mut memory, address), "{address:#x}");
        }
    }

    #[test]
    fn only_what_ring_3_can_write_is_scanned() {
        let mut tables = PageTables::new(8 * MIB, 8 * MIB);
        let supervisor = Rights {
            user: false,
            ..DATA
        };
        tables.map(PAGE_SIZE, 2 * PAGE_SIZE, supervisor);
        tables.map(4 * MIB, 6 * MIB, DATA);
        let mut memory = memory(&tables);
        assert_ne!(write(&mut memory, &tables, PAGE_SIZE), 0);
        assert_ne!(write(&mut memory, &tables, 5 * MIB), 0);
        assert_eq!(dirty(&memory, &tables), [5 * MIB]);
    }

    #[test]
    fn no_leaf_starts_dirty() {
        for (user, write, execute) in [
            (true, true, false),
            (false, true, false),
            (true, false, true),
        ] {
            let rights = Rights {
                user,
                write,
                execute,
            };
            assert_eq!(rights.leaf() & DIRTY, 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// A guest that writes anywhere, with its page tables filled in on demand.
        #[test]
        fn exactly_the_pages_that_were_written_are_dirty(
            reach in 1..200_u64, writes in prop::collection::vec(any::<u64>(), 0..50)
        ) {
            let reach = (reach * MIB).next_multiple_of(PAGE_SIZE);
            let tables = tables(reach);
            let mut memory = memory(&tables);
            let mut expected = BTreeSet::new();
            for address in writes {
                let page = address % reach / PAGE_SIZE * PAGE_SIZE;
                let found = write(&mut memory, &tables, page) != 0
                    || tables.fill(&mut memory, page) && write(&mut memory, &tables, page) != 0;
                let mapped = (PAGE_SIZE..reach - PAGE_SIZE).contains(&page);
                prop_assert_eq!(found, mapped);
                if found {
                    expected.insert(page);
                }
            }
            prop_assert_eq!(dirty(&memory, &tables), Vec::from_iter(expected));
        }
    }
}
