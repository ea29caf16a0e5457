//! The standard streams, as far as the virtine's policy has them lead anywhere.
//!
//! Output that is not granted is dropped, as std drops it if the stream is closed: ordinary code
//! that prints works. Standard output is held back until there is much of it, it is flushed, or the
//! call ends, since each write is a way out of the virtual machine and back.

use alloc_crate::string::String;
use alloc_crate::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::{fmt, mem};

use super::{BufRead, Lines, Read, Result, Sink, Write};
use crate::abi::requests::handle;
use crate::guest::request;

/// How much of it is held back.
const HELD_BACK: usize = 8 * 1024;

static OUTPUT: Held = Held(UnsafeCell::new(Vec::new()));
static INPUT: Ahead = Ahead(Cell::new((Vec::new(), 0)));

/// Standard output that is not written yet.
struct Held(UnsafeCell<Vec<u8>>);

/// Standard input that was read ahead, and how much of it was taken.
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
        // SAFETY: every borrow ends inside the function here that takes it, and none of these calls
        // another while it holds one. Where one of them panics, for want of memory, the panic handler's
        // own borrow is the last: control never returns to the first.
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

    /// What cannot be written is dropped, so that the next attempt is not its repetition.
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

/// Hands on what is held back, at the end of the call. As in std, nobody is left to be told of errors.
pub(crate) fn flush_at_end() {
    let _ = OUTPUT.flush();
}

/// What `print!` and its kin come to. What nobody hears is formatted all the same, so that what
/// formatting does is done.
///
/// # Panics
///
/// Where a formatting trait returns an error or the stream does, as std's does.
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

/// As [`print`], for `eprint!` and its kin. In one piece: each write is a hypercall.
///
/// # Panics
///
/// As [`print`].
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
            /// As std's.
            #[derive(Debug)]
            pub struct $stream(());

            /// As std's.
            #[derive(Debug)]
            pub struct $lock<'a>(core::marker::PhantomData<&'a ()>);

            /// As std's.
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

/// As std's.
#[derive(Debug)]
pub struct Stdin(());

/// As std's. Holds what was read ahead, and leaves it to the next one; a second one beside it, for which
/// std would wait for ever, has nothing of it.
#[derive(Debug)]
pub struct StdinLock<'a> {
    bytes: Vec<u8>,
    taken: usize,
    stream: core::marker::PhantomData<&'a ()>,
}

/// As std's.
#[must_use]
pub const fn stdin() -> Stdin {
    Stdin(())
}

impl Stdin {
    /// As std's.
    #[must_use]
    pub fn lock(&self) -> StdinLock<'static> {
        let (bytes, taken) = INPUT.replace((Vec::new(), 0));
        StdinLock {
            bytes,
            taken,
            stream: core::marker::PhantomData,
        }
    }

    /// As std's.
    ///
    /// # Errors
    ///
    /// The host's, or the line is not UTF-8.
    pub fn read_line(&self, line: &mut String) -> Result<usize> {
        self.lock().read_line(line)
    }

    /// As std's.
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

/// As std's.
pub trait IsTerminal {
    /// Whether somebody sits at the other end. Of a stream that is not granted, nobody does.
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
