//! `std::process`: exiting. A virtine cannot start processes.

use core::marker::PhantomData;

/// Marks functions that would start a process; see [`Command::new`].
pub struct Processes<'a>(PhantomData<&'a ()>);

/// A requirement of starting a program that nothing meets.
#[diagnostic::on_unimplemented(
    message = "a virtine cannot start processes",
    label = "needs processes",
    note = "run the program on the host, and pass what it printed to the function"
)]
pub trait Granted {}

/// Ends the virtine at once. Its call fails, since there is no result to return.
///
/// # Panics
///
/// Always: this is how a virtine ends.
#[track_caller]
pub fn exit(code: i32) -> ! {
    panic!("the virtine called std::process::exit({code}), so its call has no result")
}

/// Ends the virtine at once, like [`exit`].
///
/// # Panics
///
/// Always: this is how a virtine ends.
#[track_caller]
pub fn abort() -> ! {
    panic!("the virtine called std::process::abort")
}

/// The process ID: 1, since there is only one process.
#[must_use]
pub const fn id() -> u32 {
    1
}

/// A program to start, which is not possible in a virtine.
#[derive(Debug)]
pub struct Command(());

impl Command {
    /// Cannot be called: a virtine cannot start processes.
    pub fn new<S: AsRef<str>>(_: S) -> Self
    where
        for<'a> Processes<'a>: Granted,
    {
        Self(())
    }
}

/// The exit code that `main` returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// Success.
    pub const SUCCESS: Self = Self(0);
    /// Failure.
    pub const FAILURE: Self = Self(1);
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

/// Types that `main` may return.
pub trait Termination {
    /// The exit code of the program.
    fn report(self) -> ExitCode;
}

impl Termination for () {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Termination for ExitCode {
    fn report(self) -> ExitCode {
        self
    }
}
