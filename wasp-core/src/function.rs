//! One virtine function: encode the arguments into guest memory, run, decode the result from there.

use std::env;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use virtine_rt::abi::doors::handle;
use virtine_rt::abi::hypercall;
use virtine_rt::abi::image::{Entries, Image, Program, Segment, Sizes};
use virtine_rt::codec::form::{self, EncodeAs};
use virtine_rt::codec::{self, CodecError, Sink};

use crate::Error;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::decode::{self, Failure, Source, Statics};
use crate::doors::Policy;
use crate::error::Panic;
use crate::excerpt::excerpt;
use crate::exit::Fault;
use crate::guest::{self, Return, Served, Terms};
use crate::layout::Layout;
use crate::machine::Machine;
use crate::memory::GuestMemory;
use crate::meter::Meter;
use crate::places::Places;
use crate::pool::Pool;
use crate::process;
use crate::reentry::{self, Inside};
use crate::template::Template;

/// Set to anything, every call boots its guest from the image instead of the snapshot. Read once per
/// function, at its first call.
pub(crate) const NO_SNAPSHOT: &str = "WASP_NO_SNAPSHOT";

/// What the macro knows of a function.
#[derive(Debug)]
pub struct Definition {
    /// The function's name, for messages.
    pub name: &'static str,
    /// The image that `virtine-build` made of it and of the crate's other functions.
    pub image: &'static &'static [u8],
    /// The file of the program that this was made of, but for the identity and `.elf` behind.
    pub program: &'static str,
    /// Its entries into that.
    pub entries: &'static [u8],
    /// Bytes of memory granted.
    pub memory: u64,
    /// Bytes of it that are stack.
    pub stack: u64,
    /// How long one call may run.
    pub timeout: Duration,
    /// Whether calls start from a snapshot or boot from the image.
    pub snapshot: bool,
    /// What its guests may ask of the host, unless a call says otherwise.
    pub policy: fn() -> Policy,
    /// How many levels its result, and what it changes, may nest.
    pub depth: u32,
    /// Whether its guest is a program with the real std.
    pub std: bool,
}

/// The guest of one of a package's targets, told from those of other targets and packages by `KEY`, and
/// from that of the same target's unit tests by `TEST`.
#[derive(Debug)]
pub struct Guest<const KEY: u64, const TEST: bool>;

/// Where a [`Guest`]'s image is. `Crate` is some type of the crate that implements it: there is one such
/// type, so that the compiler finds it for `_`.
pub trait Carries<Crate> {
    /// The image.
    const IMAGE: &'static &'static [u8];
}

/// What one call has otherwise than the attribute says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// What its guest may ask of the host, in place of what the attribute grants.
    pub policy: Option<&'a Policy>,
    /// By what it can be cancelled.
    pub cancel: Option<&'a CancelToken>,
}

/// The handle behind a `#[virtine]` function.
pub struct Function {
    definition: Definition,
    ready: OnceLock<Ready>,
    /// Held while that is made, so that concurrent first calls make one.
    making: Mutex<()>,
    /// Read when a guest faults for the first time.
    places: OnceLock<Option<Mutex<Places>>>,
}

/// What a function has from its first call on.
struct Ready {
    template: Template,
    pool: Arc<Pool>,
    policy: Policy,
    /// Those of the image, for texts that results borrow.
    segments: Vec<Segment<'static>>,
}

impl Function {
    /// A handle that costs nothing until its first call.
    #[must_use]
    pub const fn new(definition: Definition) -> Self {
        Self {
            definition,
            ready: OnceLock::new(),
            making: Mutex::new(()),
            places: OnceLock::new(),
        }
    }

    /// Calls the function in a machine of its own. `encode` is handed a place in the guest's memory
    /// for the arguments, in their order. Behind the result, of type `R`, the guest returns what it
    /// has changed of them, of type `C`, which `accept` must agree to.
    ///
    /// # Errors
    ///
    /// Whatever kept the guest from returning a result: see [`Error`].
    pub fn call<R: Deserialize<'static>, C: Deserialize<'static>>(
        &self,
        options: Options<'_>,
        encode: impl FnOnce(&mut Arguments<'_>),
        accept: impl FnOnce(&C) -> Result<(), Mismatch>,
    ) -> Result<(R, C), Error> {
        process::check()?;
        let identity = ptr::from_ref(self).addr();
        reentry::check(identity, self.definition.name)?;
        let limit = self.definition.timeout;
        if options.cancel.is_some_and(CancelToken::is_cancelled) {
            return Err(Error::Cancelled);
        }
        let Ready {
            template,
            pool,
            policy: own,
            segments,
        } = self.ready(options.cancel)?;
        let policy = options.policy.unwrap_or(own);
        let mut loan = pool.get(limit)?;
        let (machine, snapshot) = loan.parts();
        let _cancelling = options.cancel.map(|token| token.watch(machine.canceller()));
        let granted = template.layout().granted;
        let deadline = Deadline::after(limit);
        let meter = Meter::new(deadline, policy.limits(), granted);
        let [start, end] = template.prepare(machine, snapshot, &meter)?;
        let mut arguments = Arguments::new(machine.memory_mut(), start, end);
        encode(&mut arguments);
        let (length, handles) = arguments.finish(granted)?;
        let mut own = template.admit(machine, [start, length])?;
        let entry = template.call(start, length, policy.grants());
        let exit = guest::enter(machine, snapshot, &entry, meter.deadline())?;
        let served = match exit {
            Return::Hypercall {
                number: hypercall::DONE,
                ..
            } => Served::at_once(exit, meter),
            Return::Hypercall { .. } | Return::SystemCall => {
                let _inside = Inside::enter(identity);
                let terms = Terms {
                    snapshot,
                    layout: template.layout(),
                    policy,
                    limit,
                    meter,
                    handles,
                    program: template.process().map(|given| (given, &mut own)),
                };
                guest::serve(machine, exit, terms)?
            }
            over => Served::at_once(over, meter),
        };
        let Served {
            exit,
            refusal,
            meter,
        } = served;
        match exit {
            Return::Hypercall {
                number: hypercall::DONE,
                arguments: place,
            } => {
                let (layout, depth) = (template.layout(), self.definition.depth);
                let source = source(machine, layout, place, segments, depth)?;
                let mut allowance = meter.allowance().in_machine(machine.slot());
                let result = decode::decode(source, &mut allowance, |(_, changed): &(R, C)| {
                    accept(changed).map_err(|Mismatch(reason)| Failure::Invalid(reason))
                });
                let result = result.map_err(|failure| no_result(failure, limit))?;
                let left = own.map(|own| own.leave(machine, &layout.blueprint));
                match left.unwrap_or(Ok(true)) {
                    Ok(true) => loan.give_back(),
                    Ok(false) => drop(loan),
                    Err(error) => {
                        decode::discard(result, depth);
                        return Err(error);
                    }
                }
                Ok(result)
            }
            other => match guest::failure(other, machine, template.layout(), limit) {
                Error::Panicked(panic) => Err(Error::Panicked(Panic { refusal, ..panic })),
                error => Err(self.with_place(error)),
            },
        }
    }

    /// Adds to a CPU exception where in its source it happened.
    #[cold]
    fn with_place(&self, mut error: Error) -> Error {
        if let Error::Fault(Fault::Exception(exception)) = &mut error {
            let places = self.places.get_or_init(|| {
                let Image { id, .. } = Image::parse(self.definition.image).ok()?;
                Places::read(self.definition.program, &id).map(Mutex::new)
            });
            let place = places.as_ref().and_then(|places| {
                let places = places.lock().unwrap_or_else(PoisonError::into_inner);
                places.of(exception.rip)
            });
            exception.place = place.map(Box::new);
        }
        error
    }

    /// What a plain call of the function does with an error.
    ///
    /// # Panics
    ///
    /// Always, with the function's name and the cause.
    #[track_caller]
    pub fn fail(&self, error: &Error) -> ! {
        panic!("virtine `{}` failed: {error}", self.definition.name)
    }

    fn ready(&self, cancel: Option<&CancelToken>) -> Result<&Ready, Error> {
        if let Some(ready) = self.ready.get() {
            return Ok(ready);
        }
        let limit = self.definition.timeout;
        let deadline = Deadline::after(limit);
        let _only_one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        match self.ready.get() {
            Some(ready) => Ok(ready),
            // Others have tried meanwhile, and have taken all of this one's time.
            None if deadline.is_past() => Err(Error::TimedOut { limit }),
            None => {
                let ready = self.make_ready(cancel)?;
                Ok(self.ready.get_or_init(|| ready))
            }
        }
    }

    fn make_ready(&self, cancel: Option<&CancelToken>) -> Result<Ready, Error> {
        let Definition {
            name,
            image: file,
            entries,
            memory,
            stack,
            timeout,
            snapshot,
            std,
            ..
        } = self.definition;
        if file.is_empty() {
            return Err(Error::NotBuilt { function: name });
        }
        let image = Image::parse(file)?;
        let program = Program::new(&image, Entries::parse(entries)?, Sizes { memory, stack })?;
        let snapshot = snapshot && env::var_os(NO_SNAPSHOT).is_none();
        let (template, snapshot, first) = match std {
            true => Template::of_linux(&program, timeout, cancel)?,
            false => Template::new(&program, snapshot, timeout, cancel)?,
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Some to spare for calls that wait inside the host.
        let limit = (4 * cores).max(8);
        Ok(Ready {
            template,
            pool: Pool::new(snapshot, first, limit),
            policy: (self.definition.policy)(),
            segments: image.segments,
        })
    }
}

/// A place in guest memory that a call's arguments are encoded into.
pub struct Arguments<'a> {
    memory: &'a mut GuestMemory,
    start: u64,
    end: u64,
    /// Bytes that all arguments take, also those that did not fit.
    needed: u64,
    invalid: Option<String>,
    /// Files and streams among them, in their order.
    handles: Vec<OwnedFd>,
}

impl<'a> Arguments<'a> {
    fn new(memory: &'a mut GuestMemory, start: u64, end: u64) -> Self {
        Self {
            memory,
            start,
            end,
            needed: 0,
            invalid: None,
            handles: Vec::new(),
        }
    }

    /// Appends the next argument. Errors are kept until the last one is in.
    pub fn push<T: Serialize + ?Sized>(&mut self, argument: &T) {
        if let Err(CodecError::Invalid(reason)) = codec::encode(argument, self) {
            self.invalid.get_or_insert(reason);
        }
    }

    /// Appends the next argument, a byte slice, in one copy.
    pub fn push_bytes(&mut self, argument: &[u8]) {
        self.push(&codec::Bytes(argument));
    }

    /// Appends the next argument, in the form `F`.
    pub fn push_as<F: EncodeAs<T>, T: ?Sized>(&mut self, argument: &T) {
        self.push(&form::AsRef::<F, T>::new(argument));
    }

    /// Appends the next argument, a file or stream, which is the call's from now on.
    pub fn push_handle(&mut self, argument: impl Into<OwnedFd>) {
        self.push(&(handle::FIRST + self.handles.len() as u64));
        self.handles.push(argument.into());
    }

    /// Appends the next argument, a file or stream, which stays the caller's as well.
    pub fn push_shared_handle(&mut self, argument: &impl AsFd) {
        match argument.as_fd().try_clone_to_owned() {
            Ok(own) => self.push_handle(own),
            Err(error) => _ = self.invalid.get_or_insert(error.to_string()),
        }
    }

    fn finish(self, memory: u64) -> Result<(u64, Vec<OwnedFd>), Error> {
        let available = self.end - self.start;
        if let Some(reason) = self.invalid {
            return Err(Error::Argument { reason });
        }
        if self.needed > available {
            return Err(Error::ArgumentsTooLarge {
                needed: self.needed,
                available,
                memory,
            });
        }
        Ok((self.needed, self.handles))
    }
}

impl Sink for Arguments<'_> {
    /// Counts on where bytes no longer fit, so that the error can tell how much is needed.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let address = self.start.saturating_add(self.needed);
        self.needed = self.needed.saturating_add(bytes.len() as u64);
        if self.start.saturating_add(self.needed) <= self.end {
            return self.memory.write(address, bytes).is_some();
        }
        true
    }
}

/// What came back does not fit what went in.
#[derive(Debug)]
pub struct Mismatch(String);

/// Checks that a slice came back as long as it went.
///
/// # Errors
///
/// Where it did not.
pub fn check_length<T>(found: &[T], expected: usize) -> Result<(), Mismatch> {
    match found.len() == expected {
        true => Ok(()),
        false => Err(Mismatch(format!(
            "expected {expected} elements of a slice back, found {}",
            found.len()
        ))),
    }
}

/// What the guest hands over: the result's address, its length, and that of the notes behind it.
fn source<'m>(
    machine: &'m Machine,
    layout: &Layout,
    [address, length, notes]: [u64; 3],
    segments: &'m [Segment<'static>],
    depth: u32,
) -> Result<Source<'m, 'static>, Error> {
    let bytes = guest::bytes(machine, layout, address, length)?;
    // Notes that are not there are missed where a text is borrowed, and nowhere else.
    let notes = guest::bytes(machine, layout, address.saturating_add(length), notes);
    Ok(Source {
        bytes,
        depth,
        statics: Statics::new(segments, notes.unwrap_or_default()),
    })
}

#[cold]
fn no_result(failure: Failure, limit: Duration) -> Error {
    match failure {
        Failure::Ended(ended) => Error::ended(ended, limit),
        Failure::NoStack(source) => Error::system("mmap of a stack")(source),
        failure => Error::CorruptResult {
            reason: excerpt(failure),
        },
    }
}
