//! Why a vCPU stopped.

use std::fmt;

/// Why [`Virtine::run`](crate::Virtine::run) returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The guest accessed an I/O port other than [`EXIT_PORT`](crate::EXIT_PORT). The caller answers through registers
    /// and memory, and runs the guest again.
    Hypercall {
        /// The port.
        port: u16,
        /// `out` or `in`.
        direction: Direction,
        /// Bytes per access: 1, 2 or 4.
        width: u8,
        /// Number of accesses by this instruction. It is more than 1 only for `rep outs` and `rep ins`.
        count: u32,
        /// The value of the first `out`, zero-extended; 0 for `in`.
        data: u32,
    },
    /// The guest wrote to [`EXIT_PORT`](crate::EXIT_PORT).
    Exited,
    /// The guest executed `hlt`. If run again, it continues after it.
    Halted,
    /// A signal for this thread interrupted the run. If run again, the guest continues.
    Interrupted,
    /// The guest did something after which it cannot continue.
    Faulted {
        /// What it did.
        cause: Fault,
    },
    /// The deadline passed. If run again, the guest continues with a new one.
    TimedOut,
    /// A [`Canceller`](crate::Canceller) ended the run. If run again, the guest continues.
    Cancelled,
}

/// The direction of a port access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `out`: from the guest.
    Out,
    /// `in`: to the guest. It reads zeros. To return another value, set AL, AX or EAX afterwards.
    In,
}

/// The fault that ended a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A CPU exception in the guest's own code.
    Exception(Exception),
    /// An access to an I/O port other than the hypercall port, or to that port in another form.
    Port {
        /// The port.
        port: u16,
        /// Bytes of one access.
        width: usize,
    },
    /// A hypercall that does not exist or is not allowed here.
    Hypercall {
        /// Its number.
        number: u64,
    },
    /// A pointer handed to the host that does not lie in the guest's memory.
    Pointer {
        /// The address.
        address: u64,
        /// Length in bytes of the range.
        length: u64,
    },
    /// An access to a guest-physical address without memory.
    Mmio {
        /// The address.
        address: u64,
    },
    /// A fault during the delivery of a fault, after which the CPU gave up.
    TripleFault,
    /// KVM could not emulate an instruction.
    Emulation {
        /// The instruction's bytes, and some after it, if KVM reports them.
        bytes: Vec<u8>,
    },
    /// The CPU refused the registers with which the guest was to start.
    FailedEntry {
        /// The CPU's reason (Intel SDM vol. 3, 27.7; AMD APM vol. 2, appendix C).
        reason: u64,
    },
    /// KVM could not continue.
    Kvm {
        /// KVM's exit, as KVM reports it.
        reason: String,
    },
    /// The process that held the guest has ended: somebody has killed it, or the system was out of memory, or the guest
    /// did what not even its process survives. Under [`Backend::Process`](crate::Backend::Process) only.
    ProcessGone,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception(exception) => exception.fmt(f),
            Self::Port { port, width } => {
                write!(f, "forbidden access of {width} bytes to i/o port {port:#x}")
            }
            Self::Hypercall { number } => write!(f, "hypercall {number:#x} does not exist here"),
            Self::Pointer { address, length } => {
                write!(
                    f,
                    "{length} bytes at {address:#x} do not lie in the guest's memory"
                )
            }
            Self::Mmio { address } => write!(f, "access to {address:#x}, which no memory backs"),
            Self::TripleFault => f.write_str("triple fault"),
            Self::Emulation { bytes } => {
                write!(f, "kvm cannot emulate the instruction {bytes:02x?}")
            }
            Self::FailedEntry { reason } => {
                write!(
                    f,
                    "the processor refused the registers (reason {reason:#x})"
                )
            }
            Self::ProcessGone => f.write_str(
                "the guest's process ended: it was killed from outside, or the system is out of memory, or the guest \
                 ruined its stack of signals",
            ),
            Self::Kvm { reason } => write!(f, "unexpected exit of KVM: {reason}"),
        }
    }
}

/// A CPU exception (Intel SDM vol. 3, table 7-1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// Vector, 0 to 31.
    pub vector: u8,
    /// The error code that the CPU pushed. 0 for vectors that have none.
    pub error_code: u64,
    /// Address of the instruction.
    pub rip: u64,
    /// Stack pointer at that time.
    pub rsp: u64,
    /// For a page fault, the address that was accessed.
    pub address: u64,
    /// The instruction's source location. Known for functions with `#[virtine]`, as long as the directory in which they
    /// were built exists.
    pub place: Option<Box<Place>>,
    /// For a page fault in the page below the stack of a function with `#[virtine]`: the bytes of stack that it has. Its
    /// calls nest too deeply, or its local variables are too large.
    pub overflowed_stack: Option<u64>,
}

/// The source location of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function's path in its crate.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            file,
            line,
        } = self;
        write!(f, "in `{function}`, {file}:{line}")
    }
}

impl Exception {
    pub(crate) const INVALID_INSTRUCTION: u8 = 6;
    const PAGE_FAULT: u8 = 14;

    /// Whether this is a page fault by ring 3 on a page that no table maps (Intel SDM vol. 3, figure 5-12: bit 0 means
    /// a protection violation, bit 2 means ring 3).
    pub(crate) const fn is_page_not_present(&self) -> bool {
        self.vector == Self::PAGE_FAULT && self.error_code & 0b101 == 0b100
    }

    const fn name(&self) -> &'static str {
        match self.vector {
            0 => "division error",
            1 => "debug exception",
            3 => "breakpoint",
            4 => "overflow",
            5 => "bound range exceeded",
            Self::INVALID_INSTRUCTION => "invalid instruction",
            7 => "device not available",
            8 => "double fault",
            10 => "invalid TSS",
            11 => "segment not present",
            12 => "stack fault",
            13 => "general protection fault",
            Self::PAGE_FAULT => "page fault",
            16 => "x87 floating-point exception",
            17 => "alignment check",
            19 => "SIMD floating-point exception",
            _ => "exception",
        }
    }

    /// What a page fault's error code says about the access (Intel SDM vol. 3, figure 5-12).
    const fn access(&self) -> &'static str {
        match (self.error_code & 0x10 != 0, self.error_code & 2 != 0) {
            (true, _) => "execution",
            (_, true) => "write",
            _ => "read",
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vector,
            error_code,
            rip,
            address,
            ..
        } = self;
        match *vector {
            _ if self.overflowed_stack.is_some() => write!(f, "stack overflow at {rip:#x}")?,
            Self::PAGE_FAULT => {
                let access = self.access();
                write!(f, "page fault on {access} of {address:#x} at {rip:#x}")?;
            }
            _ => {
                let name = self.name();
                write!(
                    f,
                    "{name} (vector {vector}, error code {error_code:#x}) at {rip:#x}"
                )?;
            }
        }
        if let Some(place) = &self.place {
            write!(f, " {place}")?;
        }
        match self.overflowed_stack {
            Some(bytes) => write!(f, ": it has {} KiB of stack; raise `stack`", bytes >> 10),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(vector: u8, error_code: u64) -> Exception {
        Exception {
            vector,
            error_code,
            rip: 0x20_0010,
            rsp: 0,
            address: 0x10,
            place: None,
            overflowed_stack: None,
        }
    }

    fn in_parse() -> Option<Box<Place>> {
        Some(Box::new(Place {
            function: "parse".to_owned(),
            file: "src/lib.rs".to_owned(),
            line: 7,
        }))
    }

    #[test]
    fn page_fault_tells_access_and_address() {
        let fault = exception(Exception::PAGE_FAULT, 6);
        assert_eq!(fault.to_string(), "page fault on write of 0x10 at 0x200010");
    }

    #[test]
    fn overflow_of_the_stack_tells_its_size_and_the_cure() {
        let fault = Exception {
            place: in_parse(),
            overflowed_stack: Some(1 << 20),
            ..exception(Exception::PAGE_FAULT, 6)
        };
        let expected = "stack overflow at 0x200010 in `parse`, src/lib.rs:7: it has 1024 KiB of stack; raise `stack`";
        assert_eq!(fault.to_string(), expected);
    }

    #[test]
    fn other_exceptions_tell_name_and_code() {
        let fault = Exception {
            place: in_parse(),
            ..exception(13, 0x18)
        };
        assert_eq!(
            fault.to_string(),
            "general protection fault (vector 13, error code 0x18) at 0x200010 in `parse`, src/lib.rs:7"
        );
    }
}
