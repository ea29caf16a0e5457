//! What a guest may ask of its host while it runs: hypercall numbers and the format of the data.
//!
//! Wasp's thirteen calls use Wasp's numbers and Linux's structures, flags and errors. All others belong to the facade.
//! The number is in RDI, the arguments are in RSI, RDX and RCX. The answer is in RAX, or a negative `errno` if the host
//! refuses. Strings from the guest end with a NUL.

/// `exit(code)`: the guest exits.
pub const EXIT: u64 = 0;
/// `close(handle)`.
pub const CLOSE: u64 = 1;
/// `fstat(handle, stat)`: fills the [`STAT_SIZE`] bytes of Linux's `struct stat`.
pub const FSTAT: u64 = 2;
/// `link(old path, new path)`.
pub const LINK: u64 = 3;
/// `lseek(handle, offset, whence)`; returns the new position.
pub const LSEEK: u64 = 4;
/// `open(path, flags, mode)`; returns a handle.
pub const OPEN: u64 = 5;
/// `read(handle, buffer, length)`; returns how many bytes were read.
pub const READ: u64 = 6;
/// `sbrk(increment)`; returns the previous end of the heap.
pub const SBRK: u64 = 7;
/// `times(tms)`: fills Linux's `struct tms`; returns ticks of a clock, [`TICKS`] per second.
pub const TIMES: u64 = 8;
/// `unlink(path)`.
pub const UNLINK: u64 = 9;
/// `write(handle, bytes, length)`; returns how many bytes were written.
pub const WRITE: u64 = 10;
/// `gettimeofday(timeval)`.
pub const GETTIMEOFDAY: u64 = 11;
/// `isatty(handle)`; returns 1 or 0.
pub const ISATTY: u64 = 12;

/// `clock(which)`: returns nanoseconds; see [`clock`].
pub const CLOCK: u64 = 0x110;
/// `random(buffer, length)`.
pub const RANDOM: u64 = 0x111;
/// `env(name, buffer, capacity)`: writes the value if it fits; returns its length.
pub const ENV: u64 = 0x112;
/// `env_at(index, buffer, capacity)`: writes `NAME=value` of a granted variable; returns its length.
pub const ENV_AT: u64 = 0x113;
/// `arg(index, buffer, capacity)`: writes one of the program's arguments; returns its length.
pub const ARG: u64 = 0x114;

/// `host(name, call)`: calls a host function. `call` is the address of four words: address and length of the encoded
/// arguments, address and length of a buffer for the result. Returns the result's length. A result that does not fit
/// the buffer is fetched with [`HOST_RESULT`].
pub const HOST: u64 = 0x115;
/// `host_result(buffer, length)`: fetches the result that the last [`HOST`] did not deliver.
pub const HOST_RESULT: u64 = 0x116;

/// The clocks of [`CLOCK`].
pub mod clock {
    /// Since 1970-01-01 00:00:00 UTC.
    pub const REALTIME: u64 = 0;
    /// Since a fixed time, as long as the host runs.
    pub const MONOTONIC: u64 = 1;
    /// CPU time of the call since its first request to the host.
    pub const CALL: u64 = 2;
}

/// Ticks per second of [`TIMES`]: Linux's USER_HZ.
pub const TICKS: u64 = 100;

/// The longest path, including its final NUL: Linux's PATH_MAX.
pub const PATH_MAX: usize = 4096;

/// Handles that every guest starts with, whether or not they may be used.
pub mod handle {
    /// Standard input.
    pub const STDIN: u64 = 0;
    /// Standard output.
    pub const STDOUT: u64 = 1;
    /// Standard error.
    pub const STDERR: u64 = 2;
    /// The first handle for anything else. Handles that are arguments start here.
    pub const FIRST: u64 = 3;
}

/// Flags of [`OPEN`], those of Linux on x86-64.
pub mod open {
    /// The bits of the access mode: 0 is read, 1 is write, 2 is both.
    pub const ACCESS: u64 = 3;
    /// Write only.
    pub const WRITE_ONLY: u64 = 1;
    /// Read and write.
    pub const READ_WRITE: u64 = 2;
    /// Create the file if it does not exist.
    pub const CREATE: u64 = 0o100;
    /// With [`CREATE`]: fail if it exists.
    pub const EXCLUSIVE: u64 = 0o200;
    /// Truncate it.
    pub const TRUNCATE: u64 = 0o1000;
    /// Every write goes to the end.
    pub const APPEND: u64 = 0o2000;
}

/// Bytes of Linux's `struct stat` on x86-64. The host fills in the fields in [`stat`]. All others stay 0.
pub const STAT_SIZE: usize = 144;

/// Offsets in [`STAT_SIZE`] bytes.
pub mod stat {
    /// `st_dev`, 8 bytes: equal for files on the same device, and made up for each call.
    pub const DEVICE: usize = 0;
    /// `st_ino`, 8 bytes, equally made up.
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

/// Grants, passed to a call's entry in RDX to avoid useless requests: one bit each.
pub mod grant {
    /// Standard output goes to the host.
    pub const STDOUT: u64 = 1;
    /// Standard error goes to the host.
    pub const STDERR: u64 = 2;
    /// Variables of the host's environment may be read.
    pub const ENV: u64 = 4;
    /// The arguments are [described](crate::codec::Encoding).
    pub const DESCRIBED_ARGUMENTS: u64 = 1 << 63;
    /// The result must be described.
    pub const DESCRIBED_RESULT: u64 = 1 << 62;
}
