//! The macros that std has and core has not.

/// As std's. Where standard output is not granted, what is written is formatted and dropped.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => {
        $crate::io::print($crate::format_args!($($arguments)*))
    };
}

/// As std's. Where standard output is not granted, what is written is formatted and dropped.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($($arguments:tt)*) => {
        $crate::io::print($crate::format_args!("{}\n", $crate::format_args!($($arguments)*)))
    };
}

/// As std's. Where standard error is not granted, what is written is formatted and dropped.
#[macro_export]
macro_rules! eprint {
    ($($arguments:tt)*) => {
        $crate::io::eprint($crate::format_args!($($arguments)*))
    };
}

/// As std's. Where standard error is not granted, what is written is formatted and dropped.
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::eprint!("\n")
    };
    ($($arguments:tt)*) => {
        $crate::io::eprint($crate::format_args!("{}\n", $crate::format_args!($($arguments)*)))
    };
}

/// As std's: the value itself, formatted on the way to standard error.
#[macro_export]
macro_rules! dbg {
    () => {
        $crate::eprintln!("[{}:{}:{}]", $crate::file!(), $crate::line!(), $crate::column!())
    };
    ($value:expr $(,)?) => {
        match $value {
            value => {
                $crate::eprintln!(
                    "[{}:{}:{}] {} = {:#?}",
                    $crate::file!(), $crate::line!(), $crate::column!(), $crate::stringify!($value), &value
                );
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => {
        ($($crate::dbg!($value)),+,)
    };
}

/// As std's: a virtine is one thread.
#[macro_export]
macro_rules! thread_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const $init:block $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::thread::LocalKey<$type> = $crate::thread::LocalKey::new(|| $init);
        $($crate::thread_local! { $($rest)* })?
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::thread::LocalKey<$type> = $crate::thread::LocalKey::new(|| $init);
        $($crate::thread_local! { $($rest)* })?
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attribute])*
        $vis static $name: $crate::thread::LocalKey<$type> = $crate::thread::LocalKey::new(|| $init);
        $($crate::thread_local! { $($rest)* })?
    };
}

/// What the guest was compiled for: it does not ask the processor at run time.
#[macro_export]
macro_rules! is_x86_feature_detected {
    ($feature:tt) => {
        $crate::cfg!(target_feature = $feature)
    };
}
