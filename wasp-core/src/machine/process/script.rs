//! What a child does to become a machine: a list of system calls, written by the host.
//!
//! The child's own code is a loop over this list, so all that is decided is decided here. Each call's result stands
//! beside it afterwards, in memory that the host shares: an error names the call that failed.

use std::io;

use rustix::io::Errno;

use crate::Error;
use crate::machine::process::assembly::{FINISH, KILL_CALL, descriptor};
use crate::machine::process::layout::{
    DOOR, DOOR_END, GUEST_END, LOADER, LOADER_SPAN, SCRIPT, SCRIPT_SIZE, SIGNAL_STACK,
    SIGNAL_STACK_SIZE, START, START_SIZE, USER_END,
};
use crate::machine::process::protection;
use crate::memory::address_space::Region;
use crate::memory::guest_memory::Contents;
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

/// Bytes of one entry: number, six arguments, result.
const ENTRY: usize = 64;
/// What ends the list.
const END: u64 = u64::MAX;
/// From here on stands what the calls point at.
const DATA: u64 = 12 * PAGE_SIZE;

/// The descriptors that a child sends its host, in this order.
pub(super) const SENT: usize = 4;
const PROCESS: u32 = descriptor::FREE;
const PAGE_MAP: u32 = descriptor::FREE + 1;
const MEMORY: u32 = descriptor::FREE + 2;
const LISTENER: u32 = descriptor::FREE + 3;

/// Signals that exceptions come in as, and the one that a foreign architecture's system call does.
const SIGNALS: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// A list of system calls, and what they point at.
pub(super) struct Script {
    calls: Vec<u8>,
    names: Vec<&'static str>,
    data: Vec<u8>,
}

impl Script {
    /// How a child comes to hold `contents`, up to `end`, and lets its guest use `regions`. `wait_killable` tells that
    /// the kernel lets only fatal signals interrupt a system call that the host has been told of.
    pub(super) fn new(
        contents: &Contents<'_>,
        regions: &[Region],
        end: u64,
        wait_killable: bool,
    ) -> Result<Self, Error> {
        let mut script = Self {
            calls: Vec::new(),
            names: Vec::new(),
            data: Vec::new(),
        };
        script.call(
            "prctl(PR_SET_THP_DISABLE)",
            libc::SYS_prctl,
            &[libc::PR_SET_THP_DISABLE as u64, 1],
        );
        script.map_guest(contents, regions, end);
        script.map_door();
        script.open_descriptors();
        script.catch_signals();
        script.confine(wait_killable);
        script.send_descriptors();
        script.unmap_all_else();
        script.finish()
    }

    fn map_guest(&mut self, contents: &Contents<'_>, regions: &[Region], end: u64) {
        const ANONYMOUS: i32 = libc::MAP_PRIVATE
            | libc::MAP_ANONYMOUS
            | libc::MAP_NORESERVE
            | libc::MAP_FIXED_NOREPLACE;
        const FILE: i32 = libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_FIXED;
        let lowest = regions.first().map_or(USER_BASE, |region| region.start);
        self.call(
            "mmap of guest memory",
            libc::SYS_mmap,
            &[
                lowest,
                end - lowest,
                libc::PROT_NONE as u64,
                ANONYMOUS as u64,
                u64::MAX,
                0,
            ],
        );
        for run in &contents.runs {
            let (start, end) = (run.start.max(lowest), run.end.min(end));
            if start < end {
                self.call(
                    "mmap of the snapshot",
                    libc::SYS_mmap,
                    &[
                        start,
                        end - start,
                        libc::PROT_NONE as u64,
                        FILE as u64,
                        descriptor::IMAGE.into(),
                        start,
                    ],
                );
            }
        }
        for region in regions {
            if region.protection.is_accessible() {
                self.call(
                    "mprotect of guest memory",
                    libc::SYS_mprotect,
                    &[
                        region.start,
                        region.end - region.start,
                        protection::bits(region.protection),
                    ],
                );
            }
        }
    }

    fn map_door(&mut self) {
        const FLAGS: u64 = (libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE) as u64;
        let file = u64::from(descriptor::CONTROL);
        let readable = libc::PROT_READ as u64;
        self.call(
            "mmap of the start pages",
            libc::SYS_mmap,
            &[START, START_SIZE, readable, FLAGS, file, 0],
        );
        self.call(
            "mmap of the signal stack",
            libc::SYS_mmap,
            &[
                SIGNAL_STACK,
                SIGNAL_STACK_SIZE,
                readable | libc::PROT_WRITE as u64,
                FLAGS,
                file,
                START_SIZE,
            ],
        );
    }

    fn open_descriptors(&mut self) {
        const READ: i32 = libc::O_CLOEXEC | libc::O_RDONLY;
        for (name, path, flags) in [
            (
                "open of /proc/self",
                c"/proc/self",
                READ | libc::O_DIRECTORY,
            ),
            ("open of /proc/self/pagemap", c"/proc/self/pagemap", READ),
            (
                "open of /proc/self/mem",
                c"/proc/self/mem",
                libc::O_CLOEXEC | libc::O_RDWR,
            ),
        ] {
            let path = self.data(path.to_bytes_with_nul());
            self.call(
                name,
                libc::SYS_openat,
                &[libc::AT_FDCWD as u64, path, flags as u64],
            );
        }
    }

    /// A system call that a signal interrupts before its host has heard of it is made again.
    fn catch_signals(&mut self) {
        /// SA_RESTORER, which the kernel wants, though nothing ever returns that way.
        const RESTORER: i32 = 0x0400_0000;
        const FLAGS: u64 =
            (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER | libc::SA_RESTART | RESTORER)
                as u64;
        let stack = self.words(&[SIGNAL_STACK, 0, SIGNAL_STACK_SIZE]);
        self.call("sigaltstack", libc::SYS_sigaltstack, &[stack, 0]);
        // The kernel's struct sigaction: handler, flags, restorer, mask.
        let action = self.words(&[DOOR, FLAGS, DOOR, 0]);
        let mut blocked = u64::MAX;
        for signal in SIGNALS {
            self.call(
                "rt_sigaction",
                libc::SYS_rt_sigaction,
                &[signal as u64, action, 0, 8],
            );
            blocked &= !(1 << (signal - 1));
        }
        let blocked = self.words(&[blocked]);
        self.call(
            "rt_sigprocmask",
            libc::SYS_rt_sigprocmask,
            &[libc::SIG_SETMASK as u64, blocked, 0, 8],
        );
    }

    /// From here on only the loader's own code can make a system call.
    fn confine(&mut self, wait_killable: bool) {
        /// _LINUX_CAPABILITY_VERSION_3, for the calling thread.
        const CAPABILITY_VERSION: u64 = 0x2008_0522;
        const NEW_LISTENER: u64 = 8;
        const WAIT_KILLABLE: u64 = 32;
        // Of a program of root's, too, a guest's process has no capability.
        let header = self.words(&[CAPABILITY_VERSION]);
        let none = self.words(&[0; 3]);
        self.call("capset", libc::SYS_capset, &[header, none]);
        self.call(
            "setrlimit(RLIMIT_CORE)",
            libc::SYS_setrlimit,
            &[u64::from(libc::RLIMIT_CORE), none],
        );
        self.call(
            "prctl(PR_SET_NO_NEW_PRIVS)",
            libc::SYS_prctl,
            &[libc::PR_SET_NO_NEW_PRIVS as u64, 1],
        );
        let filter = filter();
        let instructions: Vec<u8> = filter.iter().flat_map(instruction_bytes).collect();
        let instructions = self.data(&instructions);
        let program = self.words(&[filter.len() as u64, instructions]);
        let flags = NEW_LISTENER | if wait_killable { WAIT_KILLABLE } else { 0 };
        self.call(
            "seccomp(SECCOMP_SET_MODE_FILTER)",
            libc::SYS_seccomp,
            &[libc::SECCOMP_SET_MODE_FILTER.into(), flags, program],
        );
    }

    fn send_descriptors(&mut self) {
        let byte = self.data(&[0]);
        let vector = self.words(&[byte, 1]);
        let length = size_of::<libc::cmsghdr>() + SENT * 4;
        let kinds = (libc::SOL_SOCKET as u64) | (libc::SCM_RIGHTS as u64) << 32;
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let control = self.words(&[
            length as u64,
            kinds,
            pair(PROCESS, PAGE_MAP),
            pair(MEMORY, LISTENER),
        ]);
        // struct msghdr: name, its length, vector, its length, control, its length, flags.
        let message = self.words(&[0, 0, vector, 1, control, length as u64, 0]);
        self.call(
            "sendmsg",
            libc::SYS_sendmsg,
            &[descriptor::REPLY.into(), message, libc::MSG_NOSIGNAL as u64],
        );
        self.call(
            "close_range",
            libc::SYS_close_range,
            &[0, u32::MAX.into(), 0],
        );
    }

    /// The vDSO, the stack and whatever else the kernel has given the zygote. The loader itself is left to the door.
    fn unmap_all_else(&mut self) {
        for (start, end) in [
            (GUEST_END, LOADER),
            (LOADER + LOADER_SPAN, DOOR),
            (DOOR_END, USER_END),
        ] {
            self.call("munmap", libc::SYS_munmap, &[start, end - start]);
        }
    }

    fn finish(mut self) -> Result<Self, Error> {
        let finish = DOOR + FINISH as u64;
        for word in [END, LOADER, LOADER_SPAN, finish] {
            self.calls.extend(word.to_le_bytes());
        }
        let room = (SCRIPT_SIZE - DATA) as usize;
        match self.calls.len() <= DATA as usize && self.data.len() <= room {
            true => Ok(self),
            // More mappings than a page table's worth of calls.
            false => Err(Error::system("mmap of guest memory")(
                io::ErrorKind::ArgumentListTooLong.into(),
            )),
        }
    }

    fn call(&mut self, name: &'static str, number: libc::c_long, arguments: &[u64]) {
        let mut entry = [0; ENTRY];
        let words = [number as u64].into_iter().chain(arguments.iter().copied());
        for (place, word) in entry.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.calls.extend(entry);
        self.names.push(name);
    }

    /// Where the bytes stand in the child.
    fn data(&mut self, bytes: &[u8]) -> u64 {
        let at = self.data.len().next_multiple_of(8);
        self.data.resize(at, 0);
        self.data.extend(bytes);
        SCRIPT + DATA + at as u64
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.data(&bytes)
    }

    /// What the child's file holds: offsets in the script, and bytes.
    pub(super) fn contents(&self) -> [(u64, &[u8]); 2] {
        [(0, &self.calls), (DATA, &self.data)]
    }

    /// Bytes of the list.
    pub(super) fn list_length(&self) -> usize {
        self.calls.len()
    }

    /// The call that failed, by the list as the child has left it.
    pub(super) fn failure(&self, list: &[u8]) -> Option<(&'static str, Errno)> {
        let (entries, _) = list.as_chunks::<ENTRY>();
        entries.iter().zip(&self.names).find_map(|(entry, name)| {
            let result = i64::from_le_bytes(*entry.last_chunk()?);
            let errno = i32::try_from(-result)
                .ok()
                .filter(|errno| (1..4096).contains(errno))?;
            Some((*name, Errno::from_raw_os_error(errno)))
        })
    }
}

/// Nothing is permitted: each system call asks the host, but for the loader's; one of another architecture's is a
/// signal; the door's call to be killed is heard (linux/seccomp.h; `struct seccomp_data`).
fn filter() -> [libc::sock_filter; 15] {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
    const _: () = assert!(LOADER as u32 == 0 && DOOR as u32 == 0);
    let step = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    [
        step(LOAD, 4),
        jump(EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        step(RETURN, libc::SECCOMP_RET_TRAP),
        // The high half of the instruction pointer.
        step(LOAD, 12),
        jump(EQUAL, (LOADER >> 32) as u32, 0, 3),
        step(LOAD, 8),
        jump(AT_LEAST, LOADER_SPAN as u32, 6, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW),
        jump(EQUAL, (DOOR >> 32) as u32, 0, 4),
        step(LOAD, 8),
        jump(AT_LEAST, PAGE_SIZE as u32, 2, 0),
        step(LOAD, 0),
        jump(EQUAL, KILL_CALL, 1, 0),
        step(RETURN, libc::SECCOMP_RET_USER_NOTIF),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
    ]
}

fn instruction_bytes(instruction: &libc::sock_filter) -> [u8; 8] {
    let [code0, code1] = instruction.code.to_le_bytes();
    let [k0, k1, k2, k3] = instruction.k.to_le_bytes();
    [code0, code1, instruction.jt, instruction.jf, k0, k1, k2, k3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::image_file::ImageFile;

    fn script() -> Script {
        let file = ImageFile::create(USER_BASE + PAGE_SIZE).expect("a memfd");
        Script::new(&file.contents(), &[], USER_BASE + PAGE_SIZE, true).expect("it fits")
    }

    #[test]
    fn call_that_failed_is_named() {
        let script = script();
        let [(_, list), _] = script.contents();
        let mut list = list.to_vec();
        assert_eq!(script.failure(&list), None);
        let at = script
            .names
            .iter()
            .position(|name| *name == "sigaltstack")
            .expect("a call");
        let result = &mut list[at * ENTRY + 56..][..8];
        result.copy_from_slice(&i64::from(-libc::ENOMEM).to_le_bytes());
        assert_eq!(script.failure(&list), Some(("sigaltstack", Errno::NOMEM)));
    }

    #[test]
    fn too_many_mappings_are_an_error() {
        let file = ImageFile::create(USER_BASE + PAGE_SIZE).expect("a memfd");
        let region = Region {
            start: USER_BASE,
            end: USER_BASE + PAGE_SIZE,
            protection: crate::memory::address_space::Protection::DATA,
        };
        let script = Script::new(&file.contents(), &[region; 1000], region.end, true);
        assert!(script.is_err());
    }

    /// What the filter says of a system call, as the kernel interprets it.
    fn verdict(number: u32, architecture: u32, instruction_pointer: u64) -> u32 {
        let filter = filter();
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = filter[at];
            let is = |class: u32| u32::from(code) == class;
            at += 1;
            if is(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) {
                accumulator = match k {
                    0 => number,
                    4 => architecture,
                    8 => instruction_pointer as u32,
                    _ => (instruction_pointer >> 32) as u32,
                };
            } else if is(libc::BPF_RET | libc::BPF_K) {
                return k;
            } else {
                let holds = match is(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) {
                    true => accumulator == k,
                    false => accumulator >= k,
                };
                at += usize::from(if holds { jt } else { jf });
            }
        }
    }

    #[test]
    fn only_the_loader_makes_system_calls_by_itself() {
        const X86_64: u32 = 0xc000_003e;
        const I386: u32 = 0x4000_0003;
        for number in [0, 9, 39, 231, 0x4000_0027, u32::MAX] {
            for address in [0x20_0000, DOOR, LOADER - 1, LOADER + LOADER_SPAN, u64::MAX] {
                let found = verdict(number, X86_64, address);
                assert_eq!(found, libc::SECCOMP_RET_USER_NOTIF, "{number} {address:#x}");
            }
            for address in [LOADER, LOADER + LOADER_SPAN - 1] {
                assert_eq!(verdict(number, X86_64, address), libc::SECCOMP_RET_ALLOW);
            }
            assert_eq!(verdict(number, I386, LOADER), libc::SECCOMP_RET_TRAP);
        }
        assert_eq!(
            verdict(KILL_CALL, X86_64, 0x20_0000),
            libc::SECCOMP_RET_USER_NOTIF
        );
        let killed = verdict(KILL_CALL, X86_64, DOOR);
        assert_eq!(killed, libc::SECCOMP_RET_KILL_PROCESS);
    }
}
