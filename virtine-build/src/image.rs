//! From the linked ELF file to the flat image and the functions' entries into it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{PF_W, PF_X};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSegment as _, ObjectSymbol as _, SegmentFlags};
use virtine_rt::abi::PAGE_SIZE;
use virtine_rt::abi::image::{Access, ID_SIZE, Image, ImageError, Segment};

use crate::error::Error;

/// A linked program, read into memory.
pub(crate) struct Executable {
    path: PathBuf,
    bytes: Vec<u8>,
}

type Elf<'a> = ElfFile64<'a, Endianness>;

impl Executable {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::file("read", path))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    pub(crate) fn parse(&self) -> Result<Program<'_>, Error> {
        let elf = Elf::parse(&*self.bytes).map_err(|error| self.broken(error))?;
        Ok(Program { file: self, elf })
    }

    fn broken(&self, reason: impl ToString) -> Error {
        Error::Elf {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The same, parsed.
pub(crate) struct Program<'a> {
    file: &'a Executable,
    elf: Elf<'a>,
}

impl<'a> Program<'a> {
    /// The image, its identity included; the inner error is the user's to mend.
    pub(crate) fn image(&self) -> Result<Result<Image<'a>, ImageError>, Error> {
        let mut segments = self.segments()?;
        segments.sort_by_key(|segment| segment.address);
        let id = self.id()?;
        let image = Image { id, segments };
        Ok(image.check().map(|()| image))
    }

    fn id(&self) -> Result<[u8; ID_SIZE], Error> {
        let id = self.elf.build_id().ok().flatten();
        id.and_then(|id| id.try_into().ok())
            .ok_or_else(|| self.file.broken("no SHA-1 of the linker's in it"))
    }

    /// The addresses of all symbols.
    pub(crate) fn symbols(&self) -> BTreeMap<&'a str, u64> {
        let symbols = self.elf.symbols();
        symbols
            .filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())))
            .collect()
    }

    pub(crate) fn no_symbol(&self, name: &str) -> Error {
        self.file.broken(format!("no symbol {name}"))
    }

    fn segments(&self) -> Result<Vec<Segment<'a>>, Error> {
        let segments = self.elf.segments();
        segments
            .filter(|segment| segment.size() > 0)
            .map(|segment| {
                let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
                    return Err(self.file.broken("a segment without ELF flags"));
                };
                let access = match (p_flags & PF_X == PF_X, p_flags & PF_W == PF_W) {
                    (true, true) => {
                        let reason = "a segment both writable and executable";
                        return Err(self.file.broken(reason));
                    }
                    (true, false) => Access::Execute,
                    (false, true) => Access::Write,
                    (false, false) => Access::Read,
                };
                // Linkers with a layout of their own start segments inside a page, where the file has the
                // same bytes before it as the page then has.
                let before = segment.address() % PAGE_SIZE;
                let (offset, length) = segment.file_range();
                let bytes = offset.checked_sub(before).and_then(|start| {
                    let end = offset.checked_add(length)?;
                    self.file.bytes.get(start as usize..end as usize)
                });
                Ok(Segment {
                    address: segment.address() - before,
                    size: segment.size() + before,
                    access,
                    bytes: bytes.ok_or_else(|| self.file.broken("a segment outside of it"))?,
                })
            })
            .collect()
    }
}
