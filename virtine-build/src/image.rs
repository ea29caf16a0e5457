//! From the linked ELF file to the flat image.

use std::fs;
use std::path::Path;

use object::elf::{PF_W, PF_X};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSegment as _, ObjectSymbol as _, SegmentFlags};
use sha2::{Digest as _, Sha256};
use virtine_rt::abi::image::{Access, Image, ImageError, Segment};

use crate::error::Error;
use crate::link::{CALL, START};
use crate::prune::MARK;
use crate::syntax::Settings;

/// Why a program is no image.
pub(crate) enum Refusal {
    /// The toolchain's fault.
    Broken(Error),
    /// The user's to mend: the sizes of the attribute do not fit the function.
    Unfit(ImageError),
}

/// What a program comes to.
pub(crate) struct Converted {
    pub(crate) image: Vec<u8>,
    /// The parts, by number, that it needs and that were taken out of the guest.
    pub(crate) absent: Vec<usize>,
}

/// What of the attribute stands in an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    memory: u64,
    stack: u64,
}

impl Sizes {
    pub(crate) const fn of(settings: &Settings) -> Self {
        let Settings { memory, stack, .. } = *settings;
        Self { memory, stack }
    }
}

/// Reads a linked program and writes it as an image.
pub(crate) fn convert(program: &Path, sizes: Sizes) -> Result<Converted, Refusal> {
    let file = fs::read(program)
        .map_err(Error::file("read", program))
        .map_err(Refusal::Broken)?;
    let elf = parse(&file, program).map_err(Refusal::Broken)?;
    let mut segments = segments(&elf, program).map_err(Refusal::Broken)?;
    segments.sort_by_key(|segment| segment.address);
    let mut image = Image {
        start: symbol(&elf, START, program).map_err(Refusal::Broken)?,
        call: symbol(&elf, CALL, program).map_err(Refusal::Broken)?,
        memory: sizes.memory,
        stack: sizes.stack,
        hash: [0; 32],
        segments,
    };
    image.check().map_err(Refusal::Unfit)?;
    image.hash = Sha256::digest(image.to_bytes()).into();
    Ok(Converted {
        image: image.to_bytes(),
        absent: absent(&elf),
    })
}

fn absent(elf: &Elf<'_>) -> Vec<usize> {
    let marks = elf
        .symbols()
        .filter_map(|symbol| symbol.name().ok()?.strip_prefix(MARK)?.parse().ok());
    let mut marks: Vec<usize> = marks.collect();
    marks.sort_unstable();
    marks
}

type Elf<'a> = ElfFile64<'a, Endianness>;

fn parse<'a>(file: &'a [u8], program: &Path) -> Result<Elf<'a>, Error> {
    Elf::parse(file).map_err(|error| broken(program, error))
}

fn broken(program: &Path, reason: impl ToString) -> Error {
    Error::Elf {
        path: program.to_owned(),
        reason: reason.to_string(),
    }
}

fn segments<'a>(elf: &Elf<'a>, program: &Path) -> Result<Vec<Segment<'a>>, Error> {
    elf.segments()
        .filter(|segment| segment.size() > 0)
        .map(|segment| {
            let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
                return Err(broken(program, "a segment without ELF flags"));
            };
            let access = match (p_flags & PF_X == PF_X, p_flags & PF_W == PF_W) {
                (true, true) => {
                    return Err(broken(program, "a segment both writable and executable"));
                }
                (true, false) => Access::Execute,
                (false, true) => Access::Write,
                (false, false) => Access::Read,
            };
            let bytes = segment.data().map_err(|error| broken(program, error))?;
            Ok(Segment {
                address: segment.address(),
                size: segment.size(),
                access,
                bytes,
            })
        })
        .collect()
}

fn symbol(elf: &Elf<'_>, name: &str, program: &Path) -> Result<u64, Error> {
    elf.symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .map(|symbol| symbol.address())
        .ok_or_else(|| broken(program, format!("no symbol {name}")))
}
