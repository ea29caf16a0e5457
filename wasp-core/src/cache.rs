//! Virtines that are ready before they are wanted.

use std::collections::VecDeque;
use std::env;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Error;
use crate::address::GuestAddress;
use crate::function::NO_SNAPSHOT;
use crate::machine::Machine;
use crate::mode::{Mode, RawLayout};
use crate::process;
use crate::snapshot::Snapshot;
use crate::virtine::{Virtine, read_image};

/// Set to anything, every cache tells its hits, misses and size on standard error when it is dropped.
const DUMP_STATISTICS: &str = "WASP_DUMP_CACHE_STATS";

/// A pool of virtines that all start from one image, in one state.
///
/// ```no_run
/// use wasp_core::{Cache, Exit, Mode};
///
/// # fn main() -> Result<(), wasp_core::Error> {
/// let cache = Cache::builder(4096 * 16).mode(Mode::Real16).load_binary("virtine.bin", 0x8000)?.build()?;
/// cache.ensure(12)?;
/// let mut virtine = cache.get()?;
/// while virtine.run()? != Exit::Exited {}
/// cache.put(virtine); // or drop it
/// # Ok(())
/// # }
/// ```
///
/// Used virtines are cleaned, or torn down and replaced, by a thread of the cache's own; the caller of
/// [`Cache::get`] waits for that only where no clean one is left and no more may be made.
pub struct Cache {
    shared: Arc<Shared>,
    cleaner: Option<JoinHandle<()>>,
}

/// Makes a [`Cache`].
#[derive(Clone, Debug)]
pub struct CacheBuilder {
    memory: u64,
    mode: Mode,
    deadline: Duration,
    image: Vec<u8>,
    address: GuestAddress,
    limit: usize,
    patience: Duration,
}

impl CacheBuilder {
    /// The mode that the guests start in; [`Mode::User64`] unless said otherwise.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How long each run may take; 10 s unless said otherwise.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The flat image that every virtine starts with, at `address`.
    #[must_use]
    pub fn binary(mut self, image: impl Into<Vec<u8>>, address: impl Into<GuestAddress>) -> Self {
        (self.image, self.address) = (image.into(), address.into());
        self
    }

    /// As [`CacheBuilder::binary`], from a file.
    ///
    /// # Errors
    ///
    /// [`Error::ReadImage`] where the file cannot be read.
    pub fn load_binary(
        self,
        path: impl AsRef<Path>,
        address: impl Into<GuestAddress>,
    ) -> Result<Self, Error> {
        Ok(self.binary(read_image(path.as_ref())?, address))
    }

    /// How many virtines there may be at a time, in use or not; 64 unless said otherwise.
    #[must_use]
    pub const fn limit(mut self, virtines: usize) -> Self {
        self.limit = virtines;
        self
    }

    /// How long [`Cache::get`] waits where the limit is reached; 10 s unless said otherwise. Zero makes
    /// it an error at once.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Lays the image out. Virtines are made when they are wanted.
    ///
    /// # Errors
    ///
    /// [`Error::MemorySize`], [`Error::OutOfBounds`] where the image does not fit, and what the host's
    /// KVM has against it.
    pub fn build(self) -> Result<Cache, Error> {
        process::check()?;
        let layout = RawLayout::new(self.mode, self.memory)?;
        layout.check(self.address, self.image.len() as u64)?;
        let snapshot = Snapshot::new(layout, &self.image, self.address.0, self.deadline)?;
        let shared = Arc::new(Shared {
            limit: self.limit,
            patience: self.patience,
            state: Mutex::new(State::new(snapshot)),
            clean: Condvar::new(),
            used: Condvar::new(),
        });
        let cleaner = Arc::clone(&shared);
        let cleaner = thread::Builder::new()
            .name("virtine-cleaner".to_owned())
            .spawn(move || cleaner.keep_clean())
            .map_err(Error::system("start of a cleaning thread"))?;
        Ok(Cache {
            shared,
            cleaner: Some(cleaner),
        })
    }
}

impl Cache {
    /// Starts to make one whose virtines have this many bytes of memory.
    #[must_use]
    pub fn builder(memory: u64) -> CacheBuilder {
        CacheBuilder {
            memory,
            mode: Mode::default(),
            deadline: Duration::from_secs(10),
            image: Vec::new(),
            address: GuestAddress(0),
            limit: 64,
            patience: Duration::from_secs(10),
        }
    }

    /// Makes virtines until `count` are clean and ready.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where that is more than the limit leaves room for, and what the host's KVM has
    /// against it.
    pub fn ensure(&self, count: usize) -> Result<(), Error> {
        process::check()?;
        loop {
            let mut state = self.shared.lock();
            if state.clean.len() >= count {
                return Ok(());
            }
            if state.live >= self.shared.limit {
                return Err(Error::Busy {
                    limit: self.shared.limit,
                    waited: Duration::ZERO,
                });
            }
            state.live += 1;
            let snapshot = Arc::clone(&state.snapshot);
            drop(state);
            let machine = self.shared.make(&snapshot)?;
            self.shared.put_clean(machine, &snapshot);
        }
    }

    /// A virtine in the image's initial state: a clean one where there is one, else a new one, else
    /// the next that is cleaned.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where the limit is reached and none is cleaned in time, and what the host's KVM
    /// has against a new one.
    pub fn get(&self) -> Result<Lease, Error> {
        process::check()?;
        let shared = &self.shared;
        let (machine, snapshot) = shared.take_or_reserve()?;
        let machine = match machine {
            Some(machine) => machine,
            None => shared.make(&snapshot)?,
        };
        let virtine = Virtine::from_machine(machine, snapshot.layout(), snapshot.deadline());
        Ok(Lease {
            shared: Arc::clone(shared),
            loan: Some(Loan { virtine, snapshot }),
        })
    }

    /// Lets every later virtine of this cache start in the state that this one is in: registers and
    /// memory behind the hypercall that it has stopped at. What Wasp's snapshot hypercall (number 0xFF)
    /// asks for; here the host decides, once, whether and when.
    ///
    /// Takes what the virtine was handed along with it: take the snapshot before any argument goes in.
    /// Of a guest in ring 0, MSRs and debug registers are not part of it. False, with nothing done,
    /// where `WASP_NO_SNAPSHOT` is set.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotRefused`] for a second snapshot, for a virtine of another cache, and for one
    /// that has not stopped at a hypercall; and what the kernel has against it.
    pub fn snapshot(&self, virtine: &mut Lease) -> Result<bool, Error> {
        process::check()?;
        let refused = |reason| Err(Error::SnapshotRefused { reason });
        if env::var_os(NO_SNAPSHOT).is_some() {
            return Ok(false);
        }
        if !Arc::ptr_eq(&self.shared, &virtine.shared) {
            return refused("the virtine is another cache's");
        }
        if self.shared.lock().retaken {
            return refused("this cache has taken its snapshot");
        }
        let Some(loan) = &mut virtine.loan else {
            return refused("the virtine is gone");
        };
        let Some(machine) = loan.virtine.at_hypercall()? else {
            return refused("the guest has not stopped at a hypercall");
        };
        let retaken = Arc::new(loan.snapshot.retake(machine)?);
        let mut state = self.shared.lock();
        if mem::replace(&mut state.retaken, true) {
            return refused("this cache has taken its snapshot");
        }
        state.snapshot = retaken;
        let outdated = mem::take(&mut state.clean);
        state.live -= outdated.len();
        drop(state);
        drop(outdated);
        Ok(true)
    }

    /// Gives a virtine back, as dropping it does.
    pub fn put(&self, virtine: Lease) {
        drop(virtine);
    }

    /// Tears clean virtines down until at most `count` are left.
    pub fn trim(&self, count: usize) {
        let mut state = self.shared.lock();
        let keep = state.clean.len().min(count);
        let surplus = state.clean.split_off(keep);
        state.live -= surplus.len();
        drop(state);
        drop(surplus);
    }

    /// Calls of [`Cache::get`] that found a clean virtine.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.lock().hits
    }

    /// Calls of [`Cache::get`] that had to make one or wait for one.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.shared.lock().misses
    }

    /// Virtines that are clean and ready.
    #[must_use]
    pub fn size(&self) -> usize {
        self.shared.lock().clean.len()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if process::is_child() {
            // The thread to join is not here, and a lock may be held for ever.
            mem::forget((self.cleaner.take(), Arc::clone(&self.shared)));
            return;
        }
        if env::var_os(DUMP_STATISTICS).is_some() {
            eprintln!(
                "virtine cache: hits={} misses={} size={}",
                self.hits(),
                self.misses(),
                self.size()
            );
        }
        self.shared.lock().closed = true;
        self.shared.used.notify_all();
        if let Some(cleaner) = self.cleaner.take() {
            // It does not panic; if it did, there would be nobody to tell.
            let _ = cleaner.join();
        }
        let clean = mem::take(&mut self.shared.lock().clean);
        drop(clean);
    }
}

struct Shared {
    limit: usize,
    patience: Duration,
    state: Mutex<State>,
    /// A clean machine is there, or room for a new one.
    clean: Condvar,
    /// A used machine is there, or the cache is closed.
    used: Condvar,
}

struct State {
    /// What the next machines start from, and those in `clean` do.
    snapshot: Arc<Snapshot>,
    /// It is a running guest's, taken by [`Cache::snapshot`].
    retaken: bool,
    /// The latest used last, so that its memory is still in the processor's caches.
    clean: Vec<Machine>,
    used: VecDeque<Loan>,
    /// All machines: clean, used, in use, and those in the making.
    live: usize,
    hits: u64,
    misses: u64,
    closed: bool,
}

impl State {
    fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            retaken: false,
            clean: Vec::new(),
            used: VecDeque::new(),
            live: 0,
            hits: 0,
            misses: 0,
            closed: false,
        }
    }
}

/// A virtine, and what its machine started from.
struct Loan {
    virtine: Virtine,
    snapshot: Arc<Snapshot>,
}

impl Shared {
    /// A clean machine, or `None` and the right to make one.
    fn take_or_reserve(&self) -> Result<(Option<Machine>, Arc<Snapshot>), Error> {
        let mut state = self.lock();
        if let Some(machine) = state.clean.pop() {
            state.hits += 1;
            return Ok((Some(machine), Arc::clone(&state.snapshot)));
        }
        state.misses += 1;
        let start = Instant::now();
        loop {
            if let Some(machine) = state.clean.pop() {
                return Ok((Some(machine), Arc::clone(&state.snapshot)));
            }
            if state.live < self.limit {
                state.live += 1;
                return Ok((None, Arc::clone(&state.snapshot)));
            }
            let waited = start.elapsed();
            if waited >= self.patience {
                return Err(Error::Busy {
                    limit: self.limit,
                    waited,
                });
            }
            let woken = self.clean.wait_timeout(state, self.patience - waited);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes a machine for which room has been reserved. Never under the lock.
    fn make(&self, snapshot: &Snapshot) -> Result<Machine, Error> {
        snapshot.machine().inspect_err(|_| self.release())
    }

    fn release(&self) {
        self.lock().live -= 1;
        self.clean.notify_one();
    }

    /// Keeps a machine that starts from `snapshot`, unless another has come into force meanwhile.
    fn put_clean(&self, machine: Machine, snapshot: &Arc<Snapshot>) {
        let mut state = self.lock();
        if Arc::ptr_eq(&state.snapshot, snapshot) {
            state.clean.push(machine);
        } else {
            state.live -= 1;
            drop(state);
            drop(machine);
        }
        self.clean.notify_one();
    }

    fn put_used(&self, loan: Loan) {
        let mut state = self.lock();
        if state.closed {
            state.live -= 1;
            drop(state);
            drop(loan);
            return;
        }
        state.used.push_back(loan);
        drop(state);
        self.used.notify_one();
    }

    /// The cleaning thread: until the cache is closed.
    fn keep_clean(&self) {
        while let Some(Loan { virtine, snapshot }) = self.next_used() {
            let current = Arc::clone(&self.lock().snapshot);
            let cleaned = match Arc::ptr_eq(&snapshot, &current) {
                true => virtine.into_clean(&snapshot),
                false => None,
            };
            match cleaned.map_or_else(|| current.machine(), Ok) {
                Ok(machine) => self.put_clean(machine, &current),
                // The next `get` makes one, or tells why it cannot.
                Err(_) => self.release(),
            }
        }
    }

    fn next_used(&self) -> Option<Loan> {
        let mut state = self.lock();
        loop {
            if state.closed {
                let left = mem::take(&mut state.used);
                state.live -= left.len();
                drop(state);
                drop(left);
                return None;
            }
            if let Some(loan) = state.used.pop_front() {
                return Some(loan);
            }
            state = self
                .used
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A virtine on loan from a [`Cache`]; dropped, it goes back to be cleaned. It may outlive the cache.
pub struct Lease {
    shared: Arc<Shared>,
    loan: Option<Loan>,
}

const ON_LOAN: &str = "only drop takes the virtine";

impl Deref for Lease {
    type Target = Virtine;

    fn deref(&self) -> &Virtine {
        &self.loan.as_ref().expect(ON_LOAN).virtine
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Virtine {
        &mut self.loan.as_mut().expect(ON_LOAN).virtine
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.loan.take() {
            Some(loan) if !process::is_child() => self.shared.put_used(loan),
            _ => {}
        }
    }
}

/// Threads share a cache; what they borrow moves between them.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_sync<T: Sync>() {}
    is_send::<Cache>();
    is_sync::<Cache>();
    is_send::<Lease>();
};
