//! The registers of a vCPU, as the raw API reads and writes them.

use kvm_bindings::{kvm_dtable, kvm_fpu, kvm_segment, kvm_sregs};

pub use crate::base::registers::Registers;
use crate::machine::kvm::x86_64::same_fields::same_fields;

/// A segment register with the descriptor that the CPU caches for it (Intel SDM vol. 3, 3.4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The visible part.
    pub selector: u16,
    /// Linear address of the segment's first byte.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u32,
    /// Type field of the descriptor, four bits.
    pub kind: u8,
    /// Descriptor privilege level, 0 to 3.
    pub privilege: u8,
    /// Whether it is present.
    pub present: bool,
    /// Code or data (true), or a system segment.
    pub code_or_data: bool,
    /// D/B: 32-bit operands or stack.
    pub wide: bool,
    /// L: 64-bit code.
    pub long: bool,
    /// G: the limit counts pages.
    pub granular: bool,
    /// AVL: for software.
    pub available: bool,
    /// A null selector was loaded.
    pub unusable: bool,
}

impl From<&kvm_segment> for Segment {
    fn from(from: &kvm_segment) -> Self {
        Self {
            selector: from.selector,
            base: from.base,
            limit: from.limit,
            kind: from.type_,
            privilege: from.dpl,
            present: from.present != 0,
            code_or_data: from.s != 0,
            wide: from.db != 0,
            long: from.l != 0,
            granular: from.g != 0,
            available: from.avl != 0,
            unusable: from.unusable != 0,
        }
    }
}

impl From<&Segment> for kvm_segment {
    fn from(from: &Segment) -> Self {
        Self {
            selector: from.selector,
            base: from.base,
            limit: from.limit,
            type_: from.kind,
            dpl: from.privilege,
            present: from.present.into(),
            s: from.code_or_data.into(),
            db: from.wide.into(),
            l: from.long.into(),
            g: from.granular.into(),
            avl: from.available.into(),
            unusable: from.unusable.into(),
            ..Self::default()
        }
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorTable {
    /// Linear address of the table.
    pub base: u64,
    /// Offset of its last byte.
    pub limit: u16,
}

same_fields!(DescriptorTable, kvm_dtable, base limit; ..Default::default());

/// Segment, descriptor-table and control registers (Intel SDM vol. 3, 2.4 and 2.5).
#[expect(missing_docs, reason = "the fields bear the processor's own names")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialRegisters {
    pub cs: Segment,
    pub ds: Segment,
    pub es: Segment,
    pub fs: Segment,
    pub gs: Segment,
    pub ss: Segment,
    pub tr: Segment,
    pub ldt: Segment,
    pub gdt: DescriptorTable,
    pub idt: DescriptorTable,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub efer: u64,
}

impl From<&kvm_sregs> for SpecialRegisters {
    fn from(from: &kvm_sregs) -> Self {
        Self {
            cs: (&from.cs).into(),
            ds: (&from.ds).into(),
            es: (&from.es).into(),
            fs: (&from.fs).into(),
            gs: (&from.gs).into(),
            ss: (&from.ss).into(),
            tr: (&from.tr).into(),
            ldt: (&from.ldt).into(),
            gdt: (&from.gdt).into(),
            idt: (&from.idt).into(),
            cr0: from.cr0,
            cr2: from.cr2,
            cr3: from.cr3,
            cr4: from.cr4,
            cr8: from.cr8,
            efer: from.efer,
        }
    }
}

impl SpecialRegisters {
    /// These registers, with the remaining fields of KVM's struct (APIC base, pending interrupts) taken from `rest`.
    pub(crate) fn over(&self, rest: &kvm_sregs) -> kvm_sregs {
        kvm_sregs {
            cs: (&self.cs).into(),
            ds: (&self.ds).into(),
            es: (&self.es).into(),
            fs: (&self.fs).into(),
            gs: (&self.gs).into(),
            ss: (&self.ss).into(),
            tr: (&self.tr).into(),
            ldt: (&self.ldt).into(),
            gdt: (&self.gdt).into(),
            idt: (&self.idt).into(),
            cr0: self.cr0,
            cr2: self.cr2,
            cr3: self.cr3,
            cr4: self.cr4,
            cr8: self.cr8,
            efer: self.efer,
            ..*rest
        }
    }
}

/// x87 and SSE registers (Intel SDM vol. 1, 8.1 and 10.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloatRegisters {
    /// ST0 to ST7, ten bytes each; the lower eight are MM0 to MM7.
    pub fpr: [[u8; 16]; 8],
    /// XMM0 to XMM15.
    pub xmm: [[u8; 16]; 16],
    /// x87 control word.
    pub fcw: u16,
    /// x87 status word.
    pub fsw: u16,
    /// x87 tags, one bit per register: set if it is in use.
    pub ftwx: u8,
    /// Opcode of the last x87 instruction.
    pub last_opcode: u16,
    /// Its address.
    pub last_ip: u64,
    /// The address of its operand.
    pub last_dp: u64,
    /// SSE control and status.
    pub mxcsr: u32,
}

same_fields!(FloatRegisters, kvm_fpu, fpr xmm fcw fsw ftwx last_opcode last_ip last_dp mxcsr; ..Default::default());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_survive_both_ways() {
        let segment = Segment {
            selector: 8,
            base: 0x1000,
            limit: 0xffff,
            kind: 0xb,
            privilege: 3,
            present: true,
            code_or_data: true,
            long: true,
            ..Segment::default()
        };
        assert_eq!(Segment::from(&kvm_segment::from(&segment)), segment);
    }

    #[test]
    fn what_is_no_register_is_kept() {
        let rest = kvm_sregs {
            apic_base: 0xfee0_0900,
            cr0: 1,
            ..Default::default()
        };
        let special = SpecialRegisters {
            cr0: 0x31,
            ..SpecialRegisters::from(&rest)
        };
        let merged = special.over(&rest);
        assert_eq!((merged.apic_base, merged.cr0), (0xfee0_0900, 0x31));
    }
}
