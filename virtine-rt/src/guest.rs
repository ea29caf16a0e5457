//! What runs in ring 3 of the virtual machine besides the user's code.
//!
//! One call flows through `entry` (clean processor state) to the shim that [`__virtine_entry!`]
//! made beside the user's function, and leaves through `exit`.

mod entry;
pub mod exit;
mod heap;
mod hypercall;
mod mem;
mod panic;

pub use entry::arguments;

/// Made by `virtine-build` behind each `#[virtine]` function: decodes the arguments, calls the
/// function, reports the result. `symbol` is what the linker binds to the image's call entry.
///
/// Types are inferred from the function's own signature, so that they need no second resolution.
/// `value`: decoded by value (also `&str` and `&[u8]`, which borrow from the argument area);
/// `reference`: decoded by value, passed by reference; `slice`: decoded as a `Vec`, passed as a
/// slice.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_entry {
    ($function:ident $symbol:literal $($kind:ident)*) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            extern "C" fn body(address: *const u8, length: usize) -> ! {
                #[allow(unused_mut, unused_variables, reason = "a function may have no parameters")]
                let mut arguments = $crate::guest::arguments(address, length);
                let result = $function($($crate::__virtine_argument!(arguments $kind)),*);
                $crate::guest::exit::done(&result)
            }
        };
    };
}

/// One argument of [`__virtine_entry!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_argument {
    ($arguments:ident value) => {
        $arguments.next()
    };
    ($arguments:ident reference) => {
        &$arguments.next()
    };
    ($arguments:ident slice) => {
        &$arguments.next::<$crate::vec::Vec<_>>()[..]
    };
}
