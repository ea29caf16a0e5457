//! One virtine function: encode the arguments into guest memory, run, decode the result from guest memory.

use std::env;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use virtine_rt::abi::hypercall;
use virtine_rt::abi::image::{Entries, Image, Program, Sizes};
use virtine_rt::abi::requests::grant;
use virtine_rt::codec::Encoding;

use crate::Error;
use crate::base::backend::Backend;
use crate::base::error::Panic;
use crate::base::excerpt::excerpt;
use crate::base::exit::Fault;
use crate::base::fork;
use crate::base::hypercall::Hypercall;
use crate::decode::failure::Failure;
use crate::function::arguments::Arguments;
use crate::function::pending_result::PendingResult;
use crate::function::ready::Ready;
use crate::function::reentry::{self, Inside};
use crate::function::returned::{Mismatch, Returned};
use crate::guest::layout::Layout;
use crate::guest::prepared_function::PreparedFunction;
use crate::guest::protocol::Call;
use crate::guest::service::{self, Served, ServiceContext};
use crate::guest::symbolizer::Symbolizer;
use crate::host::policy::Policy;
use crate::limits::cancel::CancelToken;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::linux::process::Process;
use crate::machine::entry::Entry;
use crate::machine::stop::Stop;
use crate::machine::{Machine, backend};
use crate::pool::{Pool, PooledMachine};
use crate::service::Completion;

/// If set to any value, every call boots its guest from the image instead of the snapshot. Read once per function, at
/// its first call.
pub(crate) const NO_SNAPSHOT: &str = "WASP_NO_SNAPSHOT";

/// The macro's description of a function.
#[derive(Debug)]
pub struct Definition {
    /// The function's name, for messages.
    pub name: &'static str,
    /// The image that `virtine-build` made of it and the crate's other functions.
    pub image: &'static &'static [u8],
    /// The path of the program from which the image was made, without the identity and `.elf` at its end.
    pub program: &'static str,
    /// The function's entries into the program.
    pub entries: &'static [u8],
    /// Bytes of memory granted.
    pub memory: u64,
    /// Bytes of it that are stack.
    pub stack: u64,
    /// Bytes of memory that its machines may keep together.
    pub keep: u64,
    /// Time limit of one call.
    pub timeout: Duration,
    /// Whether calls start from a snapshot or boot from the image.
    pub snapshot: bool,
    /// What its guests may ask of the host, unless a call overrides it.
    pub policy: fn() -> Policy,
    /// How many levels deep its result and its changed arguments may nest.
    pub depth: u32,
    /// Whether its guest is a program with the real std.
    pub std: bool,
    /// What must hold its guests, if that is not the program's choice.
    pub backend: Option<Backend>,
}

/// The guest of one of a package's targets. `KEY` distinguishes it from those of other targets and packages, and `TEST`
/// from that of the same target's unit tests.
#[derive(Debug)]
pub struct Guest<const KEY: u64, const TEST: bool>;

/// Provides a [`Guest`]'s image. `Crate` is some type of the crate that implements this trait. There is one such type,
/// so the compiler infers it for `_`.
pub trait Carries<Crate> {
    /// The image.
    const IMAGE: &'static &'static [u8];
}

/// What one call overrides of its function's attribute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// What its guest may ask of the host, instead of what the attribute grants.
    pub policy: Option<&'a Policy>,
    /// The token that can cancel it.
    pub cancel: Option<&'a CancelToken>,
}

/// The handle behind a `#[virtine]` function.
pub struct Function {
    definition: Definition,
    ready: OnceLock<Ready>,
    /// Held while `ready` is created, so that concurrent first calls create only one.
    making: Mutex<()>,
    /// How its arguments are encoded, as learned from calls so far.
    arguments_encoding: Learned,
    /// How its result is encoded, as learned from calls so far.
    result_encoding: Learned,
    /// Read when a guest faults for the first time.
    places: OnceLock<Option<Mutex<Symbolizer>>>,
}

/// The outcome of one call in one machine.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what every call but a function's first has"
)]
enum Attempt<R, C> {
    /// The call returned a result.
    Returned(Returned<R, C>),
    /// Its arguments must be described. The next attempt gets those that can be handed over only once.
    Undescribed(Vec<OwnedFd>),
}

/// A call whose arguments are in the guest's memory.
struct Sent {
    entry: Entry,
    /// The files and streams among them.
    handles: Vec<OwnedFd>,
    /// The guest as a Linux program, if the arguments have mappings of their own.
    program: Option<Process>,
}

/// How a function's arguments or results must be encoded, learned from its calls.
struct Learned(AtomicBool);

impl Learned {
    const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline]
    fn get(&self) -> Encoding {
        match self.0.load(Ordering::Relaxed) {
            true => Encoding::Described,
            false => Encoding::Bare,
        }
    }

    #[inline]
    fn learn(&self, encoding: Encoding) {
        if encoding == Encoding::Described {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Function {
    /// Creates a handle. It costs nothing until its first call.
    #[must_use]
    pub const fn new(definition: Definition) -> Self {
        Self {
            definition,
            ready: OnceLock::new(),
            making: Mutex::new(()),
            arguments_encoding: Learned::new(),
            result_encoding: Learned::new(),
            places: OnceLock::new(),
        }
    }

    /// Calls the function in its own machine. `encode` gets a range of the guest's memory for the arguments, in order.
    /// It is called a second time if the arguments must be described. After the result, of type `R`, the guest returns
    /// the arguments that it changed, of type `C`, which `accept` must approve.
    ///
    /// # Errors
    ///
    /// Any cause for which the guest did not return a result: see [`Error`].
    pub fn call<R: Deserialize<'static>, C: Deserialize<'static>>(
        &self,
        options: Options<'_>,
        mut encode: impl FnMut(&mut Arguments<'_>),
        accept: impl Fn(&C) -> Result<(), Mismatch>,
    ) -> Result<Returned<R, C>, Error> {
        fork::check()?;
        reentry::check(self.identity(), self.definition.name)?;
        if options.cancel.is_some_and(CancelToken::is_cancelled) {
            return Err(Error::Cancelled);
        }
        let ready = self.ready(options.cancel)?;
        if let Some(policy) = options.policy {
            check_backend(policy, ready.backend)?;
        }
        let limit = self.definition.timeout;
        let loan = ready.pool.get(limit)?;
        let deadline = Deadline::after(limit);
        let first = (deadline, self.arguments_encoding.get(), Vec::new());
        match self.attempt(ready, loan, options, first, &mut encode, &accept)? {
            Attempt::Returned(returned) => Ok(returned),
            Attempt::Undescribed(handles) => {
                let loan = ready.pool.get(deadline.left())?;
                let again = (deadline, Encoding::Described, handles);
                match self.attempt(ready, loan, options, again, &mut encode, &accept)? {
                    Attempt::Returned(returned) => Ok(returned),
                    Attempt::Undescribed(_) => Err(Error::Fault(Fault::Hypercall {
                        number: hypercall::UNDESCRIBED,
                    })),
                }
            }
        }
    }

    /// What holds the function's guests. The first call settles it, or this.
    ///
    /// # Errors
    ///
    /// As [`backend`](crate::backend), where the function's attribute names none.
    pub fn backend(&self) -> Result<Backend, Error> {
        backend::for_guests(self.definition.backend)
    }

    fn identity(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// One call in one machine: encode the arguments, run, serve, decode the result.
    #[inline]
    fn attempt<R: Deserialize<'static>, C: Deserialize<'static>>(
        &self,
        ready: &Ready,
        mut loan: PooledMachine,
        options: Options<'_>,
        (deadline, encoding, handles): (Deadline, Encoding, Vec<OwnedFd>),
        encode: &mut impl FnMut(&mut Arguments<'_>),
        accept: &impl Fn(&C) -> Result<(), Mismatch>,
    ) -> Result<Attempt<R, C>, Error> {
        let Ready {
            prepared, policy, ..
        } = ready;
        let policy = options.policy.unwrap_or(policy);
        let (machine, snapshot) = loan.split_mut();
        let _cancelling = options.cancel.map(|token| token.watch(machine.canceller()));
        let granted = prepared.layout().granted;
        let meter = Meter::new(deadline, policy.limits(), granted);
        let place = prepared.boot_if_needed(machine, snapshot, &meter)?;
        let grants = policy.grants();
        let sent = self.send(ready, machine, (place, grants), (encoding, handles), encode)?;
        let Sent {
            entry,
            handles,
            mut program,
        } = sent;
        let stop = snapshot.start(machine, &entry, meter.deadline())?;
        let served = match machine.resume_behind_signals(stop, meter.deadline())? {
            stop if number_of(&stop) == Some(hypercall::DONE) => Served::at_once(stop, meter),
            // Only the guest says so, so it counts for this call alone.
            stop if number_of(&stop) == Some(hypercall::UNDESCRIBED) => {
                // If the arguments have their own mappings, the machine would have to undo them.
                if program.is_none() {
                    loan.give_back();
                }
                return Ok(Attempt::Undescribed(handles));
            }
            stop @ (Stop::Hypercall(_) | Stop::SystemCall(_)) => {
                let _inside = Inside::enter(self.identity());
                let context = ServiceContext {
                    layout: prepared.layout(),
                    policy,
                    meter,
                    handles,
                    program: prepared.process().map(|given| (given, &mut program)),
                };
                service::serve(machine, stop, context)?
            }
            over => Served::at_once(over, meter),
        };
        self.conclude(ready, loan, (policy, program), served, accept)
    }

    /// Encodes the arguments into the guest's memory.
    #[inline]
    fn send(
        &self,
        ready: &Ready,
        machine: &mut Machine,
        (place, grants): ([u64; 2], u64),
        (encoding, handles): (Encoding, Vec<OwnedFd>),
        encode: &mut impl FnMut(&mut Arguments<'_>),
    ) -> Result<Sent, Error> {
        let prepared = &ready.prepared;
        let known = (encoding, handles);
        let arguments = Arguments::encode(machine.memory_mut(), place, known, encode);
        if encoding == Encoding::Bare {
            // Here the types' own code has shown it.
            self.arguments_encoding.learn(arguments.encoding());
        }
        let grants = grants
            | (arguments.encoding() as u64 * grant::DESCRIBED_ARGUMENTS)
            | (self.result_encoding.get() as u64 * grant::DESCRIBED_RESULT);
        let (length, handles) = arguments.finish(prepared.layout().granted)?;
        let [start, _] = place;
        Ok(Sent {
            program: prepared.map_argument_overflow(machine, [start, length])?,
            entry: prepared.call(start, length, grants),
            handles,
        })
    }

    /// Concludes a call whose guest has been served.
    #[inline]
    fn conclude<R: Deserialize<'static>, C: Deserialize<'static>>(
        &self,
        ready: &Ready,
        mut loan: PooledMachine,
        (policy, mut program): (&Policy, Option<Process>),
        served: Served,
        accept: &impl Fn(&C) -> Result<(), Mismatch>,
    ) -> Result<Attempt<R, C>, Error> {
        let Served {
            completion,
            refusal,
            meter,
        } = served;
        let arguments = match completion {
            Completion::Stopped(Stop::Hypercall(Hypercall {
                number: hypercall::DONE,
                arguments,
            })) => arguments,
            Completion::Stopped(Stop::Hypercall(Hypercall {
                number: hypercall::UNDESCRIBED,
                ..
            })) => return Ok(Attempt::Undescribed(Vec::new())),
            other => {
                let exhausted = program.and_then(|program| program.exhausted);
                return Err(match self.failure(ready, &loan, exhausted, other) {
                    Error::Panicked(panic) => Error::Panicked(Panic { refusal, ..panic }),
                    error => self.with_place(error, ready.prepared.layout()),
                });
            }
        };
        let pending = PendingResult {
            ready,
            meter: &meter,
            depth: self.definition.depth,
        };
        let mut result = pending.decode(&loan, arguments, accept);
        if let Err(Failure::Undescribed) = result {
            self.result_encoding.learn(Encoding::Described);
            let context = ServiceContext {
                layout: ready.prepared.layout(),
                policy,
                meter: meter.clone(),
                handles: Vec::new(),
                program: ready.prepared.process().map(|given| (given, &mut program)),
            };
            let _inside = Inside::enter(self.identity());
            result = match pending.ask_again(&mut loan, context)? {
                Completion::Stopped(Stop::Hypercall(Hypercall {
                    number: hypercall::DONE,
                    arguments,
                })) => pending.decode(&loan, arguments, accept),
                other => {
                    let exhausted = program.and_then(|program| program.exhausted);
                    return Err(self.failure(ready, &loan, exhausted, other));
                }
            };
        }
        let limit = self.definition.timeout;
        let (result, changed) = result.map_err(|failure| no_result(failure, limit))?;
        Ok(Attempt::Returned(Returned {
            result,
            changed,
            loan,
            program: program.map(Box::new),
            depth: self.definition.depth,
        }))
    }

    #[cold]
    fn failure(
        &self,
        ready: &Ready,
        machine: &Machine,
        exhausted: Option<u64>,
        completion: Completion,
    ) -> Error {
        let call = Call {
            machine,
            layout: ready.prepared.layout(),
            limit: self.definition.timeout,
            exhausted,
        };
        call.failure(completion)
    }

    /// Adds to a CPU exception the source location, and whether the stack was too small.
    #[cold]
    fn with_place(&self, mut error: Error, layout: &Layout) -> Error {
        if let Error::Fault(Fault::Exception(exception)) = &mut error {
            if layout.stack_guard.contains(&exception.address) {
                exception.overflowed_stack = Some(self.definition.stack);
            }
            let places = self.places.get_or_init(|| {
                let Image { id, .. } = Image::parse(self.definition.image).ok()?;
                Symbolizer::read(self.definition.program, &id).map(Mutex::new)
            });
            let place = places.as_ref().and_then(|places| {
                let places = places.lock().unwrap_or_else(PoisonError::into_inner);
                places.of(exception.rip)
            });
            exception.place = place.map(Box::new);
        }
        error
    }

    /// Panics with an error, as a plain call of the function does.
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
            // Others have tried meanwhile, and have used up this call's time.
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
        let backend = backend::for_guests(self.definition.backend)?;
        let (prepared, snapshot, first) = match std {
            true => PreparedFunction::of_linux(backend, &program, timeout, cancel)?,
            false => PreparedFunction::new(backend, &program, snapshot, timeout, cancel)?,
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // A few extra for calls that wait inside the host.
        let limit = (4 * cores).max(8);
        Ok(Ready {
            prepared,
            pool: Pool::new(snapshot, first, limit, self.definition.keep),
            policy: (self.definition.policy)(),
            backend,
            segments: image.segments,
        })
    }
}

fn check_backend(policy: &Policy, found: Backend) -> Result<(), Error> {
    match policy.required_backend() {
        Some(required) if required != found => Err(Error::WrongBackend { required, found }),
        _ => Ok(()),
    }
}

/// The number of the hypercall that a guest has stopped at.
#[inline]
const fn number_of(stop: &Stop) -> Option<u64> {
    match stop {
        Stop::Hypercall(call) => Some(call.number),
        _ => None,
    }
}

#[cold]
fn no_result(failure: Failure, limit: Duration) -> Error {
    match failure {
        Failure::Ended(ended) => Error::ended(ended, limit),
        Failure::Gone => Error::Fault(Fault::ProcessGone),
        Failure::Place { address, length } => Error::Fault(Fault::Pointer { address, length }),
        Failure::NoStack(source) => Error::system("mmap of a stack")(source),
        failure => Error::CorruptResult {
            reason: excerpt(failure),
        },
    }
}
