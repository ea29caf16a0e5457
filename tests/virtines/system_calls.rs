//! A warm call is one KVM_RUN and no other system call; by process it is a few. Counted from outside, by ptrace.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::ptr;

use wasp_core::{Cache, Exit, virtine};

use crate::backend::{self, MEMORY, START};

const CALLS: usize = 500;

#[virtine]
fn add(a: u64, b: &str) -> (u64, String) {
    (a + b.len() as u64, b.to_uppercase())
}

/// The counted program: calls between two marks.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn warm_loop() {
    let call = |n| assert_eq!(add(n, "four"), (n + 4, "FOUR".to_owned()));
    (0..100).for_each(call);
    mark();
    (0..CALLS as u64).for_each(call);
    mark();
}

/// The same for a raw virtine from a cache: get, write, run, put.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn warm_raw_loop() {
    // 48 8b 04 25 00 20 01 00: mov rax, [0x12000]; 48 89 04 25 00 30 01 00: mov [0x13000], rax;
    // e6 fa: out 0xfa, al
    let code = [
        0x48, 0x8b, 4, 0x25, 0, 0x20, 1, 0, 0x48, 0x89, 4, 0x25, 0, 0x30, 1, 0, 0xe6, 0xfa,
    ];
    let cache = Cache::builder(MEMORY).binary(code, START);
    let cache = cache.build().expect("a cache");
    let call = |n: u64| {
        let mut virtine = cache.get().expect("a virtine");
        virtine
            .write(0x1_2000, &n.to_le_bytes())
            .expect("in bounds");
        assert_eq!(virtine.run().expect("a run"), Exit::Exited);
        let mut answer = [0; 8];
        virtine.read(0x1_3000, &mut answer).expect("in bounds");
        assert_eq!(u64::from_le_bytes(answer), n);
    };
    (0..100).for_each(call);
    mark();
    (0..CALLS as u64).for_each(call);
    mark();
}

/// A system call that nothing else here makes, as a mark for the tracer.
fn mark() {
    // SAFETY: asks for a number.
    unsafe { libc::getpgid(0) };
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn warm_call_makes_exactly_one_system_call() {
    // One after the other: the tracer waits for any child.
    for (test, by_process) in [("warm_loop", [0, 1, 4]), ("warm_raw_loop", [1, 2, 1])] {
        makes(&format!("system_calls::{test}"), each(by_process));
    }
}

/// The system calls of one call: KVM_RUN. By process, the guest is let go on and waited for, its dirty pages are asked
/// for, what goes in is written, what comes out is read, and each run of dirty pages is written over. Of a raw guest
/// its `out` is read as well, and it is polled, so that signals end the run.
///
/// Before Linux 6.7 dirty pages are read, and before 6.11 every guest is polled.
fn each([polls, reads, runs]: [usize; 3]) -> BTreeMap<i64, usize> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    let version: [u32; 2] = [(); 2].map(|()| numbers.next().unwrap_or(0));
    let is_older = |than| usize::from(version < than);
    match backend::by_process() {
        true => BTreeMap::from([
            (libc::SYS_ioctl, 3 - is_older([6, 7])),
            (libc::SYS_ppoll, polls.max(is_older([6, 11]))),
            (libc::SYS_pwrite64, 1),
            (libc::SYS_pread64, reads + is_older([6, 7])),
            (libc::SYS_pwritev, runs),
        ]),
        false => BTreeMap::from([(libc::SYS_ioctl, 1)]),
    }
}

fn makes(test: &str, each: BTreeMap<i64, usize>) {
    let child = traced(test).expect("a traced child");
    let counts = Tracer::default().follow(child);
    let times = |(call, count)| (call, count * CALLS);
    let mut expected: BTreeMap<i64, usize> = each.into_iter().map(times).collect();
    expected.retain(|_, count| *count > 0);
    if !clock_is_read_without_the_kernel() {
        // The deadline needs the current time.
        expected.insert(libc::SYS_clock_gettime, CALLS);
    }
    assert_eq!(counts.callers, expected, "{test}");
    // The watchdog may read the clock on its own, but not for each call.
    assert!(
        counts.others < CALLS / 10,
        "{} in other threads",
        counts.others
    );
}

/// Whether processes can read the clock without the kernel. In an emulated machine they may not.
fn clock_is_read_without_the_kernel() -> bool {
    let file = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let clock = fs::read_to_string(file).unwrap_or_default();
    matches!(
        clock.trim(),
        "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page"
    )
}

/// Starts this binary with one test, stopped and traced by this thread.
fn traced(test: &str) -> io::Result<Child> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["--exact", test, "--test-threads=1"])
        .stdout(Stdio::null());
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    command.spawn()
}

/// System calls between the marks.
#[derive(Default)]
struct Counts {
    /// By number, for the thread that set the marks.
    callers: BTreeMap<i64, usize>,
    others: usize,
}

#[derive(Default)]
struct Tracer {
    counts: Counts,
    /// The thread that has set the first mark, but not yet the second.
    marked: Option<i32>,
    /// Threads inside a system call. Each stops at its entry and at its exit.
    inside: BTreeMap<i32, bool>,
}

impl Tracer {
    /// Follows all threads of the child until it ends.
    fn follow(mut self, child: Child) -> Counts {
        let process = i32::try_from(child.id()).expect("a process number");
        let (first, status) = wait();
        assert!(
            first == process && libc::WIFSTOPPED(status),
            "the child stops at its start"
        );
        let options =
            libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
        trace(libc::PTRACE_SETOPTIONS, process, options);
        trace(libc::PTRACE_SYSCALL, process, 0);
        loop {
            let (thread, status) = wait();
            if libc::WIFSTOPPED(status) {
                let signal = self.stopped(thread, status);
                trace(libc::PTRACE_SYSCALL, thread, signal);
            } else if thread == process {
                assert!(
                    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
                    "the child's test passes"
                );
                return self.counts;
            }
        }
    }

    /// Handles a stop. Returns the signal to resume with.
    fn stopped(&mut self, thread: i32, status: i32) -> i32 {
        const SYSTEM_CALL: i32 = libc::SIGTRAP | 0x80;
        match libc::WSTOPSIG(status) {
            SYSTEM_CALL => {
                let inside = self.inside.entry(thread).or_default();
                *inside = !*inside;
                if *inside {
                    self.entered(thread, number(thread));
                }
                0
            }
            // A new thread, or ptrace's own report of one.
            libc::SIGTRAP | libc::SIGSTOP => 0,
            signal => signal,
        }
    }

    fn entered(&mut self, thread: i32, number: i64) {
        match self.marked {
            _ if number == libc::SYS_getpgid => {
                self.marked = self.marked.xor(Some(thread));
            }
            Some(marked) if marked == thread => {
                *self.counts.callers.entry(number).or_default() += 1
            }
            Some(_) => self.counts.others += 1,
            None => {}
        }
    }
}

fn wait() -> (i32, i32) {
    let mut status = 0;
    // Only for children of this thread: other tests have children too.
    // SAFETY: `status` is a valid place for the answer.
    let thread = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    assert!(thread > 0, "{}", io::Error::last_os_error());
    (thread, status)
}

fn trace(request: libc::c_uint, thread: i32, data: i32) {
    // SAFETY: none of the requests made here lets the kernel write to this process. A thread that no longer exists is
    // not an error.
    unsafe { libc::ptrace(request, thread, ptr::null_mut::<u8>(), i64::from(data)) };
}

/// The number of the system call that a stopped thread is entering.
fn number(thread: i32) -> i64 {
    let mut registers = MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: the kernel writes the registers to `registers`.
    unsafe {
        libc::ptrace(
            libc::PTRACE_GETREGS,
            thread,
            ptr::null_mut::<u8>(),
            registers.as_mut_ptr(),
        )
    };
    // SAFETY: zero was a valid value already.
    unsafe { registers.assume_init() }.orig_rax.cast_signed()
}
