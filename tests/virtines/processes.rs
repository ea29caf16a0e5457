//! The processes that hold guests: whose children they are, what ends them, and what they leave behind.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wasp_core::{Backend, Cache, Error, Exit, Fault, Lease, Policy, virtine};

use crate::alone;
use crate::backend::by_process;

#[virtine]
fn double(x: u32) -> u32 {
    2 * x
}

#[virtine(backend = "process")]
fn double_in_a_process(x: u32) -> u32 {
    2 * x
}

/// The process's parent.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// All processes that there are.
fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .collect()
}

/// The zygote of a process: it watches that one by a descriptor of this number.
fn zygote(of: u32) -> Option<u32> {
    let line = format!("Pid:\t{of}\n");
    processes().into_iter().find(|pid| {
        let watched = fs::read_to_string(format!("/proc/{pid}/fdinfo/4")).unwrap_or_default();
        *pid != of && watched.contains(&line)
    })
}

/// The processes that hold guests of a process's.
fn guests(of: u32) -> Vec<u32> {
    let zygote = zygote(of);
    let mut found = processes();
    found.retain(|pid| zygote.is_some() && parent(*pid) == zygote);
    found
}

/// Whether it is there, and not only waited for by a parent that takes its time.
fn is_there(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn functions_have_the_backend_that_they_ask_for() {
    assert_eq!(double_in_a_process(21), 42);
    let required = Policy::new().require_backend(Backend::Kvm);
    let refused = double_in_a_process::with(&required).try_call(1);
    assert!(
        matches!(
            refused,
            Err(Error::WrongBackend {
                required: Backend::Kvm,
                found: Backend::Process
            })
        ),
        "{refused:?}"
    );
    let same = Policy::new().require_backend(Backend::Process);
    assert_eq!(double_in_a_process::with(same).call(4), 8);
    assert_eq!(wasp_core::use_backend(None).ok(), Some(()));
    let other = match by_process() {
        true => Backend::Kvm,
        false => Backend::Process,
    };
    assert_eq!(double(1), 2);
    assert!(matches!(
        wasp_core::use_backend(other),
        Err(Error::BackendInUse { .. })
    ));
}

#[test]
fn guests_are_no_children_of_the_program() {
    alone::run("processes::program_has_no_children", &[]);
}

#[test]
#[ignore = "run alone by guests_are_no_children_of_the_program"]
fn program_has_no_children() {
    static SIGNALS: AtomicU32 = AtomicU32::new(0);
    extern "C" fn count(_: i32) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    let handler = count as extern "C" fn(i32) as usize;
    // SAFETY: the handler changes an atomic and nothing else.
    unsafe { libc::signal(libc::SIGCHLD, handler) };
    assert_eq!(double_in_a_process(4), 8);
    assert_eq!(guests(std::process::id()).len(), 1, "one machine");
    for pid in guests(std::process::id()) {
        // SAFETY: kills a process that this one has made.
        unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
    }
    thread::sleep(Duration::from_millis(50));
    // SAFETY: waits for nothing in particular, and does not wait.
    let waited = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!((waited, SIGNALS.load(Ordering::Relaxed)), (-1, 0));
    // One that was killed between two calls is an error of the next one, and of no more.
    let after: Vec<bool> = (0..3)
        .map(|x| double_in_a_process::try_call(x).is_ok())
        .collect();
    assert_eq!(after, [false, true, true]);
}

#[test]
fn killed_program_leaves_no_process_behind() {
    for pause in [0, 1, 7, 30] {
        let mut host = Command::new(std::env::current_exe().expect("the test binary"))
            .args([
                "--exact",
                "processes::host_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let output = host.stdout.take().expect("piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let ready = lines.find(|line| line.contains("guests are running"));
        assert!(ready.is_some());
        thread::sleep(Duration::from_millis(pause));
        let mut left = guests(host.id());
        left.extend(zygote(host.id()));
        assert!(left.len() >= 2, "{left:?}");
        host.kill().expect("killed");
        host.wait().expect("gone");
        let start = Instant::now();
        while left.iter().any(|pid| is_there(*pid)) {
            assert!(start.elapsed() < Duration::from_secs(1), "{left:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[virtine(backend = "process", timeout = "60min")]
fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "run, and killed, by killed_program_leaves_no_process_behind"]
fn host_that_is_killed() {
    assert_eq!(double_in_a_process(1), 2);
    thread::spawn(spin);
    thread::sleep(Duration::from_millis(30));
    writeln!(io::stdout(), "guests are running").expect("written");
    loop {
        assert_eq!(double_in_a_process(1), 2);
    }
}

/// `eb fe   jmp to itself`, and `e6 30   out 0x30, al` over and over.
#[test]
fn processes_that_are_signalled_or_killed_are_told_and_replaced() {
    if by_process() {
        alone::run("processes::guests_are_signalled_and_killed", &[]);
    }
}

#[test]
#[ignore = "run alone by processes_that_are_signalled_or_killed_are_told_and_replaced"]
fn guests_are_signalled_and_killed() {
    let cache = |code: &[u8]| {
        let builder = Cache::builder(0x4_0000).binary(code, 0x1_8000_u64).limit(1);
        builder.build().expect("a cache")
    };
    let asking = cache(&[0xe6, 0x30, 0xeb, 0xfc]);
    let mut virtine = asking.get().expect("a virtine");
    let pid = guests(std::process::id())[0].cast_signed();
    for signal in [libc::SIGSEGV, libc::SIGTRAP, libc::SIGFPE, libc::SIGSYS] {
        for _ in 0..50 {
            // SAFETY: signals the process that holds this test's guest.
            unsafe { libc::kill(pid, signal) };
            let exit = run_on(&mut virtine);
            assert!(
                matches!(exit, Exit::Hypercall { port: 0x30, .. }),
                "{signal}: {exit:?}"
            );
        }
    }
    drop(virtine);
    let spinning = cache(&[0xeb, 0xfe]);
    let mut virtine = spinning.get().expect("a virtine");
    let killer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        for pid in guests(std::process::id()) {
            // SAFETY: kills a process that holds one of this test's guests.
            unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        }
    });
    let exit = run_on(&mut virtine);
    killer.join().expect("no panic");
    assert!(
        matches!(
            exit,
            Exit::Faulted {
                cause: Fault::ProcessGone
            }
        ),
        "{exit:?}"
    );
    drop(virtine);
    let mut next = spinning.get().expect("another one");
    let canceller = next.canceller();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        canceller.cancel();
    });
    assert_eq!(run_on(&mut next), Exit::Cancelled);
}

fn run_on(virtine: &mut Lease) -> Exit {
    loop {
        match virtine.run().expect("a run") {
            Exit::Interrupted => {}
            exit => return exit,
        }
    }
}

/// A program that starts as root, and gives that up after its first call: a deadline still holds.
#[test]
fn deadlines_hold_after_the_program_has_changed_its_user() {
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } == 0 {
        alone::run("processes::user_is_changed", &[]);
    }
}

#[virtine(backend = "process", timeout = "200ms")]
fn spin_for_a_while() {
    loop {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "run alone by deadlines_hold_after_the_program_has_changed_its_user"]
fn user_is_changed() {
    assert_eq!(double_in_a_process(4), 8);
    let guest = guests(std::process::id())[0];
    let status = fs::read_to_string(format!("/proc/{guest}/status")).expect("a status");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    // SAFETY: changes this process's user.
    assert_eq!(unsafe { libc::setuid(65_534) }, 0);
    let late = spin_for_a_while::try_call();
    assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
}
