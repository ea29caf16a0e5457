//! Host functions that guests may call.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use virtine_rt::codec::{self, Encoding};

use crate::base::caught::caught;
use crate::base::ended::Ended;
use crate::base::excerpt::excerpt;
use crate::decode;
use crate::decode::elsewhere::Elsewhere;
use crate::decode::failure::Failure;
use crate::decode::source::Source;
use crate::decode::statics::Statics;
use crate::host::request_error::RequestError;
use crate::limits::meter::Meter;

/// A function of up to eight parameters that a guest may call. All parameters and the result are owned, and are encoded
/// by serde. `Signature` is its type, `fn(A, B) -> R`.
pub trait HostFunction<Signature>: Send + Sync + 'static {
    /// Decodes the arguments, calls the function and encodes its result.
    #[doc(hidden)]
    fn answer(&self, call: &mut HostCall<'_>) -> Result<Vec<u8>, HostFailure>;
}

/// A guest's call of a host function.
#[doc(hidden)]
pub struct HostCall<'a> {
    /// The encoded arguments.
    pub(super) arguments: &'a [u8],
    /// How deep the arguments may nest.
    pub(super) depth: u32,
    /// What remains of the guest's limits. The function's own time is not taken off.
    pub(super) meter: &'a mut Meter,
}

/// Why a host function gave no result.
#[doc(hidden)]
#[derive(Debug)]
pub struct HostFailure(Reason);

#[derive(Debug)]
enum Reason {
    /// The guest's arguments do not match the function's parameters.
    Arguments,
    /// The arguments take more memory than the guest may use, the function or one of its types panicked, or its result
    /// cannot be encoded.
    Function(String),
    /// The guest's call was over.
    Ended(Ended),
}

impl HostFailure {
    /// A failure that ends the call.
    fn because(reason: fmt::Arguments<'_>) -> Self {
        Self(Reason::Function(excerpt(reason)))
    }
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
                fn answer(&self, call: &mut HostCall<'_>) -> Result<Vec<u8>, HostFailure> {
                    let ($($argument,)*) = call.decoded()?;
                    call.run(|| encode(&self($($argument),*)))
                }
            }
        )*
    };
}

functions! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) (A B C D E G H) (A B C D E G H I)
}

impl HostCall<'_> {
    fn decoded<A: DeserializeOwned>(&self) -> Result<A, HostFailure> {
        let source = Source {
            bytes: self.arguments,
            encoding: Encoding::Bare,
            depth: self.depth,
            elsewhere: Elsewhere::nowhere(),
            statics: Statics::NONE,
        };
        decode::decode(source, &mut self.meter.allowance(), |_| Ok(())).map_err(|failure| {
            match failure {
                Failure::Invalid(_) | Failure::Undescribed => HostFailure(Reason::Arguments),
                Failure::Ended(ended) => HostFailure(Reason::Ended(ended)),
                failure => {
                    HostFailure::because(format_args!("cannot be handed its arguments: {failure}"))
                }
            }
        })
    }

    /// Runs the function and encodes its result, which is all host code. Any broken state that a panic leaves is the
    /// function's, and no guest sees it.
    fn run(
        &mut self,
        function: impl FnOnce() -> Result<Vec<u8>, HostFailure>,
    ) -> Result<Vec<u8>, HostFailure> {
        let result = self.meter.uncounted(|| caught(function));
        result.unwrap_or_else(|message| {
            Err(HostFailure::because(format_args!("panicked: {message}")))
        })
    }
}

fn encode<R: Serialize>(result: &R) -> Result<Vec<u8>, HostFailure> {
    let mut bytes = Vec::new();
    codec::encode(result, &mut bytes)
        .map_err(|error| HostFailure::because(format_args!("cannot return its result: {error}")))?;
    Ok(bytes)
}

/// A host function that takes and returns encoded bytes.
type Erased = dyn Fn(&mut HostCall<'_>) -> Result<Vec<u8>, HostFailure> + Send + Sync;

/// A host function and its name.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    function: Arc<Erased>,
}

impl Named {
    pub(super) fn new<S>(name: String, function: impl HostFunction<S>) -> Self {
        Self {
            name,
            function: Arc::new(move |call: &mut HostCall<'_>| function.answer(call)),
        }
    }

    pub(super) fn call(&self, call: &mut HostCall<'_>) -> Result<Vec<u8>, RequestError> {
        (self.function)(call).map_err(|HostFailure(reason)| match reason {
            Reason::Ended(ended) => RequestError::Ended(ended),
            Reason::Arguments => RequestError::Errno(rustix::io::Errno::INVAL),
            Reason::Function(reason) => RequestError::HostFunction {
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
