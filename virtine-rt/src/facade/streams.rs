//! The types of `std::net` and `std::os` that a host may hand over: streams, as parameters.

use core::fmt;

use crate::guest::request;
use crate::io::{self, Read, Write};

/// A type created from the number of a handle that the host hands over.
pub trait FromHandle {
    /// The object with this handle, which is closed when it is dropped.
    fn from_handle(handle: u64) -> Self;
}

macro_rules! streams {
    ($($stream:ident)*) => {
        $(
            /// Same as in std: a host stream, through a handle that belongs to this call.
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
