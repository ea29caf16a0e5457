//! The archive format `newc`, which the kernel accepts as an initramfs.
//!
//! An entry is a header of ASCII digits, the path with a NUL, and the content. Path and content are padded to 4 bytes.
//! An entry with a special name marks the end.

use std::io::{self, Write};

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;

/// The kind of an entry. All entries belong to root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File { content: Vec<u8>, executable: bool },
}

impl Entry {
    fn mode(&self) -> u32 {
        match self {
            Self::Folder => FOLDER,
            Self::File {
                executable: true, ..
            } => PROGRAM,
            Self::File { .. } => FILE,
        }
    }

    fn content(&self) -> &[u8] {
        match self {
            Self::Folder => &[],
            Self::File { content, .. } => content,
        }
    }
}

/// An archive that is being written.
pub(super) struct Archive<W> {
    output: W,
    /// The number of entries so far, used as inode numbers. Files with the same inode number would be hard links.
    entries: u32,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, entries: 0 }
    }

    /// Adds an entry under its path without the leading slash. The folder that contains it must come first.
    pub(super) fn write(&mut self, path: &str, entry: &Entry) -> io::Result<()> {
        self.record(path, entry.mode(), entry.content())
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.record(TRAILER, 0, &[])?;
        Ok(self.output)
    }

    fn record(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let header = header(self.entries, mode, length(content.len())?, path);
        self.padded(header.as_bytes())?;
        self.padded(content)
    }

    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        let missing = bytes.len().next_multiple_of(4) - bytes.len();
        self.output.write_all(bytes)?;
        self.output.write_all(&[0; 3][..missing])
    }
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// The fixed part and the path: the fields in the order of the format, eight digits each.
fn header(inode: u32, mode: u32, length: u32, path: &str) -> String {
    let (owner, links, time, device, checksum) = ([0; 2], 1, 0, [0; 4], 0);
    let name = u32::try_from(path.len() + 1).expect("a path is shorter than 4 GiB");
    let mut text = MAGIC.to_owned();
    for field in [inode, mode]
        .into_iter()
        .chain(owner)
        .chain([links, time, length])
        .chain(device)
        .chain([name, checksum])
    {
        text += &format!("{field:08x}");
    }
    text + path + "\0"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, Entry)]) -> Vec<u8> {
        let mut archive = Archive::new(Vec::new());
        for (path, entry) in entries {
            archive.write(path, entry).expect("a Vec takes all");
        }
        archive.finish().expect("a Vec takes all")
    }

    #[test]
    fn empty_archive_is_a_trailer() {
        let found = archive(&[]);
        assert!(found.starts_with(b"07070100000001"), "{found:?}");
        assert!(
            found.ends_with(b"0000000b00000000TRAILER!!!\0\0\0\0"),
            "{found:?}"
        );
    }

    #[test]
    fn fields_stand_where_the_format_wants_them() {
        let file = Entry::File {
            content: b"hello".to_vec(),
            executable: true,
        };
        let found = archive(&[("a/b", file)]);
        let header = concat!(
            "070701", "00000001", "000081ed", "00000000", "00000000", "00000001", "00000000",
            "00000005", "00000000", "00000000", "00000000", "00000000", "00000004", "00000000",
        );
        assert!(found.starts_with(header.as_bytes()));
        // Header and path take 114 bytes and need 2 bytes of padding. The content's 5 bytes need 3.
        assert_eq!(&found[110..124], b"a/b\0\0\0hello\0\0\0");
    }

    #[test]
    fn every_entry_has_an_inode_of_its_own() {
        let found = archive(&[("a", Entry::Folder), ("b", Entry::Folder)]);
        let text = String::from_utf8(found).expect("headers are ASCII");
        for start in [
            "07070100000001000041ed",
            "07070100000002000041ed",
            "07070100000003",
        ] {
            assert!(text.contains(start), "{start}");
        }
    }
}
