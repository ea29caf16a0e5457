//! From static libraries to images: linking, ELF files, and the files that the macro includes.

mod elf;
mod linker;
pub(crate) mod program;
