//! The shims that `virtine-build` puts beside the user's functions, for both kinds of guests. They use the items of
//! `guest`, which is either the runtime's own or the one for the real std.

/// `virtine-build` adds this after each `#[virtine]` function. It decodes the arguments, calls the function, and
/// returns the result and then everything that the function may have changed. `symbol` names the entry of its calls. If
/// the attribute names a function `init`, `start_symbol` names the start of its guests.
///
/// Types are inferred from the function's own signature, so they need no second resolution. Each parameter comes with a
/// name for its value here, with how it is passed, and with its form if that is not serde's own (see `codec::form`):
///
/// * `value`: decoded by value (also `&str` and `&[u8]`, which borrow from the argument area);
/// * `reference`, `mutable`: decoded by value, passed by reference;
/// * `slice`, `mutable_slice`: passed as a slice of elements in the arguments, or of a `Vec` that was decoded;
/// * `handle`, `mutable_handle`: a file or stream of the host;
/// * `io_result`, for the result only: `std::io::Result`.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_entry {
    ($function:ident $symbol:literal $(($name:ident $kind:ident $($form:ty)?))* -> $result:ident $($result_form:ty)?;
     $($start_symbol:literal $init:path)?) => {
        const _: () = {
            $(
                #[unsafe(export_name = $start_symbol)]
                extern "C" fn start(heap_start: usize, heap_end: usize, seed: u64) -> ! {
                    $crate::guest::start(heap_start, heap_end, seed, $init)
                }
            )?
            #[unsafe(export_name = $symbol)]
            extern "C" fn call(address: *const u8, length: usize, grants: u64) -> ! {
                $crate::guest::protect(move || {
                    #[allow(unused_mut, unused_variables, reason = "a function may have no parameters")]
                    let mut arguments = $crate::guest::arguments(address, length, grants);
                    $(
                        #[allow(unused_mut, reason = "few are changed")]
                        let mut $name = $crate::__virtine_argument!(arguments $kind $($form)?);
                    )*
                    arguments.finish();
                    // SAFETY: whoever calls an unsafe function on the host promises there what it requires.
                    #[allow(unused_unsafe, reason = "few are unsafe")]
                    let result = unsafe { $function($($crate::__virtine_passed!($name $kind)),*) };
                    let may_refer = $crate::guest::exit::may_refer(&result)
                        $(|| $crate::__virtine_comes_back!($kind))*;
                    // Serde supports tuples of up to 16 elements.
                    let ending = (
                        $crate::__virtine_result!(result $result $($result_form)?),
                        $crate::__virtine_nested!($(($name $kind $($form)?))*),
                    );
                    $crate::guest::exit::done(&ending, may_refer)
                })
            }
        };
    };
}

/// The value of one argument of [`__virtine_entry!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_argument {
    ($arguments:ident slice) => {
        $arguments.next_elements()
    };
    ($arguments:ident mutable_slice) => {
        $arguments.next_elements()
    };
    ($arguments:ident slice $form:ty) => {
        $arguments
            .next::<$crate::codec::form::As<$form, $crate::vec::Vec<_>>>()
            .0
    };
    ($arguments:ident mutable_slice $form:ty) => {
        $arguments
            .next::<$crate::codec::form::As<$form, $crate::vec::Vec<_>>>()
            .0
    };
    ($arguments:ident handle) => {
        $arguments.next_handle()
    };
    ($arguments:ident mutable_handle) => {
        $arguments.next_handle()
    };
    ($arguments:ident $other:ident) => {
        $arguments.next()
    };
    ($arguments:ident $other:ident $form:ty) => {
        $arguments.next::<$crate::codec::form::As<$form, _>>().0
    };
}

/// The value as [`__virtine_entry!`] passes it to the function.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_passed {
    ($name:ident value) => {
        $name
    };
    ($name:ident handle) => {
        $name
    };
    ($name:ident reference) => {
        &$name
    };
    ($name:ident slice) => {
        &$name[..]
    };
    ($name:ident mutable_slice) => {
        &mut $name[..]
    };
    ($name:ident $mutable:ident) => {
        &mut $name
    };
}

/// Whether an argument is returned after the result.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_comes_back {
    (mutable) => {
        true
    };
    (mutable_slice) => {
        true
    };
    ($unchanged:ident) => {
        false
    };
}

/// The part of an argument that is returned after the result: nothing, or its new value.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_changed {
    ($name:ident mutable) => {
        &$name
    };
    ($name:ident mutable_slice) => {
        &$name[..]
    };
    ($name:ident mutable $form:ty) => {
        $crate::codec::form::AsRef::<$form, _>::new(&$name)
    };
    ($name:ident mutable_slice $form:ty) => {
        $crate::codec::form::AsRef::<$form, _>::new(&$name[..])
    };
    ($name:ident $unchanged:ident $($form:ty)?) => {
        ()
    };
}

/// `(a, (b, (c, ())))`, which takes only the bytes of its elements.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_nested {
    () => {
        ()
    };
    (($name:ident $kind:ident $($form:ty)?) $($rest:tt)*) => {
        ($crate::__virtine_changed!($name $kind $($form)?), $crate::__virtine_nested!($($rest)*))
    };
}

/// The result as it is returned.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_result {
    ($name:ident io_result) => {
        $crate::guest::told($name)
    };
    ($name:ident value) => {
        &$name
    };
    ($name:ident value $form:ty) => {
        $crate::codec::form::AsRef::<$form, _>::new(&$name)
    };
}

/// Replaces the body of a function that does not compile in a guest. It never runs: the build rejects a program that
/// contains `symbol`. The message differs from stub to stub, so that the compiler does not merge two of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_absent {
    ($symbol:literal) => {{
        #[unsafe(export_name = $symbol)]
        #[inline(never)]
        extern "C" fn absent() -> ! {
            $crate::unreachable!("this function does not compile in a virtine: {}", $symbol)
        }
        absent()
    }};
}

/// The body of a host function in a guest.
#[doc(hidden)]
#[macro_export]
macro_rules! __virtine_host {
    ($name:literal $($argument:ident)*) => {
        $crate::guest::host::call(
            // Ends with the only NUL in it.
            match ::core::ffi::CStr::from_bytes_with_nul($crate::concat!($name, "\0").as_bytes()) {
                ::core::result::Result::Ok(name) => name,
                ::core::result::Result::Err(_) => c"",
            },
            &($(&$argument,)*),
        )
    };
}
