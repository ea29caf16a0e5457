//! The supervisor's pages: descriptor tables, exception stubs and their stack.
//!
//! A guest never runs in ring 0 of its own will. An exception gets it there, by a gate of the IDT,
//! on the exception stack, into a stub that reports to the host by one `out` and is never resumed.
//!
//! ```text
//! 0x1000  GDT   0x1100  TSS with I/O bitmap   0x1200  IDT          read-only
//! 0x2000  exception stubs                                          executable
//! 0x3000  exception stack, grows down from 0x4000                  writable
//! ```

use kvm_bindings::{kvm_dtable, kvm_segment};
use virtine_rt::abi::{EXCEPTION_PORT, HYPERCALL_PORT, PAGE_SIZE};

/// Where descriptor tables lie in guest memory.
pub(crate) const TABLES: u64 = 0x1000;
/// Where the exception stubs lie.
pub(crate) const STUBS: u64 = 0x2000;
/// The page of the exception stack.
pub(crate) const EXCEPTION_STACK: u64 = 0x3000;
const EXCEPTION_STACK_TOP: u64 = EXCEPTION_STACK + PAGE_SIZE;

const GDT_OFFSET: u64 = 0;
const TSS_OFFSET: u64 = 0x100;
const IDT_OFFSET: u64 = 0x200;

const KERNEL_CODE: u16 = 0x08;
const USER_DATA: u16 = 0x18 | 3;
const USER_CODE: u16 = 0x20 | 3;
const TASK: u16 = 0x28;

/// Flat descriptors (Intel SDM vol. 3, 3.4.5) with the accessed bit set, so that the processor
/// never writes to this read-only page.
const GDT: [u64; 7] = [
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
    // A busy 64-bit TSS at TABLES + TSS_OFFSET, limit TSS_LIMIT. The host loads TR itself.
    0x0000_8b00_0000_0000 | (TABLES + TSS_OFFSET) << 16 | TSS_LIMIT as u64,
    0,
];

/// Bytes of a 64-bit TSS without its bitmap (Intel SDM vol. 3, 8.7).
const TSS_SIZE: usize = 104;
/// Ports 0 to 0xff, and the byte of ones that must follow a bitmap.
const IO_BITMAP_SIZE: usize = 0x100 / 8 + 1;
const TSS_LIMIT: u32 = (TSS_SIZE + IO_BITMAP_SIZE - 1) as u32;
const TSS_RSP0: usize = 4;
const TSS_IST1: usize = 36;
const TSS_IO_BITMAP: usize = 102;

const VECTORS: u8 = 32;
const GATE_SIZE: usize = 16;
const STUB_SIZE: u64 = 16;

/// What a stub leaves on the exception stack, from its top down: the processor's five words, the
/// error code (or 0) and the vector.
pub(crate) const FRAME_WORDS: usize = 7;
/// Where that frame starts.
pub(crate) const FRAME: u64 = EXCEPTION_STACK_TOP - 8 * FRAME_WORDS as u64;

/// Whether RIP shows that a stub, which no guest can reach by itself, is running.
pub(crate) fn is_stub(rip: u64) -> bool {
    (STUBS..STUBS + PAGE_SIZE).contains(&rip)
}

/// The page of descriptor tables.
pub(crate) fn tables() -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE as usize];
    for (entry, at) in GDT.iter().zip((GDT_OFFSET as usize..).step_by(8)) {
        put(&mut page, at, &entry.to_le_bytes());
    }
    put(&mut page, TSS_OFFSET as usize, &task_state());
    for vector in 0..VECTORS {
        let at = IDT_OFFSET as usize + GATE_SIZE * usize::from(vector);
        put(&mut page, at, &gate(STUBS + STUB_SIZE * u64::from(vector)));
    }
    page
}

/// The page of exception stubs.
pub(crate) fn stubs() -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE as usize];
    for vector in 0..VECTORS {
        put(
            &mut page,
            STUB_SIZE as usize * usize::from(vector),
            &stub(vector),
        );
    }
    page
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    page[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Opens the hypercall port to ring 3. The bitmap serves hosts that ignore IOPL; [`registers`]
/// raises IOPL for those that refuse the bitmap of a busy TSS.
///
/// [`registers`]: super::registers
fn task_state() -> Vec<u8> {
    let mut tss = vec![0; TSS_SIZE];
    put(&mut tss, TSS_RSP0, &EXCEPTION_STACK_TOP.to_le_bytes());
    put(&mut tss, TSS_IST1, &EXCEPTION_STACK_TOP.to_le_bytes());
    put(&mut tss, TSS_IO_BITMAP, &(TSS_SIZE as u16).to_le_bytes());
    let mut bitmap = [0xff; IO_BITMAP_SIZE];
    bitmap[usize::from(HYPERCALL_PORT / 8)] &= !(1 << (HYPERCALL_PORT % 8));
    tss.extend(bitmap);
    tss
}

/// A present interrupt gate of DPL 0 on IST 1 (Intel SDM vol. 3, 7.14.1): no exception ever pushes
/// on a stack of the guest's choosing, and no `int n` of the guest's passes.
fn gate(stub: u64) -> [u8; GATE_SIZE] {
    const IST1: u64 = 1 << 32;
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let low = (stub & 0xffff)
        | u64::from(KERNEL_CODE) << 16
        | IST1
        | PRESENT_INTERRUPT_GATE
        | (stub >> 16 & 0xffff) << 48;
    let mut gate = [0; GATE_SIZE];
    gate[..8].copy_from_slice(&low.to_le_bytes());
    gate[8..].copy_from_slice(&(stub >> 32).to_le_bytes());
    gate
}

/// ```text
/// 6a 00   push 0          only where the processor pushes no error code
/// 6a vv   push vector
/// e6 fe   out 0xfe, al
/// f4      hlt             never reached
/// ```
fn stub(vector: u8) -> Vec<u8> {
    let mut code = Vec::new();
    if !has_error_code(vector) {
        code.extend([0x6a, 0]);
    }
    code.extend([0x6a, vector, 0xe6, EXCEPTION_PORT as u8, 0xf4]);
    code
}

const fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21 | 29 | 30)
}

/// GDTR and IDTR.
pub(crate) fn table_registers() -> (kvm_dtable, kvm_dtable) {
    let register = |offset, size: usize| kvm_dtable {
        base: TABLES + offset,
        limit: (size - 1) as u16,
        ..Default::default()
    };
    (
        register(GDT_OFFSET, size_of_val(&GDT)),
        register(IDT_OFFSET, GATE_SIZE * usize::from(VECTORS)),
    )
}

/// CS, SS and TR of a guest about to run in ring 3.
pub(crate) fn user_segments() -> [kvm_segment; 3] {
    let flat = kvm_segment {
        limit: 0xffff_ffff,
        present: 1,
        dpl: 3,
        s: 1,
        g: 1,
        ..Default::default()
    };
    let code = kvm_segment {
        selector: USER_CODE,
        type_: 0xb,
        l: 1,
        ..flat
    };
    let stack = kvm_segment {
        selector: USER_DATA,
        type_: 0x3,
        db: 1,
        ..flat
    };
    let task = kvm_segment {
        base: TABLES + TSS_OFFSET,
        limit: TSS_LIMIT,
        selector: TASK,
        type_: 0xb,
        present: 1,
        ..Default::default()
    };
    [code, stack, task]
}

/// DS, ES, FS or GS as the guest's entry code leaves them: unusable, base 0.
pub(crate) fn null_segment() -> kvm_segment {
    kvm_segment {
        unusable: 1,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hypercall_port_is_open() {
        let tss = task_state();
        let bitmap = &tss[TSS_SIZE..];
        let open: Vec<u16> = (0..=0xff)
            .filter(|port| bitmap[usize::from(port / 8)] & 1 << (port % 8) == 0)
            .collect();
        assert_eq!(open, [HYPERCALL_PORT]);
        assert_eq!(bitmap.last(), Some(&0xff));
    }

    #[test]
    fn the_three_tables_do_not_overlap() {
        assert!(GDT_OFFSET as usize + size_of_val(&GDT) <= TSS_OFFSET as usize);
        assert!(TSS_OFFSET as usize + TSS_SIZE + IO_BITMAP_SIZE <= IDT_OFFSET as usize);
        assert!(IDT_OFFSET as usize + GATE_SIZE * usize::from(VECTORS) <= PAGE_SIZE as usize);
    }

    #[test]
    fn stubs_push_a_frame_of_one_shape() {
        assert_eq!(stub(6), [0x6a, 0, 0x6a, 6, 0xe6, 0xfe, 0xf4]);
        assert_eq!(stub(14), [0x6a, 14, 0xe6, 0xfe, 0xf4]);
        assert!((0..VECTORS).all(|vector| stub(vector).len() <= STUB_SIZE as usize));
    }
}
