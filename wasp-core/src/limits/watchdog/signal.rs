//! The signal that interrupts a vCPU in `KVM_RUN`.
//!
//! Its handler does nothing. It exists so that the signal interrupts the system call. A signal that the program already
//! uses is never taken over.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// The choice of the signal.
enum Choice {
    /// No choice: the highest real-time signal that is free.
    Any,
    /// The program's own choice.
    Wanted(i32),
    /// This signal has the handler.
    Installed(i32),
}

static CHOICE: Mutex<Choice> = Mutex::new(Choice::Any);

/// Chooses the signal with which the watchdog ends runs. Call it before the first virtine is created. The default is
/// the highest real-time signal that has no handler at that time.
///
/// Any signal that the program does not use otherwise will do, for example `libc::SIGUSR1`. Its handler becomes one
/// that does nothing, with `SA_RESTART`, and each thread that runs virtines unblocks it.
///
/// # Errors
///
/// [`Error::Signal`] if there is no such signal, if it cannot be caught, if it already has a handler, or if another one
/// is in use because virtines already exist.
pub fn use_signal(number: i32) -> Result<(), Error> {
    let mut choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    match *choice {
        Choice::Installed(installed) if installed != number => {
            return Err(refused(number, "virtines use another one by now"));
        }
        Choice::Installed(_) => return Ok(()),
        Choice::Any | Choice::Wanted(_) => {}
    }
    if !is_free(number)? {
        return Err(refused(number, "it has a handler"));
    }
    *choice = Choice::Wanted(number);
    Ok(())
}

/// Installs the handler, once.
pub(super) fn install() -> Result<i32, Error> {
    let mut choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    let number = match *choice {
        Choice::Installed(number) => return Ok(number),
        Choice::Wanted(number) if is_free(number)? => number,
        Choice::Wanted(number) => return Err(refused(number, "it has a handler")),
        Choice::Any => (libc::SIGRTMIN()..=libc::SIGRTMAX())
            .rev()
            .find(|number| is_free(*number).unwrap_or(false))
            .ok_or_else(|| {
                let busy = io::ErrorKind::ResourceBusy.into();
                Error::system("search for a free real-time signal")(busy)
            })?,
    };
    catch(number)?;
    *choice = Choice::Installed(number);
    Ok(number)
}

fn refused(number: i32, reason: &'static str) -> Error {
    Error::Signal { number, reason }
}

/// Whether the signal has its default action.
fn is_free(number: i32) -> Result<bool, Error> {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only queries; `current` is a valid place for the answer.
    if unsafe { libc::sigaction(number, ptr::null(), current.as_mut_ptr()) } != 0 {
        return Err(refused(number, "there is no such signal"));
    }
    // SAFETY: all-zero was a valid value already, and the kernel has overwritten it.
    let current = unsafe { current.assume_init() };
    Ok(current.sa_sigaction == libc::SIG_DFL)
}

/// Installs a handler that does nothing. `SA_RESTART` keeps a late signal from disturbing other system calls of the
/// thread; `KVM_RUN` is not restarted by it.
fn catch(number: i32) -> Result<(), Error> {
    extern "C" fn ignore(_: i32) {}
    // SAFETY: all-zero is a valid sigaction: default action, empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ignore as extern "C" fn(i32) as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler is async-signal-safe, since it does nothing.
    match unsafe { libc::sigaction(number, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(refused(number, "it cannot be caught")),
    }
}

/// The current thread's number, after making sure that the signal reaches it. This takes two system calls for each
/// thread that runs a vCPU, and none for each run.
#[inline]
pub(super) fn ready_thread(signal: i32) -> i32 {
    thread_local! {
        static ID: Cell<Option<i32>> = const { Cell::new(None) };
    }
    ID.get().unwrap_or_else(|| {
        unblock(signal);
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        ID.set(Some(id));
        id
    })
}

/// Unblocks the signal. Many programs block all signals in their worker threads, but this one is only ours.
fn unblock(signal: i32) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it has just been initialised.
    let set = unsafe { set.assume_init_mut() };
    // SAFETY: `set` is initialised, and the signal is one that sigaction has accepted.
    unsafe { libc::sigaddset(set, signal) };
    // SAFETY: changes the current thread's own mask only; fails only for an unknown first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set, ptr::null_mut()) };
}
