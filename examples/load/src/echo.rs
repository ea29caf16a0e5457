//! Data that must be returned unchanged.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// An exchange that sends `length` bytes, different each time, and expects the same bytes and then the end of the
/// stream.
pub fn echo(length: usize) -> impl Fn(TcpStream, usize) -> Result<(), String> + Sync {
    move |mut stream, number| {
        let sent: Vec<u8> = (0..length).map(|at| (at * 31 + number) as u8).collect();
        stream
            .write_all(&sent)
            .and_then(|()| stream.shutdown(Shutdown::Write))
            .map_err(|error| format!("cannot send: {error}"))?;
        let mut received = Vec::with_capacity(length);
        stream
            .read_to_end(&mut received)
            .map_err(|error| format!("cannot receive: {error}"))?;
        match received == sent {
            true => Ok(()),
            false => Err(format!(
                "expected the {length} bytes that were sent, found {} bytes or others",
                received.len()
            )),
        }
    }
}
