//! The macros that std has and core lacks.

/// Same as in std. If standard output is not granted, the text is formatted and dropped.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => {
        $crate::io::print($crate::format_args!($($arguments)*))
    };
}

/// Same as in std. If standard output is not granted, the text is formatted and dropped.
#[macro_export]
macro_rules! println {
    () => {
        $crate::print!("\n")
    };
    ($($arguments:tt)*) => {
        $crate::io::print($crate::format_args!("{}\n", $crate::format_args!($($arguments)*)))
    };
}

/// Same as in std. If standard error is not granted, the text is formatted and dropped.
#[macro_export]
macro_rules! eprint {
    ($($arguments:tt)*) => {
        $crate::io::eprint($crate::format_args!($($arguments)*))
    };
}

/// Same as in std. If standard error is not granted, the text is formatted and dropped.
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::eprint!("\n")
    };
    ($($arguments:tt)*) => {
        $crate::io::eprint($crate::format_args!("{}\n", $crate::format_args!($($arguments)*)))
    };
}

/// Same as in std: returns the value, and prints it to standard error.
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

/// Same as in std. A virtine has one thread.
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

/// Whether the guest was compiled for a feature. The CPU is not queried at run time.
#[macro_export]
macro_rules! is_x86_feature_detected {
    ($feature:tt) => {
        $crate::cfg!(target_feature = $feature)
    };
}
