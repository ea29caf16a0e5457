//! Hash maps are seeded once for each snapshot, from the host's randomness.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::{self, Write as _};
use std::process::Command;

use wasp_core::virtine;

#[virtine]
fn hash() -> u64 {
    RandomState::new().hash_one(7_u64)
}

#[virtine(snapshot = false)]
fn hash_without_snapshot() -> u64 {
    RandomState::new().hash_one(7_u64)
}

#[virtine(std)]
fn hash_with_std() -> u64 {
    RandomState::new().hash_one(7_u64)
}

/// Prints this process's hashes, for the test below.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn hashes_of_this_process() {
    let functions: [fn() -> u64; 3] = [hash, hash_without_snapshot, hash_with_std];
    let [first, again] = [(); 2].map(|()| functions.map(|function| function()));
    assert_eq!(first, again, "in two calls");
    writeln!(io::stdout(), "hashes={first:?}").expect("printed");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn processes_have_seeds_of_their_own() {
    let program = std::env::current_exe().expect("this program");
    let hashes_elsewhere = || {
        let mut command = Command::new(&program);
        command.args(["seeds::hashes_of_this_process", "--exact", "--nocapture"]);
        let output = command.output().expect("run");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, rest) = printed.split_once("hashes=[").expect("printed");
        let (hashes, _) = rest.split_once(']').expect("to the end");
        hashes.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let processes: Vec<Vec<String>> = (0..8).map(|_| hashes_elsewhere()).collect();
    for function in 0..3 {
        let different: HashSet<&String> = processes.iter().map(|all| &all[function]).collect();
        assert_eq!(different.len(), 8, "function {function}: {processes:?}");
    }
}
