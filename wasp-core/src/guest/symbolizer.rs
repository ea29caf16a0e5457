//! Maps an instruction of a guest to its source line.
//!
//! The linked program stays in the build directory, beside the image, with the line information that the image lacks.
//! It is read only when a guest faults. If it is missing, as on a machine that has only the finished binary, a fault
//! reports its address and no source location.

use std::fs;
use std::sync::Arc;

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use virtine_rt::abi::image::{ID_SIZE, program_suffix};

use crate::base::exit::Place;

/// Path parts of files that are not the user's: those of the compiler, other crates and the runtime.
const NOT_THE_USERS: [&str; 4] = [
    "/rustc/",
    "/cargo/",
    "/virtine-rt/",
    "/lib/rustlib/src/rust/library/",
];

type Source = EndianArcSlice<LittleEndian>;

/// The symbols of one program.
pub(crate) struct Symbolizer {
    lines: Context<Source>,
    /// First and last address of each function, and its name.
    functions: Vec<(u64, u64, String)>,
}

impl Symbolizer {
    /// Reads the program of the image with this identity. `None` if the file is missing or not a program.
    pub(crate) fn read(program: &str, id: &[u8; ID_SIZE]) -> Option<Self> {
        let file = fs::read(program.to_owned() + &program_suffix(id)).ok()?;
        let elf = ElfFile64::<object::Endianness>::parse(&*file).ok()?;
        let section = |id: SectionId| {
            let section = elf.section_by_name(id.name());
            let bytes = section.and_then(|section| section.data().ok());
            let bytes: Arc<[u8]> = bytes.unwrap_or_default().into();
            Ok::<_, ()>(Source::new(bytes, LittleEndian))
        };
        Some(Self {
            lines: Context::from_dwarf(Dwarf::load(section).ok()?).ok()?,
            functions: functions(&elf),
        })
    }

    /// The innermost source location of the instruction at `address` that is in the user's files, or else the innermost
    /// of all.
    pub(crate) fn of(&self, address: u64) -> Option<Place> {
        let mut frames = self.lines.find_frames(address).skip_all_loads().ok()?;
        let mut innermost = None;
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref();
            let name = name.and_then(|name| Some(plain(&name.demangle().ok()?)));
            let Some((file, line)) = frame
                .location
                .and_then(|place| Some((place.file?, place.line?)))
            else {
                continue;
            };
            let place = Place {
                function: name.or_else(|| self.function(address))?,
                file: users(file),
                line,
            };
            if !NOT_THE_USERS.iter().any(|path| file.contains(path)) {
                return Some(place);
            }
            innermost.get_or_insert(place);
        }
        innermost
    }

    fn function(&self, address: u64) -> Option<String> {
        let mut functions = self.functions.iter();
        functions
            .find(|(start, end, _)| (*start..*end).contains(&address))
            .map(|(_, _, name)| name.clone())
    }
}

fn functions(elf: &ElfFile64<'_>) -> Vec<(u64, u64, String)> {
    let code = elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    code.filter_map(|symbol| {
        let name = plain(&addr2line::demangle_auto(symbol.name().ok()?.into(), None));
        Some((symbol.address(), symbol.address() + symbol.size(), name))
    })
    .collect()
}

/// The file as the user knows it: relative to the workspace, or absolute. The compiler was started in the folder of the
/// guest's copy, which virtine-build calls /guest.
fn users(file: &str) -> String {
    let file = file.strip_prefix("/guest/").unwrap_or(file);
    file.trim_start_matches("./").to_owned()
}

/// A function's path in the user's crate, without the guest's own name and without the trailing hash.
fn plain(name: &str) -> String {
    let hash = name.rfind("::h").filter(|at| name.len() - at == 19);
    let name = &name[..hash.unwrap_or(name.len())];
    match name.split_once("::") {
        Some((guest, rest)) if guest.starts_with("guest_") => rest.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_are_those_of_the_users_crate() {
        let mangled = "guest_lib::parse::header::h0123456789abcdef";
        assert_eq!(plain(mangled), "parse::header");
        assert_eq!(plain("core::ptr::read"), "core::ptr::read");
    }
}
