//! Files, directories and streams: paths and handles of programs, under the call's policy.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;
use rustix::io::Errno;

use crate::host::dispatch::Session;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::path::plain;
use crate::linux::process::Process;
use crate::linux::syscalls::stat;
use crate::linux::system_call_error::SystemCallError;

/// Stands for the current directory instead of a handle.
pub(super) const HERE: u64 = libc::AT_FDCWD as u32 as u64;
pub(super) const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH as u64;
pub(super) const NO_FOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;
/// Linux's UIO_MAXIOV.
const MAX_VECTORS: u64 = 1024;
/// The most handles that can be polled at a time.
const MAX_POLLED: u64 = 1024;

pub(super) type Memory<'a> = dyn GuestSpace + 'a;

impl Process {
    pub(super) fn for_files(
        &mut self,
        number: i64,
        [first, second, third, fourth, fifth]: [u64; 5],
        session: &mut Session,
        memory: &mut Memory<'_>,
    ) -> Option<Result<u64, SystemCallError>> {
        Some(match number {
            libc::SYS_read => session
                .read_handle(memory, number_of(first), second, third)
                .map_err(Into::into),
            libc::SYS_write => session
                .write_handle(memory, number_of(first), second, third)
                .map_err(Into::into),
            libc::SYS_pread64 => session
                .read_at(memory, number_of(first), [second, third, fourth])
                .map_err(Into::into),
            libc::SYS_pwrite64 => session
                .write_at(memory, number_of(first), [second, third, fourth])
                .map_err(Into::into),
            libc::SYS_readv => vectors(
                session,
                memory,
                [second, third],
                |session, memory, place| {
                    session.read_handle(memory, number_of(first), place[0], place[1])
                },
            ),
            libc::SYS_writev => vectors(
                session,
                memory,
                [second, third],
                |session, memory, place| {
                    session.write_handle(memory, number_of(first), place[0], place[1])
                },
            ),
            libc::SYS_open => self.open(session, memory, [HERE, first, second, third]),
            libc::SYS_openat => self.open(session, memory, [first, second, third, fourth]),
            libc::SYS_creat => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                self.open(session, memory, [HERE, first, flags as u64, second])
            }
            libc::SYS_close => {
                self.directories.remove(&number_of(first));
                session.close(number_of(first)).map_err(Into::into)
            }
            libc::SYS_lseek => session
                .seek(number_of(first), second, third)
                .map_err(Into::into),
            libc::SYS_ftruncate => session
                .set_length(number_of(first), second)
                .map_err(Into::into),
            libc::SYS_fsync | libc::SYS_fdatasync => {
                session.synchronise(number_of(first)).map_err(Into::into)
            }
            libc::SYS_dup => self.duplicate(session, first, 0),
            libc::SYS_dup2 | libc::SYS_dup3 => self.duplicate_to(session, first, second),
            libc::SYS_fcntl => self.fcntl(session, first, second, third),
            // A program sees none of its streams as a terminal.
            libc::SYS_ioctl if session.is_open(number_of(first)) => Err(Errno::NOTTY.into()),
            libc::SYS_ioctl => Err(Errno::BADF.into()),
            libc::SYS_getdents64 => session
                .read_directory(memory, number_of(first), second, third)
                .map_err(Into::into),
            libc::SYS_stat => self.stat(session, memory, [HERE, first, second, 0]),
            libc::SYS_lstat => self.stat(session, memory, [HERE, first, second, NO_FOLLOW]),
            libc::SYS_fstat => fstat(session, memory, first, second),
            libc::SYS_newfstatat => self.stat(session, memory, [first, second, third, fourth]),
            libc::SYS_statx => self.statx(session, memory, [first, second, third, fourth, fifth]),
            libc::SYS_access => self.access(session, memory, [HERE, first, second]),
            libc::SYS_faccessat | libc::SYS_faccessat2 => {
                self.access(session, memory, [first, second, third])
            }
            libc::SYS_readlink => self.read_link(session, memory, [HERE, first, second, third]),
            libc::SYS_readlinkat => self.read_link(session, memory, [first, second, third, fourth]),
            libc::SYS_poll | libc::SYS_ppoll => poll(session, memory, first, second),
            libc::SYS_umask => Ok(0o22),
            _ => return None,
        })
    }

    /// The path that a program names, relative to the current directory or to one that it has open.
    pub(super) fn path(
        &self,
        session: &Session,
        memory: &Memory<'_>,
        directory: u64,
        address: u64,
    ) -> Result<PathBuf, SystemCallError> {
        let text = memory.text(address)?;
        if text.is_empty() {
            return Err(Errno::NOENT.into());
        }
        let path = plain(Path::new(&OsString::from_vec(text)));
        let path = match (path.is_absolute(), directory as u32 as u64) {
            (true, _) | (_, HERE) => path,
            (false, directory) => {
                let start = self.directories.get(&directory);
                start.ok_or(Errno::NOTDIR)?.join(path)
            }
        };
        // What the kernel reports about a process there does not exist here, and this does not count as a refusal.
        let of_the_system = path.starts_with("/proc") || path.starts_with("/sys");
        match of_the_system && !session.may_read(&path) {
            true => Err(Errno::NOENT.into()),
            false => Ok(path),
        }
    }

    fn open(
        &mut self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, flags, mode]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        // Flags about waiting, and others that do not matter for what is opened.
        let ignored = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOATIME | libc::O_SYNC;
        let path = self.path(session, memory, directory, address)?;
        let handle = session.open_at(&path, flags & !(ignored as u64), mode)?;
        self.directories.insert(handle, path);
        Ok(handle)
    }

    fn duplicate(
        &mut self,
        session: &mut Session,
        handle: u64,
        lowest: u64,
    ) -> Result<u64, SystemCallError> {
        let new = session.duplicate(number_of(handle), lowest)?;
        self.same_path(handle, new);
        Ok(new)
    }

    fn duplicate_to(
        &mut self,
        session: &mut Session,
        handle: u64,
        to: u64,
    ) -> Result<u64, SystemCallError> {
        let new = session.duplicate_to(number_of(handle), number_of(to))?;
        self.same_path(handle, new);
        Ok(new)
    }

    fn same_path(&mut self, handle: u64, new: u64) {
        match self.directories.get(&number_of(handle)).cloned() {
            Some(path) => self.directories.insert(new, path),
            None => self.directories.remove(&new),
        };
    }

    fn fcntl(
        &mut self,
        session: &mut Session,
        handle: u64,
        command: u64,
        argument: u64,
    ) -> Result<u64, SystemCallError> {
        if !session.is_open(number_of(handle)) {
            return Err(Errno::BADF.into());
        }
        match command as i32 {
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => self.duplicate(session, handle, argument),
            libc::F_GETFD => Ok(libc::FD_CLOEXEC as u64),
            // There is no exec, and no other way to wait.
            libc::F_SETFD | libc::F_SETFL => Ok(0),
            libc::F_GETFL => Ok(session.flags(number_of(handle))?),
            _ => Err(Errno::INVAL.into()),
        }
    }

    fn find(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, flags]: [u64; 3],
    ) -> Result<Stat, SystemCallError> {
        if flags & EMPTY_PATH != 0 && memory.text(address)?.is_empty() {
            return Ok(session.stat_handle(number_of(directory))?);
        }
        let path = self.path(session, memory, directory, address)?;
        Ok(session.stat(&path, flags & NO_FOLLOW == 0)?)
    }

    fn stat(
        &self,
        session: &mut Session,
        memory: &mut Memory<'_>,
        [directory, address, buffer, flags]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        let found = self.find(session, memory, [directory, address, flags])?;
        memory.put(buffer, &stat::encode(&found))?;
        Ok(0)
    }

    fn statx(
        &self,
        session: &mut Session,
        memory: &mut Memory<'_>,
        [directory, address, flags, _mask, buffer]: [u64; 5],
    ) -> Result<u64, SystemCallError> {
        let found = self.find(session, memory, [directory, address, flags])?;
        memory.put(buffer, &stat::encode_extended(&found))?;
        Ok(0)
    }

    /// Checks that a path exists. Whether an access is permitted shows when the program tries it.
    fn access(
        &self,
        session: &mut Session,
        memory: &Memory<'_>,
        [directory, address, wanted]: [u64; 3],
    ) -> Result<u64, SystemCallError> {
        let path = self.path(session, memory, directory, address)?;
        if wanted & libc::W_OK as u64 != 0 && !session.may_write(&path) {
            return Err(Errno::ACCESS.into());
        }
        session.stat(&path, true)?;
        Ok(0)
    }

    fn read_link(
        &self,
        session: &mut Session,
        memory: &mut Memory<'_>,
        [directory, address, buffer, length]: [u64; 4],
    ) -> Result<u64, SystemCallError> {
        let own = b"/proc/self/exe";
        let target = match memory.text(address)? == own {
            // The program must not learn its location on the host, but libc insists on an absolute path.
            true => Path::new("/").join(&self.path).into_os_string().into_vec(),
            false => {
                let path = self.path(session, memory, directory, address)?;
                session.read_link(&path)?
            }
        };
        let fits = target
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        let bytes = target.get(..fits).unwrap_or_default();
        memory.put(buffer, bytes)?;
        Ok(bytes.len() as u64)
    }
}

/// A handle's number: an `int`. The upper half of its register is ignored.
pub(super) const fn number_of(handle: u64) -> u64 {
    handle as u32 as u64
}

fn fstat(
    session: &mut Session,
    memory: &mut Memory<'_>,
    handle: u64,
    buffer: u64,
) -> Result<u64, SystemCallError> {
    let found = session.stat_handle(number_of(handle))?;
    memory.put(buffer, &stat::encode(&found))?;
    Ok(0)
}

/// Moves the bytes of an array of `struct iovec`, until one is not moved completely.
fn vectors(
    session: &mut Session,
    memory: &mut Memory<'_>,
    [address, count]: [u64; 2],
    mut once: impl FnMut(&mut Session, &mut Memory<'_>, [u64; 2]) -> crate::host::request_error::Answer,
) -> Result<u64, SystemCallError> {
    if count > MAX_VECTORS {
        return Err(Errno::INVAL.into());
    }
    let array = memory.bytes(address, 16 * count)?;
    let (words, _) = array.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let mut moved: u64 = 0;
    for vector in words.as_chunks::<2>().0 {
        let [_, length] = *vector;
        if length == 0 {
            continue;
        }
        match once(session, memory, *vector) {
            Ok(count) => {
                moved = moved.saturating_add(count);
                if count < length {
                    break;
                }
            }
            // Bytes moved before are reported now, and the error next time. But the end of the call is final.
            Err(stop) if moved == 0 || session.is_over_by(&stop) => return Err(stop.into()),
            Err(_) => break,
        }
    }
    Ok(moved)
}

/// All open handles are reported as readable and writable. The read or write itself waits.
fn poll(
    session: &mut Session,
    memory: &mut Memory<'_>,
    address: u64,
    count: u64,
) -> Result<u64, SystemCallError> {
    const ENTRY: u64 = 8;
    if count > MAX_POLLED {
        return Err(Errno::INVAL.into());
    }
    let mut entries = memory.bytes(address, ENTRY * count)?;
    let mut ready = 0;
    for entry in entries.as_chunks_mut::<8>().0 {
        let [h0, h1, h2, h3, e0, e1, ..] = *entry;
        let handle = i32::from_le_bytes([h0, h1, h2, h3]);
        let events = i16::from_le_bytes([e0, e1]);
        let told = match u64::try_from(handle) {
            Err(_) => 0,
            Ok(handle) if session.is_open(handle) => events & (libc::POLLIN | libc::POLLOUT),
            Ok(_) => libc::POLLNVAL,
        };
        entry[6..].copy_from_slice(&told.to_le_bytes());
        ready += u64::from(told != 0);
    }
    memory.put(address, &entries)?;
    Ok(ready)
}
