//! Reads and writes that raise no signal in the program.
//!
//! A write to a pipe without readers raises SIGPIPE, and one beyond RLIMIT_FSIZE raises SIGXFSZ. Both end a program
//! that does not handle them (signal(7)). Writes on behalf of a guest, and to the files in memory that virtines start
//! from, must not do that. They only report the error number.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;

/// Makes a system call that may raise SIGPIPE or SIGXFSZ in this thread, and keeps these signals from the program. On a
/// terminal, if the program is in the background, the call may also raise SIGTTIN or SIGTTOU, which would stop it.
///
/// Both are raised for the thread that writes. So this blocks them, and consumes those that its own call has raised. A
/// signal that was pending before belongs to others and stays.
pub(crate) fn quietly<T>(call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    // A terminal's signals are not even raised when blocked: the read fails (EIO), and the write succeeds.
    let raised = set_of(&[libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTIN, libc::SIGTTOU]);
    let before = exchange_mask(libc::SIG_BLOCK, &raised);
    let [pipe, size] = [libc::SIGPIPE, libc::SIGXFSZ].map(|signal| is_pending(signal, &before));
    let result = call();
    match result {
        Err(Errno::PIPE) if !pipe => take_back(libc::SIGPIPE),
        Err(Errno::FBIG) if !size => take_back(libc::SIGXFSZ),
        _ => {}
    }
    exchange_mask(libc::SIG_SETMASK, &before);
    result
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for &signal in signals {
        // SAFETY: the set is initialised, and the signals exist.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: it has been initialised above.
    unsafe { set.assume_init() }
}

/// Changes the thread's signal mask. Returns the old one.
fn exchange_mask(how: i32, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = set_of(&[]);
    // SAFETY: both sets are initialised; changes the current thread's own mask only, and fails only for an
    // unknown first argument.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}

/// Whether a signal is pending. Only one that was blocked before can be.
fn is_pending(signal: i32, blocked: &libc::sigset_t) -> bool {
    if !is_in(blocked, signal) {
        return false;
    }
    let mut pending = set_of(&[]);
    // SAFETY: the place for the answer is valid.
    unsafe { libc::sigpending(&raw mut pending) };
    is_in(&pending, signal)
}

fn is_in(set: &libc::sigset_t, signal: i32) -> bool {
    // SAFETY: the set is initialised, and the signal exists.
    unsafe { libc::sigismember(set, signal) == 1 }
}

/// Consumes a pending signal of this thread, if there is one.
fn take_back(signal: i32) {
    let set = set_of(&[signal]);
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the set and the time are valid, and a null pointer is allowed for the signal's details.
    unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const at_once) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> bool {
        is_pending(libc::SIGPIPE, &set_of(&[libc::SIGPIPE]))
    }

    #[test]
    fn broken_pipe_is_told_by_its_number_alone() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let before = exchange_mask(libc::SIG_BLOCK, &set_of(&[libc::SIGPIPE]));
        let wrote = quietly(|| rustix::io::write(&writer, b"x"));
        assert_eq!(wrote, Err(Errno::PIPE));
        assert!(!pending(), "taken back");
        let wrote = rustix::io::write(&writer, b"x");
        assert_eq!(wrote, Err(Errno::PIPE));
        assert!(pending(), "the program's own");
        let wrote = quietly(|| rustix::io::write(&writer, b"x"));
        assert_eq!(wrote, Err(Errno::PIPE));
        assert!(pending(), "still the program's own");
        take_back(libc::SIGPIPE);
        exchange_mask(libc::SIG_SETMASK, &before);
    }
}
