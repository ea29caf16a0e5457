//! A guest's panic: records the location when it happens, and sends message and location to the host if nothing catches
//! it.

use std::any::Any;
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::string::{String, ToString as _};

use crate::abi::{PANIC_MESSAGE_MAX, PanicReport, hypercall as number};
use crate::assembly::hypercall;

/// The last panic's location.
#[derive(Clone, Default)]
struct Place {
    file: String,
    line: u32,
    column: u32,
}

std::thread_local! {
    static LAST: RefCell<Place> = const {
        RefCell::new(Place { file: String::new(), line: 0, column: 0 })
    };
}

/// Makes every panic record its location. It prints nothing; the host reports it.
pub(super) fn watch() {
    std::panic::set_hook(std::boxed::Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(|place| Place {
            file: place.file().to_string(),
            line: place.line(),
            column: place.column(),
        });
        LAST.with(|last| *last.borrow_mut() = place.unwrap_or_default());
    }));
}

/// Ends the call with a panic that was not caught.
pub(super) fn leave(payload: &(dyn Any + Send)) -> ! {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let message = text.unwrap_or_else(|| "Box<dyn Any>".to_string());
    let Place { file, line, column } = LAST.with(|last| last.borrow().clone());
    let _ = std::io::Write::flush(&mut std::io::stdout());
    let report = PanicReport {
        message: message.as_ptr() as u64,
        message_len: message.len().min(PANIC_MESSAGE_MAX) as u64,
        file: file.as_ptr() as u64,
        file_len: file.len() as u64,
        line,
        column,
    };
    hypercall::leave(number::PANIC, [&raw const report as usize, 0, 0])
}
