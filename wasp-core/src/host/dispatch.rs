//! Dispatches a hypercall by its number.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::Errno;
use rustix::termios::isatty;
use virtine_rt::abi::requests as number;

use crate::Error;
use crate::base::capability::Capability;
use crate::base::hypercall::Hypercall;
use crate::base::quota::Quota;
use crate::base::refusal::Refusal;
use crate::host::audit::EventCounts;
use crate::host::call_error::CallError;
use crate::host::clock;
use crate::host::clock::CallTime;
use crate::host::environment;
use crate::host::files;
use crate::host::files::Wanted;
use crate::host::functions::HostCall;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::handles::{Handle, Handles};
use crate::host::heap_end::HeapEnd;
use crate::host::identities::Identities;
use crate::host::metadata;
use crate::host::open::Open;
use crate::host::path;
use crate::host::policy::Policy;
use crate::host::random;
use crate::host::request_error::{Answer, RequestError};
use crate::host::rights::Rights;
use crate::host::streams::{self, Buffer};
use crate::limits::meter::Meter;

/// The state of one call's requests to its host.
pub(crate) struct Session {
    pub(super) policy: Policy,
    pub(super) handles: Handles,
    pub(super) meter: Meter,
    heap: HeapEnd,
    pub(super) time: CallTime,
    pub(super) told: EventCounts,
    pub(super) identities: Identities,
    last_refusal: Option<Refusal>,
    /// The result of a host function for which the guest had no room.
    result: Vec<u8>,
}

/// How a guest continues after a hypercall.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It resumes, with this value in RAX.
    Answer(u64),
    /// It has exited.
    Exit,
    /// There is no such hypercall.
    Unknown,
    /// Its call has failed.
    Failed(CallError),
}

impl Session {
    /// A call under `policy`, whose limits `meter` was made from, with this heap.
    pub(crate) fn new(policy: Policy, heap: HeapEnd, meter: Meter) -> Self {
        Self {
            handles: Handles::new(),
            meter,
            policy,
            heap,
            time: CallTime::start(),
            told: EventCounts::default(),
            identities: Identities::default(),
            last_refusal: None,
            result: Vec::new(),
        }
    }

    /// Gives the guest its first handles, in addition to those that its quota allows.
    pub(crate) fn adopt(&mut self, descriptors: Vec<OwnedFd>) -> Result<(), Error> {
        for descriptor in descriptors {
            let open = Open::handed_over(descriptor)
                .map_err(|errno| Error::system("fstat of an argument")(errno.into()))?;
            self.meter.give_back(Quota::Handles, 1);
            self.handles.put(Handle::Open(open), &mut self.meter);
        }
        Ok(())
    }

    /// What remains of the call's limits.
    pub(crate) const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What remains of the call's limits, mutably.
    pub(crate) const fn meter_mut(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// What remains of the call's limits, and the last refusal that the guest got.
    pub(crate) fn into_parts(self) -> (Meter, Option<Refusal>) {
        (self.meter, self.last_refusal)
    }

    /// Answers a hypercall of a stopped guest whose memory is `memory`.
    pub(crate) fn answer(
        &mut self,
        call: Hypercall,
        memory: &mut (impl GuestSpace + ?Sized),
    ) -> Reply {
        match self.count() {
            Ok(()) => self.answer_counted(call, memory),
            Err(stop) => self.reply(Err(stop)),
        }
    }

    /// Like [`Session::answer`], for a hypercall that has been counted already.
    pub(crate) fn answer_counted(
        &mut self,
        call: Hypercall,
        memory: &mut (impl GuestSpace + ?Sized),
    ) -> Reply {
        match call.number {
            number::EXIT => return Reply::Exit,
            number::CLOSE..=number::ISATTY | number::CLOCK..=number::HOST_RESULT => {}
            _ => return Reply::Unknown,
        }
        let answer = self.dispatch(call, memory);
        self.reply(answer)
    }

    /// Counts a hypercall or system call.
    pub(crate) fn count(&mut self) -> Result<(), RequestError> {
        Ok(self.meter.count_hypercall()?)
    }

    /// How the guest continues after this answer.
    pub(crate) fn reply(&mut self, answer: Answer) -> Reply {
        match answer {
            Ok(answer) => Reply::Answer(answer),
            Err(RequestError::Ended(ended)) => Reply::Failed(CallError::Ended(ended)),
            Err(RequestError::HostFunction { function, reason }) => {
                Reply::Failed(CallError::HostFunction { function, reason })
            }
            Err(RequestError::Errno(errno)) => Reply::Answer(negative(errno)),
            Err(RequestError::Refused(refusal)) => self.refuse(refusal),
        }
    }

    /// Whether this error ends the call, and not only the guest's request.
    pub(crate) fn is_over_by(&self, stop: &RequestError) -> bool {
        match stop {
            RequestError::Errno(_) => false,
            RequestError::Refused(refusal) => self.policy.ends(refusal),
            RequestError::HostFunction { .. } | RequestError::Ended(_) => true,
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Reply {
        self.told.refused(&refusal);
        if self.policy.ends(&refusal) {
            return Reply::Failed(CallError::Refused(refusal));
        }
        let answer = negative(refusal.errno());
        self.last_refusal = Some(refusal);
        Reply::Answer(answer)
    }

    fn dispatch(&mut self, call: Hypercall, memory: &mut (impl GuestSpace + ?Sized)) -> Answer {
        let [first, second, third] = call.arguments;
        match call.number {
            number::CLOSE => self.handles.close(first, &mut self.meter).map(|()| 0),
            number::FSTAT => self.fstat(memory, first, second),
            number::LINK => self.link(memory, first, second),
            number::LSEEK => self.lseek(first, second, third),
            number::OPEN => self.open(memory, first, second, third),
            number::READ => self.read(memory, first, second, third),
            number::SBRK => self.heap.sbrk(first),
            number::TIMES => self
                .pass(Capability::Clock)
                .and_then(|()| clock::times(memory, first, self.time)),
            number::UNLINK => self.unlink(memory, first),
            number::WRITE => self.write(memory, first, second, third),
            number::GETTIMEOFDAY => self
                .pass(Capability::Clock)
                .and_then(|()| clock::gettimeofday(memory, first)),
            number::ISATTY => self.isatty(first),
            number::CLOCK => self
                .pass(Capability::Clock)
                .and_then(|()| clock::read(first, self.time)),
            number::RANDOM => self
                .pass(Capability::Random)
                .and_then(|()| self.random(memory, first, second)),
            number::ENV => self.variable(memory, first, [second, third]),
            number::ENV_AT => environment::variable_at(&self.policy, first)
                .and_then(|text| environment::answer(memory, &text, [second, third])),
            number::ARG => self
                .pass(Capability::Args)
                .and_then(|()| environment::argument(first))
                .and_then(|text| environment::answer(memory, &text, [second, third])),
            number::HOST => self.host(memory, first, second),
            number::HOST_RESULT => self.host_result(memory, first, second),
            _ => Err(Errno::NOSYS.into()),
        }
    }

    /// Uses a capability that covers only one thing.
    pub(super) fn pass(&mut self, capability: Capability) -> Result<(), RequestError> {
        self.policy.check(capability)?;
        self.told.first_use(capability);
        Ok(())
    }

    fn open(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        address: u64,
        flags: u64,
        mode: u64,
    ) -> Answer {
        let path = path::from_guest(memory, address)?;
        self.open_path(&path, flags, mode)
    }

    /// Opens a file by its path, which contains no `.`.
    pub(super) fn open_path(&mut self, path: &Path, flags: u64, mode: u64) -> Answer {
        let wanted = Wanted::parse(flags)?;
        self.meter.allow(Quota::Handles, 1)?;
        let handle = match random::is_device(path) && self.policy.check(Capability::Random).is_ok()
        {
            true => Handle::Random,
            false => {
                let open = files::open(&self.policy, path, wanted, mode)
                    .map_err(|error| random::name_grant(error, path))?;
                if wanted.empties() && open.rights.include(Rights::TRUNCATE) {
                    self.resize(&open, open.length()?, 0)?;
                }
                Handle::Open(open)
            }
        };
        self.told
            .opened(wanted.capability(), &path.to_string_lossy());
        self.handles.insert(handle, &mut self.meter)
    }

    fn link(&mut self, memory: &mut (impl GuestSpace + ?Sized), old: u64, new: u64) -> Answer {
        let old = path::from_guest(memory, old)?;
        let new = path::from_guest(memory, new)?;
        self.link_paths(&old, &new)
    }

    fn unlink(&mut self, memory: &mut (impl GuestSpace + ?Sized), address: u64) -> Answer {
        let path = path::from_guest(memory, address)?;
        self.remove(&path)
    }

    /// The object that a handle refers to, if it has all needed rights.
    fn look_up(&mut self, handle: u64, needed: Rights) -> Result<Handle, RequestError> {
        let found = self.handles.look_up(handle, needed, &self.policy)?;
        if let Handle::Open(Open {
            capability: Some(capability),
            ..
        }) = found
        {
            self.told.first_use(*capability);
        }
        Ok(found.clone())
    }

    /// The file or stream that a handle refers to, if it has all needed rights.
    pub(super) fn opened(&mut self, handle: u64, needed: Rights) -> Result<Open, RequestError> {
        match self.look_up(handle, needed)? {
            Handle::Open(open) => Ok(open),
            Handle::Standard(_) | Handle::Random => Err(Errno::BADF.into()),
        }
    }

    pub(super) fn read(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        handle: u64,
        buffer: u64,
        length: u64,
    ) -> Answer {
        let Handle::Open(open) = self.look_up(handle, Rights::READ)? else {
            return self.random(memory, buffer, length);
        };
        let allowed = self.meter.allow(Quota::BytesRead, length)?;
        let meter = &self.meter;
        let place = Buffer {
            address: buffer,
            length: allowed,
        };
        let count = streams::read(&open, memory, place, meter)?;
        self.meter.take(Quota::BytesRead, count);
        Ok(count)
    }

    pub(super) fn write(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        handle: u64,
        address: u64,
        length: u64,
    ) -> Answer {
        let open = self.opened(handle, Rights::APPEND)?;
        let quota = open.quota;
        let allowed = self.meter.allow(quota, length)?;
        let place = Buffer {
            address,
            length: allowed,
        };
        let count = streams::write(&open, memory, place, &self.meter)?;
        self.meter.take(quota, count);
        Ok(count)
    }

    pub(super) fn random(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        buffer: u64,
        length: u64,
    ) -> Answer {
        let allowed = self.meter.allow(Quota::BytesRead, length)?;
        let meter = &self.meter;
        let count = random::fill(memory, buffer, allowed, meter)?;
        self.meter.take(Quota::BytesRead, count);
        Ok(count)
    }

    pub(super) fn lseek(&mut self, handle: u64, offset: u64, whence: u64) -> Answer {
        let open = self.opened(handle, Rights::SEEK)?;
        let position = match whence {
            0 => SeekFrom::Start(offset),
            1 => SeekFrom::Current(offset.cast_signed()),
            2 => SeekFrom::End(offset.cast_signed()),
            _ => return Err(Errno::INVAL.into()),
        };
        Ok(seek(open.descriptor(), position)?)
    }

    fn fstat(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        handle: u64,
        address: u64,
    ) -> Answer {
        let open = self.opened(handle, Rights::STAT)?;
        let found = self.identities.disguise(fstat(open.descriptor())?);
        let bytes = metadata::encode(&found);
        memory.put(address, &bytes)?;
        Ok(0)
    }

    /// A stream that is not granted is not a terminal. Asking does not count as use.
    fn isatty(&mut self, handle: u64) -> Answer {
        let is_terminal = match self.handles.get(handle)? {
            Handle::Open(open) => isatty(open.descriptor()),
            Handle::Random => false,
            Handle::Standard(capability) => Open::standard(&self.policy, *capability)
                .is_ok_and(|open| isatty(open.descriptor())),
        };
        Ok(is_terminal.into())
    }

    /// Calls a host function. Its input and output count as bytes written and read.
    fn host(&mut self, memory: &mut (impl GuestSpace + ?Sized), name: u64, call: u64) -> Answer {
        let name = memory.text(name)?;
        let told = String::from_utf8_lossy(&name).into_owned();
        let [from, length, buffer, capacity] = words(&memory.array::<32>(call)?);
        self.meter.whole(Quota::BytesWritten, length)?;
        let function = self.policy.function(&name);
        let function = function.ok_or_else(|| RequestError::denied(Capability::Host, &told))?;
        self.told.opened(Capability::Host, &told);
        let arguments = self.taken_over(memory, from, length)?;
        let mut call = HostCall {
            arguments: &arguments,
            depth: self.policy.depth_of_arguments(),
            meter: &mut self.meter,
        };
        let result = function.call(&mut call)?;
        self.meter.whole(Quota::BytesRead, result.len() as u64)?;
        let needed = result.len() as u64;
        match needed <= capacity {
            true => self.hand_over(memory, buffer, &result)?,
            false => self.result = result,
        }
        Ok(needed)
    }

    fn host_result(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        buffer: u64,
        length: u64,
    ) -> Answer {
        if length != self.result.len() as u64 {
            return Err(Errno::INVAL.into());
        }
        let result = std::mem::take(&mut self.result);
        let handed_over = self.hand_over(memory, buffer, &result);
        if handed_over.is_err() {
            // The guest may ask again, with a buffer of its own.
            self.result = result;
        }
        handed_over.map(|()| length)
    }

    /// Copies the arguments of a host function, in pieces.
    fn taken_over(
        &self,
        memory: &(impl GuestSpace + ?Sized),
        address: u64,
        length: u64,
    ) -> Result<Vec<u8>, RequestError> {
        let mut taken = Vec::new();
        memory.take_in_pieces(address, length, &self.meter, |_, piece| {
            taken.extend_from_slice(piece);
            Ok(piece.len())
        })?;
        Ok(taken)
    }

    /// Copies the result of a host function to its guest, in pieces.
    fn hand_over(
        &self,
        memory: &mut (impl GuestSpace + ?Sized),
        buffer: u64,
        result: &[u8],
    ) -> Result<(), RequestError> {
        let length = result.len() as u64;
        let copied = memory.fill_in_pieces(buffer, length, &self.meter, |done, place| {
            place.copy_from_slice(result.get(done..done + place.len()).unwrap_or_default());
            Ok(place.len())
        });
        copied.map(drop)
    }

    fn variable(
        &mut self,
        memory: &mut (impl GuestSpace + ?Sized),
        name: u64,
        buffer: [u64; 2],
    ) -> Answer {
        let name = memory.text(name)?;
        let told = String::from_utf8_lossy(&name).into_owned();
        let value = environment::variable(&self.policy, name)?;
        self.told.opened(Capability::Env, &told);
        environment::answer(memory, &value, buffer)
    }
}

/// The bytes as little-endian words, padded with zeros.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = bytes.as_chunks().0.iter();
    [(); N].map(|()| words.next().map_or(0, |word| u64::from_le_bytes(*word)))
}

/// An error in the encoding of Linux and Wasp: its negative number.
pub(crate) fn negative(errno: Errno) -> u64 {
    i64::from(-errno.raw_os_error()).cast_unsigned()
}
