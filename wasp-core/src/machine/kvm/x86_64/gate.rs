//! The gate: the first code of every run that starts in a used machine.
//!
//! It is one page that ring 3 can execute and read, but not write. It resets what a previous guest may have left in the
//! CPU, which the host could otherwise reset only by system calls of some 6 us each: data selectors, FS and GS base,
//! and, by XRSTOR, every x87, MMX, SSE and AVX register, tags and control words (Intel SDM vol. 1, 13.8). Then it loads
//! the three registers that it needed for that and jumps to the guest's start. No instruction in it changes a flag.
//!
//! Selectors and bases are written only if they differ from the wanted value. That value is zero except for FS base, at
//! which Linux programs find their thread's data. A write takes some 100 cycles, a read takes one. XRSTOR takes 280. If
//! only SSE is in use, as XGETBV with ECX 1 reports (13.6), zeros and LDMXCSR do the same for less.
//!
//! XRSTOR is asked for every state that XCR0 has on. So the area has a
//! [form](crate::machine::kvm::x86_64::extended_states::Form) in which XRSTOR finds all of them within this page. If a
//! guest can write PKRU, PKRU is restored first: a key that denies everything would make the following loads fault.
//!
//! ```text
//! + 0x000  PKRU, where a guest can write it; else a jump
//! + 0x040  code
//! + 0x140  RAX, RCX, RDX and RIP of the guest's start    the host writes them before every start
//! + 0x160  FS base of the guest's start, and its negative
//! + 0x180  XSAVE area
//! ```
//!
//! A guest that jumps here by itself only resets its own registers.

use kvm_bindings::{kvm_regs, kvm_xsave};
use virtine_rt::abi::PAGE_SIZE;

use crate::base::exit::Exception;
use crate::machine::kvm::x86_64::extended_states::{Form, INITIAL_MXCSR, Processor};
use crate::machine::kvm::x86_64::gate_code::{self, BODY, FS, MXCSR, START, XSAVE};

const XSTATE_BV: usize = XSAVE + 512;
const XCOMP_BV: usize = XSAVE + 520;
/// Bytes that the area may take.
const ROOM: u32 = PAGE_SIZE as u32 - XSAVE as u32;

/// `jmp` from the start of the page to [`BODY`].
const NO_KEYS: [u8; 2] = [0xeb, BODY as u8 - 2];

/// What the gate must do on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateForm {
    /// Form of the XSAVE area. If there is none, no guest starts through the gate.
    area: Option<Form>,
    /// Guests may have written PKRU.
    writes_keys: bool,
    /// XGETBV reports whether anything but SSE is in use.
    asks_for_use: bool,
}

impl GateForm {
    /// The form for guests whose XCR0 is `guest_xcr0`. If KVM offers no XCR0, guests have the host's, and run under the
    /// host's control registers too. In all other cases CR4.PKE is clear in our guests, so neither they nor the gate
    /// can execute WRPKRU.
    pub(crate) fn new(guest_xcr0: Option<u64>, processor: &Processor) -> Self {
        let xcr0 = guest_xcr0.unwrap_or(processor.xcr0);
        Self {
            area: Form::new(xcr0, processor.xsavec, &processor.ends, ROOM),
            writes_keys: guest_xcr0.is_none() && processor.ospke,
            asks_for_use: processor.tells_in_use,
        }
    }

    /// Whether a gate can restore all states.
    pub(crate) const fn exists(&self) -> bool {
        self.area.is_some()
    }
}

/// The gate of one guest, at an address of its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) base: u64,
}

impl Gate {
    /// The page's contents for guests whose extended registers all start in their initial state.
    pub(crate) fn page(form: GateForm) -> Vec<u8> {
        let mut page = vec![0; PAGE_SIZE as usize];
        put(&mut page, 0, gate_code::bytes());
        if !form.writes_keys {
            put(&mut page, 0, &[0; BODY]);
            put(&mut page, 0, &NO_KEYS);
        }
        if !form.asks_for_use {
            skip_what_asks_for_use(&mut page);
        }
        put(&mut page, MXCSR, &INITIAL_MXCSR.to_le_bytes());
        put_form(&mut page, form);
        page
    }

    /// Like [`Gate::page`], for guests that start with this FS base.
    pub(crate) fn page_for(form: GateForm, fs_base: u64) -> Vec<u8> {
        let mut page = Self::page(form);
        put(&mut page, FS, &fs_base.to_le_bytes());
        put(&mut page, FS + 8, &fs_base.wrapping_neg().to_le_bytes());
        page
    }

    /// The page's address and contents, for guests whose extended registers start with these values.
    pub(crate) fn page_with(
        &self,
        form: GateForm,
        registers: &kvm_xsave,
        fs_base: u64,
    ) -> (u64, Vec<u8>) {
        let mut page = Self::page_for(form, fs_base);
        skip_what_asks_for_use(&mut page);
        let bytes = registers.region.iter().flat_map(|word| word.to_le_bytes());
        for (to, byte) in page[XSAVE..].iter_mut().zip(bytes) {
            *to = byte;
        }
        put_form(&mut page, form);
        (self.base, page)
    }

    /// The address and the bytes that the host writes into the page before a guest starts with `registers`.
    pub(crate) fn start(&self, registers: &kvm_regs) -> (u64, [u8; 32]) {
        let kvm_regs {
            rax, rcx, rdx, rip, ..
        } = *registers;
        let mut bytes = [0; 32];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip([rax, rcx, rdx, rip]) {
            *to = word.to_le_bytes();
        }
        (self.base + START as u64, bytes)
    }

    /// Whether the CPU does not support an instruction of the gate.
    pub(crate) fn is_refused(&self, exception: &Exception) -> bool {
        exception.vector == Exception::INVALID_INSTRUCTION && self.contains(exception.rip)
    }

    /// Whether the guest has not left the gate yet.
    pub(crate) fn contains(&self, rip: u64) -> bool {
        (self.base..self.base + PAGE_SIZE).contains(&rip)
    }
}

/// Makes the code jump from `clean` to `all`.
fn skip_what_asks_for_use(page: &mut [u8]) {
    let (from, to) = (gate_code::clean(), gate_code::all());
    put(page, from, &[0xeb, (to - from - 2) as u8]);
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes the area's header. A compacted area names no state that it does not hold, and its header is otherwise zero
/// (Intel SDM vol. 1, 13.8.2).
fn put_form(page: &mut [u8], form: GateForm) {
    let Some(Form::Compacted { states }) = form.area else {
        return;
    };
    let (words, _) = page[XSTATE_BV..XCOMP_BV].as_chunks();
    let held = words.first().copied().map_or(0, u64::from_le_bytes) & states;
    put(page, XSTATE_BV, &held.to_le_bytes());
    let form = Form::Compacted { states }.xcomp_bv();
    put(page, XCOMP_BV, &form.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::kvm::x86_64::extended_states::tests::intel;

    const HEADER_END: usize = XSAVE + 576;

    fn word(page: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(page[at..at + 8].try_into().expect("eight bytes"))
    }

    /// A CPU with Intel's layout, up to AMX.
    fn processor(xcr0: u64, xsavec: bool, ospke: bool) -> Processor {
        Processor {
            xcr0,
            xsavec,
            tells_in_use: true,
            ospke,
            ends: intel(),
        }
    }

    /// Checks the conditions that XRSTOR has on an area (Intel SDM vol. 1, 13.8).
    fn check_area(page: &[u8], xcr0: u64) {
        let (held, form) = (word(page, XSTATE_BV), word(page, XCOMP_BV));
        let zeros = match form >> 63 {
            0 => {
                assert_eq!(held & !xcr0, 0, "{xcr0:#x}");
                XCOMP_BV
            }
            _ => {
                assert_eq!(form & !(1 << 63) & !xcr0, 0, "{xcr0:#x}");
                assert_eq!(held & !form, 0, "{xcr0:#x}");
                XCOMP_BV + 8
            }
        };
        assert!(page[zeros..HEADER_END].iter().all(|&byte| byte == 0));
        assert_eq!(XSAVE % 64, 0);
    }

    #[test]
    fn xrstor_takes_the_area_whatever_xcr0_is() {
        let gate = Gate { base: 0x5000 };
        for xcr0 in [0x3, 0x7, 0x1f, 0xe7, 0x2e7, 0x207, 0x6_00e7, 0x6_02e7] {
            for xsavec in [true, false] {
                let form = GateForm::new(None, &processor(xcr0, xsavec, false));
                assert_eq!(form.exists(), xsavec || xcr0 < 1 << 17, "{xcr0:#x}");
                if !form.exists() {
                    continue;
                }
                check_area(&Gate::page(form), xcr0);
                // As KVM returns it for a guest that has used x87, SSE and, if possible, AVX.
                let mut used = kvm_xsave::default();
                used.region[128] = 0b111 & xcr0 as u32;
                used.region[1023] = u32::MAX;
                let (_, page) = gate.page_with(form, &used, 0x1234_5000);
                check_area(&page, xcr0);
                assert_eq!(word(&page, XSTATE_BV), 0b111 & xcr0);
            }
        }
    }

    #[test]
    fn compacted_area_holds_nothing_beyond_avx() {
        let form = GateForm::new(None, &processor(0xe7, true, false));
        let mut used = kvm_xsave::default();
        used.region[128] = 0xe7;
        let (_, page) = Gate { base: 0 }.page_with(form, &used, 0);
        check_area(&page, 0xe7);
        assert_eq!(word(&page, XSTATE_BV), 0b111);
    }

    #[test]
    fn guests_with_an_xcr0_of_their_own_have_the_form_for_that() {
        let amx_without_xsavec = processor(0x6_00e7, false, true);
        assert!(!GateForm::new(None, &amx_without_xsavec).exists());
        assert!(GateForm::new(Some(0b111), &amx_without_xsavec).exists());
        let form = GateForm::new(Some(0b11), &processor(0x6_00e7, true, false));
        check_area(&Gate::page(form), 0b11);
    }

    #[test]
    fn keys_are_written_only_where_ring_3_could_have_done_so() {
        for (guest_xcr0, ospke, writes) in [
            (None, true, true),
            (None, false, false),
            (Some(7), true, false),
            (Some(7), false, false),
        ] {
            let form = GateForm::new(guest_xcr0, &processor(0x2e7, true, ospke));
            let page = Gate::page(form);
            let wrpkru = page[..BODY].windows(3).any(|code| code == [0x0f, 1, 0xef]);
            assert_eq!(wrpkru, writes, "{guest_xcr0:?} {ospke}");
            // Either way a short jump leads to the body.
            let jump = if writes { 20 } else { NO_KEYS.len() };
            assert_eq!(page[jump - 2], 0xeb);
            assert_eq!(jump + usize::from(page[jump - 1]), BODY);
        }
    }

    #[test]
    fn parts_of_the_page_do_not_overlap() {
        assert!(BODY < gate_code::clean() && gate_code::clean() < gate_code::all());
        assert!(gate_code::bytes().len() <= START);
        assert!(XSAVE + 832 <= PAGE_SIZE as usize);
    }
}
