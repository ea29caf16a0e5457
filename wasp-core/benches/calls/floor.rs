//! The floor: the least that any isolated call costs on this machine. A bare virtual machine in ring 3
//! whose code is one `out`, again and again, its general registers by way of the `kvm_run` page, as ours. No memory to
//! reset, no deadline, no arguments.

use std::ptr;

use kvm_bindings::{CpuId, kvm_regs, kvm_segment, kvm_sregs, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, SyncReg, VcpuExit, VcpuFd, VmFd};

const MEMORY: usize = 4 << 20;
const TASK_STATE: usize = 0x1000;
const TABLES: usize = 0x1_0000;
const CODE: usize = 0x20_0000;
const PORT: u16 = 0xff;

/// A bare virtual machine.
pub(crate) struct Floor {
    vcpu: VcpuFd,
    _vm: VmFd,
    memory: *mut libc::c_void,
}

// SAFETY: nothing about it is tied to a thread.
unsafe impl Send for Floor {}

impl Drop for Floor {
    fn drop(&mut self) {
        // SAFETY: `memory` made this mapping; the VM, which is closed afterwards, does not run again.
        unsafe { libc::munmap(self.memory, MEMORY) };
    }
}

impl Floor {
    /// Makes one, by the same steps that every host of a VM takes. `/dev/kvm` is open and its CPUID
    /// known.
    pub(crate) fn new(kvm: &Kvm, cpuid: &CpuId) -> Self {
        let vm = kvm.create_vm().expect("a VM");
        let memory = memory();
        let region = kvm_userspace_memory_region {
            memory_size: MEMORY as u64,
            userspace_addr: memory.as_ptr() as u64,
            ..Default::default()
        };
        // SAFETY: the memory is freed when the VM no longer runs.
        unsafe { vm.set_user_memory_region(region) }.expect("a memory slot");
        let mut vcpu = vm.create_vcpu(0).expect("a vCPU");
        vcpu.set_cpuid2(cpuid).expect("CPUID set");
        let reset = vcpu.get_sregs().expect("registers");
        vcpu.set_sregs(&special(&reset)).expect("registers set");
        vcpu.set_sync_valid_reg(SyncReg::Register);
        Self {
            vcpu,
            _vm: vm,
            memory: memory.as_mut_ptr().cast(),
        }
    }

    /// Enters and leaves once.
    pub(crate) fn call(&mut self) {
        self.vcpu.sync_regs_mut().regs = kvm_regs {
            rip: CODE as u64,
            rflags: 0x3002,
            ..Default::default()
        };
        self.vcpu.set_sync_dirty_reg(SyncReg::Register);
        self.exit();
    }

    /// Goes on behind the last exit, and leaves once.
    pub(crate) fn exit(&mut self) {
        let exit = self.vcpu.run().expect("KVM_RUN");
        assert!(matches!(exit, VcpuExit::IoOut(PORT, _)), "{exit:?}");
    }
}

/// Page tables of 2 MiB pages, an empty I/O bitmap, and the code.
fn memory() -> &'static mut [u8] {
    let (access, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping at an address of the kernel's choice.
    let base = unsafe { libc::mmap(ptr::null_mut(), MEMORY, access, flags, -1, 0) };
    assert!(base != libc::MAP_FAILED, "memory");
    // SAFETY: just mapped, zero, and nobody else's. The guest writes none of it.
    let memory = unsafe { std::slice::from_raw_parts_mut(base.cast::<u8>(), MEMORY) };
    let mut put = |at: usize, word: u64| memory[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(TABLES, TABLES as u64 + 0x1007);
    put(TABLES + 0x1000, TABLES as u64 + 0x2007);
    put(TABLES + 0x2000, 0xe7);
    put(TABLES + 0x2008, CODE as u64 | 0xe7);
    memory[TASK_STATE + 102] = 104;
    // out PORT, al; jmp back
    memory[CODE..CODE + 4].copy_from_slice(&[0xe6, PORT as u8, 0xeb, 0xfc]);
    memory
}

fn special(reset: &kvm_sregs) -> kvm_sregs {
    let flat = kvm_segment {
        limit: u32::MAX,
        present: 1,
        dpl: 3,
        s: 1,
        g: 1,
        ..Default::default()
    };
    kvm_sregs {
        cs: kvm_segment {
            selector: 0x23,
            type_: 0xb,
            l: 1,
            ..flat
        },
        ss: kvm_segment {
            selector: 0x1b,
            type_: 0x3,
            db: 1,
            ..flat
        },
        tr: kvm_segment {
            base: TASK_STATE as u64,
            limit: 136,
            selector: 0x28,
            type_: 0xb,
            present: 1,
            ..Default::default()
        },
        cr0: 0x8005_0033,
        cr3: TABLES as u64,
        cr4: 0x620,
        efer: 0xd00,
        ..*reset
    }
}
