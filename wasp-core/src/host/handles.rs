//! A call's open handles. All are closed when the call is dropped.

use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::base::quota::Quota;
use crate::host::open::Open;
use crate::host::policy::Policy;
use crate::host::request_error::RequestError;
use crate::host::rights::Rights;
use crate::limits::meter::Meter;

/// Handle numbers are below this: Linux's usual RLIMIT_NOFILE.
const HIGHEST: usize = 1024;

/// A call's handles, indexed by number.
pub(super) struct Handles(Vec<Option<Entry>>);

struct Entry {
    handle: Handle,
    /// Whether it counts against the quota. The handles that every guest starts with do not.
    counted: bool,
}

/// The object that a handle refers to.
#[derive(Clone)]
pub(super) enum Handle {
    /// A standard stream that has not been used yet, or that is not granted.
    Standard(Capability),
    /// A file or stream.
    Open(Open),
    /// The kernel's random numbers.
    Random,
}

impl Handle {
    const fn rights(&self) -> Rights {
        match self {
            Self::Standard(_) => Rights::NONE,
            Self::Open(open) => open.rights,
            Self::Random => Rights::READ,
        }
    }
}

impl Handles {
    /// The three handles that every guest starts with.
    pub(super) fn new() -> Self {
        let standard = [Capability::Stdin, Capability::Stdout, Capability::Stderr];
        Self(
            standard
                .map(|capability| {
                    Some(Entry {
                        handle: Handle::Standard(capability),
                        counted: false,
                    })
                })
                .into(),
        )
    }

    /// Adds a handle. Returns its number, the lowest that is free.
    pub(super) fn insert(
        &mut self,
        handle: Handle,
        meter: &mut Meter,
    ) -> Result<u64, RequestError> {
        meter.allow(Quota::Handles, 1)?;
        Ok(self.put(handle, meter))
    }

    /// Like [`Handles::insert`], for when the quota is known to have room.
    pub(super) fn put(&mut self, handle: Handle, meter: &mut Meter) -> u64 {
        meter.take(Quota::Handles, 1);
        let entry = Some(Entry {
            handle,
            counted: true,
        });
        let free = self.0.iter().position(Option::is_none);
        let number = free.unwrap_or(self.0.len());
        match self.0.get_mut(number) {
            Some(place) => *place = entry,
            None => self.0.push(entry),
        }
        number as u64
    }

    /// The object that the number refers to, if it has all needed rights.
    ///
    /// Everything that guests do with handles goes through here. A standard stream is resolved at its first use.
    pub(super) fn look_up(
        &mut self,
        number: u64,
        needed: Rights,
        policy: &Policy,
    ) -> Result<&Handle, RequestError> {
        let handle = self.entry(number)?;
        if let Handle::Standard(capability) = handle {
            *handle = Handle::Open(Open::standard(policy, *capability)?);
        }
        handle.rights().check(needed)?;
        Ok(handle)
    }

    fn entry(&mut self, number: u64) -> Result<&mut Handle, RequestError> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get_mut(number)?.as_mut())
            .map(|entry| &mut entry.handle)
            .ok_or(RequestError::Errno(Errno::BADF))
    }

    /// The object that the number refers to, for callers that do not use it.
    pub(super) fn get(&self, number: u64) -> Result<&Handle, RequestError> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get(number)?.as_ref())
            .map(|entry| &entry.handle)
            .ok_or(RequestError::Errno(Errno::BADF))
    }

    /// Duplicates a handle to the lowest free number from `lowest` on.
    pub(super) fn duplicate(
        &mut self,
        number: u64,
        lowest: u64,
        meter: &mut Meter,
    ) -> Result<u64, RequestError> {
        let most = self.0.len().saturating_add(1) as u64;
        let free = (lowest..most.max(lowest.saturating_add(1)))
            .find(|number| self.get(*number).is_err())
            .ok_or(Errno::MFILE)?;
        self.duplicate_to(number, free, meter)
    }

    /// Duplicates a handle to the number `to`, with its rights and its quota. The handle that `to` referred to is
    /// closed.
    pub(super) fn duplicate_to(
        &mut self,
        number: u64,
        to: u64,
        meter: &mut Meter,
    ) -> Result<u64, RequestError> {
        let handle = self.get(number)?.clone();
        if number == to {
            return Ok(to);
        }
        let place = usize::try_from(to).ok().filter(|place| *place < HIGHEST);
        let place = place.ok_or(Errno::BADF)?;
        // If this closes a handle that counts, there is room. If there is no room, nothing is closed.
        let replaces = self.0.get(place).and_then(Option::as_ref);
        if !replaces.is_some_and(|entry| entry.counted) {
            meter.allow(Quota::Handles, 1)?;
        }
        let _ = self.close(to, meter);
        meter.take(Quota::Handles, 1);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        if let Some(free) = self.0.get_mut(place) {
            *free = Some(Entry {
                handle,
                counted: true,
            });
        }
        Ok(to)
    }

    /// Frees the number and closes what it referred to.
    pub(super) fn close(&mut self, number: u64, meter: &mut Meter) -> Result<(), RequestError> {
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get_mut(number));
        let entry = place.and_then(Option::take).ok_or(Errno::BADF)?;
        if entry.counted {
            meter.give_back(Quota::Handles, 1);
        }
        Ok(())
    }
}
