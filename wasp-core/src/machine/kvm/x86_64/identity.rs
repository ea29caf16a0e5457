//! Page tables for guests that own theirs: ring 0 of long mode.
//!
//! Everything below `reach` is identity-mapped, readable, writable and executable, in pages of 2 MiB. The rest, which
//! does not fill such a page, is mapped in pages of 4 KiB. So 4 GiB take six tables.
//!
//! ```text
//! base   PML4 | PDPT | one PD per GiB ... | PT of the rest
//! ```

use virtine_rt::abi::PAGE_SIZE;

use crate::machine::kvm::x86_64::paging;

const ENTRIES: u64 = 512;
const PD_SPAN: u64 = PAGE_SIZE * ENTRIES;
const PDPT_SPAN: u64 = PD_SPAN * ENTRIES;

/// Present, writable, accessed and dirty (Intel SDM vol. 3, 5.5.4). The last two are not used here. Setting them ahead
/// saves the CPU a write.
const LEAF: u64 = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 6;
const LARGE: u64 = 1 << 7;

/// The tables at `base` that map all addresses below `reach`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdentityMap {
    base: u64,
    reach: u64,
}

impl IdentityMap {
    /// Both are multiples of the page size; `reach` is at most 512 GiB.
    pub(crate) const fn new(base: u64, reach: u64) -> Self {
        Self { base, reach }
    }

    /// Address of the PML4, for CR3.
    pub(crate) const fn root(&self) -> u64 {
        self.base
    }

    /// The first address after the tables.
    pub(crate) const fn end(&self) -> u64 {
        self.rest() + PAGE_SIZE
    }

    const fn directory(&self, index: u64) -> u64 {
        self.base + (2 + index) * PAGE_SIZE
    }

    /// Address of the table of 4 KiB pages.
    const fn rest(&self) -> u64 {
        self.directory(self.reach.div_ceil(PDPT_SPAN))
    }

    /// All tables, as they lie in memory from [`IdentityMap::root`] on.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut words = vec![0; ((self.end() - self.base) / 8) as usize];
        let mut set = |table: u64, index: u64, value: u64| {
            words[((table - self.base) / 8 + index) as usize] = value | LEAF;
        };
        set(self.root(), 0, self.base + PAGE_SIZE);
        for index in 0..self.reach.div_ceil(PDPT_SPAN) {
            set(self.base + PAGE_SIZE, index, self.directory(index));
        }
        let whole = self.reach / PD_SPAN;
        for large in 0..whole {
            let directory = self.directory(large / ENTRIES);
            set(directory, large % ENTRIES, (large * PD_SPAN) | LARGE);
        }
        let pages = self.reach % PD_SPAN / PAGE_SIZE;
        if pages > 0 {
            set(
                self.directory(whole / ENTRIES),
                whole % ENTRIES,
                self.rest(),
            );
        }
        for page in 0..pages {
            set(self.rest(), page, whole * PD_SPAN + page * PAGE_SIZE);
        }
        paging::to_bytes(&words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    /// Translates an address as the CPU does.
    fn translate(map: IdentityMap, address: u64) -> Option<u64> {
        let bytes = map.to_bytes();
        let mut table = map.root();
        for shift in [39, 30, 21, 12] {
            let at = (table - map.base + 8 * (address >> shift & 0x1ff)) as usize;
            let entry = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
            if entry & 1 == 0 {
                return None;
            }
            let page = if shift == 12 || entry & LARGE != 0 {
                (1 << shift) - 1
            } else {
                0
            };
            table = entry & 0x000f_ffff_ffff_f000;
            if page != 0 {
                return Some(table | address & page);
            }
        }
        None
    }

    #[test]
    fn everything_below_reach_is_mapped_onto_itself_and_nothing_else() {
        for reach in [PAGE_SIZE, 2 * MIB, 3 * MIB, GIB, GIB + PAGE_SIZE, 4 * GIB] {
            let map = IdentityMap::new(reach, reach);
            for address in [0, reach / 2 + 5, reach - 1] {
                assert_eq!(translate(map, address), Some(address), "{reach:#x}");
            }
            assert_eq!(translate(map, reach), None, "{reach:#x}");
            assert_eq!(map.to_bytes().len() as u64, map.end() - reach);
        }
    }
}
