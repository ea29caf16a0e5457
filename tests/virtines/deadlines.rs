//! A call's deadline is enforced, whatever the guest asks of its host and whoever is at the other end.

mod programs;
mod raw;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::terminal::terminal;
use wasp_core::{Error, Policy, Quota, virtine};

/// The time limit of every guest here.
const LIMIT: Duration = Duration::from_millis(50);
/// The most that a busy machine is late. The test prints the value for an idle one; see docs/performance.md.
const LATE: Duration = Duration::from_secs(5);

/// Makes requests that are nearly free for the host, for as long as possible.
#[virtine(timeout = "50ms")]
fn asks(forever: bool) {
    use std::io::IsTerminal as _;
    while std::io::stdin().is_terminal() || forever {}
}

/// Requests many random bytes at once.
#[virtine(timeout = "50ms", memory = "1GiB", allow(random))]
fn gambles(bytes: usize) -> u8 {
    let mut place = vec![0; bytes];
    let mut source = File::open("/dev/urandom").expect("granted");
    source.read_exact(&mut place).expect("read");
    place.last().copied().unwrap_or_default()
}

/// Reads as long as there is data.
#[virtine(timeout = "50ms", memory = "1GiB")]
fn reads(source: &mut File, bytes: usize) -> io::Result<usize> {
    let mut place = vec![0; bytes];
    let mut read = 0;
    loop {
        match source.read(&mut place)? {
            0 => return Ok(read),
            count => read += count,
        }
    }
}

/// Writes as long as the data is accepted.
#[virtine(timeout = "50ms", memory = "1GiB")]
fn writes(target: &mut File, bytes: usize) -> io::Result<usize> {
    let place = vec![0; bytes];
    loop {
        target.write_all(&place)?;
    }
}

#[virtine(timeout = "50ms")]
fn listens(stream: &mut UnixStream) -> io::Result<usize> {
    stream.read(&mut [0; 64])
}

#[virtine(timeout = "50ms", memory = "32MiB")]
fn talks(stream: &mut UnixStream) -> io::Result<()> {
    let words = vec![0; 1 << 20];
    loop {
        stream.write_all(&words)?;
    }
}

#[virtine(std, timeout = "50ms", allow(clock))]
fn sleeps(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// How late calls return, for each capability.
#[derive(Default)]
pub(crate) struct Lateness(Vec<(Duration, &'static str)>);

impl Lateness {
    /// Measures a call that must end at its deadline.
    pub(crate) fn measure<R: std::fmt::Debug>(
        &mut self,
        capability: &'static str,
        call: impl FnOnce() -> Result<R, Error>,
    ) {
        let start = Instant::now();
        let result = call();
        let late = start.elapsed().saturating_sub(LIMIT);
        let is_timed_out = matches!(result, Err(Error::TimedOut { limit: LIMIT }));
        assert!(
            is_timed_out,
            "{capability}: {result:?} after {LIMIT:?} and {late:?}"
        );
        assert!(late < LATE, "{capability}: {late:?} late");
        self.0.push((late, capability));
    }

    #[expect(clippy::print_stdout, reason = "the figure is what documents say")]
    pub(crate) fn tell(&self) {
        let worst = self.0.iter().max().expect("some were measured");
        println!(
            "of a deadline of {LIMIT:?}, the latest of {}: {worst:?}",
            self.0.len()
        );
    }
}

/// A sparse file of this many bytes, which is deleted with its last descriptor.
fn sparse(bytes: u64) -> File {
    let path = std::env::temp_dir().join(format!("wasp-deadlines-{}", std::process::id()));
    let file = File::options();
    let file = file
        .clone()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    let file = file.expect("a file");
    std::fs::remove_file(&path).expect("removed");
    file.set_len(bytes).expect("room");
    file
}

fn file(end: impl Into<OwnedFd>) -> File {
    File::from(end.into())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_door_of_a_functions_outlasts_the_deadline() {
    const LARGE: usize = 512 << 20;
    let much = || Policy::new().random().limit(Quota::BytesRead, u64::MAX);
    let mut lateness = Lateness::default();
    // Each call once, so that the cost of its first call is not measured. On a slow machine that may use up the limit.
    let _ = asks::try_call(false);
    let _ = gambles::try_call(1);
    let _ = sleeps::try_call(1);
    let _ = reads::try_call(&mut sparse(8), 8);
    lateness.measure("hypercalls", || asks::try_call(true));
    lateness.measure("random bytes", || gambles::with(much()).try_call(LARGE));
    lateness.measure("sleep", || sleeps::try_call(60_000));
    lateness.measure("a long file", || {
        reads::with(much()).try_call(&mut sparse(1 << 40), LARGE)
    });
    let mut zeros = File::open("/dev/zero").expect("zeros");
    lateness.measure("an endless device", || {
        reads::with(much()).try_call(&mut zeros, LARGE)
    });
    lateness.measure("a file that grows", || {
        let policy = Policy::new().limit(Quota::BytesWritten, u64::MAX);
        writes::with(policy).try_call(&mut sparse(0), 64 << 20)
    });
    let (reader, writer) = io::pipe().expect("a pipe");
    let (mut reader, mut writer) = (file(reader), file(writer));
    lateness.measure("an empty pipe", || reads::try_call(&mut reader, 64));
    lateness.measure("a full pipe", || writes::try_call(&mut writer, 3_333));
    if let Some((_master, mut slave)) = terminal("no_door_of_a_functions_outlasts_the_deadline") {
        lateness.measure("a silent terminal", || reads::try_call(&mut slave, 64));
        lateness.measure("a terminal that nobody reads", || {
            writes::try_call(&mut slave, 3_333)
        });
    }
    let (mut near, _far) = UnixStream::pair().expect("a pair");
    lateness.measure("a silent stream", || listens::try_call(&mut near));
    lateness.measure("a full stream", || talks::try_call(&mut near));
    lateness.tell();
}

/// The first reader takes the data that a poll has promised to the others.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn pipe_that_many_read_holds_none_of_them_beyond_the_deadline() {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let over = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                writer.write_all(b"x").expect("written");
                thread::sleep(Duration::from_millis(1));
            }
        });
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut reader = file(reader.try_clone().expect("a second one"));
                scope.spawn(move || {
                    let mut lateness = Lateness::default();
                    for _ in 0..10 {
                        lateness.measure("shared", || reads::try_call(&mut reader, 64));
                    }
                })
            })
            .collect();
        let ended: Vec<_> = readers.into_iter().map(|one| one.join()).collect();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
}

/// If the room must exceed PIPE_BUF, no poll tells whether a whole write fits.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn pipe_that_many_write_holds_none_of_them_beyond_the_deadline() {
    let (_reader, writer) = io::pipe().expect("a pipe");
    thread::scope(|scope| {
        for bytes in [1, 3_333, 4_096, 100_000] {
            let mut writer = file(writer.try_clone().expect("a second one"));
            scope.spawn(move || {
                let mut lateness = Lateness::default();
                for _ in 0..5 {
                    lateness.measure("shared", || writes::try_call(&mut writer, bytes));
                }
            });
        }
    });
}
