//! The signal by which runs are ended, chosen by the program. Each case in a process of its own, since the
//! choice is made once.

use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use crate::alone;
use wasp_core::{Error, Exit, Virtine, use_signal};

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn signal_is_the_programs_to_choose_and_never_taken_from_it() {
    alone::run("signals::child_chooses_its_signal", &[]);
    alone::run("signals::child_has_a_handler", &[]);
    alone::run("signals::child_chooses_too_late", &[]);
}

/// A guest that spins is ended.
fn spin() {
    let builder = Virtine::builder().deadline(Duration::from_millis(20));
    let mut virtine = builder.build().expect("a virtine");
    // eb fe: jmp to itself
    virtine.load_raw(&[0xeb, 0xfe], 0x8000).expect("it fits");
    assert_eq!(virtine.run().expect("a run"), Exit::TimedOut);
}

fn handler(number: i32) -> usize {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; all-zero is a valid sigaction.
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
