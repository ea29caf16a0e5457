//! Why a file is not a program that can be run.

use std::fmt;

/// Why a file is not a program that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElfError {
    /// Not an ELF file, or one whose tables lie outside of it.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// Not for 64-bit x86.
    Machine {
        /// `e_machine` as found; 62 (EM_X86_64) was expected.
        found: u16,
    },
    /// Not an executable.
    Kind {
        /// `e_type` as found; 2 (ET_EXEC) or 3 (ET_DYN) was expected.
        found: u16,
    },
    /// It is linked dynamically.
    Dynamic {
        /// The loader that it requests.
        interpreter: String,
    },
    /// A segment that is not allowed.
    Segment {
        /// Its address.
        address: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Its segments and its stack take more memory than it is granted.
    Memory {
        /// Bytes that its segments take in memory, in whole pages.
        segments: u64,
        /// Bytes that they, the stack and some heap need.
        needed: u64,
        /// Bytes granted.
        granted: u64,
    },
    /// It starts outside its own code.
    EntryPoint {
        /// The address found.
        address: u64,
    },
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { reason } => write!(f, "not a program: {reason}"),
            Self::Machine { found } => {
                write!(
                    f,
                    "not a program for x86-64: expected e_machine 62, found {found}"
                )
            }
            Self::Kind { found } => {
                write!(
                    f,
                    "not an executable: expected e_type 2 or 3, found {found}"
                )
            }
            Self::Dynamic { interpreter } => write!(
                f,
                "not a static executable: it wants {interpreter}; link it with `-static`, or \
                 `-C target-feature=+crt-static`"
            ),
            Self::Segment { address, reason } => write!(f, "the segment at {address:#x} {reason}"),
            Self::Memory {
                segments,
                needed,
                granted,
            } => write!(
                f,
                "expected at least {needed} bytes of memory for a program whose segments take \
                 {segments}, found {granted}; raise it: `Program::memory`"
            ),
            Self::EntryPoint { address } => {
                write!(
                    f,
                    "the entry point {address:#x} lies in no executable segment"
                )
            }
        }
    }
}

impl std::error::Error for ElfError {}
