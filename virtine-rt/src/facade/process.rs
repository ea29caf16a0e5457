//! `std::process`: the ways to end it all. A virtine has no processes to start.

use core::marker::PhantomData;

/// Why no program can be started; see [`Command::new`].
pub struct Processes<'a>(PhantomData<&'a ()>);

/// What starting a program needs, and nothing has.
#[diagnostic::on_unimplemented(
    message = "a virtine cannot start processes",
    label = "needs processes",
    note = "run the program on the host, and pass what it printed to the function"
)]
pub trait Granted {}

/// Ends the virtine at once: its call fails, since without a result there is nothing to return.
///
/// # Panics
///
/// Always, which is how a virtine ends.
#[track_caller]
pub fn exit(code: i32) -> ! {
    panic!("the virtine called std::process::exit({code}), so its call has no result")
}

/// Ends the virtine at once, as [`exit`] does.
///
/// # Panics
///
/// Always, which is how a virtine ends.
#[track_caller]
pub fn abort() -> ! {
    panic!("the virtine called std::process::abort")
}

/// The identity of the process: 1, as that of the only one there is.
#[must_use]
pub const fn id() -> u32 {
    1
}

/// A program to start, which a virtine cannot do.
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

/// What a program ends with, as `main` returns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: Self = Self(0);
    /// It did not.
    pub const FAILURE: Self = Self(1);
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

/// What `main` may return.
pub trait Termination {
    /// As the code that the program ends with.
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
