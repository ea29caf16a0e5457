//! The standard streams of a virtine, which has none: input is at its end, output is dropped.

use alloc_crate::string::String;
use core::fmt;

use super::util::dropping;
use super::{BufRead, Lines, Read, Result, Sink, Write};

/// What `print!` and its kin come to: all is formatted, so that what formatting does is done.
///
/// # Panics
///
/// Where a formatting trait returns an error, as std's does.
#[doc(hidden)]
pub fn print(arguments: fmt::Arguments<'_>) {
    if let Err(error) = Sink.write_fmt(arguments) {
        panic!("failed printing to stdout: {error}");
    }
}

macro_rules! outputs {
    ($($stream:ident $lock:ident $function:ident,)*) => {
        $(
            /// As std's; what is written is dropped.
            #[derive(Debug)]
            pub struct $stream(());

            /// As std's; what is written is dropped.
            #[derive(Debug)]
            pub struct $lock<'a>(core::marker::PhantomData<&'a ()>);

            /// As std's; what is written is dropped.
            #[must_use]
            pub const fn $function() -> $stream {
                $stream(())
            }

            impl $stream {
                /// As std's.
                #[must_use]
                pub const fn lock(&self) -> $lock<'static> {
                    $lock(core::marker::PhantomData)
                }
            }

            dropping! { $stream, &$stream, $lock<'_> }
        )*
    };
}

outputs! {
    Stdout StdoutLock stdout,
    Stderr StderrLock stderr,
}

/// As std's; it is at its end.
#[derive(Debug)]
pub struct Stdin(());

/// As std's; it is at its end.
#[derive(Debug)]
pub struct StdinLock<'a>(core::marker::PhantomData<&'a ()>);

/// As std's; it is at its end.
#[must_use]
pub const fn stdin() -> Stdin {
    Stdin(())
}

impl Stdin {
    /// As std's.
    #[must_use]
    pub const fn lock(&self) -> StdinLock<'static> {
        StdinLock(core::marker::PhantomData)
    }

    /// As std's: reads nothing.
    ///
    /// # Errors
    ///
    /// None.
    pub fn read_line(&self, line: &mut String) -> Result<usize> {
        self.lock().read_line(line)
    }

    /// As std's: there are none.
    #[must_use]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }
}

impl Read for Stdin {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}

impl Read for StdinLock<'_> {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        Ok(&[])
    }

    fn consume(&mut self, _: usize) {}
}

/// As std's.
pub trait IsTerminal {
    /// Whether somebody sits at the other end: nobody does.
    fn is_terminal(&self) -> bool {
        false
    }
}

impl IsTerminal for Stdin {}
impl IsTerminal for Stdout {}
impl IsTerminal for Stderr {}
