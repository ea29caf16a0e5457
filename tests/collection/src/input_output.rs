//! Readers, writers and errors.

use std::error::Error;
use std::fmt;
use std::io::prelude::*;
use std::io::{self, BufReader, BufWriter, Cursor, ErrorKind, SeekFrom};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[virtine]
pub fn count_lines(data: &[u8]) -> Result<(usize, usize), String> {
    let reader = BufReader::with_capacity(16, data);
    let mut longest = 0;
    let mut count = 0;
    for line in reader.lines() {
        let line = line.map_err(|e| e.to_string())?;
        longest = longest.max(line.len());
        count += 1;
    }
    Ok((count, longest))
}

#[virtine]
pub fn write_report(names: Vec<String>) -> String {
    let mut out = Vec::new();
    {
        let mut writer = BufWriter::new(&mut out);
        for (i, name) in names.iter().enumerate() {
            writeln!(writer, "{:>3}. {name}", i + 1).unwrap();
        }
        writer.flush().unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn read_u16(reader: &mut impl Read) -> io::Result<u16> {
    let mut bytes = [0; 2];
    reader.read_exact(&mut bytes)?;
    Ok(u16::from_be_bytes(bytes))
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub magic: String,
    pub width: u16,
    pub height: u16,
    pub rest: Vec<u8>,
}

#[virtine]
pub fn read_header(data: Vec<u8>) -> Result<Header, String> {
    fn read(data: &[u8]) -> io::Result<Header> {
        let mut cursor = Cursor::new(data);
        let mut magic = [0; 4];
        cursor.read_exact(&mut magic)?;
        if &magic != b"IMG0" {
            return Err(io::Error::new(ErrorKind::InvalidData, "bad magic"));
        }
        let (width, height) = (read_u16(&mut cursor)?, read_u16(&mut cursor)?);
        let mut rest = vec![];
        cursor.by_ref().take(4).read_to_end(&mut rest)?;
        let magic = String::from_utf8_lossy(&magic).into_owned();
        Ok(Header {
            magic,
            width,
            height,
            rest,
        })
    }
    read(&data).map_err(|error| format!("{error} ({:?}, {error:?})", error.kind()))
}

#[virtine]
pub fn seek_and_patch(data: Vec<u8>) -> io_result::Seeked {
    let mut cursor = Cursor::new(data);
    let end = cursor.seek(SeekFrom::End(0)).unwrap();
    cursor.seek(SeekFrom::Start(2)).unwrap();
    cursor.write_all(b"##").unwrap();
    let failed = cursor.seek(SeekFrom::Current(-100)).is_err();
    io_result::Seeked {
        end,
        at: cursor.position(),
        failed,
        data: cursor.into_inner(),
    }
}

pub mod io_result {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    pub struct Seeked {
        pub end: u64,
        pub at: u64,
        pub failed: bool,
        pub data: Vec<u8>,
    }
}

#[derive(Debug)]
enum LoadError {
    Io(io::Error),
    Number {
        line: usize,
        source: std::num::ParseIntError,
    },
    Empty,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Io(_) => f.write_str("cannot read"),
            LoadError::Number { line, .. } => write!(f, "line {line}"),
            LoadError::Empty => f.write_str("empty"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LoadError::Io(e) => Some(e),
            LoadError::Number { source, .. } => Some(source),
            LoadError::Empty => None,
        }
    }
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        LoadError::Io(error)
    }
}

fn load(mut reader: impl BufRead) -> Result<i64, LoadError> {
    let mut text = String::new();
    let mut sum = None;
    let mut line = 0;
    while reader.read_line(&mut text)? > 0 {
        line += 1;
        let n: i64 = text
            .trim()
            .parse()
            .map_err(|source| LoadError::Number { line, source })?;
        *sum.get_or_insert(0) += n;
        text.clear();
    }
    sum.ok_or(LoadError::Empty)
}

#[virtine]
pub fn error_chain(data: &[u8]) -> Result<i64, Vec<String>> {
    load(data).map_err(|error| {
        let mut chain = vec![];
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            chain.push(error.to_string());
            next = error.source();
        }
        chain
    })
}

#[virtine]
pub fn boxed_errors(text: &str) -> Result<f64, String> {
    fn parse(text: &str) -> Result<f64, Box<dyn Error>> {
        let (a, b) = text.split_once('/').ok_or("no slash")?;
        let (a, b): (f64, i32) = (a.trim().parse()?, b.trim().parse()?);
        if b == 0 {
            return Err(Box::new(LoadError::Empty));
        }
        Ok(a / f64::from(b))
    }
    parse(text).map_err(|e| e.to_string())
}

#[virtine]
pub fn copy_between(data: &[u8]) -> (u64, Vec<u8>, String) {
    let mut out = vec![];
    let copied = io::copy(&mut data.chain(&b"--"[..]), &mut out).unwrap();
    let mut text = String::new();
    let result = (&b"ok\xff"[..]).read_to_string(&mut text);
    (copied, out, result.unwrap_err().to_string())
}

#[virtine]
pub fn split_records(data: &[u8]) -> Vec<Vec<u8>> {
    BufRead::split(data, b';').map(Result::unwrap).collect()
}

struct Upper<W>(W);

impl<W: Write> Write for Upper<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes.to_ascii_uppercase())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[virtine]
pub fn own_writer(text: &str) -> String {
    let mut writer = Upper(Vec::new());
    write!(writer, "<{text}>").unwrap();
    let stdout = io::stdout();
    writeln!(stdout.lock(), "nobody reads this").unwrap();
    String::from_utf8(writer.0).unwrap()
}

#[virtine]
pub fn bounded_writer(data: &[u8]) -> (Vec<u8>, Option<String>) {
    let mut buffer = [0u8; 8];
    let mut slot = &mut buffer[..];
    let error = slot.write_all(data).err().map(|e| e.to_string());
    (buffer.to_vec(), error)
}
