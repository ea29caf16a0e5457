//! Any hypercalls, with any registers and any memory, under a policy that grants much.
//!
//! Looked for, besides crashes: answers that are no answers, and files outside the granted folder that
//! were read into the guest or changed.
#![no_main]

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wasp_core::fuzzing::serve;
use wasp_core::{Policy, Quota};

const MEMORY: usize = 0x3000;
const SECRET: &[u8] = b"not for any guest to see";

#[derive(Arbitrary, Debug)]
struct Input {
    calls: Vec<Call>,
    strict: bool,
    memory: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Call {
    /// Numbers that exist more often than others.
    number: u8,
    arguments: [Argument; 3],
}

#[derive(Arbitrary, Debug)]
enum Argument {
    Any(u64),
    Small(u8),
    /// Inside the memory, or just behind it.
    Address(u16),
    /// Below zero.
    Negative(u8),
    /// Of a path that the memory holds.
    Path(u8),
}

impl Argument {
    fn value(&self) -> u64 {
        match *self {
            Self::Any(value) => value,
            Self::Small(value) => value.into(),
            Self::Address(value) => u64::from(value) % (MEMORY as u64 + 16),
            Self::Negative(value) => u64::MAX - u64::from(value),
            Self::Path(which) => 64 * u64::from(which % PATHS),
        }
    }
}

impl Call {
    fn number(&self) -> u64 {
        match self.number {
            0..=127 => u64::from(self.number % 13),
            128..=250 => 0x110 + u64::from(self.number - 128) % 8,
            _ => u64::from(self.number),
        }
    }
}

struct Place {
    inside: PathBuf,
    secret: PathBuf,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let folder = env::temp_dir().join(format!("wasp-fuzz-{}", std::process::id()));
    let inside = folder.join("inside");
    fs::create_dir_all(inside.join("folder")).expect("a folder");
    let secret = folder.join("secret");
    fs::write(&secret, SECRET).expect("written");
    symlink(&secret, inside.join("out")).expect("a link");
    symlink("..", inside.join("up")).expect("a link");
    env::set_current_dir(&inside).expect("a folder");
    Place { inside, secret }
});

const PATHS: u8 = 12;

/// Paths into and out of the folder, 64 bytes each.
fn paths() -> [String; PATHS as usize] {
    let Place { inside, secret } = &*PLACE;
    [
        "a".to_owned(),
        "folder/b".to_owned(),
        "out".to_owned(),
        "up/secret".to_owned(),
        "../secret".to_owned(),
        "folder/../../secret".to_owned(),
        "./folder//../a".to_owned(),
        secret.display().to_string(),
        inside.join("a").display().to_string(),
        "/dev/urandom".to_owned(),
        "HOME".to_owned(),
        "double".to_owned(),
    ]
}

fn policy(strict: bool) -> Policy {
    let null = || {
        File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .expect("opened")
    };
    let policy = Policy::new()
        .stdin_from(null())
        .stdout_to(null())
        .stderr_to(null())
        .clock()
        .random()
        .args()
        .env(["HOME"])
        .read(".")
        .write(".")
        .read(&PLACE.inside)
        .write(PLACE.inside.join("folder"))
        .host("double", |n: u32| n.wrapping_mul(2))
        .limit(Quota::Handles, 8)
        .limit(Quota::BytesRead, 1 << 16)
        .limit(Quota::BytesWritten, 1 << 16)
        .limit(Quota::Hypercalls, 200);
    match strict {
        true => policy.strict(),
        false => policy,
    }
}

fuzz_target!(|input: Input| {
    let mut memory = vec![0; MEMORY];
    for (to, from) in memory.iter_mut().skip(0x400).zip(&input.memory) {
        *to = *from;
    }
    for (place, path) in memory.chunks_mut(64).zip(paths()) {
        for (to, from) in place.iter_mut().take(63).zip(path.bytes()) {
            *to = from;
        }
    }
    let given = memory.clone();
    let calls: Vec<(u64, [u64; 3])> = input
        .calls
        .iter()
        .map(|call| {
            (
                call.number(),
                call.arguments.each_ref().map(Argument::value),
            )
        })
        .collect();
    serve(policy(input.strict), &calls, &mut memory);
    let holds = |memory: &[u8]| memory.windows(SECRET.len()).any(|bytes| bytes == SECRET);
    assert!(holds(&given) || !holds(&memory), "the secret got in");
    let secret = fs::read(&PLACE.secret).expect("still there");
    assert_eq!(secret, SECRET, "the secret was changed");
});
