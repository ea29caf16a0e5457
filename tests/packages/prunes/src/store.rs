//! A store with two backends, one of which needs files.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;

pub trait Backend {
    fn get(&self, key: &str) -> Option<u32>;
    fn put(&mut self, key: &str, value: u32);
}

pub struct Memory(HashMap<String, u32>);

impl Backend for Memory {
    fn get(&self, key: &str) -> Option<u32> {
        self.0.get(key).copied()
    }

    fn put(&mut self, key: &str, value: u32) {
        self.0.insert(key.to_owned(), value);
    }
}

pub struct Disk {
    folder: PathBuf,
}

impl Backend for Disk {
    fn get(&self, key: &str) -> Option<u32> {
        fs::read_to_string(self.folder.join(key)).ok()?.parse().ok()
    }

    fn put(&mut self, key: &str, value: u32) {
        let file = OpenOptions::new().append(true).open(self.folder.join(key));
        _ = file.map(|mut file| io::Write::write_all(&mut file, &[value as u8]));
    }
}

pub struct Store<B: Backend> {
    backend: B,
}

impl Store<Memory> {
    pub fn in_memory() -> Self {
        Store {
            backend: Memory(HashMap::new()),
        }
    }
}

impl Store<Disk> {
    pub fn on_disk(folder: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Store {
            backend: Disk {
                folder: folder.into(),
            },
        })
    }

    pub fn describe(&self) -> String {
        self.backend.folder.display().to_string()
    }
}

impl<B: Backend> Backend for Store<B> {
    fn get(&self, key: &str) -> Option<u32> {
        self.backend.get(key)
    }

    fn put(&mut self, key: &str, value: u32) {
        self.backend.put(key, value)
    }
}
