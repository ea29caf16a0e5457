//! The `#[virtine]` attribute. Use it as `wasp_core::virtine`, whose documentation says what it does.
#![deny(unsafe_code)]

mod calls;
mod definition;
mod expand;
mod lookup;
mod public;
mod report_cache;
mod run;
mod signature;

use proc_macro::TokenStream;

/// Makes every call of a function run in its own virtual machine.
///
/// ```ignore
/// #[virtine]
/// fn square(x: i32) -> i32 { x * x }
///
/// #[virtine(timeout = "50ms", memory = "8MiB", stack = "256KiB", snapshot = false)]
/// fn careful(text: &str) -> Result<u64, String> { /* .. */ }
/// ```
///
/// The function keeps its signature. If a call fails, it panics with the cause. A module with the function's
/// name contains `try_call`, which returns `Result<T, wasp_core::Error>` instead.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `timeout` | `"10s"` | the time limit of one call (`us`, `ms`, `s`, `min`) |
/// | `memory` | `"16MiB"` | memory for stack, arguments and heap together, without code and statics (`KiB`, `MiB`, `GiB`; at most 4 GiB); costs nothing until the guest touches it |
/// | `stack` | `"1MiB"` | the part of it that is stack |
/// | `keep` | `"512MiB"` | how much memory the machines of this function keep together between calls, at most 1 TiB. Only pages that calls have written count. A page that is kept is overwritten; a page that is not comes from the kernel again, which takes 100 times as long. Above the limit, the machines that were used least recently release their memory. Each machine releases it after 10 seconds without a call. The first 128 pages of a machine (512 KiB) are always kept and do not count |
/// | `depth` | `1_000` | how deep the result, and arguments of host functions, may nest, from 1 to 10,000,000 levels. A level is a value that contains others: a struct, a tuple, a variant of an enum, a sequence, a map or a `Some`. A node of a linked list is two levels |
/// | `snapshot` | `true` | start calls from a snapshot of the initialised guest, not from its image |
/// | `init` | none | a `fn()` that runs once, before the snapshot |
/// | `name` | the function's | the name in messages |
/// | `allow` | nothing | what it may ask of the host: `allow(stdin, stdout, stderr, clock, random, args, env("NAME"), read("path"), write("path"))` |
/// | `limits` | `wasp_core::Policy`'s | limits of each call: `limits(bytes_read = "1MiB", bytes_written = "1MiB", output = "64KiB", handles = 4, hypercalls = 1000)` |
/// | `host` | none | functions in scope that run on the host when the virtine calls them: `host(lookup, db::audit)`; parameters and result are owned types that implement serde's traits |
/// | `core` | the build's choice | pin the guest to the small runtime. Without `core` and `std`, a function that does not compile with it gets the real std |
/// | `std` | the build's choice | pin the guest to the real std |
/// | `backend` | the program's choice | what must hold the guest: `"kvm"` or `"process"`. See `wasp_core::Backend` |
/// | `strict` | `false` | end the call if it asks for something else, instead of returning an error to the guest |
///
/// `f::with(policy)` has `call` and `try_call` under another `wasp_core::Policy`. Relative paths start at the
/// host's current directory at the time of the call.
///
/// Parameters are passed by value, as `&str`, `&[T]` or `&T`, or as `&mut T` or `&mut [T]`, which are copied
/// back on success. Their types, and that of the result, implement serde's `Serialize` and `Deserialize`. The
/// result may contain `&'static str`.
///
/// Decoding a deeply nested result needs no stack of the caller. Using it may: `Debug`, `Clone` and `Drop` of a
/// deep value run on the caller's stack. The `Deserialize`, `Ord` and `Hash` code of the result's type runs on
/// hostile bytes. A panic in it is caught. The process ends if it is built with `panic = "abort"`, or if the
/// code panics again during unwinding.
#[proc_macro_attribute]
pub fn virtine(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::virtine(arguments.into(), item.into()).into()
}
