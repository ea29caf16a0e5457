//! The signal that ends runs, chosen by the program. Each case runs in its own process, because the choice is made only
//! once.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::alone;
use crate::backend::{MEMORY, START};
use wasp_core::{Cache, Error, Exit, Policy, Virtine, use_signal, virtine};

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn signal_is_the_programs_to_choose_and_never_taken_from_it() {
    alone::run("signals::child_chooses_its_signal", &[]);
    alone::run("signals::child_has_a_handler", &[]);
    alone::run("signals::child_chooses_too_late", &[]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn signals_of_others_are_told_to_raw_runs_and_kept_from_functions() {
    alone::run("signals::child_is_signalled", &[]);
}

/// Set when the signals must end.
struct Over(AtomicBool);

struct Ending<'a>(&'a Over);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Counts to a number, slowly.
#[virtine]
fn count_to(number: u64) -> u64 {
    (0..number).fold(0, |count, _| core::hint::black_box(count) + 1)
}

#[test]
#[ignore = "run alone by signals_of_others_are_told_to_raw_runs_and_kept_from_functions"]
fn child_is_signalled() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR1, nothing as extern "C" fn(i32) as usize) };
    // SAFETY: asks for a number.
    let this = unsafe { libc::pthread_self() };
    let over = Over(AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.0.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
                // SAFETY: the thread waits for this one, so it exists.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
            }
        });
        // Also if something here fails, so that the other thread ends.
        let _ended = Ending(&over);
        // eb fe: jmp to itself
        let mut virtine = Virtine::builder().build().expect("a virtine");
        virtine.load_raw(&[0xeb, 0xfe], START).expect("it fits");
        for _ in 0..20 {
            assert_eq!(virtine.run().expect("a run"), Exit::Interrupted);
            assert_eq!(virtine.registers().expect("registers").rip, START);
        }
        // From a cache, where the gate comes first.
        let cache = Cache::builder(MEMORY).binary([0xeb, 0xfe], START);
        let cache = cache.build().expect("a cache");
        for _ in 0..20 {
            let mut virtine = cache.get().expect("a virtine");
            assert_eq!(virtine.run().expect("a run"), Exit::Interrupted);
            assert_eq!(virtine.registers().expect("registers").rip, START);
        }
        for number in [10, 1_000_000, 50_000_000] {
            assert_eq!(count_to(number), number);
        }
    });
}

/// Checks that a spinning guest is ended.
fn spin() {
    let builder = Virtine::builder().deadline(Duration::from_millis(20));
    let mut virtine = builder.build().expect("a virtine");
    // eb fe: jmp to itself
    virtine.load_raw(&[0xeb, 0xfe], START).expect("it fits");
    assert_eq!(virtine.run().expect("a run"), Exit::TimedOut);
}

fn handler(number: i32) -> usize {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only queries; all-zero is a valid sigaction.
    unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: as above.
    unsafe { action.assume_init() }.sa_sigaction
}

#[test]
#[ignore = "run alone by signal_is_the_programs_to_choose_and_never_taken_from_it"]
fn child_chooses_its_signal() {
    use_signal(libc::SIGUSR2).expect("free");
    assert_eq!(
        handler(libc::SIGUSR2),
        libc::SIG_DFL,
        "nothing is installed yet"
    );
    spin();
    assert_ne!(handler(libc::SIGUSR2), libc::SIG_DFL);
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    assert!(
        real_time
            .into_iter()
            .all(|number| handler(number) == libc::SIG_DFL)
    );
}

#[test]
#[ignore = "run alone by signal_is_the_programs_to_choose_and_never_taken_from_it"]
fn child_has_a_handler() {
    extern "C" fn own(_: i32) {}
    let own = own as extern "C" fn(i32) as usize;
    for number in [libc::SIGUSR1, libc::SIGRTMAX()] {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(number, own) };
    }
    let refused = use_signal(libc::SIGUSR1).expect_err("it has a handler");
    assert!(
        matches!(
            refused,
            Error::Signal {
                number: libc::SIGUSR1,
                ..
            }
        ),
        "{refused}"
    );
    for number in [0, -1, 65, libc::SIGKILL, i32::MAX] {
        let refused = use_signal(number).and_then(|()| Virtine::builder().build().map(drop));
        assert!(
            matches!(refused, Err(Error::Signal { .. })),
            "{number}: {refused:?}"
        );
    }
    use_signal(libc::SIGRTMAX() - 1).expect("free");
    spin();
    assert_eq!([libc::SIGUSR1, libc::SIGRTMAX()].map(handler), [own, own]);
}

#[test]
#[ignore = "run alone by signal_is_the_programs_to_choose_and_never_taken_from_it"]
fn child_chooses_too_late() {
    spin();
    let refused = use_signal(libc::SIGUSR1).expect_err("there has been a virtine");
    assert!(
        refused.to_string().contains("virtines use another one"),
        "{refused}"
    );
    use_signal(libc::SIGRTMAX()).expect("it is the one in use");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn signals_do_not_put_the_deadline_off() {
    alone::run("signals::child_is_signalled_near_the_deadline", &[]);
}

#[virtine(timeout = "300ms")]
fn spins() {
    loop {
        core::hint::spin_loop();
    }
}

#[test]
#[ignore = "run alone by signals_do_not_put_the_deadline_off"]
fn child_is_signalled_near_the_deadline() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGUSR1, nothing as extern "C" fn(i32) as usize) };
    // SAFETY: asks for a number.
    let this = unsafe { libc::pthread_self() };
    let over = Over(AtomicBool::new(false));
    let limit = Duration::from_millis(300);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.0.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(40));
                // SAFETY: the thread waits for this one, so it exists.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
            }
        });
        let _ended = Ending(&over);
        let mut virtine = Virtine::builder()
            .deadline(limit)
            .build()
            .expect("a virtine");
        virtine.load_raw(&[0xeb, 0xfe], START).expect("it fits");
        for _ in 0..3 {
            let start = Instant::now();
            let ended = spins::try_call();
            assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
            assert!(start.elapsed() < 2 * limit, "{:?}", start.elapsed());
            let start = Instant::now();
            while virtine.run().expect("a run") == Exit::Interrupted {}
            assert!(start.elapsed() >= limit, "{:?}", start.elapsed());
            assert!(start.elapsed() < 2 * limit, "{:?}", start.elapsed());
        }
    });
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn writes_for_a_guest_raise_no_signal_in_the_program() {
    alone::run("signals::child_has_default_actions", &[]);
}

#[virtine(allow(stdout))]
fn prints() -> Option<i32> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout();
    let written = stdout
        .write_all(&[b'x'; 5000])
        .and_then(|()| stdout.flush());
    written.err().and_then(|error| error.raw_os_error())
}

#[virtine]
fn fills(file: &mut File, bytes: usize) -> Option<i32> {
    let written = std::io::Write::write_all(file, &vec![1; bytes]);
    written.err().and_then(|error| error.raw_os_error())
}

#[virtine(std)]
fn stretches(file: &mut File, bytes: u64) -> [Option<i32>; 2] {
    use std::os::unix::fs::FileExt as _;
    let code = |error: std::io::Error| error.raw_os_error();
    [
        file.set_len(bytes).err().and_then(code),
        file.write_at(&[1], bytes).err().and_then(code),
    ]
}

#[virtine]
fn adds(a: u32, b: u32) -> u32 {
    a + b
}

#[test]
#[ignore = "run alone by writes_for_a_guest_raise_no_signal_in_the_program"]
fn child_has_default_actions() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: the default action is no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let policy = Policy::new().stdout_to(writer.try_clone().expect("a second one"));
    assert_eq!(prints::with(policy).call(), Some(libc::EPIPE));
    let mut end = File::from(OwnedFd::from(writer));
    assert_eq!(fills(&mut end, 10_000), Some(libc::EPIPE));
    let path = std::env::temp_dir().join(format!("wasp-signals-{}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    let mut file = file.expect("a file");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(stretches(&mut file, 0), [None; 2]);
    let limit = libc::rlimit {
        rlim_cur: 8192,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the limit is valid, and of this process alone.
    unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(fills(&mut file, 8192), None);
    assert_eq!(fills(&mut file, 1), Some(libc::EFBIG));
    assert_eq!(stretches(&mut file, 100_000), [Some(libc::EFBIG); 2]);
    // Nor do the files in memory that virtines start from.
    let first = adds::try_call(1, 2);
    let refused = matches!(first, Err(Error::FileTooLarge { .. }));
    assert!(refused, "{first:?}");
}
