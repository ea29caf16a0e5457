//! What of `std::net` and `std::os` a host may hand over: streams, as parameters.

use core::fmt;

use crate::guest::request;
use crate::io::{self, Read, Write};

/// Made of the number by which the host hands it over.
pub trait FromHandle {
    /// What the number stands for. It is closed with the value.
    fn from_handle(handle: u64) -> Self;
}

macro_rules! streams {
    ($($stream:ident)*) => {
        $(
            /// As std's: a stream of the host's, by a handle that is this call's own.
            pub struct $stream {
                handle: u64,
            }

            impl FromHandle for $stream {
                fn from_handle(handle: u64) -> Self {
                    Self { handle }
                }
            }

            impl fmt::Debug for $stream {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($stream)).finish_non_exhaustive()
                }
            }

            impl Drop for $stream {
                fn drop(&mut self) {
                    let _ = request::close(self.handle);
                }
            }

            streams! { @io $stream }
            streams! { @io &$stream }
        )*
    };
    (@io $stream:ty) => {
        impl Read for $stream {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(request::read(self.handle, buffer)?)
            }
        }

        impl Write for $stream {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(request::write(self.handle, bytes)?)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

streams! { TcpStream UnixStream }
