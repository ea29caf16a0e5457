//! Time and memory are limited as the attribute says.

use std::time::{Duration, Instant};

use wasp_core::{Error, virtine};

#[virtine(timeout = "300ms")]
fn spin(forever: bool) -> u32 {
    loop {
        core::hint::spin_loop();
        if !forever {
            return 5;
        }
    }
}

/// As above, for the test that uses up its machines.
#[virtine(timeout = "300ms")]
fn spin_in_a_crowd(forever: bool) -> u32 {
    spin(forever)
}

#[virtine(memory = "2MiB", stack = "64KiB")]
fn hoard(bytes: usize) -> usize {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    while hoard.len() * 1024 < bytes {
        hoard.push(vec![1; 1024]);
    }
    hoard.len()
}

#[virtine(memory = "2MiB", stack = "64KiB")]
fn ask(bytes: usize) -> bool {
    let mut vec: Vec<u8> = Vec::new();
    vec.try_reserve_exact(bytes).is_ok()
}

#[virtine(memory = "2MiB", stack = "64KiB")]
fn length(bytes: &[u8]) -> usize {
    bytes.len()
}

#[virtine(memory = "2MiB", stack = "64KiB")]
fn zeros(count: usize) -> Vec<u8> {
    vec![0; count]
}

#[virtine(memory = "4GiB", stack = "1GiB")]
fn vast(megabytes: usize) -> usize {
    let mut vec = Vec::with_capacity(megabytes << 20);
    vec.push(1_u8);
    vec.capacity() >> 20
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_ends_an_endless_loop() {
    for _ in 0..3 {
        let start = Instant::now();
        let result = spin::try_call(true);
        assert!(
            matches!(result, Err(Error::TimedOut { limit }) if limit == Duration::from_millis(300)),
            "{result:?}"
        );
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!(spin(false), 5);
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_holds_in_a_thread_that_blocks_all_signals() {
    let thread = std::thread::spawn(|| {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: fills the set, then blocks all signals in this thread alone.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
        }
        spin::try_call(true)
    });
    let result = thread.join().expect("no panic");
    assert!(matches!(result, Err(Error::TimedOut { .. })), "{result:?}");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_holds_for_many_at_once() {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| spin_in_a_crowd::try_call(true)))
            .collect();
        for thread in threads {
            let result = thread.join().expect("no panic");
            assert!(
                matches!(result, Err(Error::TimedOut { .. } | Error::Busy { .. })),
                "{result:?}"
            );
        }
    });
    assert_eq!(spin_in_a_crowd(false), 5);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn exhausted_heap_names_the_limit_and_the_attribute() {
    assert_eq!(hoard(1 << 20), 1024);
    let error = hoard::try_call(3 << 20).expect_err("more than there is");
    assert!(
        matches!(
            error,
            Error::OutOfMemory {
                requested: 1024,
                memory: 0x20_0000
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("memory = "), "{error}");
    assert_eq!(hoard(1 << 20), 1024);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn failed_reservation_is_the_guests_to_handle() {
    assert!(ask(1 << 20));
    assert!(!ask(2 << 20));
    assert!(!ask(isize::MAX as usize));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_beyond_the_memory_are_refused_with_what_they_need() {
    let error = length::try_call(&vec![0; 4 << 20]).expect_err("more than there is");
    let Error::ArgumentsTooLarge {
        needed,
        available,
        memory,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((needed, memory), ((4 << 20) + 16, 2 << 20));
    // Everything that is reported as free can be used. By then the guest's heap is large enough for a small result.
    let largest = usize::try_from(available - 16).expect("fits");
    assert_eq!(length(&vec![0; largest]), largest);
    let beyond = length::try_call(&vec![0; largest + 1]);
    assert!(
        matches!(beyond, Err(Error::ArgumentsTooLarge { .. })),
        "{beyond:?}"
    );
    assert_eq!(length(b"abc"), 3);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn result_that_outgrows_the_memory_is_an_error() {
    assert_eq!(zeros(500_000), vec![0; 500_000]);
    // A result that fits only without a second copy.
    assert_eq!(zeros(1_500_000), vec![0; 1_500_000]);
    assert!(matches!(
        zeros::try_call(2_500_000),
        Err(Error::OutOfMemory { .. })
    ));
    assert_eq!(zeros(3), [0; 3]);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn gigabytes_that_are_not_touched_cost_nothing_to_speak_of() {
    assert_eq!(vast(2048), 2048);
    assert!(matches!(
        vast::try_call(4096),
        Err(Error::OutOfMemory { .. })
    ));
}
