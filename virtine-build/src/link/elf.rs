//! Reads the linked ELF file: the image and the symbols in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use object::elf::{PF_W, PF_X};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSegment, ObjectSymbol as _, SegmentFlags};
use virtine_rt::abi::PAGE_SIZE;
use virtine_rt::abi::image::{Access, ID_SIZE, Image, ImageError, Segment};

use crate::base::error::Error;

/// A linked program in memory.
pub(super) struct Executable {
    path: PathBuf,
    bytes: Vec<u8>,
}

type ElfFile<'a> = ElfFile64<'a, Endianness>;

impl Executable {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::file("read", path))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    pub(super) fn parse(&self) -> Result<Elf<'_>, Error> {
        let elf = ElfFile::parse(&*self.bytes).map_err(|error| self.broken(error))?;
        Ok(Elf { file: self, elf })
    }

    fn broken(&self, reason: impl ToString) -> Error {
        Error::Elf {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

/// A parsed program.
pub(super) struct Elf<'a> {
    file: &'a Executable,
    elf: ElfFile<'a>,
}

impl<'a> Elf<'a> {
    /// The image. The inner error is one that the user can fix.
    pub(super) fn image(&self) -> Result<Result<Image<'a>, ImageError>, Error> {
        let mut segments = self.segments()?;
        segments.sort_by_key(|segment| segment.address);
        let id = self.id()?;
        let image = Image { id, segments };
        Ok(image.check().map(|()| image))
    }

    fn id(&self) -> Result<[u8; ID_SIZE], Error> {
        let id = self.elf.build_id().ok().flatten();
        id.and_then(|id| id.try_into().ok())
            .ok_or_else(|| self.file.broken("it has no SHA-1 build ID"))
    }

    /// The addresses of all symbols.
    pub(super) fn symbols(&self) -> BTreeMap<&'a str, u64> {
        let symbols = self.elf.symbols();
        symbols
            .filter_map(|symbol| Some((symbol.name().ok()?, symbol.address())))
            .collect()
    }

    pub(super) fn no_symbol(&self, name: &str) -> Error {
        self.file.broken(format!("it has no symbol {name}"))
    }

    fn segments(&self) -> Result<Vec<Segment<'a>>, Error> {
        let segments = self.elf.segments();
        segments
            .filter(|segment| segment.size() > 0)
            .map(|segment| self.segment(&segment))
            .collect()
    }

    /// A segment that starts at a page. Some linkers start segments inside a page. The file then has the
    /// bytes of this page before the segment.
    fn segment(&self, segment: &impl ObjectSegment<'a>) -> Result<Segment<'a>, Error> {
        let before = segment.address() % PAGE_SIZE;
        let (offset, length) = segment.file_range();
        let bytes = offset.checked_sub(before).and_then(|start| {
            let end = offset.checked_add(length)?;
            self.file.bytes.get(start as usize..end as usize)
        });
        let outside = || self.file.broken("a segment lies outside the file");
        Ok(Segment {
            address: segment.address() - before,
            size: segment.size() + before,
            access: self.access(segment)?,
            bytes: bytes.ok_or_else(outside)?,
        })
    }

    fn access(&self, segment: &impl ObjectSegment<'a>) -> Result<Access, Error> {
        let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
            return Err(self.file.broken("a segment has no ELF flags"));
        };
        match (p_flags & PF_X == PF_X, p_flags & PF_W == PF_W) {
            (true, true) => Err(self
                .file
                .broken("a segment is both writable and executable")),
            (true, false) => Ok(Access::Execute),
            (false, true) => Ok(Access::Write),
            (false, false) => Ok(Access::Read),
        }
    }
}
