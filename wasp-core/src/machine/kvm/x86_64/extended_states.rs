//! Extended states: x87, SSE, AVX and all others that XSAVE supports, as the bare CPU has them, and the form of area
//! from which XRSTOR in the [gate](crate::machine::kvm::x86_64::gate) restores them.
//!
//! A guest's CPUID does not bound them. A KVM that runs ring 3 on the bare CPU (kvm_pvm) leaves it the host's XCR0. A
//! guest there can use every state that the host has switched on, including AVX-512 and AMX, whatever its CPUID says.

use std::arch::x86_64::{__cpuid, __cpuid_count};

use kvm_bindings::kvm_xsave;

use crate::base::xgetbv::xcr0;

/// States that our XSAVE areas may hold: x87, SSE and AVX (Intel SDM vol. 1, 13.1).
pub(crate) const KEPT: u64 = 0b111;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;

/// The bit of XCOMP_BV that marks a compacted area (Intel SDM vol. 1, 13.4.2).
const IS_COMPACTED: u64 = 1 << 63;

/// Bytes of an area without AVX: the legacy region and the header.
const HEADER_END: u32 = 576;

/// Words of a `kvm_xsave`'s region, of four bytes each.
const MXCSR_WORD: usize = 6;
const XSTATE_BV_WORD: usize = 128;

/// All SIMD exceptions masked: MXCSR's value after reset.
pub(crate) const INITIAL_MXCSR: u32 = 0x1f80;

/// Where each state ends in an area of the standard form; 0 if XCR0 does not have it.
pub(crate) type Ends = [u32; 63];

/// The CPU under host and guests, as the host sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processor {
    /// The states that the host has switched on; 0 without XSAVE.
    pub(crate) xcr0: u64,
    /// XSAVEC is supported, and with it XRSTOR from compacted areas.
    pub(crate) xsavec: bool,
    /// XGETBV with ECX 1 reports which states are in use.
    pub(crate) tells_in_use: bool,
    /// CR4.PKE is set, so ring 3 can write PKRU.
    pub(crate) ospke: bool,
    pub(crate) ends: Ends,
}

impl Processor {
    /// Queries CPUID (Intel SDM vol. 2, CPUID, leaves 7 and 0DH) and XGETBV.
    pub(crate) fn of_host() -> Self {
        let leaves = __cpuid(0).eax;
        let has_xsave = __cpuid(1).ecx & 1 << 27 != 0;
        let xcr0 = if has_xsave { xcr0() } else { 0 };
        let (eax, ends) = match leaves >= 0xd {
            true => (__cpuid_count(0xd, 1).eax, ends(xcr0)),
            false => (0, [0; 63]),
        };
        Self {
            xcr0,
            xsavec: eax & 1 << 1 != 0,
            tells_in_use: eax & 1 << 2 != 0,
            ospke: leaves >= 7 && __cpuid_count(7, 0).ecx & 1 << 4 != 0,
            ends,
        }
    }
}

/// Queries only the states of `xcr0`: if the host is itself a guest, each CPUID takes microseconds.
fn ends(xcr0: u64) -> Ends {
    let mut ends = [0; 63];
    for (number, end) in (0_u32..).zip(&mut ends).skip(2) {
        if xcr0 & 1 << number != 0 {
            let leaf = __cpuid_count(0xd, number);
            *end = leaf.eax + leaf.ebx;
        }
    }
    ends
}

/// The form of an XSAVE area from which XRSTOR, asked for all states, restores every one of them. States that the area
/// does not hold return to their initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Compacted. XRSTOR reads no further than the states that are named here, which is at most to the end of AVX.
    /// Their offsets are those of the standard form.
    Compacted {
        /// The states of [`KEPT`] that XCR0 has: XRSTOR refuses an area that names others.
        states: u64,
    },
    /// Standard. XRSTOR may read as far as the last state of XCR0.
    Standard,
}

impl Form {
    /// The form for a guest with this XCR0, whose area may take `room` bytes. `None` if XRSTOR would read beyond that.
    /// Asking for fewer states is no alternative: the others would keep the previous guest's values.
    pub(crate) fn new(xcr0: u64, xsavec: bool, ends: &Ends, room: u32) -> Option<Self> {
        if xsavec {
            return Some(Self::Compacted {
                states: xcr0 & KEPT,
            });
        }
        (standard_size(xcr0, ends) <= room).then_some(Self::Standard)
    }

    /// XCOMP_BV of the area.
    pub(crate) const fn xcomp_bv(self) -> u64 {
        match self {
            Self::Compacted { states } => IS_COMPACTED | states,
            Self::Standard => 0,
        }
    }
}

/// Bytes of an area of the standard form (Intel SDM vol. 1, 13.4.3).
fn standard_size(xcr0: u64, ends: &Ends) -> u32 {
    (0..)
        .zip(ends)
        .filter(|&(number, _)| xcr0 & 1 << number != 0)
        .map(|(_, &end)| end)
        .fold(HEADER_END, u32::max)
}

/// Marks SSE as present in an area that KVM filled, so that KVM takes MXCSR from the area. If an area names neither SSE
/// nor AVX, KVM_SET_XSAVE leaves MXCSR as the previous guest set it.
pub(crate) fn name_sse(area: &mut kvm_xsave) {
    let states = &mut area.region[XSTATE_BV_WORD];
    let named = u64::from(*states);
    *states |= SSE as u32;
    if named & (SSE | AVX) == 0 {
        area.region[MXCSR_WORD] = INITIAL_MXCSR;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ROOM: u32 = 3712;

    /// Where the states end on Intel CPUs.
    pub(in super::super) fn intel() -> Ends {
        let mut ends = [0; 63];
        for (number, end) in [
            (2, 832),
            (3, 1024),
            (4, 1088),
            (5, 1152),
            (6, 1664),
            (7, 2688),
            (9, 2696),
            (17, 2816),
            (18, 11_008),
        ] {
            ends[number] = end;
        }
        ends
    }

    /// Where the states end on AMD CPUs, which never had MPX.
    fn amd() -> Ends {
        let mut ends = [0; 63];
        for (number, end) in [(2, 832), (5, 896), (6, 1408), (7, 2432), (9, 2440)] {
            ends[number] = end;
        }
        ends
    }

    #[test]
    fn area_of_every_processor_has_a_form_that_reaches_all_states() {
        let compacted = |states| Some(Form::Compacted { states });
        let standard = Some(Form::Standard);
        for (xcr0, ends, with_xsavec, without) in [
            (0x3, intel(), compacted(3), standard),
            (0x7, intel(), compacted(7), standard),
            (0x1f, intel(), compacted(7), standard),
            (0xe7, intel(), compacted(7), standard),
            (0x2e7, intel(), compacted(7), standard),
            (0x207, intel(), compacted(7), standard),
            (0x6_00e7, intel(), compacted(7), None),
            (0x6_02e7, intel(), compacted(7), None),
            (0x7, amd(), compacted(7), standard),
            (0xe7, amd(), compacted(7), standard),
            (0x2e7, amd(), compacted(7), standard),
            (0x207, amd(), compacted(7), standard),
        ] {
            assert_eq!(
                Form::new(xcr0, true, &ends, ROOM),
                with_xsavec,
                "{xcr0:#x} with XSAVEC"
            );
            assert_eq!(
                Form::new(xcr0, false, &ends, ROOM),
                without,
                "{xcr0:#x} without"
            );
        }
    }

    #[test]
    fn standard_area_ends_with_the_last_state_that_is_on() {
        for (xcr0, size) in [
            (0x3, 576),
            (0x7, 832),
            (0x1f, 1088),
            (0xe7, 2688),
            (0x2e7, 2696),
            (0x6_00e7, 11_008),
        ] {
            assert_eq!(standard_size(xcr0, &intel()), size, "{xcr0:#x}");
        }
    }

    #[test]
    fn mxcsr_is_taken_from_every_area() {
        let mut area = kvm_xsave::default();
        area.region[MXCSR_WORD] = 0;
        name_sse(&mut area);
        assert_eq!(area.region[XSTATE_BV_WORD], 0b10);
        assert_eq!(area.region[MXCSR_WORD], INITIAL_MXCSR);
        // An area that holds SSE or AVX has its own MXCSR.
        for named in [0b10, 0b100, 0b111] {
            let mut area = kvm_xsave::default();
            area.region[XSTATE_BV_WORD] = named;
            area.region[MXCSR_WORD] = 0x7f80;
            name_sse(&mut area);
            assert_eq!(area.region[XSTATE_BV_WORD], named | 0b10);
            assert_eq!(area.region[MXCSR_WORD], 0x7f80);
        }
    }

    #[test]
    fn this_processor_tells_of_itself() {
        let processor = Processor::of_host();
        if processor.xcr0 == 0 {
            return;
        }
        assert_eq!(processor.xcr0 & 0b11, 0b11, "x87 and SSE are always on");
        let told = __cpuid_count(0xd, 0).ebx;
        assert_eq!(standard_size(processor.xcr0, &processor.ends), told);
    }
}
