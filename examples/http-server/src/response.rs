//! Responses to clients.

use std::fs::File;
use std::io::{self, Read, Write};

use crate::request::Request;

/// Bytes that are read and sent at a time.
const PIECE: usize = 64 << 10;

/// Sends the requested file. For a directory this is its `index.html`.
pub(crate) fn file(conn: &mut impl Write, root: &str, request: &Request) -> io::Result<u16> {
    let mut path = format!("{root}{}", request.path);
    if path.ends_with('/') {
        path.push_str("index.html");
    }
    let opened = File::open(&path).and_then(|file| file.metadata().map(|data| (file, data)));
    match opened {
        Ok((file, data)) if data.is_file() => {
            send(conn, file, data.len(), kind(&path), request.head_only)?;
            Ok(200)
        }
        // Does not reveal whether an unreadable file exists.
        _ => refuse(conn, 404),
    }
}

/// Sends the head and the first piece together.
fn send(
    conn: &mut impl Write,
    file: File,
    length: u64,
    kind: &str,
    head_only: bool,
) -> io::Result<()> {
    let mut piece = head(200, kind, length).into_bytes();
    // If the file grows meanwhile, only the announced length is sent.
    let mut file = file.take(if head_only { 0 } else { length });
    let mut left = file.limit();
    loop {
        let wanted = left.min(PIECE as u64);
        let read = file.by_ref().take(wanted).read_to_end(&mut piece)? as u64;
        conn.write_all(&piece)?;
        left -= read;
        if left == 0 || read == 0 {
            return Ok(());
        }
        piece.clear();
    }
}

/// Sends a status, with its name as text.
pub(crate) fn refuse(conn: &mut impl Write, status: u16) -> io::Result<u16> {
    let body = format!("{}\n", name(status));
    let mut response = head(status, "text/plain; charset=utf-8", body.len() as u64);
    response.push_str(&body);
    conn.write_all(response.as_bytes())?;
    Ok(status)
}

fn head(status: u16, kind: &str, length: u64) -> String {
    let name = name(status);
    format!(
        "HTTP/1.1 {status} {name}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )
}

fn name(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Unknown",
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}
