//! The machine code of a process that becomes a guest: the zygote, the loader, and the door.
//!
//! It is position-dependent only in the addresses that [`layout`](super::layout) names. The zygote and the loader run
//! the system calls of a [script](super::script) that the host wrote. The door is the one page of the host's that
//! stays in a guest's address space: every exit goes out through it, and every entry comes in.

use std::arch::naked_asm;

use crate::machine::process::layout::{
    DOOR, LOWEST_FRAMES, NESTED_FRAMES, SCRIPT, SCRIPT_OFFSET, SCRIPT_SIZE, START,
};

/// Descriptors of the zygote's, and of a child's while it makes a machine of itself.
pub(super) mod descriptor {
    /// The socket that requests come in by.
    pub(in crate::machine::process) const REQUESTS: u32 = 3;
    /// The host's pidfd: readable once the host is gone.
    pub(in crate::machine::process) const HOST: u32 = 4;
    /// The file behind the control area, as a request hands it over.
    pub(in crate::machine::process) const CONTROL: u32 = 5;
    /// The socket that the child's own descriptors go out by.
    pub(in crate::machine::process) const REPLY: u32 = 6;
    /// The snapshot's file.
    pub(in crate::machine::process) const IMAGE: u32 = 7;
    /// The first one that is free then.
    pub(in crate::machine::process) const FREE: u32 = 8;
}

/// The system call by which the door asks the host: one that every container's filter permits.
pub(super) const DOOR_CALL: i32 = libc::SYS_getpid as i32;
/// The system call by which the door ends its process: no such number exists, and the filter kills for it.
pub(super) const KILL_CALL: u32 = 0x5741_5350;
/// The first argument of the door's question: the door has done what the host wanted, in RDX what came of it.
pub(super) const ASKED_BY_HOST: u64 = 0x100;

/// Where in the door an instruction pointer is once the door has asked the host.
pub(super) const ASKED: usize = 0x48;
/// Where in the door protection keys are reset, and how many bytes that takes.
pub(super) const KEYS: usize = 0x54;
pub(super) const KEYS_LENGTH: usize = 7;
/// Where in the door a system call of the host's choice is made.
pub(super) const CALL: usize = 0x140;
/// Where in the door an instruction pointer is once that has been made.
pub(super) const CALLED: usize = CALL + 2;
/// Where in the door the loader ends.
pub(super) const FINISH: usize = 0x160;
/// Where in the door memory is zeroed: RBX is the address of a table of runs, each an address and a number of words,
/// which ends with a number of zero.
pub(super) const ZERO: usize = 0x180;
/// Bytes of the door.
pub(super) const DOOR_LENGTH: usize = 0x1c0;
/// Bytes of the loader, which begins with the zygote.
const LOADER_LENGTH: usize = 0x280;

/// The loader's code, which the zygote's is a part of. It starts at its first byte.
pub(super) fn loader() -> &'static [u8; LOADER_LENGTH] {
    let start = assembled_loader as unsafe extern "C" fn();
    // SAFETY: the function is padded to so many bytes, which the program can read and nobody writes.
    unsafe { &*(start as *const [u8; LOADER_LENGTH]) }
}

/// The door's code.
pub(super) fn door() -> &'static [u8; DOOR_LENGTH] {
    let start = assembled_door as unsafe extern "C" fn();
    // SAFETY: as in `loader`.
    unsafe { &*(start as *const [u8; DOOR_LENGTH]) }
}

/// The zygote waits for requests, and makes one child for each. A child maps the script, makes the system calls that
/// stand in it, each of 64 bytes (number, six arguments, result), and ends at a number of -1, whose "arguments" are the
/// range of the loader, which the door unmaps.
#[unsafe(naked)]
unsafe extern "C" fn assembled_loader() {
    naked_asm!(
        "and rsp, -16",
        "sub rsp, 256",
        "2:",
        // poll({{requests, POLLIN}, {host, POLLIN}}, 2, forever)
        "mov dword ptr [rsp], {requests}",
        "mov dword ptr [rsp + 4], 1",
        "mov dword ptr [rsp + 8], {host}",
        "mov dword ptr [rsp + 12], 1",
        "mov rdi, rsp",
        "mov esi, 2",
        "mov rdx, -1",
        "mov eax, {poll}",
        "syscall",
        "test rax, rax",
        "jle 9f",
        "cmp word ptr [rsp + 14], 0",
        "jne 9f",
        // recvmsg: one byte at rsp + 240, control data at rsp + 96, msghdr at rsp + 16, iovec at rsp + 80
        "lea rax, [rsp + 240]",
        "mov [rsp + 80], rax",
        "mov qword ptr [rsp + 88], 1",
        "mov qword ptr [rsp + 16], 0",
        "mov qword ptr [rsp + 24], 0",
        "lea rax, [rsp + 80]",
        "mov [rsp + 32], rax",
        "mov qword ptr [rsp + 40], 1",
        "lea rax, [rsp + 96]",
        "mov [rsp + 48], rax",
        "mov qword ptr [rsp + 56], 64",
        "mov qword ptr [rsp + 64], 0",
        "mov edi, {requests}",
        "lea rsi, [rsp + 16]",
        "mov edx, 0x40000000", // MSG_CMSG_CLOEXEC
        "mov eax, {recvmsg}",
        "syscall",
        "test rax, rax",
        "jle 9f",
        "mov eax, {getpid}",
        "syscall",
        "mov r15, rax",
        // clone(SIGCHLD): SIGCHLD is ignored, so nobody has to wait for the child
        "mov edi, 17",
        "xor esi, esi",
        "xor edx, edx",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "mov eax, {clone}",
        "syscall",
        "test rax, rax",
        "jz 4f",
        "jg 3f",
        // Tells why there is no child: eight bytes, and no descriptors.
        "mov [rsp], rax",
        "mov edi, {reply}",
        "mov rsi, rsp",
        "mov edx, 8",
        "mov r10d, 0x4000", // MSG_NOSIGNAL
        "xor r8d, r8d",
        "xor r9d, r9d",
        "mov eax, {sendto}",
        "syscall",
        "3:",
        "mov edi, {control_file}",
        "mov eax, {close}",
        "syscall",
        "mov edi, {reply}",
        "mov eax, {close}",
        "syscall",
        "mov edi, {image}",
        "mov eax, {close}",
        "syscall",
        "jmp 2b",
        // The child ends with the zygote, which may have ended before it said so.
        "4:",
        "mov edi, {pdeathsig}",
        "mov esi, {kill}",
        "mov eax, {prctl}",
        "syscall",
        "test rax, rax",
        "js 9f",
        "mov eax, {getppid}",
        "syscall",
        "cmp rax, r15",
        "jne 9f",
        "movabs rdi, {script}",
        "mov esi, {script_size}",
        "mov edx, 3",
        "mov r10d, 0x11", // MAP_SHARED, MAP_FIXED: the zygote has nothing there
        "mov r8d, {control_file}",
        "mov r9d, {script_offset}",
        "mov eax, {mmap}",
        "syscall",
        "test rax, rax",
        "js 9f",
        "mov rbx, rax",
        "5:",
        "mov rax, [rbx]",
        "mov rdi, [rbx + 8]",
        "mov rsi, [rbx + 16]",
        "mov rdx, [rbx + 24]",
        "mov r10, [rbx + 32]",
        "mov r8, [rbx + 40]",
        "mov r9, [rbx + 48]",
        "syscall",
        "mov [rbx + 56], rax",
        "test rax, rax",
        "js 9f",
        "add rbx, 64",
        "cmp qword ptr [rbx], -1",
        "jne 5b",
        "mov rdi, [rbx + 8]",
        "mov rsi, [rbx + 16]",
        "jmp [rbx + 24]",
        "9:",
        "xor edi, edi",
        "mov eax, {exit_group}",
        "syscall",
        "ud2",
        ".skip {LENGTH} - (. - {start_of}), 0xcc",
        requests = const descriptor::REQUESTS,
        host = const descriptor::HOST,
        reply = const descriptor::REPLY,
        image = const descriptor::IMAGE,
        control_file = const descriptor::CONTROL,
        script = const SCRIPT,
        script_size = const SCRIPT_SIZE,
        script_offset = const SCRIPT_OFFSET,
        poll = const libc::SYS_poll,
        recvmsg = const libc::SYS_recvmsg,
        clone = const libc::SYS_clone,
        getpid = const libc::SYS_getpid,
        getppid = const libc::SYS_getppid,
        prctl = const libc::SYS_prctl,
        pdeathsig = const libc::PR_SET_PDEATHSIG,
        kill = const libc::SIGKILL,
        sendto = const libc::SYS_sendto,
        close = const libc::SYS_close,
        mmap = const libc::SYS_mmap,
        exit_group = const libc::SYS_exit_group,
        start_of = sym assembled_loader,
        LENGTH = const LOADER_LENGTH,
    )
}

/// A signal's handler, and what the host returns through. The kernel vouches for the instruction pointer of a system
/// call, and the child's only thread stands still until the host answers it, so whatever register the guest had is the
/// guest's claim and no more.
///
/// Every register that counts comes from the start page, which the guest cannot write.
#[unsafe(naked)]
unsafe extern "C" fn assembled_door() {
    naked_asm!(
        // rdx: the ucontext. The bases, in r10 and r8, are no part of that.
        // Frames of signals that come in from here on go below the guest's, each below the last, wherever the guest's
        // stack was. RDX stays the address of this one, in the next one's copy of the registers, too.
        "movabs rax, {nested}",
        "cmp rsp, rax",
        "ja 5f",
        "movabs rcx, {lowest}",
        "cmp rsp, rcx",
        "jae 4f",
        "5:",
        "mov rsp, rax",
        "4:",
        "xor edi, edi",
        "6:",
        "rdfsbase r10",
        "rdgsbase r8",
        "mov eax, {door_call}",
        ".skip {ASKED} - 2 - (. - {start_of}), 0x90",
        "syscall",
        // Where nobody listens any more, the answer is ENOSYS.
        "test eax, eax",
        "jnz 9f",
        // All keys allow everything: the last guest may have denied itself these pages, and the next one with it.
        // Written over where there are no keys.
        ".skip {KEYS} - (. - {start_of}), 0x90",
        "xor ecx, ecx",
        "xor edx, edx",
        "wrpkru",
        "movabs rsp, {start}",
        "popfq",
        "movabs rbx, {start}",
        "mov eax, [rbx + 0x08]",
        "mov edx, [rbx + 0x0c]",
        "mov rcx, [rbx + 0x10]",
        "xrstor64 [rcx]",
        // Selectors are written only where they are not what they should be: each write of one is slow.
        "mov rcx, [rbx + 0x18]",
        "jrcxz 3f",
        "mov ecx, ds",
        "mov edx, es",
        "or ecx, edx",
        "mov edx, fs",
        "or ecx, edx",
        "mov edx, gs",
        "or ecx, edx",
        "jrcxz 2f",
        "xor ecx, ecx",
        "mov ds, ecx",
        "mov es, ecx",
        "mov fs, ecx",
        "mov gs, ecx",
        "2:",
        "mov rcx, [rbx + 0x20]",
        "wrfsbase rcx",
        "mov rcx, [rbx + 0x28]",
        "wrgsbase rcx",
        "3:",
        "mov rax, [rbx + 0x40]",
        "mov rcx, [rbx + 0x48]",
        "mov rdx, [rbx + 0x50]",
        "mov rbp, [rbx + 0x60]",
        "mov rsi, [rbx + 0x68]",
        "mov rdi, [rbx + 0x70]",
        "mov r8, [rbx + 0x78]",
        "mov r9, [rbx + 0x80]",
        "mov r10, [rbx + 0x88]",
        "mov r11, [rbx + 0x90]",
        "mov r12, [rbx + 0x98]",
        "mov r13, [rbx + 0xa0]",
        "mov r14, [rbx + 0xa8]",
        "mov r15, [rbx + 0xb0]",
        "mov rsp, [rbx + 0x38]",
        "mov rbx, [rbx + 0x58]",
        "jmp qword ptr [rip + {start_of} + {page} + 0x30]",
        "9:",
        "mov eax, {kill_call}",
        "syscall",
        "jmp 9b",
        // A system call that the host wants made, with the registers of the start page; then back to the host.
        ".skip {CALL} - (. - {start_of}), 0xcc",
        "syscall",
        "mov rdx, rax",
        "mov edi, {asked_by_host}",
        "jmp 6b",
        // munmap(rdi, rsi) of the loader, which has no code any more to do it with.
        ".skip {FINISH} - (. - {start_of}), 0xcc",
        "mov eax, {munmap}",
        "syscall",
        "jmp {start_of}",
        // A guest that jumps here writes only what it may write anyway.
        ".skip {ZERO} - (. - {start_of}), 0xcc",
        "2:",
        "mov rcx, [rbx + 8]",
        "jrcxz 3f",
        "mov rdi, [rbx]",
        "xor eax, eax",
        "rep stosq",
        "add rbx, 16",
        "jmp 2b",
        "3:",
        "mov edi, {asked_by_host}",
        "jmp 6b",
        ".skip {LENGTH} - (. - {start_of}), 0xcc",
        door_call = const DOOR_CALL,
        asked_by_host = const ASKED_BY_HOST,
        kill_call = const KILL_CALL,
        munmap = const libc::SYS_munmap,
        start = const START,
        page = const START - DOOR,
        start_of = sym assembled_door,
        nested = const NESTED_FRAMES,
        lowest = const LOWEST_FRAMES,
        ASKED = const ASKED,
        KEYS = const KEYS,
        CALL = const CALL,
        FINISH = const FINISH,
        ZERO = const ZERO,
        LENGTH = const DOOR_LENGTH,
    )
}
