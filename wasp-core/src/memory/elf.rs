//! Static executables: ELF files for x86-64 that need no interpreter (System V ABI, chapters 4 and 5;
//! ELF-64 Object File Format).
//!
//! The file is not trusted: every number in it is checked before use.

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};

use crate::base::elf_error::ElfError;
use crate::base::excerpt::{LONGEST, excerpt};
use crate::memory::address_space::Protection;

/// Where a position-independent executable is loaded: where linkers place others.
const BIAS: u64 = 0x40_0000;
/// A program must end below this, because page tables are laid out for all addresses below it.
const LIMIT: u64 = 4 << 30;
/// More segments than any linker produces.
const MAX_SEGMENTS: usize = 64;

type Header = elf::FileHeader64<LittleEndian>;

/// A program as it is loaded into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executable<'a> {
    /// In ascending order, in whole pages, not overlapping.
    pub(crate) segments: Vec<Segment<'a>>,
    pub(crate) entry: u64,
    /// Address of the program headers in memory, for AT_PHDR. 0 if they are not loaded.
    pub(crate) headers: u64,
    pub(crate) header_count: u64,
}

/// The fields of an ELF file's header that are needed.
pub(crate) struct Headers {
    pub(crate) entry: u64,
    /// Offset of the program headers in the file, and their number.
    pub(crate) offset: u64,
    pub(crate) count: u64,
}

impl Headers {
    /// Reads the first bytes of an ELF file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        let header = Header::parse(bytes).map_err(malformed)?;
        let endian = header.endian().map_err(malformed)?;
        Ok(Self {
            entry: header.e_entry.get(endian),
            offset: header.e_phoff.get(endian),
            count: header.e_phnum.get(endian).into(),
        })
    }
}

/// What one segment loads into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    /// The pages that it takes.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) protection: Protection,
    /// Address of its bytes. The rest of its pages is zero.
    pub(crate) address: u64,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Executable<'a> {
    /// Initial memory contents: the segments' bytes, and `stack` below `stack_top`.
    pub(crate) fn contents(
        &self,
        stack: &'a [u8],
        stack_top: u64,
    ) -> impl Iterator<Item = (u64, &'a [u8])> {
        let segments = self.segments.iter();
        let own = segments.map(|segment| (segment.address, segment.bytes));
        own.chain([(stack_top - stack.len() as u64, stack)])
    }

    /// Reads an ELF file.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, ElfError> {
        let header = Header::parse(file).map_err(malformed)?;
        let endian = header.endian().map_err(malformed)?;
        let machine = header.e_machine.get(endian);
        if machine != elf::EM_X86_64 {
            return Err(ElfError::Machine { found: machine.0 });
        }
        let kind = header.e_type.get(endian);
        let bias = match kind {
            elf::ET_EXEC => 0,
            elf::ET_DYN => BIAS,
            found => return Err(ElfError::Kind { found: found.0 }),
        };
        let headers = header.program_headers(endian, file).map_err(malformed)?;
        if headers.len() > MAX_SEGMENTS {
            return Err(ElfError::Malformed {
                reason: format!(
                    "expected at most {MAX_SEGMENTS} segments, found {}",
                    headers.len()
                ),
            });
        }
        let mut segments = Vec::new();
        for header in headers {
            match header.p_type(endian) {
                elf::PT_INTERP => {
                    return Err(dynamic(header.data(endian, file).unwrap_or_default()));
                }
                elf::PT_LOAD if header.p_memsz(endian) > 0 => {
                    segments.push(segment(header, file, bias)?);
                }
                _ => {}
            }
        }
        segments.sort_by_key(|segment| segment.start);
        apart(&segments)?;
        let entry = header.e_entry.get(endian).wrapping_add(bias);
        let is_code = |segment: &Segment<'_>| {
            segment.protection.execute && (segment.start..segment.end).contains(&entry)
        };
        if !segments.iter().any(is_code) {
            return Err(ElfError::EntryPoint { address: entry });
        }
        Ok(Self {
            headers: address_of(file, &segments, header.e_phoff.get(endian)),
            header_count: headers.len() as u64,
            segments,
            entry,
        })
    }

    /// The first address after the program.
    pub(crate) fn end(&self) -> u64 {
        self.segments
            .last()
            .map_or(USER_BASE, |segment| segment.end)
    }
}

fn malformed(error: object::read::Error) -> ElfError {
    ElfError::Malformed {
        reason: error.to_string().to_lowercase(),
    }
}

fn dynamic(name: &[u8]) -> ElfError {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let shown = name.get(..LONGEST).unwrap_or(name);
    ElfError::Dynamic {
        interpreter: excerpt(String::from_utf8_lossy(shown)),
    }
}

fn segment<'a>(
    header: &elf::ProgramHeader64<LittleEndian>,
    file: &'a [u8],
    bias: u64,
) -> Result<Segment<'a>, ElfError> {
    let endian = LittleEndian;
    let found = header.p_vaddr(endian);
    let wrong = |reason| ElfError::Segment {
        address: found,
        reason,
    };
    let address = found.checked_add(bias);
    let address = address.ok_or(wrong("lies beyond all memory"))?;
    let end = address
        .checked_add(header.p_memsz(endian))
        .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
        .filter(|end| *end <= LIMIT)
        .ok_or(wrong("ends above 4 GiB, where no virtine has memory"))?;
    let start = address - address % PAGE_SIZE;
    if start < USER_BASE {
        return Err(wrong("lies below 0x200000, which is the supervisor's"));
    }
    if header.p_filesz(endian) > header.p_memsz(endian) {
        return Err(wrong("is larger in the file than in memory"));
    }
    let bytes = header.data(endian, file).ok();
    let bytes = bytes.ok_or(wrong("reaches beyond the end of the file"))?;
    let flags = header.p_flags(endian).0;
    let protection = Protection {
        read: flags & elf::PF_R.0 != 0,
        write: flags & elf::PF_W.0 != 0,
        execute: flags & elf::PF_X.0 != 0,
    };
    match protection.write && protection.execute {
        true => Err(wrong("is writable and executable")),
        false => Ok(Segment {
            start,
            end,
            protection,
            address,
            bytes,
        }),
    }
}

fn apart(segments: &[Segment<'_>]) -> Result<(), ElfError> {
    for pair in segments.windows(2) {
        if pair[1].start < pair[0].end {
            return Err(ElfError::Segment {
                address: pair[1].address,
                reason: "shares a page with another segment",
            });
        }
    }
    Ok(())
}

/// The memory address of the byte at `offset` in the file.
fn address_of(file: &[u8], segments: &[Segment<'_>], offset: u64) -> u64 {
    let found = segments.iter().find_map(|segment| {
        let first = segment
            .bytes
            .as_ptr()
            .addr()
            .checked_sub(file.as_ptr().addr())? as u64;
        let within = offset.checked_sub(first)?;
        (within < segment.bytes.len() as u64).then(|| segment.address + within)
    });
    found.unwrap_or(0)
}
