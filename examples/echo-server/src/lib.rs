//! A server that sends back what it receives. Each connection is handed to a virtine that has access to nothing else.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use wasp_core::virtine;

/// Connections that are served at a time. Others wait in the kernel's queue.
pub const CONNECTIONS: usize = 8;
/// How long accepting pauses if the system has no descriptor left.
const REST: Duration = Duration::from_millis(10);

/// Sends back what it receives until the client has sent everything, at most 16 MiB in two seconds.
///
/// # Errors
///
/// Errors of the connection.
#[virtine(
    timeout = "2s",
    memory = "256KiB",
    stack = "64KiB",
    limits(handles = 0, bytes_read = "16MiB", bytes_written = "16MiB")
)]
pub fn echo(conn: TcpStream) -> io::Result<u64> {
    back(conn)
}

/// The same without a virtine.
///
/// # Errors
///
/// Errors of the connection.
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

/// Serves forever, with one thread for each connection that is served at a time. Errors of a connection are passed to
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
