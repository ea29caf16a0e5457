//! Linux errors that a host returns: number, kind and message as in std and glibc.

use super::ErrorKind;

macro_rules! errors {
    ($($code:literal $kind:ident $message:literal,)*) => {
        /// The kind that std maps the number to.
        pub(super) const fn kind(code: i32) -> ErrorKind {
            match code {
                $($code => ErrorKind::$kind,)*
                _ => ErrorKind::Other,
            }
        }

        /// The message that glibc has for it.
        pub(super) const fn message(code: i32) -> &'static str {
            match code {
                $($code => $message,)*
                _ => "Unknown error",
            }
        }
    };
}

errors! {
    1 PermissionDenied "Operation not permitted",
    2 NotFound "No such file or directory",
    4 Interrupted "Interrupted system call",
    5 Other "Input/output error",
    6 Other "No such device or address",
    9 Other "Bad file descriptor",
    11 WouldBlock "Resource temporarily unavailable",
    12 OutOfMemory "Cannot allocate memory",
    13 PermissionDenied "Permission denied",
    14 Other "Bad address",
    16 ResourceBusy "Device or resource busy",
    17 AlreadyExists "File exists",
    18 CrossesDevices "Invalid cross-device link",
    20 NotADirectory "Not a directory",
    21 IsADirectory "Is a directory",
    22 InvalidInput "Invalid argument",
    23 Other "Too many open files in system",
    24 Other "Too many open files",
    26 ExecutableFileBusy "Text file busy",
    27 FileTooLarge "File too large",
    28 StorageFull "No space left on device",
    29 NotSeekable "Illegal seek",
    30 ReadOnlyFilesystem "Read-only file system",
    31 TooManyLinks "Too many links",
    32 BrokenPipe "Broken pipe",
    36 InvalidFilename "File name too long",
    38 Unsupported "Function not implemented",
    39 DirectoryNotEmpty "Directory not empty",
    40 Other "Too many levels of symbolic links",
    75 Other "Value too large for defined data type",
    95 Unsupported "Operation not supported",
    103 ConnectionAborted "Software caused connection abort",
    104 ConnectionReset "Connection reset by peer",
    107 NotConnected "Transport endpoint is not connected",
    110 TimedOut "Connection timed out",
    111 ConnectionRefused "Connection refused",
    122 QuotaExceeded "Disk quota exceeded",
}
