//! The supervisor's pages: descriptor tables, exception stubs and their stack.
//!
//! Guest code cannot enter ring 0 by choice. An exception takes the CPU there, through a gate of the IDT, on the
//! exception stack, into a stub that reports to the host by one `out` and is never resumed. Ring 3 may execute the page
//! after these: the [gate](crate::machine::kvm::x86_64::gate).
//!
//! ```text
//! base + 0x0000  GDT, IDT                                    read-only
//!      + 0x1000  exception stubs                             executable
//!      + 0x2000  exception stack, grows down from + 0x3000   writable
//!      + 0x3000  TSS and I/O bitmap                          read-only
//!      then      the gate                                    executable, also in ring 3
//!      then      the entry of system calls, for Linux programs   executable, also in ring 3
//! ```

use kvm_bindings::{kvm_dtable, kvm_segment};
use virtine_rt::abi::{EXCEPTION_PORT, HYPERCALL_PORT, PAGE_SIZE, SYSTEM_CALL_PORT};

use crate::machine::kvm::x86_64::gate::{Gate, GateForm};
use crate::machine::kvm::x86_64::paging::{PageTables, Rights};
use crate::machine::kvm::x86_64::selectors::{KERNEL_CODE, TASK, USER_CODE, USER_DATA};
use crate::machine::kvm::x86_64::system_calls;
use crate::machine::kvm::x86_64::system_calls::SystemCalls;
use crate::machine::plan::Interface;

const TABLES: u64 = 0;
const STUBS: u64 = 0x1000;
const EXCEPTION_STACK: u64 = 0x2000;
const EXCEPTION_STACK_TOP: u64 = 0x3000;
const TASK_STATE: u64 = 0x3000;

const IDT_OFFSET: usize = 0x200;

const GDT_ENTRIES: usize = 7;

/// Bytes of a 64-bit TSS without its bitmap (Intel SDM vol. 3, 8.7).
const TSS_SIZE: usize = 104;
const TSS_RSP0: usize = 4;
const TSS_IST1: usize = 36;
const TSS_IO_BITMAP: usize = 102;

const VECTORS: u8 = 32;
const GATE_SIZE: usize = 16;
const STUB_SIZE: u64 = 16;

/// Words that a stub leaves on the exception stack, from the top down: the CPU's five words, the error code (or 0) and
/// the vector.
pub(crate) const FRAME_WORDS: usize = 7;

/// Bytes of the bitmap of ports that ring 3 may reach, only as long as necessary, plus the byte of ones that must
/// follow. All ports beyond it are closed.
const fn bitmap_size(interface: Interface) -> usize {
    match interface {
        Interface::Hypercalls | Interface::SystemCalls => 0x100 / 8 + 1,
        Interface::Ports => 0x1_0000 / 8 + 1,
    }
}

/// The supervisor's pages of one guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Supervisor {
    base: u64,
    interface: Interface,
}

impl Supervisor {
    /// The pages start at `base`, a multiple of the page size.
    pub(crate) const fn new(base: u64, interface: Interface) -> Self {
        Self { base, interface }
    }

    /// How the guest may make requests.
    #[inline]
    pub(crate) const fn interface(&self) -> Interface {
        self.interface
    }

    /// The first address after the pages.
    pub(crate) const fn end(&self) -> u64 {
        let gate_end = self.gate().base + PAGE_SIZE;
        match self.system_calls() {
            Some(_) => gate_end + PAGE_SIZE,
            None => gate_end,
        }
    }

    /// The entry page for system calls, if guests may make them.
    pub(crate) const fn system_calls(&self) -> Option<SystemCalls> {
        match self.interface {
            Interface::SystemCalls => Some(SystemCalls {
                base: self.gate().base + PAGE_SIZE,
            }),
            Interface::Hypercalls | Interface::Ports => None,
        }
    }

    /// The gate's page.
    pub(crate) const fn gate(&self) -> Gate {
        let task_state = (TSS_SIZE + bitmap_size(self.interface)) as u64;
        Gate {
            base: self.base + TASK_STATE + task_state.next_multiple_of(PAGE_SIZE),
        }
    }

    /// Whether RIP is inside a stub, which no guest can reach by itself.
    pub(crate) fn is_stub(&self, rip: u64) -> bool {
        let stubs = self.base + STUBS;
        (stubs..stubs + PAGE_SIZE).contains(&rip)
    }

    /// Where an exception's frame starts.
    pub(crate) const fn frame(&self) -> u64 {
        self.base + EXCEPTION_STACK_TOP - 8 * FRAME_WORDS as u64
    }

    /// Maps the pages. Ring 3 can reach only the gate and the entry page for system calls.
    pub(crate) fn map(&self, tables: &mut PageTables) {
        let rights = |write, execute| Rights {
            user: false,
            write,
            execute,
        };
        let at = |offset| self.base + offset;
        tables.map(at(TABLES), at(STUBS), rights(false, false));
        tables.map(at(STUBS), at(EXCEPTION_STACK), rights(false, true));
        tables.map(
            at(EXCEPTION_STACK),
            at(EXCEPTION_STACK_TOP),
            rights(true, false),
        );
        let gate = self.gate().base;
        tables.map(at(TASK_STATE), gate, rights(false, false));
        let execute = Rights {
            user: true,
            ..rights(false, true)
        };
        tables.map(gate, self.end(), execute);
    }

    /// Initial contents of the pages: addresses and bytes.
    pub(crate) fn contents(&self, form: GateForm) -> Vec<(u64, Vec<u8>)> {
        let mut pages = vec![
            (self.base + TABLES, self.tables()),
            (self.base + STUBS, stubs()),
            (self.base + TASK_STATE, self.task_state()),
            (self.gate().base, Gate::page(form)),
        ];
        let entry = self.system_calls();
        pages.extend(entry.map(|entry| (entry.base, system_calls::page())));
        pages
    }

    fn tables(&self) -> Vec<u8> {
        let mut page: Vec<u8> = self
            .gdt()
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        page.resize(IDT_OFFSET, 0);
        for vector in 0..VECTORS {
            page.extend(gate(self.base + STUBS + STUB_SIZE * u64::from(vector)));
        }
        page
    }

    /// Flat descriptors (Intel SDM vol. 3, 3.4.5) with the accessed bit set, so that the CPU never writes to this
    /// read-only page, and a busy 64-bit TSS, since the host loads TR itself.
    fn gdt(&self) -> [u64; GDT_ENTRIES] {
        let (base, limit) = (self.base + TASK_STATE, u64::from(self.task_limit()));
        let task =
            (limit & 0xffff) | (base & 0xff_ffff) << 16 | 0x8b << 40 | (base >> 24 & 0xff) << 56;
        [
            0,
            0x00af_9b00_0000_ffff,
            0x00cf_9300_0000_ffff,
            0x00cf_f300_0000_ffff,
            0x00af_fb00_0000_ffff,
            task,
            base >> 32,
        ]
    }

    /// Opens ports to ring 3. The bitmap is for hosts that ignore IOPL. For hosts that refuse the bitmap of a busy TSS,
    /// [`registers`] raises IOPL.
    ///
    /// [`registers`]: crate::machine::kvm::x86_64::registers
    fn task_state(&self) -> Vec<u8> {
        let mut tss = vec![0; TSS_SIZE];
        let stack = (self.base + EXCEPTION_STACK_TOP).to_le_bytes();
        put(&mut tss, TSS_RSP0, &stack);
        put(&mut tss, TSS_IST1, &stack);
        put(&mut tss, TSS_IO_BITMAP, &(TSS_SIZE as u16).to_le_bytes());
        tss.extend(self.bitmap());
        tss
    }

    /// One bit per port, clear if the port is open.
    fn bitmap(&self) -> Vec<u8> {
        let open: &[u16] = match self.interface {
            Interface::Hypercalls => &[HYPERCALL_PORT],
            Interface::SystemCalls => &[HYPERCALL_PORT, SYSTEM_CALL_PORT],
            Interface::Ports => &[],
        };
        let mut bitmap = vec![0; bitmap_size(self.interface) - 1];
        if self.interface != Interface::Ports {
            bitmap.fill(0xff);
        }
        for port in open {
            bitmap[usize::from(port / 8)] &= !(1 << (port % 8));
        }
        bitmap.push(0xff);
        bitmap
    }

    fn task_limit(&self) -> u32 {
        (TSS_SIZE + self.bitmap().len() - 1) as u32
    }

    /// GDTR and IDTR.
    pub(crate) fn table_registers(&self) -> (kvm_dtable, kvm_dtable) {
        let register = |offset, size: usize| kvm_dtable {
            base: self.base + TABLES + offset,
            limit: (size - 1) as u16,
            ..Default::default()
        };
        (
            register(0, 8 * GDT_ENTRIES),
            register(IDT_OFFSET as u64, GATE_SIZE * usize::from(VECTORS)),
        )
    }

    /// TR.
    pub(crate) fn task_register(&self) -> kvm_segment {
        kvm_segment {
            base: self.base + TASK_STATE,
            limit: self.task_limit(),
            selector: TASK,
            type_: 0xb,
            present: 1,
            ..Default::default()
        }
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn stubs() -> Vec<u8> {
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

/// A present interrupt gate of DPL 0 on IST 1 (Intel SDM vol. 3, 7.14.1). No exception ever pushes on a stack that the
/// guest chose, and no `int n` of the guest passes.
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

/// How flat segments differ between modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// 32-bit protected mode, ring 0.
    Supervisor32,
    /// Long mode, ring 0.
    Supervisor64,
    /// Long mode, ring 3.
    User64,
}

/// CS and the data segments of a guest that starts in `ring`.
pub(crate) fn flat_segments(ring: Ring) -> [kvm_segment; 2] {
    let (code_selector, data_selector, dpl) = match ring {
        Ring::User64 => (USER_CODE, USER_DATA, 3),
        Ring::Supervisor32 | Ring::Supervisor64 => (KERNEL_CODE, KERNEL_CODE + 8, 0),
    };
    let long = u8::from(ring != Ring::Supervisor32);
    let flat = kvm_segment {
        limit: 0xffff_ffff,
        present: 1,
        dpl,
        s: 1,
        g: 1,
        ..Default::default()
    };
    let code = kvm_segment {
        selector: code_selector,
        type_: 0xb,
        l: long,
        db: 1 - long,
        ..flat
    };
    let data = kvm_segment {
        selector: data_selector,
        type_: 0x3,
        db: 1,
        ..flat
    };
    [code, data]
}

/// DS, ES, FS or GS as the gate leaves them: unusable, base 0.
pub(crate) fn null_segment() -> kvm_segment {
    kvm_segment {
        unusable: 1,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::kvm::x86_64::extended_states::Processor;

    #[test]
    fn only_the_hypercall_port_is_open() {
        let cases: [(Interface, &[u16]); 2] = [
            (Interface::Hypercalls, &[HYPERCALL_PORT]),
            (Interface::SystemCalls, &[SYSTEM_CALL_PORT, HYPERCALL_PORT]),
        ];
        for (ports, expected) in cases {
            let bitmap = Supervisor::new(0x1000, ports).bitmap();
            let open: Vec<u16> = (0..=0xff)
                .filter(|port| bitmap[usize::from(port / 8)] & 1 << (port % 8) == 0)
                .collect();
            assert_eq!(open, expected);
            assert_eq!(bitmap.last(), Some(&0xff));
        }
    }

    #[test]
    fn contents_fit_their_pages() {
        for (ports, pages) in [
            (Interface::Hypercalls, 5),
            (Interface::SystemCalls, 6),
            (Interface::Ports, 7),
        ] {
            let supervisor = Supervisor::new(0x1000, ports);
            assert_eq!(supervisor.end(), 0x1000 + pages * PAGE_SIZE);
            let contents = supervisor.contents(GateForm::new(None, &Processor::of_host()));
            let end = |at: usize| contents[at].0 + contents[at].1.len() as u64;
            assert!(end(0) <= contents[1].0, "tables");
            assert!(end(1) <= supervisor.frame(), "stubs");
            assert!(end(2) <= contents[3].0, "task state");
            assert_eq!(end(contents.len() - 1), supervisor.end(), "gate and entry");
        }
    }

    #[test]
    fn stubs_push_a_frame_of_one_shape() {
        assert_eq!(stub(6), [0x6a, 0, 0x6a, 6, 0xe6, 0xfe, 0xf4]);
        assert_eq!(stub(14), [0x6a, 14, 0xe6, 0xfe, 0xf4]);
        assert!((0..VECTORS).all(|vector| stub(vector).len() <= STUB_SIZE as usize));
    }
}
