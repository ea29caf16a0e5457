//! The flat image: what `virtine-build` writes and `wasp-core` loads.
//!
//! All functions of a crate share one image. Each function has its own [`Entries`] into it.
//!
//! ```text
//! 0    header      HEADER_SIZE bytes, little-endian
//! 64   segments    SEGMENT_SIZE bytes each, by rising address, none overlapping
//!      contents    the segments' bytes, at the file offsets that the table names
//! ```

use alloc_crate::format;
use alloc_crate::string::String;
use alloc_crate::vec::Vec;
use core::fmt;

use super::{PAGE_SIZE, USER_BASE, USER_LIMIT, page_align_up};

/// The first eight bytes of an image.
pub const MAGIC: [u8; 8] = *b"VIRTINE\0";

/// Version of the image format and of the hypercall ABI together.
pub const VERSION: u32 = 3;

/// Bytes of the header.
pub const HEADER_SIZE: usize = 64;

/// Bytes of one entry of the segment table.
pub const SEGMENT_SIZE: usize = 40;

/// Bytes of an image's identity.
pub const ID_SIZE: usize = 20;

/// More segments than any linker produces with our script. This is a bound for hostile input.
pub const MAX_SEGMENTS: usize = 16;

/// How the pages of a segment may be used. All of them are readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Constants.
    Read,
    /// Code. Never writable: there is no variant that is both.
    Execute,
    /// Data and bss.
    Write,
}

impl Access {
    const fn code(self) -> u64 {
        match self {
            Self::Read => 0,
            Self::Execute => 1,
            Self::Write => 2,
        }
    }

    const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Read),
            1 => Some(Self::Execute),
            2 => Some(Self::Write),
            _ => None,
        }
    }
}

/// One run of guest memory that the image fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Guest address of the first byte: a multiple of the page size, not below [`USER_BASE`].
    pub address: u64,
    /// Bytes in guest memory. Those beyond `bytes` are zero.
    pub size: u64,
    /// How the guest may use it.
    pub access: Access,
    /// The bytes at the start of the segment.
    pub bytes: &'a [u8],
}

impl Segment<'_> {
    /// The first address after the segment's last page.
    #[must_use]
    pub fn end(&self) -> u64 {
        // Cannot overflow in a checked image, whose segments end below USER_LIMIT.
        page_align_up(self.address.saturating_add(self.size)).unwrap_or(u64::MAX)
    }
}

/// What the functions of a crate share, ready to be loaded into guest memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// The linker's SHA-1 of the program from which the image was made. It identifies the program's line information.
    pub id: [u8; ID_SIZE],
    /// In ascending order.
    pub segments: Vec<Segment<'a>>,
}

/// The addresses at which one function's guests enter the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Where a fresh guest starts. It initializes itself and sends [`READY`](super::hypercall::READY).
    pub start: u64,
    /// Where each call starts.
    pub call: u64,
}

impl Entries {
    /// Bytes of the file with the entries.
    pub const SIZE: usize = 16;

    /// Reads what [`Entries::to_bytes`] has written.
    ///
    /// # Errors
    ///
    /// [`ImageError::Truncated`] if `file` is too short.
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let mut file = Reader { file, at: 0 };
        Ok(Self {
            start: file.word()?,
            call: file.word()?,
        })
    }

    /// Little-endian, in the order of the fields.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.start, self.call]
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .collect()
    }
}

/// The memory that one function's guests are granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of stack, arguments and heap together, including guard pages. The image is not counted, so that a
    /// function's memory does not depend on other code in its crate.
    pub memory: u64,
    /// Bytes of stack.
    pub stack: u64,
}

/// Everything that one function's guests consist of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// Code and data.
    pub image: &'a Image<'a>,
    /// The function's entry points.
    pub entries: Entries,
    /// The function's memory.
    pub sizes: Sizes,
}

/// Why bytes are not an image that this release can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// The file ends before its header, segment table or contents do.
    Truncated {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that exist.
        found: u64,
    },
    /// The file does not start with [`MAGIC`].
    NotAnImage,
    /// Written by another release.
    Version {
        /// The version found. [`VERSION`] was expected.
        found: u32,
    },
    /// More segments than [`MAX_SEGMENTS`], or none.
    SegmentCount {
        /// The count found.
        found: u64,
    },
    /// A segment that is misaligned, out of bounds, out of order, or larger in the file than in
    /// memory.
    Segment {
        /// The segment's address.
        address: u64,
    },
    /// An entry point outside all executable segments.
    EntryPoint {
        /// The address found.
        address: u64,
    },
    /// The stack's size is zero or not a multiple of the page size, or the memory is not.
    Sizes {
        /// Bytes of memory found.
        memory: u64,
        /// Bytes of stack found.
        stack: u64,
    },
    /// Guard pages and stack leave no page of heap in the memory granted.
    MemoryTooSmall {
        /// Bytes granted.
        memory: u64,
        /// Bytes that guard pages, stack and one page of heap take.
        needed: u64,
    },
    /// Code, statics and the memory granted reach beyond [`USER_LIMIT`].
    TooLarge {
        /// The first address after them.
        end: u64,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { expected, found } => {
                write!(
                    f,
                    "image truncated: expected {expected} bytes, found {found}"
                )
            }
            Self::NotAnImage => write!(
                f,
                "not a virtine image: expected it to start with {MAGIC:02x?}"
            ),
            Self::Version { found } => write!(
                f,
                "image of another release: expected version {VERSION}, found {found}; \
                 use one release of wasp-core and virtine-build"
            ),
            Self::SegmentCount { found } => {
                write!(f, "expected 1 to {MAX_SEGMENTS} segments, found {found}")
            }
            Self::Segment { address } => write!(f, "segment at {address:#x} is misplaced"),
            Self::EntryPoint { address } => {
                write!(f, "entry point {address:#x} lies in no executable segment")
            }
            Self::Sizes { memory, stack } => write!(
                f,
                "expected memory and stack in multiples of {PAGE_SIZE}, found {memory} and {stack}"
            ),
            Self::MemoryTooSmall { memory, needed } => write!(
                f,
                "stack, guard pages and one page of heap need {needed} bytes, but `memory` grants \
                 {memory}; raise it: #[virtine(memory = \"...\")]"
            ),
            Self::TooLarge { end } => write!(
                f,
                "code, statics and memory end at {end:#x}, beyond the {USER_LIMIT:#x} that a virtine \
                 can address"
            ),
        }
    }
}

impl core::error::Error for ImageError {}

/// The end of the linked program's file name, after the target's name. It contains the image's identity, so that the
/// file is not mistaken for another build's program.
#[must_use]
pub fn program_suffix(id: &[u8; ID_SIZE]) -> String {
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(".{id}.elf")
}

impl<'a> Image<'a> {
    /// Reads an image and checks everything that the loader relies on.
    ///
    /// # Errors
    ///
    /// The first defect of `file`, as an [`ImageError`].
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        let mut header = Reader { file, at: 0 };
        if header.bytes(8)? != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        let version_and_count = header.word()?;
        let found = version_and_count as u32;
        if found != VERSION {
            return Err(ImageError::Version { found });
        }
        let count = version_and_count >> 32;
        if count == 0 || count > MAX_SEGMENTS as u64 {
            return Err(ImageError::SegmentCount { found: count });
        }
        let mut id = [0; ID_SIZE];
        id.copy_from_slice(header.bytes(ID_SIZE)?);
        let mut table = Reader {
            file,
            at: HEADER_SIZE,
        };
        let segments = (0..count)
            .map(|_| table.segment())
            .collect::<Result<Vec<_>, _>>()?;
        let image = Self { id, segments };
        image.check()?;
        Ok(image)
    }

    /// Writes the image in the form that [`Image::parse`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(MAGIC);
        file.extend((u64::from(VERSION) | (self.segments.len() as u64) << 32).to_le_bytes());
        file.extend(self.id);
        file.resize(HEADER_SIZE, 0);
        let mut offset = (HEADER_SIZE + SEGMENT_SIZE * self.segments.len()) as u64;
        for segment in &self.segments {
            let length = segment.bytes.len() as u64;
            for word in [
                segment.address,
                segment.size,
                offset,
                length,
                segment.access.code(),
            ] {
                file.extend(word.to_le_bytes());
            }
            offset += length;
        }
        for segment in &self.segments {
            file.extend(segment.bytes);
        }
        file
    }

    /// The first address after the image's last page.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(USER_BASE, Segment::end)
    }

    /// Checks the guarantees about segments.
    ///
    /// # Errors
    ///
    /// [`ImageError::Segment`] for the first segment that violates them.
    pub fn check(&self) -> Result<(), ImageError> {
        let mut free_from = USER_BASE;
        for segment in &self.segments {
            let address = segment.address;
            let fits = address.is_multiple_of(PAGE_SIZE)
                && address >= free_from
                && segment.size > 0
                && segment.bytes.len() as u64 <= segment.size
                && address
                    .checked_add(segment.size)
                    .is_some_and(|end| end <= USER_LIMIT);
            if !fits {
                return Err(ImageError::Segment { address });
            }
            free_from = segment.end();
        }
        Ok(())
    }
}

impl<'a> Program<'a> {
    /// Combines a function's parts.
    ///
    /// # Errors
    ///
    /// The first part that does not fit.
    pub fn new(image: &'a Image<'a>, entries: Entries, sizes: Sizes) -> Result<Self, ImageError> {
        let program = Self {
            image,
            entries,
            sizes,
        };
        program.check_entries()?;
        program.check_sizes()?;
        Ok(program)
    }

    fn check_entries(&self) -> Result<(), ImageError> {
        let Entries { start, call } = self.entries;
        for address in [start, call] {
            let mut segments = self.image.segments.iter();
            if !segments.any(|segment| is_code(segment, address)) {
                return Err(ImageError::EntryPoint { address });
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), ImageError> {
        let Sizes { memory, stack } = self.sizes;
        let whole_pages = memory.is_multiple_of(PAGE_SIZE) && stack.is_multiple_of(PAGE_SIZE);
        if !whole_pages || stack == 0 || memory > USER_LIMIT || stack > memory {
            return Err(ImageError::Sizes { memory, stack });
        }
        // Two guard pages and one page of heap.
        let needed = stack + 3 * PAGE_SIZE;
        if needed > memory {
            return Err(ImageError::MemoryTooSmall { memory, needed });
        }
        let end = self.image.end().saturating_add(memory);
        if end > USER_LIMIT {
            return Err(ImageError::TooLarge { end });
        }
        Ok(())
    }
}

fn is_code(segment: &Segment<'_>, address: u64) -> bool {
    let offset = address.wrapping_sub(segment.address);
    segment.access == Access::Execute && offset < segment.bytes.len() as u64
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], ImageError> {
        let bytes = slice(self.file, self.at as u64, count as u64)?;
        self.at += count;
        Ok(bytes)
    }

    fn word(&mut self) -> Result<u64, ImageError> {
        let mut word = [0; 8];
        word.copy_from_slice(self.bytes(8)?);
        Ok(u64::from_le_bytes(word))
    }

    fn segment(&mut self) -> Result<Segment<'a>, ImageError> {
        let (address, size, offset, length) =
            (self.word()?, self.word()?, self.word()?, self.word()?);
        let access = Access::from_code(self.word()?).ok_or(ImageError::Segment { address })?;
        let bytes = slice(self.file, offset, length)?;
        Ok(Segment {
            address,
            size,
            access,
            bytes,
        })
    }
}

fn slice(file: &[u8], offset: u64, length: u64) -> Result<&[u8], ImageError> {
    let end = offset.saturating_add(length);
    let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    range
        .and_then(|(start, end)| file.get(start..end))
        .ok_or(ImageError::Truncated {
            expected: end,
            found: file.len() as u64,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc_crate::vec;

    fn image() -> Image<'static> {
        let code = Segment {
            address: USER_BASE,
            size: 4,
            access: Access::Execute,
            bytes: &[1, 2, 3, 4],
        };
        let data = Segment {
            address: USER_BASE + 0x1000,
            size: 0x2345,
            access: Access::Write,
            bytes: &[5],
        };
        Image {
            id: [7; ID_SIZE],
            segments: vec![code, data],
        }
    }

    fn entries() -> Entries {
        Entries {
            start: USER_BASE,
            call: USER_BASE + 3,
        }
    }

    const SIZES: Sizes = Sizes {
        memory: 0x10_0000,
        stack: 0x4000,
    };

    #[test]
    fn what_is_written_is_read_back() {
        let image = image();
        assert_eq!(Image::parse(&image.to_bytes()), Ok(image));
    }

    #[test]
    fn every_shorter_file_is_refused() {
        let file = image().to_bytes();
        for length in 0..file.len() {
            assert!(
                Image::parse(&file[..length]).is_err(),
                "{length} bytes were accepted"
            );
        }
    }

    #[test]
    fn no_single_changed_byte_panics_the_parser() {
        let file = image().to_bytes();
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                let _ = Image::parse(&changed);
            }
        }
    }

    #[test]
    fn overlapping_segments_are_refused() {
        let mut image = image();
        image.segments[1].address = USER_BASE;
        assert_eq!(
            Image::parse(&image.to_bytes()),
            Err(ImageError::Segment { address: USER_BASE })
        );
    }

    #[test]
    fn segment_below_the_user_base_is_refused() {
        let mut image = image();
        image.segments[0].address = 0x1000;
        assert_eq!(
            Image::parse(&image.to_bytes()),
            Err(ImageError::Segment { address: 0x1000 })
        );
    }

    #[test]
    fn entries_are_read_back() {
        let bytes = entries().to_bytes();
        assert_eq!(Entries::parse(&bytes), Ok(entries()));
        assert!(Entries::parse(&bytes[..Entries::SIZE - 1]).is_err());
    }

    #[test]
    fn entry_point_must_be_code() {
        assert!(Program::new(&image(), entries(), SIZES).is_ok());
        for wrong in [USER_BASE + 4, USER_BASE + 0x1000, 0, u64::MAX] {
            let start = Entries {
                start: wrong,
                ..entries()
            };
            let call = Entries {
                call: wrong,
                ..entries()
            };
            for entries in [start, call] {
                assert_eq!(
                    Program::new(&image(), entries, SIZES),
                    Err(ImageError::EntryPoint { address: wrong })
                );
            }
        }
    }

    #[test]
    fn memory_that_cannot_hold_the_stack_names_what_is_needed() {
        let needed = SIZES.stack + 3 * PAGE_SIZE;
        let image = image();
        let with = |memory| Program::new(&image, entries(), Sizes { memory, ..SIZES });
        assert!(with(needed).is_ok());
        let memory = needed - PAGE_SIZE;
        assert_eq!(
            with(memory),
            Err(ImageError::MemoryTooSmall { memory, needed })
        );
    }

    #[test]
    fn memory_beyond_the_page_tables_reach_is_refused() {
        let sizes = Sizes {
            memory: USER_LIMIT,
            ..SIZES
        };
        let end = image().end() + USER_LIMIT;
        assert_eq!(
            Program::new(&image(), entries(), sizes),
            Err(ImageError::TooLarge { end })
        );
    }

    #[test]
    fn other_version_is_named() {
        let mut file = image().to_bytes();
        file[8] = 99;
        assert_eq!(Image::parse(&file), Err(ImageError::Version { found: 99 }));
    }
}
