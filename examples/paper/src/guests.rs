//! The guests that the paper has in assembly. All are loaded at [`START`]. Those that say so run at any address.

use raw_assembly::guest;

/// The address at which images are loaded.
pub(crate) const START: u64 = 0x8000;
/// The address of [`FIB_OF`]'s number.
pub(crate) const NUMBER: u64 = 0x1000;
/// The address of [`BOOT`]'s timestamps, eight bytes each.
pub(crate) const STAMPS: u64 = 0x1000;
/// The number of timestamps.
pub(crate) const STAMP_COUNT: usize = 8;

guest! {
    /// One hypercall after another, in 16-, 32- and 64-bit modes.
    pub(crate) CALLER = "
        .code64
    caller_again:
        out 0xff, al
        jmp caller_again
    "
}

guest! {
    /// Counts to 4,096 before each hypercall.
    pub(crate) COUNT = "
        .code64
    count_again:
        mov ecx, 4096
    count_down:
        dec ecx
        jnz count_down
        out 0xff, al
        jmp count_again
    "
}

guest! {
    /// fib(20) in real mode, repeatedly, with each result in AX at a hypercall.
    pub(crate) FIB_16 = "
        .code16
        mov sp, 0x7ff0
    fib16_again:
        mov ax, 20
        call fib16_of
        out 0xff, al
        jmp fib16_again
    fib16_of:
        cmp ax, 2
        jb fib16_end
        push ax
        dec ax
        call fib16_of
        pop bx
        push ax
        mov ax, bx
        sub ax, 2
        call fib16_of
        pop bx
        add ax, bx
    fib16_end:
        ret
    "
}

guest! {
    /// The same in protected mode.
    pub(crate) FIB_32 = "
        .code32
        mov esp, 0x7ff0
    fib32_again:
        mov eax, 20
        call fib32_of
        out 0xff, al
        jmp fib32_again
    fib32_of:
        cmp eax, 2
        jb fib32_end
        push eax
        dec eax
        call fib32_of
        pop ebx
        push eax
        mov eax, ebx
        sub eax, 2
        call fib32_of
        pop ebx
        add eax, ebx
    fib32_end:
        ret
    "
}

guest! {
    /// The same in long mode, in ring 0 or 3.
    pub(crate) FIB_64 = "
        .code64
        mov esp, 0x7ff0
    fib64_again:
        mov eax, 20
        call fib64_of
        out 0xff, al
        jmp fib64_again
    fib64_of:
        cmp eax, 2
        jb fib64_end
        push rax
        dec eax
        call fib64_of
        pop rbx
        push rax
        mov eax, ebx
        sub eax, 2
        call fib64_of
        pop rbx
        add eax, ebx
    fib64_end:
        ret
    "
}

guest! {
    /// fib of the number at [`NUMBER`], in long mode, with the result in EAX at its exit.
    pub(crate) FIB_OF = "
        .code64
        mov esp, 0x7ff0
        mov eax, dword ptr [0x1000]
        call fibn_of
        out 0xfa, al
    fibn_of:
        cmp eax, 2
        jb fibn_end
        push rax
        dec eax
        call fibn_of
        pop rbx
        push rax
        mov eax, ebx
        sub eax, 2
        call fibn_of
        pop rbx
        add eax, ebx
    fibn_end:
        ret
    "
}

guest! {
    /// Boots from real mode to long mode, as in the paper's table 1, and records the time at eight points. Far jumps
    /// and descriptor table loads are written as bytes, because their addresses are the guest's.
    pub(crate) BOOT = r"
        .macro boot_stamp at
        rdtsc
        mov dword ptr [0x1000 + 8 * \at], eax
        mov dword ptr [0x1004 + 8 * \at], edx
        .endm
    boot_start:
        .code16
        cli
        boot_stamp 0
        boot_stamp 1
        .byte 0x0f, 0x01, 0x16                  # lgdt [boot_gdtr]
        .word boot_gdtr - boot_start + 0x8000
        boot_stamp 2
        mov eax, cr0
        or eax, 1
        mov cr0, eax
        boot_stamp 3
        .byte 0xea                              # jmp 0x08:boot_32
        .word boot_32 - boot_start + 0x8000, 0x08
        .code32
    boot_32:
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        boot_stamp 4
        mov dword ptr [0x10000], 0x11003        # one table of each level; the lowest maps 1 GiB
        mov dword ptr [0x11000], 0x12003
        mov edi, 0x12000
        mov eax, 0x83
        mov ecx, 512
    boot_map:
        mov dword ptr [edi], eax
        add eax, 0x200000
        add edi, 8
        dec ecx
        jnz boot_map
        mov eax, cr4
        or eax, 0x20                            # PAE
        mov cr4, eax
        mov eax, 0x10000
        mov cr3, eax
        mov ecx, 0xc0000080                     # EFER
        rdmsr
        or eax, 0x100                           # LME
        wrmsr
        mov eax, cr0
        or eax, 0x80000000                      # PG
        mov cr0, eax
        boot_stamp 5
        .byte 0x0f, 0x01, 0x15                  # lgdt [boot_gdtr]
        .long boot_gdtr - boot_start + 0x8000
        boot_stamp 6
        .byte 0xea                              # jmp 0x18:boot_64
        .long boot_64 - boot_start + 0x8000
        .word 0x18
        .code64
    boot_64:
        boot_stamp 7
        out 0xfa, al
        .balign 8
    boot_gdt:
        .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
    boot_gdtr:
        .word 31
        .long boot_gdt - boot_start + 0x8000
    "
}

guest! {
    /// The paper's echo server. It switches from real to protected mode, then receives (EAX 0) and sends (EAX 1) by
    /// hypercalls with the buffer in EDI and its length in ESI, and exits.
    pub(crate) ECHO = "
    echo_start:
        .code16
        cli
        .byte 0x0f, 0x01, 0x16                  # lgdt [echo_gdtr]
        .word echo_gdtr - echo_start + 0x8000
        mov eax, cr0
        or eax, 1
        mov cr0, eax
        .byte 0xea                              # jmp 0x08:echo_32
        .word echo_32 - echo_start + 0x8000, 0x08
        .code32
    echo_32:
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov edi, 0x2000
        mov esi, 0x1000
        xor eax, eax
        out 0xff, al
        mov esi, eax
        mov eax, 1
        out 0xff, al
        out 0xfa, al
        .balign 8
    echo_gdt:
        .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
    echo_gdtr:
        .word 23
        .long echo_gdt - echo_start + 0x8000
    "
}

#[cfg(test)]
mod tests {
    use wasp_core::{Cache, Exit, Mode, Virtine};

    use super::*;

    #[test]
    #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
    fn every_mode_computes_fib_of_20() {
        let guests = [
            (Mode::Real16, FIB_16()),
            (Mode::Protected32, FIB_32()),
            (Mode::Long64, FIB_64()),
            (Mode::User64, FIB_64()),
        ];
        for (mode, image) in guests {
            let mut virtine = Virtine::builder().mode(mode).build().expect("a virtine");
            virtine.load_raw(image, START).expect("it fits");
            for _ in 0..2 {
                let exit = virtine.run().expect("a run");
                assert!(
                    matches!(exit, Exit::Hypercall { port: 0xff, .. }),
                    "{exit:?}"
                );
                let answer = virtine.registers().expect("registers").rax;
                assert_eq!(answer & 0xffff, 6765, "{mode:?}");
            }
        }
    }

    #[test]
    #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
    fn boot_reaches_long_mode_by_stamps_that_rise() {
        let cache = Cache::builder(1 << 20)
            .mode(Mode::Real16)
            .binary(BOOT(), START)
            .build()
            .expect("a cache");
        let mut virtine = cache.get().expect("a virtine");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        let efer = virtine.special_registers().expect("registers").efer;
        assert_eq!(efer & 0x400, 0x400, "long mode is active: {efer:#x}");
        let mut stamps = [0; 8 * STAMP_COUNT];
        virtine.read(STAMPS, &mut stamps).expect("in memory");
        let stamps: Vec<u64> = stamps
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")))
            .collect();
        assert!(stamps.is_sorted() && stamps[0] > 0, "{stamps:?}");
    }
}
