//! A guest's panic: sends the message and location to the host, and ends the virtine.
//!
//! Nothing here allocates, since the heap may be what failed.

use core::cell::UnsafeCell;
use core::fmt::{self, Write as _};
use core::panic::PanicInfo;

use super::{exit, heap};
use crate::abi::{PANIC_MESSAGE_MAX, PanicReport};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // alloc reports an exhausted heap by a panic, but the host has a typed error for it.
    let message = MESSAGE.fill(info);
    let failed = heap::last_failure();
    if failed != 0 && message.starts_with("memory allocation of ") {
        exit::out_of_memory(failed)
    }
    let (file, line, column) = info.location().map_or(("", 0, 0), |place| {
        (place.file(), place.line(), place.column())
    });
    exit::panicked(&PanicReport {
        message: message.as_ptr() as u64,
        message_len: message.len() as u64,
        file: file.as_ptr() as u64,
        file_len: file.len() as u64,
        line,
        column,
    })
}

static MESSAGE: Message = Message(UnsafeCell::new(Buffer {
    bytes: [0; PANIC_MESSAGE_MAX],
    length: 0,
    filling: false,
}));

struct Message(UnsafeCell<Buffer>);

// SAFETY: a virtine has one vCPU and takes no interrupts.
unsafe impl Sync for Message {}

impl Message {
    /// The panic's message, cut to the size of the buffer.
    fn fill(&self, info: &PanicInfo<'_>) -> &str {
        // SAFETY: a second borrow can arise only if formatting the message panics in turn. That panic does not write to
        // the buffer any more and never returns to the first.
        let buffer = unsafe { &mut *self.0.get() };
        if !buffer.filling {
            buffer.filling = true;
            // Fails only if the buffer is full, and then its contents are the result.
            let _ = write!(buffer, "{}", info.message());
        }
        buffer.text()
    }
}

struct Buffer {
    bytes: [u8; PANIC_MESSAGE_MAX],
    length: usize,
    filling: bool,
}

impl Buffer {
    fn text(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        // The cut may have split a character.
        match str::from_utf8(written) {
            Ok(text) => text,
            Err(error) => written
                .get(..error.valid_up_to())
                .and_then(|valid| str::from_utf8(valid).ok())
                .unwrap_or_default(),
        }
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        let count = text.len().min(free.len());
        for (to, from) in free.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.length += count;
        if count == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Never called, because panics abort. The prebuilt `core` refers to it anyway.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Never called, as above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}
