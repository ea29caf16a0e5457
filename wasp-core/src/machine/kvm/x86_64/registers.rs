//! The registers of a vCPU that starts directly in its mode, set from outside: there is no boot code.

use kvm_bindings::{kvm_segment, kvm_sregs, kvm_xcrs};

use crate::machine::kvm::x86_64::cpuid::GuestCpu;
use crate::machine::kvm::x86_64::descriptors;
use crate::machine::kvm::x86_64::descriptors::{Ring, Supervisor};

// Intel SDM vol. 3, 2.5; AMD APM vol. 2, 3.1.
const CR0_MP: u64 = 1 << 1;
/// PE, and the bits that every CPU of this kind has on: ET and NE.
const CR0_PROTECTED: u64 = 1 << 0 | 1 << 4 | 1 << 5;
const CR0_WP: u64 = 1 << 16;
const CR0_AM: u64 = 1 << 18;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_OSFXSR: u64 = 1 << 9;
const CR4_OSXMMEXCPT: u64 = 1 << 10;
const CR4_FSGSBASE: u64 = 1 << 16;
const CR4_OSXSAVE: u64 = 1 << 18;
// If SCE is clear, LSTAR is 0, and `syscall` is an invalid instruction.
const EFER_SCE: u64 = 1 << 0;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
const EFER_NXE: u64 = 1 << 11;

/// Single-stepping: a debug exception after each instruction.
pub(crate) const TRAP_FLAG: u64 = 1 << 8;
/// Interrupts on. Nothing here can interrupt. But with IOPL 3 a guest may leave at the instruction after an `sti`, and
/// in the shadow of the `sti` no vCPU can be entered with interrupts off (Intel SDM vol. 3, 27.3.1.5).
pub(crate) const INTERRUPT_FLAG: u64 = 1 << 9;
/// Bit 1 is always set.
pub(crate) const RFLAGS: u64 = 1 << 1;
/// IOPL 3 lets ring 3 reach the hypercall port if the host honors IOPL.
pub(crate) const USER_RFLAGS: u64 = RFLAGS | INTERRUPT_FLAG | 3 << 12;

/// The special registers of a guest in ring 3 of long mode. `page_tables` is the address of the PML4.
pub(crate) fn user64(
    reset: &kvm_sregs,
    cpu: &GuestCpu,
    page_tables: u64,
    supervisor: &Supervisor,
) -> kvm_sregs {
    let (gdt, idt) = supervisor.table_registers();
    let [cs, ss] = descriptors::flat_segments(Ring::User64);
    let null = descriptors::null_segment();
    let long = long_mode(reset, cpu, page_tables);
    let sce = match supervisor.system_calls() {
        Some(_) => EFER_SCE,
        None => 0,
    };
    kvm_sregs {
        cs,
        ss,
        efer: long.efer | sce,
        tr: supervisor.task_register(),
        ds: null,
        es: null,
        fs: null,
        gs: null,
        ldt: null,
        gdt,
        idt,
        cr0: CR0_PROTECTED | CR0_MP | CR0_WP | CR0_AM | CR0_PG,
        ..long
    }
}

/// The special registers of a guest in ring 0 of long mode.
pub(crate) fn long64(reset: &kvm_sregs, cpu: &GuestCpu, page_tables: u64) -> kvm_sregs {
    kvm_sregs {
        cr0: CR0_PROTECTED | CR0_MP | CR0_PG,
        ..with_segments(&long_mode(reset, cpu, page_tables), Ring::Supervisor64)
    }
}

/// The special registers of a guest in 32-bit protected mode without paging.
pub(crate) fn protected32(reset: &kvm_sregs) -> kvm_sregs {
    kvm_sregs {
        cr0: CR0_PROTECTED,
        ..with_segments(reset, Ring::Supervisor32)
    }
}

/// The special registers of a guest in real mode. They are as after a reset, except that CS starts at address 0 instead
/// of just below 4 GiB.
pub(crate) fn real16(reset: &kvm_sregs) -> kvm_sregs {
    let cs = kvm_segment {
        base: 0,
        selector: 0,
        ..reset.cs
    };
    kvm_sregs { cs, ..*reset }
}

fn long_mode(reset: &kvm_sregs, cpu: &GuestCpu, page_tables: u64) -> kvm_sregs {
    let fsgsbase = if cpu.fsgsbase { CR4_FSGSBASE } else { 0 };
    let osxsave = if cpu.xcr0.is_some() { CR4_OSXSAVE } else { 0 };
    kvm_sregs {
        cr3: page_tables,
        cr4: CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | fsgsbase | osxsave,
        efer: EFER_LME | EFER_LMA | EFER_NXE,
        // The APIC's base and others.
        ..*reset
    }
}

fn with_segments(special: &kvm_sregs, ring: Ring) -> kvm_sregs {
    let [cs, data] = descriptors::flat_segments(ring);
    kvm_sregs {
        cs,
        ds: data,
        es: data,
        fs: data,
        gs: data,
        ss: data,
        ..*special
    }
}

/// Whether XCR0 can be set with these registers.
pub(crate) fn has_osxsave(special: &kvm_sregs) -> bool {
    special.cr4 & CR4_OSXSAVE != 0
}

/// XCR0.
pub(crate) fn extended_control(xcr0: u64) -> kvm_xcrs {
    let mut xcrs = kvm_xcrs {
        nr_xcrs: 1,
        ..Default::default()
    };
    xcrs.xcrs[0].value = xcr0;
    xcrs
}
