//! One request per connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// An exchange that requests `path` and expects status 200 and exactly this body.
pub fn get(
    path: &str,
    body: Vec<u8>,
) -> impl Fn(TcpStream, usize) -> Result<(), String> + Sync + use<> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    move |mut stream, _| {
        stream
            .write_all(request.as_bytes())
            .map_err(|error| format!("cannot send: {error}"))?;
        let mut response = Vec::with_capacity(body.len() + 256);
        stream
            .read_to_end(&mut response)
            .map_err(|error| format!("cannot receive: {error}"))?;
        check(&response, &body)
    }
}

fn check(response: &[u8], expected: &[u8]) -> Result<(), String> {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = response.split_at(end.ok_or("the response has no end of its head")? + 4);
    let status = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if !status.starts_with(b"HTTP/1.1 200 ") {
        let found = String::from_utf8_lossy(status);
        return Err(format!("expected status 200, found {found}"));
    }
    if body != expected {
        let (length, found) = (expected.len(), body.len());
        return Err(format!(
            "expected a body of {length} bytes, found {found} bytes or others"
        ));
    }
    Ok(())
}
