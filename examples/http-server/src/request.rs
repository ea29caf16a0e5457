//! Requests of clients.

use std::io::{self, Read};

use httparse::{EMPTY_HEADER, Status};

use crate::LONGEST_HEAD;

/// The most headers that a request may have.
const MOST_HEADERS: usize = 64;

/// A request that can be answered.
pub(crate) struct Request {
    /// Below the root: starts with `/`, has no `..`.
    pub(crate) path: String,
    /// The client wants only the head of the response.
    pub(crate) head_only: bool,
}

/// Reads the head of a request. If it cannot be answered, returns the status that says why.
pub(crate) fn read(conn: &mut impl Read) -> io::Result<Result<Request, u16>> {
    let mut head = [0; LONGEST_HEAD];
    let mut length = 0;
    loop {
        let count = conn.read(&mut head[length..])?;
        length += count;
        match parse(&head[..length]) {
            Ok(Some(request)) => return Ok(Ok(request)),
            Err(status) => return Ok(Err(status)),
            Ok(None) if length == head.len() => return Ok(Err(431)),
            Ok(None) if count == 0 => return Ok(Err(400)),
            Ok(None) => {}
        }
    }
}

/// Parses a head. `None` if it is not complete yet.
fn parse(head: &[u8]) -> Result<Option<Request>, u16> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    }
    let head_only = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(405),
    };
    let path = path(request.path.unwrap_or_default())?;
    Ok(Some(Request { path, head_only }))
}

/// The path in a request target, with its escapes decoded.
fn path(target: &str) -> Result<String, u16> {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    let path = unescape(target).ok_or(400_u16)?;
    match path.starts_with('/') && !path.contains('\0') {
        true if path.split('/').any(|name| name == "..") => Err(404),
        true => Ok(path),
        false => Err(400),
    }
}

/// Decodes escapes: `%41` is `A`. `None` if an escape is invalid or the result is not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match byte {
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                digit(digits[0])? << 4 | digit(digits[1])?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
