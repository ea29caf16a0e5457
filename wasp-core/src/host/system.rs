//! Requests that Linux programs make beyond Wasp's hypercalls. They are under the same policy, by paths and handles
//! that the caller has read from the program's memory.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{Stat, Timestamps, fstat, fsync, ftruncate, futimens};
use rustix::io::{Errno, pread, pwrite};

use crate::base::capability::Capability;
use crate::base::ended::Ended;
use crate::base::quietly::quietly;
use crate::base::quota::Quota;
use crate::host::clock;
use crate::host::directory;
use crate::host::dispatch::Session;
use crate::host::files;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::handles::Handle;
use crate::host::naming;
use crate::host::open::Open;
use crate::host::request_error::{Answer, RequestError};
use crate::host::rights::Rights;
use crate::host::roots::Grant;

impl Session {
    /// Opens the file or directory at a path.
    pub(crate) fn open_at(&mut self, path: &Path, flags: u64, mode: u64) -> Answer {
        self.open_path(path, flags, mode)
    }

    /// Gives a file a second name.
    pub(crate) fn link_paths(&mut self, old: &Path, new: &Path) -> Answer {
        naming::link(&self.policy, old, new)?;
        self.written(new)
    }

    /// Gives a file another name. With `replace`, the name may already be in use.
    pub(crate) fn rename(&mut self, old: &Path, new: &Path, replace: bool) -> Answer {
        naming::rename(&self.policy, old, new, replace)?;
        self.written(new)
    }

    /// Removes the last name in a path.
    pub(crate) fn remove(&mut self, path: &Path) -> Answer {
        naming::unlink(&self.policy, path)?;
        self.written(path)
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&mut self, path: &Path, mode: u64) -> Answer {
        naming::make_directory(&self.policy, path, mode)?;
        self.written(path)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&mut self, path: &Path) -> Answer {
        naming::remove_directory(&self.policy, path)?;
        self.written(path)
    }

    /// Sets the times of a path's target.
    pub(crate) fn stamp(&mut self, path: &Path, follow: bool, times: &Timestamps) -> Answer {
        naming::stamp(&self.policy, path, follow, times)?;
        self.written(path)
    }

    /// Sets the times of a handle's file.
    pub(crate) fn stamp_handle(&mut self, handle: u64, times: &Timestamps) -> Answer {
        let open = self.opened(handle, Rights::STAMP)?;
        futimens(open.descriptor(), times)?;
        Ok(0)
    }

    fn written(&mut self, path: &Path) -> Answer {
        self.told.opened(Capability::Write, &path.to_string_lossy());
        Ok(0)
    }

    /// The metadata of a path's target.
    pub(crate) fn stat(&mut self, path: &Path, follow: bool) -> Result<Stat, RequestError> {
        let found = files::stat(&self.policy, path, follow)?;
        Ok(self.identities.disguise(found))
    }

    /// The mode of a path's target, if it may be written.
    pub(crate) fn writable_mode(&mut self, path: &Path, follow: bool) -> Result<u32, RequestError> {
        let found = files::locate(&self.policy, path, follow, Grant::WRITE, Capability::Write)?;
        Ok(fstat(found)?.st_mode)
    }

    /// The metadata of a handle's file. A standard stream that is not granted counts as not open.
    pub(crate) fn stat_handle(&mut self, handle: u64) -> Result<Stat, RequestError> {
        let found = self.handles.look_up(handle, Rights::STAT, &self.policy);
        match found {
            Ok(Handle::Open(open)) => Ok(self.identities.disguise(fstat(open.descriptor())?)),
            _ => Err(Errno::BADF.into()),
        }
    }

    /// The target of the symbolic link at a path.
    pub(crate) fn read_link(&mut self, path: &Path) -> Result<Vec<u8>, RequestError> {
        files::read_link(&self.policy, path)
    }

    /// Whether the policy grants reading at a path.
    pub(crate) fn may_read(&self, path: &Path) -> bool {
        self.policy.roots().hold(path, Grant::READ)
    }

    /// Whether the policy grants writing at a path.
    pub(crate) fn may_write(&self, path: &Path) -> bool {
        self.policy.roots().hold(path, Grant::WRITE)
    }

    /// Whether there is such a handle.
    pub(crate) fn is_open(&self, handle: u64) -> bool {
        self.handles.get(handle).is_ok()
    }

    /// Closes a handle.
    pub(crate) fn close(&mut self, handle: u64) -> Answer {
        self.handles.close(handle, &mut self.meter).map(|()| 0)
    }

    /// Duplicates a handle to a number no lower than `lowest`.
    pub(crate) fn duplicate(&mut self, handle: u64, lowest: u64) -> Answer {
        self.handles.duplicate(handle, lowest, &mut self.meter)
    }

    /// Duplicates a handle to the number `to`.
    pub(crate) fn duplicate_to(&mut self, handle: u64, to: u64) -> Answer {
        self.handles.duplicate_to(handle, to, &mut self.meter)
    }

    /// What a handle may do, as flags of `open`.
    pub(crate) fn flags(&mut self, handle: u64) -> Answer {
        let open = self.opened(handle, Rights::NONE)?;
        Ok(open.rights.flags().bits().into())
    }

    /// Reads from a handle. A closed standard input is treated as at its end, as std does too.
    pub(crate) fn read_handle(
        &mut self,
        memory: &mut dyn GuestSpace,
        handle: u64,
        buffer: u64,
        length: u64,
    ) -> Answer {
        self.is_standard_and_closed(handle)?;
        self.read(memory, handle, buffer, length)
    }

    /// Writes to a handle. A standard stream that is not granted counts as not open.
    pub(crate) fn write_handle(
        &mut self,
        memory: &mut dyn GuestSpace,
        handle: u64,
        address: u64,
        length: u64,
    ) -> Answer {
        self.is_standard_and_closed(handle)?;
        self.write(memory, handle, address, length)
    }

    /// Programs treat a stream that is not open as unwanted output, and continue. Under a strict policy the refusal
    /// counts.
    pub(super) fn is_standard_and_closed(&mut self, handle: u64) -> Result<(), RequestError> {
        match self.handles.look_up(handle, Rights::NONE, &self.policy) {
            Err(RequestError::Refused(refusal)) if !self.policy.ends(&refusal) => {
                Err(Errno::BADF.into())
            }
            found => found.map(drop),
        }
    }

    /// Reads a file at an offset, independent of its position.
    pub(crate) fn read_at(
        &mut self,
        memory: &mut dyn GuestSpace,
        handle: u64,
        [buffer, length, offset]: [u64; 3],
    ) -> Answer {
        let open = self.opened(handle, Rights::SEEK | Rights::READ)?;
        let allowed = self.meter.allow(Quota::BytesRead, length)?;
        let meter = &self.meter;
        let count = memory.fill_in_pieces(buffer, allowed, meter, |done, place| {
            pread(open.descriptor(), place, offset.saturating_add(done as u64))
        })?;
        self.meter.take(Quota::BytesRead, count);
        Ok(count)
    }

    /// Writes to a file at an offset.
    pub(crate) fn write_at(
        &mut self,
        memory: &mut dyn GuestSpace,
        handle: u64,
        [address, length, offset]: [u64; 3],
    ) -> Answer {
        let open = self.opened(handle, Rights::SEEK | Rights::APPEND)?;
        let quota = open.quota;
        let allowed = self.meter.allow(quota, length)?;
        let count = memory.take_in_pieces(address, allowed, &self.meter, |done, piece| {
            let offset = offset.saturating_add(done as u64);
            quietly(|| pwrite(open.descriptor(), piece, offset))
        })?;
        self.meter.take(quota, count);
        Ok(count)
    }

    /// Changes a file's length. Added bytes take no space, but count as written.
    pub(crate) fn set_length(&mut self, handle: u64, length: u64) -> Answer {
        let open = self.opened(handle, Rights::TRUNCATE)?;
        let now = open.length()?;
        let more = length.saturating_sub(now);
        self.meter.whole(Quota::BytesWritten, more)?;
        self.resize(&open, now, length)?;
        Ok(0)
    }

    /// Changes a file's length from `now`. Shrinks it in steps, because removing data takes the file system time.
    pub(super) fn resize(&self, open: &Open, now: u64, length: u64) -> Result<(), RequestError> {
        const STEP: u64 = 16 << 20;
        let mut at = now;
        loop {
            self.meter.check()?;
            at = length.max(at.saturating_sub(STEP));
            quietly(|| ftruncate(open.descriptor(), at))?;
            if at == length {
                return Ok(());
            }
        }
    }

    /// Writes a file's contents to its disk.
    pub(crate) fn synchronise(&mut self, handle: u64) -> Answer {
        let open = self.opened(handle, Rights::SYNCHRONISE)?;
        self.meter.check()?;
        fsync(open.descriptor())?;
        Ok(0)
    }

    /// Moves a file's position.
    pub(crate) fn seek(&mut self, handle: u64, offset: u64, whence: u64) -> Answer {
        self.lseek(handle, offset, whence)
    }

    /// The next entries of a directory.
    pub(crate) fn read_directory(
        &mut self,
        memory: &mut dyn GuestSpace,
        handle: u64,
        buffer: u64,
        length: u64,
    ) -> Answer {
        let open = self.opened(handle, Rights::LIST)?;
        let allowed = self.meter.allow(Quota::BytesRead, length)?;
        let identities = &self.identities;
        let count = memory.fill_once(buffer, allowed, directory::MOST, |place| {
            directory::read(&open, identities, place)
        })?;
        self.meter.take(Quota::BytesRead, count);
        Ok(count)
    }

    /// Nanoseconds of one of the ABI's clocks.
    pub(crate) fn clock(&mut self, which: u64) -> Answer {
        self.pass(Capability::Clock)?;
        clock::read(which, self.time)
    }

    /// Sleeps, no longer than the call may take. That tells the guest no time, so it needs no grant.
    pub(crate) fn sleep(&mut self, time: Duration) -> Answer {
        self.meter.pause(time)?;
        Ok(0)
    }

    /// The time that is left until a moment on a clock, for sleeping. The guest does not learn it.
    pub(crate) fn left_until(
        &self,
        moment: Duration,
        which: u64,
    ) -> Result<Duration, RequestError> {
        let now = clock::read(which, self.time)?;
        Ok(moment.saturating_sub(Duration::from_nanos(now)))
    }

    /// Waits for an event that never comes. The call ends with this at once, since nothing is gained by using up its
    /// time.
    pub(crate) fn sleep_for_ever(&self) -> Answer {
        self.meter.check()?;
        Err(Ended::TimedOut.into())
    }

    /// Random bytes, from the kernel's generator.
    pub(crate) fn randomness(
        &mut self,
        memory: &mut dyn GuestSpace,
        buffer: u64,
        length: u64,
    ) -> Answer {
        self.pass(Capability::Random)?;
        self.random(memory, buffer, length)
    }

    /// Whether random bytes are granted.
    pub(crate) fn may_be_random(&self) -> bool {
        self.policy.check(Capability::Random).is_ok()
    }
}
