//! What a guest may ask of its host while it runs: hypercall numbers and the form of what travels.
//!
//! Wasp's thirteen calls keep Wasp's numbers and Linux's structures, flags and errors. All others are
//! the facade's. Number in RDI, arguments in RSI, RDX and RCX; the answer is in RAX, a negative `errno`
//! where the host refuses. Texts that a guest hands over end with a NUL.

/// `exit(code)`: the guest is done.
pub const EXIT: u64 = 0;
/// `close(handle)`.
pub const CLOSE: u64 = 1;
/// `fstat(handle, stat)`: fills the [`STAT_SIZE`] bytes of Linux's `struct stat`.
pub const FSTAT: u64 = 2;
/// `link(old path, new path)`.
pub const LINK: u64 = 3;
/// `lseek(handle, offset, whence)`; answers the new position.
pub const LSEEK: u64 = 4;
/// `open(path, flags, mode)`; answers a handle.
pub const OPEN: u64 = 5;
/// `read(handle, buffer, length)`; answers how many bytes there were.
pub const READ: u64 = 6;
/// `sbrk(increment)`; answers where the heap ended before.
pub const SBRK: u64 = 7;
/// `times(tms)`: fills Linux's `struct tms`; answers ticks of a clock, [`TICKS`] a second.
pub const TIMES: u64 = 8;
/// `unlink(path)`.
pub const UNLINK: u64 = 9;
/// `write(handle, bytes, length)`; answers how many bytes were taken.
pub const WRITE: u64 = 10;
/// `gettimeofday(timeval)`.
pub const GETTIMEOFDAY: u64 = 11;
/// `isatty(handle)`; answers 1 or 0.
pub const ISATTY: u64 = 12;

/// `clock(which)`: answers nanoseconds; see [`clock`].
pub const CLOCK: u64 = 0x110;
/// `random(buffer, length)`.
pub const RANDOM: u64 = 0x111;
/// `env(name, buffer, capacity)`: the value, if it fits; answers its length.
pub const ENV: u64 = 0x112;
/// `env_at(index, buffer, capacity)`: `NAME=value` of a granted variable; answers its length.
pub const ENV_AT: u64 = 0x113;
/// `arg(index, buffer, capacity)`: one of the program's arguments; answers its length.
pub const ARG: u64 = 0x114;

/// `host(name, call)`: calls a function of the host's. `call` is the address of four words: address and
/// length of the encoded arguments, address and length of a buffer for the result. Answers the result's
/// length; one that the buffer does not hold is [`HOST_RESULT`]'s.
pub const HOST: u64 = 0x115;
/// `host_result(buffer, length)`: the result that the last [`HOST`] did not deliver.
pub const HOST_RESULT: u64 = 0x116;

/// The clocks of [`CLOCK`].
pub mod clock {
    /// Since 1970-01-01 00:00:00 UTC.
    pub const REALTIME: u64 = 0;
    /// Since a time that does not change while the host runs.
    pub const MONOTONIC: u64 = 1;
    /// Processor time that the call has taken since it first asked its host for something.
    pub const CALL: u64 = 2;
}

/// Ticks a second of [`TIMES`]: Linux's USER_HZ.
pub const TICKS: u64 = 100;

/// The longest path, its final NUL included: Linux's PATH_MAX.
pub const PATH_MAX: usize = 4096;

/// Handles that every guest starts with, whether or not they may be used.
pub mod handle {
    /// Standard input.
    pub const STDIN: u64 = 0;
    /// Standard output.
    pub const STDOUT: u64 = 1;
    /// Standard error.
    pub const STDERR: u64 = 2;
    /// The first that stands for something else; those that come as arguments start here.
    pub const FIRST: u64 = 3;
}

/// Flags of [`OPEN`]: Linux's on x86-64.
pub mod open {
    /// Which bits tell of the access: 0 to read, 1 to write, 2 for both.
    pub const ACCESS: u64 = 3;
    /// To write.
    pub const WRITE_ONLY: u64 = 1;
    /// To read and to write.
    pub const READ_WRITE: u64 = 2;
    /// Make the file where there is none.
    pub const CREATE: u64 = 0o100;
    /// With [`CREATE`]: fail where there is one.
    pub const EXCLUSIVE: u64 = 0o200;
    /// Empty it.
    pub const TRUNCATE: u64 = 0o1000;
    /// Every write goes to the end.
    pub const APPEND: u64 = 0o2000;
}

/// Bytes of Linux's `struct stat` on x86-64. The host tells of it what is named in [`stat`]; all
/// else stays 0.
pub const STAT_SIZE: usize = 144;

/// Offsets in [`STAT_SIZE`] bytes.
pub mod stat {
    /// `st_dev`, 8 bytes: the same for files of the same device, and made up for each call.
    pub const DEVICE: usize = 0;
    /// `st_ino`, 8 bytes, likewise.
    pub const INODE: usize = 8;
    /// `st_nlink`, 8 bytes.
    pub const LINKS: usize = 16;
    /// `st_mode`, 4 bytes.
    pub const MODE: usize = 24;
    /// `st_size`, 8 bytes.
    pub const SIZE: usize = 48;
    /// `st_atim`: seconds and nanoseconds, 8 bytes each.
    pub const ACCESSED: usize = 72;
    /// `st_mtim`, as above.
    pub const MODIFIED: usize = 88;
    /// `st_ctim`, as above.
    pub const CHANGED: usize = 104;
}

/// What a call's entry is told in RDX, so that nobody asks in vain: one bit each.
pub mod grant {
    /// Standard output goes to the host.
    pub const STDOUT: u64 = 1;
    /// Standard error goes to the host.
    pub const STDERR: u64 = 2;
    /// Variables of the host's environment may be read.
    pub const ENV: u64 = 4;
    /// The arguments are [described](crate::codec::Encoding).
    pub const DESCRIBED_ARGUMENTS: u64 = 1 << 63;
    /// The result is to be.
    pub const DESCRIBED_RESULT: u64 = 1 << 62;
}
