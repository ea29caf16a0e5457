//! The host's own functions, called by guests.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use virtine_rt::codec;

use super::refusal::Stop;

/// A function of up to eight parameters that a guest may call: all of them, and the result, travel by
/// serde and are owned. `Signature` is its type, `fn(A, B) -> R`.
pub trait HostFunction<Signature>: Send + Sync + 'static {
    /// Decodes the arguments, calls the function and encodes what it returns.
    #[doc(hidden)]
    fn answer(&self, arguments: &[u8]) -> Result<Vec<u8>, HostFailure>;
}

/// Why a host function gave no result.
#[doc(hidden)]
#[derive(Debug)]
pub enum HostFailure {
    /// The guest's arguments are not the function's.
    Arguments,
    /// The function panicked, or its result cannot be encoded.
    Function(String),
}

macro_rules! functions {
    ($(($($argument:ident)*))*) => {
        $(
            impl<F, R, $($argument),*> HostFunction<fn($($argument),*) -> R> for F
            where
                F: Fn($($argument),*) -> R + Send + Sync + 'static,
                R: Serialize,
                $($argument: DeserializeOwned,)*
            {
                #[allow(non_snake_case, reason = "one name for type and value")]
                fn answer(&self, arguments: &[u8]) -> Result<Vec<u8>, HostFailure> {
                    let ($($argument,)*) = codec::decode_untrusted(arguments)
                        .map_err(|_| HostFailure::Arguments)?;
                    encode(&caught(|| self($($argument),*))?)
                }
            }
        )*
    };
}

functions! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) (A B C D E G H) (A B C D E G H I)
}

/// Whatever a panic leaves behind is the function's own, and no guest sees it.
fn caught<R>(call: impl FnOnce() -> R) -> Result<R, HostFailure> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|panic| HostFailure::Function(format!("panicked: {}", message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn encode<R: Serialize>(result: &R) -> Result<Vec<u8>, HostFailure> {
    let mut bytes = Vec::new();
    codec::encode(result, &mut bytes)
        .map_err(|error| HostFailure::Function(format!("cannot return its result: {error}")))?;
    Ok(bytes)
}

/// A host function by the encoded forms of its arguments and its result.
type Erased = dyn Fn(&[u8]) -> Result<Vec<u8>, HostFailure> + Send + Sync;

/// A host function under its name.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    function: Arc<Erased>,
}

impl Named {
    pub(super) fn new<S>(name: String, function: impl HostFunction<S>) -> Self {
        Self {
            name,
            function: Arc::new(move |arguments| function.answer(arguments)),
        }
    }

    pub(super) fn call(&self, arguments: &[u8]) -> Result<Vec<u8>, Stop> {
        (self.function)(arguments).map_err(|failure| match failure {
            HostFailure::Arguments => Stop::Errno(rustix::io::Errno::INVAL),
            HostFailure::Function(reason) => Stop::HostFunction {
                function: self.name.clone(),
                reason,
            },
        })
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
