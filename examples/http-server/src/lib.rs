//! A server of static files. Each request is read, parsed and answered in its own virtine, which has access to the
//! client's connection, one directory to read, and nothing else.

mod request;
mod response;
pub mod server;
mod waiting;

use std::io::{self, Read, Write};
use std::net::TcpStream;

use wasp_core::virtine;

/// The most bytes that the head of a request may have.
pub const LONGEST_HEAD: usize = 8 << 10;

/// Answers one request with a file beneath `root`, and returns the status. The call determines which directory the
/// virtine may read: `serve::with(Policy::new().read(root))`.
///
/// # Errors
///
/// Errors of the connection.
#[virtine(timeout = "2s", memory = "512KiB", stack = "64KiB")]
pub fn serve(conn: TcpStream, root: &str) -> io::Result<u16> {
    answer(conn, root)
}

/// The same in a virtine that boots from its image at every call.
///
/// # Errors
///
/// Errors of the connection.
#[virtine(timeout = "2s", memory = "512KiB", stack = "64KiB", snapshot = false)]
pub fn serve_from_image(conn: TcpStream, root: &str) -> io::Result<u16> {
    answer(conn, root)
}

/// The same without a virtine. Symbolic links beneath `root` are then followed wherever they lead.
///
/// # Errors
///
/// Errors of the connection.
pub fn answer(mut conn: impl Read + Write, root: &str) -> io::Result<u16> {
    match request::read(&mut conn)? {
        Ok(request) => response::file(&mut conn, root, &request),
        Err(status) => response::refuse(&mut conn, status),
    }
}
