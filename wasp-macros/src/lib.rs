//! The `#[virtine]` attribute. Use it as `wasp_core::virtine`, whose documentation says what it does.
#![deny(unsafe_code)]

mod expand;
mod lookup;
mod public;
mod reading;
mod with;

use proc_macro::TokenStream;

/// Makes a function run in a virtual machine of its own at every call.
///
/// ```ignore
/// #[virtine]
/// fn square(x: i32) -> i32 { x * x }
///
/// #[virtine(timeout = "50ms", memory = "8MiB", stack = "256KiB", snapshot = false)]
/// fn careful(text: &str) -> Result<u64, String> { /* .. */ }
/// ```
///
/// The function keeps its signature. A call that fails panics with the cause; beside the function
/// stands a module of its name with `try_call`, which returns `Result<T, wasp_core::Error>`.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `timeout` | `"10s"` | how long one call may run (`us`, `ms`, `s`, `min`) |
/// | `memory` | `"16MiB"` | stack, arguments and heap together, not code and statics (`KiB`, `MiB`, `GiB`; at most 4 GiB); costs nothing until it is touched |
/// | `stack` | `"1MiB"` | the part of it that is stack |
/// | `depth` | `1_000` | how many levels deep the result, and arguments of host functions, may nest, from 1 to 10,000,000: a level is whatever holds another value, a struct or tuple, an enum's variant, a sequence or map, a `Some`; a node of a linked list is two |
/// | `snapshot` | `true` | start calls from a snapshot of the initialised guest, not from its image |
/// | `init` | none | a `fn()` that runs once, before the snapshot |
/// | `name` | the function's | what the virtine is called in messages |
/// | `allow` | nothing | what it may ask of the host: `allow(stdin, stdout, stderr, clock, random, args, env("NAME"), read("path"), write("path"))` |
/// | `limits` | `wasp_core::Policy`'s | how much of it each call may have: `limits(bytes_read = "1MiB", bytes_written = "1MiB", output = "64KiB", handles = 4, hypercalls = 1000)` |
/// | `host` | none | functions in scope that run on the host when the virtine calls them: `host(lookup, db::audit)`; parameters and result are owned and serde's |
/// | `strict` | `false` | end the call where it asks for more, instead of telling the guest an error |
///
/// `f::with(policy)` has `call` and `try_call` under a `wasp_core::Policy` of the caller's. Relative paths
/// start at the host's current directory at the time of the call.
///
/// Parameters are passed by value, as `&str`, `&[T]` or `&T`, or
/// as `&mut T` or `&mut [T]`, which are changed where the call succeeds; their types, and the result's,
/// are serde's `Serialize` and `Deserialize`. The result may hold `&'static str`.
///
/// However deep the result nests, decoding it needs no stack of the caller's. What the caller does with it does: Debug,
/// Clone and Drop of a deep value run on the caller's own stack. What the code of its type does in `Deserialize`, `Ord`
/// or `Hash` with hostile bytes is caught where it panics; with `panic = "abort"`, and where it panics again while it
/// unwinds, the process ends.
#[proc_macro_attribute]
pub fn virtine(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::virtine(arguments.into(), item.into()).into()
}
