//! Functions that share names, types and modules with code that no guest can have.

mod store;

use std::fmt;
use std::fs::File;
use std::io::Write as _;

use store::{Backend, Store};
use wasp_core::virtine;

struct Log {
    lines: Vec<String>,
    file: Option<File>,
}

impl Log {
    fn new() -> Self {
        Log {
            lines: Vec::new(),
            file: None,
        }
    }

    fn open(path: &std::path::Path) -> std::io::Result<Self> {
        Ok(Log {
            lines: Vec::new(),
            file: Some(File::create(path)?),
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.file {
            Some(file) => file.flush(),
            None => Ok(()),
        }
    }
}

/// The type's name alone makes the slice keep all its methods, and with them whatever those name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Celsius(f64);

impl Celsius {
    fn fahrenheit(self) -> f64 {
        self.0 * 1.8 + 32.0
    }

    fn save(self) -> std::io::Result<()> {
        let mut log = Log::open("/tmp/celsius".as_ref())?;
        log.lines.push(self.to_string());
        log.flush()
    }

    fn from_sensor() -> std::thread::JoinHandle<Self> {
        std::thread::spawn(|| Celsius(20.0))
    }
}

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} degrees", self.0)
    }
}

impl From<File> for Celsius {
    fn from(_: File) -> Self {
        Celsius(0.0)
    }
}

#[virtine]
fn convert(degrees: f64) -> String {
    let celsius = Celsius(degrees);
    format!("{celsius} are {:.1} F", celsius.fahrenheit())
}

#[virtine]
fn lookup(key: &str) -> Option<u32> {
    let mut store = Store::in_memory();
    store.put("one", 1);
    store.put("two", 2);
    store.get(key)
}

fn main() {
    println!("{}", convert(20.0));
    println!("{:?} {:?}", lookup("two"), lookup("three"));
    let mut log = Log::new();
    println!("{:?} {}", log.flush(), log.lines.len());
    println!("{:?}", Celsius::from_sensor().join().is_ok());
    if std::env::args().count() > 1 {
        _ = Celsius(1.0).save();
        _ = Celsius::from(File::open("/dev/null").unwrap());
        println!("{:?}", Store::on_disk("/tmp/store").map(|store| store.describe()));
    }
}
