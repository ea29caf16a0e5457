//! The standard streams, connected as the virtine's policy says.
//!
//! Output that is not granted is dropped, as std drops it if the stream is closed, so ordinary code that prints works.
//! Standard output is buffered until the buffer is full, it is flushed, or the call ends, since each write is an exit
//! of the virtual machine.

use alloc_crate::string::String;
use alloc_crate::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::{fmt, mem};

use super::{BufRead, Lines, Read, Result, Sink, Write};
use crate::abi::requests::handle;
use crate::guest::request;

/// The size of the buffer.
const HELD_BACK: usize = 8 * 1024;

static OUTPUT: Held = Held(UnsafeCell::new(Vec::new()));
static INPUT: Ahead = Ahead(Cell::new((Vec::new(), 0)));

/// Buffered standard output.
struct Held(UnsafeCell<Vec<u8>>);

/// Standard input that was read ahead, and how much of it has been consumed.
struct Ahead(Cell<(Vec<u8>, usize)>);

// SAFETY: a virtine has one vCPU and takes no interrupts.
unsafe impl Sync for Held {}
// SAFETY: as above.
unsafe impl Sync for Ahead {}

impl Ahead {
    fn replace(&self, next: (Vec<u8>, usize)) -> (Vec<u8>, usize) {
        self.0.replace(next)
    }
}

impl Held {
    #[expect(
        clippy::mut_from_ref,
        reason = "one vCPU; no borrow outlives its function here"
    )]
    fn bytes(&self) -> &mut Vec<u8> {
        // SAFETY: every borrow ends inside the function here that takes it, and none of these calls another while it
        // holds one. If one of them panics because memory is exhausted, the panic handler's own borrow is the last:
        // control never returns to the first.
        unsafe { &mut *self.0.get() }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize> {
        if !request::is_heard(handle::STDOUT) {
            return Ok(bytes.len());
        }
        if self.bytes().len() + bytes.len() > HELD_BACK {
            self.flush()?;
        }
        match bytes.len() > HELD_BACK {
            true => Ok(request::write(handle::STDOUT, bytes)?),
            false => {
                self.bytes().extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Data that cannot be written is dropped, so that the next attempt does not repeat it.
    fn flush(&self) -> Result<()> {
        let bytes = self.bytes();
        let mut written = 0;
        let mut result = Ok(());
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match request::write(handle::STDOUT, rest) {
                Ok(count) => written += count,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        bytes.clear();
        result
    }
}

/// Writes buffered data at the end of the call. As in std, errors cannot be reported any more.
pub(crate) fn flush_at_end() {
    let _ = OUTPUT.flush();
}

/// The implementation of `print!` and similar macros. Text for a stream that is not granted is formatted anyway, for
/// the side effects.
///
/// # Panics
///
/// If a formatting trait or the stream returns an error, as in std.
#[doc(hidden)]
pub fn print(arguments: fmt::Arguments<'_>) {
    let printed = match request::is_heard(handle::STDOUT) {
        true => stdout().write_fmt(arguments),
        false => Sink.write_fmt(arguments),
    };
    if let Err(error) = printed {
        panic!("failed printing to stdout: {error}");
    }
}

/// Like [`print`], for `eprint!` and similar macros. Writes in one piece, since each write is a hypercall.
///
/// # Panics
///
/// As for [`print`].
#[doc(hidden)]
pub fn eprint(arguments: fmt::Arguments<'_>) {
    let mut text = Vec::new();
    let printed = text
        .write_fmt(arguments)
        .and_then(|()| stderr().write_all(&text));
    if let Err(error) = printed {
        panic!("failed printing to stderr: {error}");
    }
}

macro_rules! outputs {
    ($($stream:ident $lock:ident $function:ident: $write:expr, $flush:expr;)*) => {
        $(
            /// Same as in std.
            #[derive(Debug)]
            pub struct $stream(());

            /// Same as in std.
            #[derive(Debug)]
            pub struct $lock<'a>(core::marker::PhantomData<&'a ()>);

            /// Same as in std.
            #[must_use]
            pub const fn $function() -> $stream {
                $stream(())
            }

            impl $stream {
                /// Same as in std.
                #[must_use]
                pub const fn lock(&self) -> $lock<'static> {
                    $lock(core::marker::PhantomData)
                }
            }

            outputs! { @write $stream, $write, $flush }
            outputs! { @write &$stream, $write, $flush }
            outputs! { @write $lock<'_>, $write, $flush }
        )*
    };
    (@write $stream:ty, $write:expr, $flush:expr) => {
        impl Write for $stream {
            fn write(&mut self, bytes: &[u8]) -> Result<usize> {
                $write(bytes)
            }

            fn flush(&mut self) -> Result<()> {
                $flush()
            }
        }
    };
}

outputs! {
    Stdout StdoutLock stdout: |bytes| OUTPUT.write(bytes), || OUTPUT.flush();
    Stderr StderrLock stderr: write_error, || Ok(());
}

fn write_error(bytes: &[u8]) -> Result<usize> {
    match request::is_heard(handle::STDERR) {
        true => Ok(request::write(handle::STDERR, bytes)?),
        false => Ok(bytes.len()),
    }
}

/// Same as in std.
#[derive(Debug)]
pub struct Stdin(());

/// Same as in std. Holds the data that was read ahead, and leaves it to the next one. A second lock at the same time,
/// for which std would wait forever, has none of it.
#[derive(Debug)]
pub struct StdinLock<'a> {
    bytes: Vec<u8>,
    taken: usize,
    stream: core::marker::PhantomData<&'a ()>,
}

/// Same as in std.
#[must_use]
pub const fn stdin() -> Stdin {
    Stdin(())
}

impl Stdin {
    /// Same as in std.
    #[must_use]
    pub fn lock(&self) -> StdinLock<'static> {
        let (bytes, taken) = INPUT.replace((Vec::new(), 0));
        StdinLock {
            bytes,
            taken,
            stream: core::marker::PhantomData,
        }
    }

    /// Same as in std.
    ///
    /// # Errors
    ///
    /// Errors of the host, or the line is not UTF-8.
    pub fn read_line(&self, line: &mut String) -> Result<usize> {
        self.lock().read_line(line)
    }

    /// Same as in std.
    #[must_use]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }
}

impl Drop for StdinLock<'_> {
    fn drop(&mut self) {
        if self.taken < self.bytes.len() {
            INPUT.replace((mem::take(&mut self.bytes), self.taken));
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.lock().read(buffer)
    }
}

impl Read for StdinLock<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.resize(HELD_BACK, 0);
            let read = request::read(handle::STDIN, &mut self.bytes);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        Ok(&self.bytes[self.taken..])
    }

    fn consume(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.bytes.len());
    }
}

/// Same as in std.
pub trait IsTerminal {
    /// Whether the stream is connected to a terminal. A stream that is not granted is not.
    fn is_terminal(&self) -> bool;
}

macro_rules! terminals {
    ($($stream:ty: $handle:expr;)*) => {
        $(
            impl IsTerminal for $stream {
                fn is_terminal(&self) -> bool {
                    request::is_terminal($handle)
                }
            }
        )*
    };
}

terminals! {
    Stdin: handle::STDIN;
    StdinLock<'_>: handle::STDIN;
    Stdout: handle::STDOUT;
    StdoutLock<'_>: handle::STDOUT;
    Stderr: handle::STDERR;
    StderrLock<'_>: handle::STDERR;
}
