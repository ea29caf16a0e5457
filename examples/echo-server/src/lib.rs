//! A server that sends back what it receives: each connection is handed over to a virtine, which has nothing else.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use wasp_core::virtine;

/// Connections that are served at a time; further ones wait in the kernel's queue.
pub const CONNECTIONS: usize = 8;
/// How long accepting rests where the system has no descriptor left.
const REST: Duration = Duration::from_millis(10);

/// Sends back what comes until the client has sent all, at most 16 MiB in two seconds.
///
/// # Errors
///
/// What the connection fails with.
#[virtine(
    timeout = "2s",
    memory = "256KiB",
    stack = "64KiB",
    limits(handles = 0, bytes_read = "16MiB", bytes_written = "16MiB")
)]
pub fn echo(conn: TcpStream) -> io::Result<u64> {
    back(conn)
}

/// The same without a virtine around it.
///
/// # Errors
///
/// What the connection fails with.
pub fn back(mut conn: impl Read + Write) -> io::Result<u64> {
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    loop {
        let count = conn.read(&mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        conn.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

/// Serves for ever, by a thread for each connection that is served at a time. What goes wrong with one is told to
/// `report`, and the next one is served.
pub fn serve(listener: &TcpListener, report: impl Fn(String) + Sync) {
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                loop {
                    if let Err(message) = serve_one(listener) {
                        report(message);
                    }
                }
            });
        }
    });
}

fn serve_one(listener: &TcpListener) -> Result<(), String> {
    let (conn, client) = listener.accept().map_err(|error| {
        thread::sleep(REST);
        format!("cannot accept: {error}")
    })?;
    match echo::try_call(conn) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{client}: {error}")),
        Err(error) => Err(format!("{client}: {error}")),
    }
}
