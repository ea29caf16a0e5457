//! `#[virtine(std)]`: things that a guest without the real std cannot do, and that the isolation is the same.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use wasp_core::{Error, Fault, Policy, Quota, Refusal, virtine};

#[virtine(std)]
fn frequencies(text: &str) -> BTreeMap<String, usize> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(word, count)| (word.to_owned(), count))
        .collect()
}

#[test]
fn hash_maps_work() {
    let counts = frequencies("b a b");
    assert_eq!(
        counts,
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
    );
}

struct Witness<'a>(&'a Mutex<Vec<&'static str>>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if let Ok(mut told) = self.0.lock() {
            told.push("dropped");
        }
    }
}

#[virtine(std)]
fn catches(index: usize) -> (Result<u32, String>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _witness = Witness(&told);
        [1_u32, 2][index]
    }));
    let message = |payload: Box<dyn std::any::Any + Send>| {
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    };
    let told = told.into_inner().unwrap_or_default();
    (
        caught.map_err(message),
        told.into_iter().map(str::to_owned).collect(),
    )
}

#[test]
fn panics_unwind_and_are_caught() {
    assert_eq!(catches(1), (Ok(2), vec!["dropped".to_owned()]));
    let message = "index out of bounds: the len is 2 but the index is 7".to_owned();
    assert_eq!(catches(7), (Err(message), vec!["dropped".to_owned()]));
}

#[virtine(std)]
fn divides(a: u32, b: u32) -> u32 {
    a / b
}

#[test]
fn uncaught_panic_comes_out_with_its_place() {
    let line = line!() - 5;
    let Err(Error::Panicked(panic)) = divides::try_call(1, 0) else {
        panic!("no panic");
    };
    assert_eq!(panic.message, "attempt to divide by zero");
    assert!(
        panic.file.ends_with("tests/virtines/real_std.rs"),
        "{}",
        panic.file
    );
    assert_eq!(panic.line, line);
    assert_eq!(divides(6, 3), 2);
}

#[virtine(std)]
fn joined(path: &str) -> (String, Vec<u8>, Option<String>) {
    let joined: PathBuf = Path::new(path).join("b.txt");
    let name = joined.as_os_str().as_bytes().to_vec();
    let extension = joined
        .extension()
        .map(|one| one.to_string_lossy().into_owned());
    (joined.display().to_string(), name, extension)
}

#[test]
fn paths_work() {
    let (path, bytes, extension) = joined("/a");
    assert_eq!((path.as_str(), &*bytes), ("/a/b.txt", &b"/a/b.txt"[..]));
    assert_eq!(extension.as_deref(), Some("txt"));
}

#[virtine(std)]
fn maths(x: f64) -> Vec<u64> {
    transcendental(x)
}

fn transcendental(x: f64) -> Vec<u64> {
    let values = [
        x.sin(),
        x.cos(),
        x.tan(),
        x.exp(),
        x.ln(),
        x.powf(1.3),
        x.atan2(2.0),
        x.cbrt(),
    ];
    values.map(f64::to_bits).to_vec()
}

#[test]
fn floats_are_the_hosts_to_the_last_bit() {
    for x in [0.1, 0.7, 1.0, 2.5, 1e6, 3.1e-9] {
        assert_eq!(maths(x), transcendental(x), "{x}");
    }
}

#[virtine(std, allow(stdout))]
#[expect(clippy::print_stdout, reason = "what is tested")]
fn prints(text: &str) {
    print!("{text}");
}

#[virtine(std)]
#[expect(clippy::print_stdout, reason = "what is tested")]
fn prints_to_nobody(text: &str) -> bool {
    println!("{text}");
    io::stdout().write_all(text.as_bytes()).is_ok()
}

#[test]
fn output_goes_where_the_policy_says() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let policy = Policy::new().stdout_to(writer);
    prints::with(policy)
        .try_call("no line's end")
        .expect("it prints");
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("read");
    assert_eq!(text, "no line's end");
    assert!(prints_to_nobody("unheard"));
}

static CALLS: AtomicU32 = AtomicU32::new(5);
static TABLE: OnceLock<Vec<u32>> = OnceLock::new();

fn fill_table() {
    let _ = TABLE.set((0..1000).map(|n| n * n).collect());
}

#[virtine(std, init = fill_table)]
fn looked_up(index: usize) -> (Option<u32>, u32) {
    let entry = TABLE.get().and_then(|table| table.get(index).copied());
    (entry, CALLS.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn every_call_starts_from_the_snapshot_behind_init() {
    for _ in 0..20 {
        assert_eq!(looked_up(12), (Some(144), 5));
    }
}

unsafe extern "C" {
    fn mprotect(address: *mut u8, length: usize, protection: i32) -> i32;
    fn munmap(address: *mut u8, length: usize) -> i32;
    fn mmap(a: *mut u8, length: usize, p: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
}

#[repr(align(4096))]
struct Page(#[expect(dead_code, reason = "read by its address")] [u8; 4096]);

static mut PAGE: Page = Page([1; 4096]);

/// Changes the mapping of a page that every call starts with.
#[virtine(std)]
fn remaps(how: u32) -> u8 {
    let page = &raw mut PAGE as *mut u8;
    // SAFETY: nothing else uses the page in this call, and it is not accessed when that is not allowed.
    unsafe {
        let before = page.read_volatile();
        page.write_volatile(before + 1);
        let done = match how {
            0 => mprotect(page, 4096, 0),
            1 => mprotect(page, 4096, 1),
            2 => munmap(page, 4096),
            _ => (mmap(page, 4096, 3, 0x32, -1, 0) != page) as i32,
        };
        if how == 3 {
            assert_eq!(page.read_volatile(), 0);
        }
        if how == 1 {
            assert_eq!(page.read_volatile(), before + 1);
        }
        assert_eq!(done, 0);
        before
    }
}

#[test]
fn mappings_of_a_call_are_gone_with_it() {
    for round in 0..40 {
        assert_eq!(remaps(round % 4), 1, "round {round}");
    }
}

#[virtine(std)]
fn reads_unmapped() -> u8 {
    let page = &raw mut PAGE as *mut u8;
    // SAFETY: nothing else uses the page. Reading it afterwards is the intended fault.
    unsafe {
        munmap(page, 4096);
        page.read_volatile()
    }
}

#[test]
fn fault_is_told_with_its_place() {
    let Err(Error::Fault(Fault::Exception(exception))) = reads_unmapped::try_call() else {
        panic!("no fault");
    };
    assert_eq!(exception.vector, 14);
    // Known if the build directory exists.
    if Path::new(env!("OUT_DIR")).exists() {
        let place = exception.place.expect("the program is there");
        assert!(place.function.contains("reads_unmapped"), "{place}");
    }
}

#[virtine(std)]
fn sums(bytes: &[u8], more: usize) -> u64 {
    let more = vec![1_u8; more];
    bytes.iter().chain(&more).map(|byte| u64::from(*byte)).sum()
}

#[test]
fn large_arguments_and_mappings_come_and_go() {
    for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20, 5 << 20, 10] {
        assert_eq!(sums(&vec![1; size], 1 << 20), (size + (1 << 20)) as u64);
    }
    let error = sums::try_call(&vec![1; 20 << 20], 0);
    assert!(
        matches!(error, Err(Error::ArgumentsTooLarge { .. })),
        "{error:?}"
    );
}

#[test]
fn exhausted_memory_is_typed() {
    let error = sums::try_call(&[], 1 << 30);
    assert!(
        matches!(error, Err(Error::OutOfMemory { requested, .. }) if requested > 1 << 30),
        "{error:?}"
    );
}

#[virtine(std)]
fn leaves(how: i32) -> u32 {
    match how {
        -1 => std::process::abort(),
        code => std::process::exit(code),
    }
}

#[test]
fn exit_and_abort_are_typed() {
    let exited = leaves::try_call(9);
    assert!(
        matches!(exited, Err(Error::Exited { code: 9 })),
        "{exited:?}"
    );
    let killed = leaves::try_call(-1);
    assert!(
        matches!(killed, Err(Error::Killed { signal: 6 })),
        "{killed:?}"
    );
}

#[virtine(std, timeout = "300ms")]
fn never_returns(waits: bool) {
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    match waits {
        true => drop(receiver.recv()),
        false => loop {
            std::hint::spin_loop();
        },
    }
}

#[test]
fn deadline_holds() {
    for waits in [false, true] {
        let ended = never_returns::try_call(waits);
        assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
    }
}

#[virtine(std)]
fn spawns() -> Option<i32> {
    let spawned = std::thread::Builder::new().spawn(|| ());
    spawned.err().and_then(|error| error.raw_os_error())
}

#[test]
fn threads_are_an_error_that_can_be_handled() {
    assert_eq!(spawns(), Some(libc::ENOSYS));
}

#[virtine(std)]
fn lists(folder: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = if entry.metadata()?.is_dir() { "/" } else { "" };
        names.push(entry.file_name().to_string_lossy().into_owned() + kind);
    }
    names.sort();
    Ok(names)
}

#[test]
fn granted_folders_are_listed() {
    let folder = std::env::temp_dir().join(format!("wasp-std-{}", std::process::id()));
    fs::create_dir_all(folder.join("inner")).expect("a folder");
    fs::write(folder.join("file"), "text").expect("written");
    let path = folder.display().to_string();
    let names = lists::with(Policy::new().read(&folder)).try_call(&path);
    assert_eq!(
        names.expect("it runs").expect("granted"),
        ["file", "inner/"]
    );
    let denied = lists(&path).expect_err("not granted");
    assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
    fs::remove_dir_all(&folder).expect("removed");
}

#[virtine(std, allow(env("WASP_REAL_STD")))]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn granted_variables_are_in_the_environment() {
    assert_eq!(variable("HOME"), None);
    assert_eq!(
        variable("WASP_REAL_STD"),
        std::env::var("WASP_REAL_STD").ok()
    );
}

#[virtine(std)]
fn measures() -> bool {
    Instant::now().elapsed() < Duration::from_secs(60)
}

#[test]
fn clock_is_a_door() {
    assert!(
        measures::with(Policy::new().clock())
            .try_call()
            .expect("granted")
    );
    let Err(Error::Panicked(panic)) = measures::try_call() else {
        panic!("no panic");
    };
    let refusal = panic.refusal.expect("the clock");
    assert!(matches!(refusal, Refusal::Denied { .. }));
}

fn twice(n: u32) -> u32 {
    2 * n
}

#[virtine(std, host(twice))]
fn asks(n: u32) -> u32 {
    twice(n) + 1
}

#[virtine(std)]
fn length(mut file: fs::File) -> io::Result<usize> {
    let mut text = String::new();
    file.read_to_string(&mut text)
}

#[test]
fn host_functions_and_handles_are_as_elsewhere() {
    assert_eq!(asks(20), 41);
    let path = std::env::temp_dir().join(format!("wasp-handle-{}", std::process::id()));
    fs::write(&path, "six by").expect("written");
    let file = fs::File::open(&path).expect("there");
    assert_eq!(length(file).expect("read"), 6);
    fs::remove_file(&path).expect("removed");
}

#[virtine(std)]
fn resizes(file: &mut fs::File, length: u64) -> io::Result<u64> {
    file.set_len(length)?;
    file.sync_all()?;
    file.sync_data()?;
    Ok(file.metadata()?.len())
}

#[test]
fn files_are_resized_within_the_quota() {
    let path = std::env::temp_dir().join(format!("wasp-resized-{}", std::process::id()));
    fs::write(&path, "six by").expect("written");
    let open = || fs::File::options().read(true).write(true).open(&path);
    let mut file = open().expect("there");
    assert_eq!(resizes(&mut file, 3).expect("shorter"), 3);
    assert_eq!(resizes(&mut file, 10).expect("longer"), 10);
    let policy = Policy::new().limit(Quota::BytesWritten, 5);
    let refused = resizes::with(policy).try_call(&mut file, 16);
    refused.expect("answered").expect_err("six more");
    let mut read_only = fs::File::open(&path).expect("there");
    resizes(&mut read_only, 2).expect_err("not to be written");
    for length in [u64::MAX, 1 << 63, i64::MAX as u64] {
        resizes(&mut file, length).expect_err("too long");
    }
    assert_eq!(fs::read(&path).expect("read"), b"six\0\0\0\0\0\0\0");
    fs::remove_file(&path).expect("removed");
}

#[virtine(std)]
fn changes(text: &mut String, numbers: &mut [u32]) -> usize {
    text.push('!');
    numbers.sort_unstable();
    numbers.len()
}

#[test]
fn changed_arguments_come_back() {
    let (mut text, mut numbers) = ("a".to_owned(), [3, 1, 2]);
    assert_eq!(changes(&mut text, &mut numbers), 3);
    assert_eq!((text.as_str(), numbers), ("a!", [1, 2, 3]));
}

#[virtine(std)]
fn thread_local_count() -> u32 {
    std::thread_local!(static COUNT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    COUNT.with(|count| {
        count.set(count.get() + 1);
        count.get()
    })
}

#[test]
fn threads_call_side_by_side() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(thread_local_count(), 1);
                }
            });
        }
    });
}

#[virtine(std)]
fn naps() -> u32 {
    std::thread::sleep(std::time::Duration::from_millis(20));
    7
}

#[virtine(std)]
fn throws_dice() -> usize {
    std::fs::read("/dev/urandom").expect("random bytes").len()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn sleep_needs_no_clock_and_takes_its_time() {
    let start = Instant::now();
    assert_eq!(naps::try_call().expect("it sleeps"), 7);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn refused_random_device_names_its_grant() {
    let error = throws_dice::try_call().expect_err("refused");
    assert!(error.to_string().contains("`random`"), "{error}");
}
