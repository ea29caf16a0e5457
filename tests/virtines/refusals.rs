//! Refusals of the kernel become typed errors, leave nothing behind, and have no lasting effect.
//!
//! Each case runs in its own process, because limits and filters apply to the whole process, and a filter cannot be
//! removed.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::alone;
use crate::backend::{self, MEMORY, START};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use wasp_core::{Cache, Error, Exit, Lease, Virtine};

// ioctl numbers of /dev/kvm (include/uapi/linux/kvm.h).
const KVM_CREATE_VM: u64 = 0xae01;
const KVM_CREATE_VCPU: u64 = 0xae41;
const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
const KVM_SET_SREGS: u64 = 0x4138_ae84;
const KVM_SET_CPUID2: u64 = 0x4008_ae90;

/// e6 fa: out 0xfa, al
const EXITING: [u8; 2] = [0xe6, 0xfa];

/// What is refused: a system call, an ioctl's number if it is one, and the error.
struct Refusal {
    call: i64,
    request: Option<u64>,
    /// Whether every new virtine needs it, not only a new image.
    always: bool,
    errno: i32,
}

/// Refusals by name. The name is passed to the process that tests it.
fn refusals() -> BTreeMap<String, Refusal> {
    let ioctls = [
        ("KVM_CREATE_VM", KVM_CREATE_VM),
        ("KVM_CREATE_VCPU", KVM_CREATE_VCPU),
        ("KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION),
        ("KVM_SET_SREGS", KVM_SET_SREGS),
        ("KVM_SET_CPUID2", KVM_SET_CPUID2),
    ];
    let calls = [
        ("memfd_create", libc::SYS_memfd_create),
        ("ftruncate", libc::SYS_ftruncate),
        ("pwrite", libc::SYS_pwrite64),
        ("F_ADD_SEALS", libc::SYS_fcntl),
    ];
    let sockets = [
        ("socketpair", libc::SYS_socketpair),
        ("sendmsg", libc::SYS_sendmsg),
        ("recvmsg", libc::SYS_recvmsg),
    ];
    let by_process = backend::by_process();
    let ioctls = ioctls.map(|(name, request)| (name, libc::SYS_ioctl, Some(request), true));
    let sockets = sockets.map(|(name, call)| (name, call, None, true));
    let calls = calls.map(|(name, call)| (name, call, None, by_process && call != libc::SYS_fcntl));
    // How machines are asked for: of KVM, or of the process that makes processes.
    let machines = match by_process {
        true => sockets.to_vec(),
        false => ioctls.to_vec(),
    };
    let errnos = [
        libc::ENOMEM,
        libc::EMFILE,
        libc::EPERM,
        libc::EAGAIN,
        libc::EIO,
    ];
    let mut refusals = BTreeMap::new();
    for (name, call, request, always) in machines.into_iter().chain(calls) {
        for errno in errnos {
            let refusal = Refusal {
                call,
                request,
                always,
                errno,
            };
            refusals.insert(format!("{name}={errno}"), refusal);
        }
    }
    refusals
}

impl Refusal {
    /// Makes the kernel refuse this from now on, in all threads.
    fn take_effect(&self) {
        let request = self.request.map(|request| {
            let equal = SeccompCmpOp::Eq;
            SeccompCondition::new(1, SeccompCmpArgLen::Dword, equal, request).expect("a condition")
        });
        let rules = request
            .map(|condition| SeccompRule::new(vec![condition]).expect("a rule"))
            .into_iter()
            .collect();
        let filter = SeccompFilter::new(
            BTreeMap::from([(self.call, rules)]),
            SeccompAction::Allow,
            SeccompAction::Errno(self.errno as u32),
            env::consts::ARCH.try_into().expect("x86_64"),
        );
        let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
        seccompiler::apply_filter_all_threads(&program).expect("the filter is in force");
    }

    fn is_typed(&self, error: &Error) -> bool {
        match self.errno {
            libc::ENOMEM => matches!(error, Error::HostOutOfMemory { .. }),
            libc::EMFILE => matches!(error, Error::TooManyFiles { .. }),
            libc::EPERM => matches!(error, Error::NotPermitted { .. }),
            libc::EAGAIN => matches!(error, Error::TryAgain { .. }),
            errno => {
                matches!(error, Error::System { source, .. } if source.raw_os_error() == Some(errno))
            }
        }
    }
}

fn cache() -> Cache {
    let builder = Cache::builder(MEMORY).binary(EXITING, START);
    builder.build().expect("a cache")
}

fn exits(virtine: &mut Virtine) {
    assert_eq!(virtine.run().expect("a run"), Exit::Exited);
}

/// Descriptors, mappings of guests, and their processes.
fn holdings() -> [usize; 3] {
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let maps = fs::read_to_string("/proc/self/maps").expect("own mappings");
    let guests = maps
        .lines()
        .filter(|line| line.contains("virtine") || line.contains("kvm"));
    [descriptors, guests.count(), backend::processes()]
}

/// What is held once nothing that was given back is still on its way out.
fn settled() -> [usize; 3] {
    let mut last = holdings();
    let mut unchanged = 0;
    while unchanged < 10 {
        thread::sleep(Duration::from_millis(10));
        let now = holdings();
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
    }
    last
}

/// The end of a VM or of a process takes the kernel a moment.
fn returns_to(before: [usize; 3]) -> bool {
    (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        holdings() == before
    })
}

const CHILD: &str = "VIRTINE_TEST_REFUSAL";

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn every_refusal_is_typed_and_leaves_nothing() {
    for case in refusals().keys() {
        alone::run("refusals::child_is_refused", &[(CHILD, case)]);
    }
}

#[test]
#[ignore = "run alone, once for each refusal, by every_refusal_is_typed_and_leaves_nothing"]
fn child_is_refused() {
    let case = env::var(CHILD).expect("a case");
    let refusal = &refusals()[&case];
    let cache = cache();
    exits(&mut cache.get().expect("a virtine"));
    let mut held = cache.get().expect("the same one");
    let before = settled();
    assert_eq!(before[2] > 0, backend::by_process(), "it counts them");
    refusal.take_effect();
    for _ in 0..50 {
        let builder = Cache::builder(0x3_0000).binary(EXITING, START);
        let error = builder.build().err().expect("refused");
        assert!(refusal.is_typed(&error), "{case}: {error:?}");
        if refusal.always {
            let error = cache.get().err().expect("refused");
            assert!(refusal.is_typed(&error), "{case}: {error:?}");
            let error = Virtine::builder().build().err().expect("refused");
            assert!(refusal.is_typed(&error), "{case}: {error:?}");
        }
    }
    assert!(
        returns_to(before),
        "{case}: {before:?} before, {:?} after",
        holdings()
    );
    // Existing virtines still work.
    exits(&mut held);
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the answer.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    let before = limit.rlim_cur;
    limit.rlim_cur = value;
    // SAFETY: `limit` is initialised; the hard limit stays as it is.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
    before
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn limits_are_met_and_left_again() {
    alone::run("refusals::child_runs_out_of_descriptors", &[]);
    alone::run("refusals::child_runs_out_of_address_space", &[]);
}

#[test]
#[ignore = "run alone by limits_are_met_and_left_again"]
fn child_runs_out_of_descriptors() {
    let cache = Arc::new(cache());
    exits(&mut cache.get().expect("a virtine"));
    let before = limit(libc::RLIMIT_NOFILE, 40);
    let mut leases: Vec<Lease> = Vec::new();
    let error = loop {
        match cache.get() {
            Ok(lease) => leases.push(lease),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::TooManyFiles { .. }), "{error:?}");
    limit(libc::RLIMIT_NOFILE, before);
    let held = settled();
    limit(libc::RLIMIT_NOFILE, 40);
    for _ in 0..200 {
        assert!(matches!(cache.get(), Err(Error::TooManyFiles { .. })));
    }
    // The check itself takes a descriptor.
    limit(libc::RLIMIT_NOFILE, before);
    assert!(returns_to(held), "{held:?} before, {:?} after", holdings());
    leases.iter_mut().for_each(|virtine| exits(virtine));
    drop(leases);
    exits(&mut cache.get().expect("a virtine"));
}

#[test]
#[ignore = "run alone by limits_are_met_and_left_again"]
fn child_runs_out_of_address_space() {
    let cache = cache();
    exits(&mut cache.get().expect("a virtine"));
    let held = settled();
    let before = limit(libc::RLIMIT_AS, 1 << 30);
    for _ in 0..200 {
        if backend::by_process() {
            // The memory of guests' processes is not this one's.
            assert!(Virtine::builder().memory(2 << 30).build().is_ok());
            continue;
        }
        let error = Virtine::builder().memory(2 << 30).build().err();
        assert!(
            matches!(error, Some(Error::HostOutOfMemory { .. })),
            "{error:?}"
        );
    }
    let is_held = holdings() == held || (backend::by_process() && returns_to(held));
    assert!(is_held, "{held:?} before, {:?} after", holdings());
    exits(&mut cache.get().expect("a virtine"));
    limit(libc::RLIMIT_AS, before);
    assert!(Virtine::builder().memory(2 << 30).build().is_ok());
}
