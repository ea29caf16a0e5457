//! A server of static files. Each request is read, understood and answered in a virtine of its own, which has the
//! client's connection, a directory to read, and nothing else.

mod request;
mod response;
pub mod server;
mod waiting;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use wasp_core::virtine;

/// The most bytes that a request may have up to the end of its head.
pub const LONGEST_HEAD: usize = 8 << 10;

/// Answers one request with a file beneath `root`, and returns the status. Which directory the virtine may read is
/// said by the call: `serve::with(Policy::new().read(root))`.
///
/// # Errors
///
/// What the connection fails with.
#[virtine(timeout = "2s", memory = "512KiB", stack = "64KiB")]
pub fn serve(conn: TcpStream, root: &str) -> io::Result<u16> {
    answer(conn, root)
}

/// The same in a virtine that boots from its image at every call.
///
/// # Errors
///
/// What the connection fails with.
#[virtine(timeout = "2s", memory = "512KiB", stack = "64KiB", snapshot = false)]
pub fn serve_from_image(conn: TcpStream, root: &str) -> io::Result<u16> {
    answer(conn, root)
}

/// The same without a virtine around it. Then symbolic links beneath `root` are followed wherever they lead.
///
/// # Errors
///
/// What the connection fails with.
pub fn answer(mut conn: impl Read + Write, root: &str) -> io::Result<u16> {
    match request::read(&mut conn)? {
        Ok(request) => response::file(&mut conn, root, &request),
        Err(status) => response::refuse(&mut conn, status),
    }
}
