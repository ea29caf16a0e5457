//! What virtines may ask of their host: each capability with and without its grant.

#![expect(clippy::print_stdout, reason = "what guests print is looked at")]

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wasp_core::{Capability, Error, Policy, Quota, Refusal, virtine};

mod audit;
mod files;

/// A test's own folder, which is removed with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasp-capabilities-{}-{number}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn put(&self, name: &str, contents: &str) -> String {
        let path = self.path(name);
        fs::write(&path, contents).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pipe: data written to the second end is read from the first.
fn pipe() -> (io::PipeReader, io::PipeWriter) {
    io::pipe().expect("a pipe")
}

fn kind(code: Option<i32>) -> Option<ErrorKind> {
    code.map(|code| io::Error::from_raw_os_error(code).kind())
}

#[virtine]
fn prints(name: &str) -> usize {
    println!("hello, {name}");
    print!("{}", 1);
    println!();
    eprintln!("warned: {}", name);
    name.len()
}

#[virtine]
fn reads(path: &str) -> Result<String, Option<i32>> {
    fs::read_to_string(path).map_err(|error| error.raw_os_error())
}

#[virtine]
fn writes(path: &str, text: &str) -> Result<(), Option<i32>> {
    fs::write(path, text).map_err(|error| error.raw_os_error())
}

#[virtine]
fn denied_kind(path: &str) -> bool {
    let error = File::open(path).expect_err("nothing is granted");
    error.kind() == ErrorKind::PermissionDenied
        && error.to_string() == "Permission denied (os error 13)"
}

#[virtine]
fn unwraps(path: &str) -> usize {
    fs::read(path).expect("granted").len()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn output_goes_where_it_is_granted_and_nowhere_else() {
    assert_eq!(prints("nobody"), 6);
    let ((mut out, out_end), (mut err, err_end)) = (pipe(), pipe());
    let policy = Policy::new().stdout_to(out_end).stderr_to(err_end);
    assert_eq!(prints::with(&policy).call("you"), 3);
    drop(policy);
    let (mut printed, mut warned) = (String::new(), String::new());
    out.read_to_string(&mut printed).expect("read");
    err.read_to_string(&mut warned).expect("read");
    assert_eq!(printed, "hello, you\n1\n");
    assert_eq!(warned, "warned: you\n");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn strict_call_ends_at_the_first_closed_door() {
    let error = prints::with(Policy::new().strict()).try_call("you");
    let stdout_denied = matches!(&error, Err(Error::Denied { capability: Capability::Stderr | Capability::Stdout, argument }) if argument.is_empty());
    assert!(stdout_denied, "{error:?}");
    let error = reads::with(Policy::new().strict()).try_call("/etc/hostname");
    let named = matches!(&error, Err(Error::Denied { capability: Capability::Read, argument }) if argument == "/etc/hostname");
    assert!(named, "{error:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn closed_door_is_an_error_in_the_guest() {
    assert!(denied_kind("/etc/hostname"));
    assert_eq!(
        kind(reads("/etc/hostname").expect_err("denied")),
        Some(ErrorKind::PermissionDenied)
    );
    match unwraps::try_call("/etc/hostname") {
        Err(Error::Panicked(panic)) => {
            let expected = Refusal::Denied {
                capability: Capability::Read,
                argument: "/etc/hostname".to_owned(),
            };
            assert!(panic.message.contains("Permission denied"), "{panic}");
            // The last refusal is reported with the panic that it most likely caused.
            assert_eq!(
                format!("{:?}", panic.refusal),
                format!("{:?}", Some(expected))
            );
        }
        other => panic!("{other:?}"),
    }
}

#[virtine(allow(env("WASP_DOORS_TEST", "WASP_DOORS_UNSET")))]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

#[virtine(allow(args))]
fn arguments() -> Vec<String> {
    env::args().collect()
}

#[virtine]
fn no_arguments() -> (usize, usize) {
    (env::args().count(), env::vars().count())
}

#[virtine]
fn all_variables() -> Vec<(String, String)> {
    env::vars().collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn only_named_variables_are_seen() {
    let long = "long ".repeat(200);
    // SAFETY: no other test reads or writes environment variables itself.
    unsafe { env::set_var("WASP_DOORS_TEST", &long) };
    assert_eq!(variable("WASP_DOORS_TEST"), Some(long.clone()));
    for other in ["WASP_DOORS_UNSET", "PATH", "", "A=B", "WASP_DOORS_TEST "] {
        assert_eq!(variable(other), None, "{other}");
    }
    let policy = Policy::new().env(["WASP_DOORS_UNSET", "WASP_DOORS_TEST"]);
    let seen = all_variables::with(policy).call();
    assert_eq!(seen, [("WASP_DOORS_TEST".to_owned(), long)]);
    assert_eq!(no_arguments(), (0, 0));
    assert_eq!(arguments(), env::args().collect::<Vec<String>>());
}

#[virtine(allow(clock))]
fn clocks() -> (Duration, bool) {
    let start = Instant::now();
    let later = Instant::now();
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    (since, later >= start)
}

#[virtine]
fn no_clock() -> bool {
    Instant::now().elapsed().is_zero()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn clock_is_the_hosts_where_it_is_granted() {
    let now = || std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    let before = now();
    let (there, ordered) = clocks();
    assert!(ordered && before <= there && there <= now());
    match no_clock::try_call() {
        Err(Error::Panicked(panic)) => assert!(panic.message.contains("allow(clock)"), "{panic}"),
        other => panic!("{other:?}"),
    }
}

#[virtine(allow(random))]
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut device = File::open("/dev/urandom").expect("granted");
    device.read_exact(&mut bytes).expect("random bytes");
    bytes
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn random_bytes_differ_from_call_to_call() {
    assert_ne!(random(), random());
    assert!(denied_kind("/dev/urandom"));
}

#[virtine]
fn opens(path: &str, times: usize) -> (usize, Option<i32>) {
    let mut files = Vec::new();
    for _ in 0..times {
        match File::open(path) {
            Ok(file) => files.push(file),
            Err(error) => return (files.len(), error.raw_os_error()),
        }
    }
    (files.len(), None)
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn quotas_are_errors_in_the_guest_and_named_on_the_host() {
    let folder = Folder::new();
    let path = folder.put("file", &"x".repeat(5000));
    let policy = Policy::new().read(&folder.0).write(&folder.0);
    let few = policy.clone().limit(Quota::Handles, 3);
    assert_eq!(opens::with(few).call(&path, 10), (3, Some(libc::EMFILE)));
    let short = policy.clone().limit(Quota::BytesRead, 4999);
    assert_eq!(reads::with(&short).call(&path), Err(Some(libc::EDQUOT)));
    let strict = reads::with(short.strict()).try_call(&path);
    let expected = matches!(
        strict,
        Err(Error::QuotaExceeded {
            quota: Quota::BytesRead,
            limit: 4999
        })
    );
    assert!(expected, "{strict:?}");
    let exact = policy.clone().limit(Quota::BytesRead, 5001);
    assert_eq!(
        reads::with(exact).call(&path).map(|text| text.len()),
        Ok(5000)
    );
    let little = policy.clone().limit(Quota::BytesWritten, 3);
    assert_eq!(
        writes::with(little).call(&path, "four"),
        Err(Some(libc::EDQUOT))
    );
    assert_eq!(fs::read_to_string(&path).expect("three bytes"), "fou");
    // Not strict, but the call ends anyway: a guest that keeps asking would never stop.
    let impatient = policy.limit(Quota::Hypercalls, 5);
    let ended = opens::with(impatient).try_call(&path, 10);
    let expected = matches!(
        ended,
        Err(Error::QuotaExceeded {
            quota: Quota::Hypercalls,
            limit: 5
        })
    );
    assert!(expected, "{ended:?}");
}

#[virtine(timeout = "500ms")]
fn reads_a_line() -> Result<String, Option<i32>> {
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.map(|_| line).map_err(|error| error.raw_os_error())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn input_is_waited_for_no_longer_than_the_deadline() {
    assert_eq!(reads_a_line(), Err(Some(libc::EACCES)));
    let (source, mut end) = pipe();
    end.write_all(b"first\nsecond\n").expect("written");
    let policy = Policy::new().stdin_from(source);
    assert_eq!(reads_a_line::with(&policy).call().as_deref(), Ok("first\n"));
    let start = Instant::now();
    let ended = reads_a_line::with(&policy).try_call();
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(490)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn output_that_nobody_takes_ends_with_the_deadline() {
    let (_unread, end) = pipe();
    let policy = Policy::new().stdout_to(end);
    let ended = floods::with(policy).try_call();
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
}

#[virtine(timeout = "200ms")]
fn floods() {
    loop {
        println!("{}", "x".repeat(4000));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn nothing_stays_open_however_calls_end() {
    let folder = Folder::new();
    let path = folder.put("file", "text");
    let policy = Policy::new().read(&folder.0);
    let open = || {
        let entries = fs::read_dir("/proc/self/fd").expect("own descriptors");
        let targets = entries
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok());
        targets
            .filter(|target| target.starts_with(&folder.0))
            .count()
    };
    for _ in 0..20 {
        assert_eq!(leaks::with(&policy).call(&path, 0), 0);
        leaks::with(&policy)
            .try_call(&path, 1)
            .expect_err("a panic");
        leaks::with(&policy)
            .try_call(&path, 2)
            .expect_err("a fault");
        leaks_and_spins::with(&policy)
            .try_call(&path)
            .expect_err("out of time");
    }
    assert_eq!(open(), 1, "the root, which the policy holds");
    drop(policy);
    assert_eq!(open(), 0);
}

#[virtine]
fn leaks(path: &str, how: u32) -> u32 {
    std::mem::forget(File::open(path).expect("granted"));
    match how {
        0 => 0,
        1 => panic!("with a file open"),
        // SAFETY: not safe; it runs in a virtine.
        _ => unsafe { std::ptr::null::<u32>().read_volatile() },
    }
}

/// It has its own deadline, which calls that must return would miss on a slow machine.
#[virtine(timeout = "50ms")]
fn leaks_and_spins(path: &str) {
    std::mem::forget(File::open(path).expect("granted"));
    loop {
        std::hint::spin_loop();
    }
}
