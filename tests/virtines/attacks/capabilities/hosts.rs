//! Calls of host functions with wrong argument blocks, and requests for results that do not exist.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasp_core::{Error, Policy, Quota};

use super::super::MEMORY;
use super::{BUFFER, WRONG, ask_with, error};
use crate::backend::LOWEST;

const NAME: u64 = LOWEST + 0x4000;
/// Address and length of the arguments, and of the room for the result.
const BLOCK: u64 = LOWEST + 0x4100;
const ARGUMENTS: u64 = LOWEST + 0x4200;

const HOST: u64 = 0x115;
const HOST_RESULT: u64 = 0x116;

/// Doubles a byte, and counts.
fn granting(calls: &Arc<AtomicU32>) -> Policy {
    let calls = Arc::clone(calls);
    Policy::new().host("double", move |n: u8| {
        calls.fetch_add(1, Ordering::Relaxed);
        vec![n, 2 * n]
    })
}

fn block(words: [u64; 4]) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn ask(policy: &Policy, words: [u64; 4], calls: &[(u64, [u64; 3])]) -> Result<Vec<u64>, Error> {
    let block = block(words);
    let contents: [(u64, &[u8]); 3] = [(NAME, b"double\0"), (BLOCK, &block), (ARGUMENTS, &[21])];
    Ok(ask_with(policy, &contents, calls)?.1)
}

/// Length of the function's result: a length of eight bytes, and two bytes.
const RESULT: u64 = 10;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn right_call_is_answered() {
    let calls = Arc::default();
    let block = block([ARGUMENTS, 1, BUFFER, 16]);
    let contents: [(u64, &[u8]); 3] = [(NAME, b"double\0"), (BLOCK, &block), (ARGUMENTS, &[21])];
    let asked = ask_with(&granting(&calls), &contents, &[(HOST, [NAME, BLOCK, 0])]);
    let (virtine, answers) = asked.expect("served");
    assert_eq!(answers, [RESULT]);
    let mut result = [0; RESULT as usize];
    virtine.read(BUFFER, &mut result).expect("in bounds");
    assert_eq!(result, [2, 0, 0, 0, 0, 0, 0, 0, 21, 42]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn wrong_names_and_blocks_call_nothing() {
    let calls = Arc::default();
    let policy = granting(&calls);
    for address in [MEMORY, u64::MAX, u64::MAX - 7, 1 << 63] {
        for arguments in [[address, BLOCK, 0], [NAME, address, 0]] {
            let answers = ask(&policy, [ARGUMENTS, 1, BUFFER, 16], &[(HOST, arguments)]);
            assert_eq!(
                answers.expect("served"),
                [error(libc::EFAULT)],
                "{address:#x}"
            );
        }
    }
    // A block that extends beyond memory, and the name of another function.
    let answers = ask(
        &policy,
        [ARGUMENTS, 1, BUFFER, 16],
        &[(HOST, [NAME, MEMORY - 31, 0]), (HOST, [NAME + 1, BLOCK, 0])],
    );
    let expected = [libc::EFAULT, libc::EACCES].map(error);
    assert_eq!(answers.expect("served"), expected);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_out_of_reach_call_nothing() {
    let calls = Arc::default();
    let policy = granting(&calls).limit(Quota::BytesWritten, u64::MAX);
    for (address, length) in WRONG {
        let answers = ask(
            &policy,
            [address, length, BUFFER, 16],
            &[(HOST, [NAME, BLOCK, 0])],
        );
        let answers = answers.expect("served");
        assert_eq!(
            answers,
            [error(libc::EFAULT)],
            "{length} bytes at {address:#x}"
        );
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_of_other_types_call_nothing() {
    let calls = Arc::default();
    // No argument, and one too many.
    for length in [0, 2] {
        let answers = ask(
            &granting(&calls),
            [ARGUMENTS, length, BUFFER, 16],
            &[(HOST, [NAME, BLOCK, 0])],
        );
        assert_eq!(answers.expect("served"), [error(libc::EINVAL)], "{length}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn results_go_nowhere_but_where_they_fit() {
    let policy = granting(&Arc::default());
    for buffer in [MEMORY, MEMORY - 2, u64::MAX, 1 << 63] {
        let answers = ask(
            &policy,
            [ARGUMENTS, 1, buffer, 16],
            &[(HOST, [NAME, BLOCK, 0])],
        );
        let answers = answers.expect("served");
        assert_eq!(answers, [error(libc::EFAULT)], "{buffer:#x}");
    }
    let invalid = error(libc::EINVAL);
    let answers = ask(
        &policy,
        [ARGUMENTS, 1, u64::MAX, 0],
        &[
            (HOST_RESULT, [BUFFER, 1, 0]),
            (HOST, [NAME, BLOCK, 0]),
            (HOST_RESULT, [BUFFER, RESULT + 1, 0]),
            (HOST_RESULT, [BUFFER, u64::MAX, 0]),
            (HOST_RESULT, [MEMORY - 1, RESULT, 0]),
            (HOST_RESULT, [BUFFER, RESULT, 0]),
            // It is delivered only once.
            (HOST_RESULT, [BUFFER, RESULT, 0]),
        ],
    );
    let fault = error(libc::EFAULT);
    let expected = [invalid, RESULT, invalid, invalid, fault, RESULT, invalid];
    assert_eq!(answers.expect("served"), expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn quotas_count_arguments_and_results() {
    let calls = Arc::default();
    let once = &[(HOST, [NAME, BLOCK, 0])];
    let none = granting(&calls).limit(Quota::BytesWritten, 0);
    let answers = ask(&none, [ARGUMENTS, 1, BUFFER, 16], once);
    assert_eq!(answers.expect("served"), [error(libc::EDQUOT)]);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    let little = granting(&calls).limit(Quota::BytesRead, RESULT - 1);
    let answers = ask(&little, [ARGUMENTS, 1, BUFFER, 16], once);
    assert_eq!(answers.expect("served"), [error(libc::EDQUOT)]);
    let strict = ask(&little.strict(), [ARGUMENTS, 1, BUFFER, 16], once);
    assert!(
        matches!(strict, Err(Error::QuotaExceeded { .. })),
        "{strict:?}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panics_end_the_serving_and_no_more() {
    let policy = Policy::new().host("double", |_: u8| -> u8 { panic!("as wished") });
    for _ in 0..3 {
        let ended = ask(
            &policy,
            [ARGUMENTS, 1, BUFFER, 16],
            &[(HOST, [NAME, BLOCK, 0])],
        );
        assert!(
            matches!(ended, Err(Error::HostFunction { .. })),
            "{ended:?}"
        );
    }
}
