//! A program's initial stack: its arguments, environment and auxiliary vector (System V ABI, 3.4.1, figure 3.9;
//! getauxval(3)).

use std::ffi::CString;

use crate::memory::elf::Executable;

/// Linux's AT_CLKTCK.
const TICKS: u64 = virtine_rt::abi::requests::TICKS;
const PROGRAM_HEADER_SIZE: u64 = 56;

/// The contents of the stack.
pub(crate) struct Start<'a> {
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) executable: &'a Executable<'a>,
    pub(crate) random: [u8; 16],
    /// CPUID's EDX of leaf 1, as AT_HWCAP.
    pub(crate) features: u64,
    /// One additional entry.
    pub(crate) own: [u64; 2],
}

impl Start<'_> {
    /// The bytes of the stack, which end at `top`, a multiple of 16.
    pub(crate) fn lay_out(&self, top: u64) -> Vec<u8> {
        let strings = self.strings();
        let mut at = top - strings.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        let texts_start = at;
        let mut addresses = Vec::new();
        for bytes in &strings {
            addresses.push(at);
            at += bytes.len() as u64;
        }
        let (random, name) = (addresses[0], addresses[1]);
        let arguments = &addresses[1..1 + self.arguments.len()];
        let environment = &addresses[1 + self.arguments.len()..];
        let mut words = vec![arguments.len() as u64];
        words.extend(arguments);
        words.push(0);
        words.extend(environment);
        words.push(0);
        words.extend(self.vector(random, name).iter().flatten());
        let size = 8 * words.len() as u64;
        let start = (texts_start - size) & !15;
        let mut stack: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        stack.resize((texts_start - start) as usize, 0);
        stack.extend(strings.concat());
        stack
    }

    /// The random bytes, then arguments, then environment.
    fn strings(&self) -> Vec<Vec<u8>> {
        let texts = self.arguments.iter().chain(self.environment);
        let texts = texts.map(|text| text.as_bytes_with_nul().to_vec());
        std::iter::once(self.random.to_vec()).chain(texts).collect()
    }

    fn vector(&self, random: u64, name: u64) -> [[u64; 2]; 18] {
        let Executable {
            entry,
            headers,
            header_count,
            ..
        } = *self.executable;
        let user = crate::linux::syscalls::identity::USER;
        [
            [libc::AT_PHDR, headers],
            [libc::AT_PHENT, PROGRAM_HEADER_SIZE],
            [libc::AT_PHNUM, header_count],
            [libc::AT_PAGESZ, virtine_rt::abi::PAGE_SIZE],
            [libc::AT_BASE, 0],
            [libc::AT_FLAGS, 0],
            [libc::AT_ENTRY, entry],
            [libc::AT_UID, user],
            [libc::AT_EUID, user],
            [libc::AT_GID, user],
            [libc::AT_EGID, user],
            [libc::AT_SECURE, 0],
            [libc::AT_CLKTCK, TICKS],
            [libc::AT_RANDOM, random],
            [libc::AT_HWCAP, self.features],
            [libc::AT_EXECFN, name],
            self.own,
            [libc::AT_NULL, 0],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> CString {
        CString::new(text).expect("no nul")
    }

    #[test]
    fn pointers_lead_to_the_texts() {
        const TOP: u64 = 0x80_0000;
        let executable = Executable {
            segments: Vec::new(),
            entry: 0x40_1000,
            headers: 0x40_0040,
            header_count: 3,
        };
        let start = Start {
            arguments: &[text("ls"), text("-l")],
            environment: &[text("A=b")],
            executable: &executable,
            random: [7; 16],
            features: 5,
            own: [libc::AT_IGNORE, 0],
        };
        let stack = start.lay_out(TOP);
        let bottom = TOP - stack.len() as u64;
        assert!(bottom.is_multiple_of(16));
        let words: Vec<u64> = stack
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let at =
            |address: u64, bytes: &[u8]| stack[(address - bottom) as usize..].starts_with(bytes);
        assert_eq!(words[0], 2);
        assert!(at(words[1], b"ls\0"));
        assert!(at(words[2], b"-l\0"));
        assert_eq!(words[3], 0);
        assert!(at(words[4], b"A=b\0"));
        assert_eq!(words[5], 0);
        assert_eq!(words[6..8], [libc::AT_PHDR, 0x40_0040]);
        let random = words[6..].chunks(2).find(|pair| pair[0] == libc::AT_RANDOM);
        assert!(at(random.expect("an entry")[1], &[7; 16]));
    }
}
