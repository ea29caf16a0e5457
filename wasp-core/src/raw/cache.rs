//! Virtines that are ready before they are wanted.

use std::env;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use crate::Error;
use crate::base::address::GuestAddress;
use crate::base::ended::Ended;
use crate::base::fork;
use crate::function::handle::NO_SNAPSHOT;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::limits::quotas::Quotas;
use crate::machine::Machine;
use crate::machine::entry::Entry;
use crate::machine::snapshot::Snapshot;
use crate::pool::slots::Statistics;
use crate::pool::{BUDGET, Pool};
use crate::raw::mode::{Mode, RawLayout};
use crate::raw::virtine::{Virtine, read_image};

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
/// A used virtine whose guest was in ring 3 is cleaned at once, by the thread that puts it back, and keeps its memory
/// for the next ([`CacheBuilder::keep`]). All else is done by threads in the background: guests in ring 0, and those
/// that misbehaved, which are torn down and replaced. The caller of [`Cache::get`] waits for that only where no clean
/// one is left and no more may be made; who waits longest comes first.
pub struct Cache {
    pool: Arc<Pool>,
    layout: Arc<RawLayout>,
    deadline: Duration,
    image_end: u64,
    patience: Duration,
    /// What virtines start from until a running guest's state takes its place; then nothing.
    image: Mutex<Option<Arc<Snapshot>>>,
    guests_may_ask: bool,
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
    kept: u64,
    guests_may_ask: bool,
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

    /// How many bytes of memory the virtines may keep together, of what their guests have written; 512 MiB unless said
    /// otherwise. A virtine that keeps its memory is clean as soon as that is written over; one that does not gets
    /// each page anew from the kernel, which takes a hundred times as long. Beyond this, those give theirs back first
    /// that were used longest ago. So does a virtine that nobody has used for 10 seconds. Memory of up to 128 pages a
    /// virtine (512 KiB) is always kept, and is not counted.
    #[must_use]
    pub const fn keep(mut self, bytes: u64) -> Self {
        self.kept = bytes;
        self
    }

    /// Lets a guest ask once for its snapshot, by Wasp's hypercall: see [`Cache::serve`]. Unless said
    /// here, guests that ask are told EPERM.
    #[must_use]
    pub const fn allow_snapshot(mut self) -> Self {
        self.guests_may_ask = true;
        self
    }

    /// Lays the image out. Virtines are made when they are wanted.
    ///
    /// # Errors
    ///
    /// [`Error::MemorySize`], [`Error::OutOfBounds`] where the image does not fit, and what the host's
    /// KVM has against it.
    pub fn build(self) -> Result<Cache, Error> {
        fork::check()?;
        let layout = RawLayout::new(self.mode, self.memory)?;
        layout.check(self.address, self.image.len() as u64)?;
        let (snapshot, first) = lay_out(&layout, &self.image, self.address)?;
        let pool = Pool::new(snapshot, first, self.limit, self.kept);
        Ok(Cache {
            image: Mutex::new(Some(pool.snapshot())),
            pool,
            layout: Arc::new(layout),
            deadline: self.deadline,
            image_end: self.address.0 + self.image.len() as u64,
            patience: self.patience,
            guests_may_ask: self.guests_may_ask,
        })
    }
}

/// The state of a guest of this image before its first instruction, and the machine that this was learnt
/// from.
fn lay_out(
    layout: &RawLayout,
    image: &[u8],
    address: GuestAddress,
) -> Result<(Snapshot, Machine), Error> {
    let (mut machine, file) = Machine::prepare(&layout.plan(), [(address.0, image)])?;
    let state = machine.state()?;
    let entry = Entry {
        rip: address.0,
        ..layout.entry()
    };
    let snapshot = Snapshot::of(&mut machine, file, state, &entry)?;
    Ok((snapshot, machine))
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
            kept: BUDGET,
            guests_may_ask: false,
        }
    }

    /// Makes virtines until `count` are clean and ready.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where that is more than the limit leaves room for, and what the host's KVM has
    /// against it.
    pub fn ensure(&self, count: usize) -> Result<(), Error> {
        fork::check()?;
        self.pool.ensure(count)
    }

    /// A virtine in the image's initial state: a clean one where there is one, else a new one, else
    /// the next that is cleaned.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where the limit is reached and none is cleaned in time, and what the host's KVM
    /// has against a new one.
    pub fn get(&self) -> Result<Lease, Error> {
        fork::check()?;
        let loan = self.pool.get(self.patience)?;
        let layout = Arc::clone(&self.layout);
        let virtine = Virtine::lent(loan, layout, self.deadline, self.image_end);
        Ok(Lease(Some(virtine)))
    }

    /// Lets every later virtine of this cache start in the state that this one is in: registers and
    /// memory behind the hypercall that it has stopped at. What Wasp's snapshot hypercall (number 0xFF)
    /// asks for; here the host decides, once, whether and when.
    ///
    /// Takes what the virtine was handed along with it: take the snapshot before any argument goes in.
    /// False, with nothing done, where `WASP_NO_SNAPSHOT` is set.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotRefused`] for a second snapshot, for a virtine of another cache, and for one
    /// that has not stopped at a hypercall; and what the kernel has against it.
    pub fn snapshot(&self, virtine: &mut Lease) -> Result<bool, Error> {
        // The host has decided on it, so it takes as long as it takes.
        let meter = Meter::new(Deadline::after(Duration::MAX), Quotas::endless(), 0);
        Ok(self.snapshot_within(virtine, &meter)?.unwrap_or(false))
    }

    /// As [`Cache::snapshot`], on the time of the guest that has asked for it.
    pub(crate) fn snapshot_within(
        &self,
        virtine: &mut Lease,
        meter: &Meter,
    ) -> Result<Result<bool, Ended>, Error> {
        fork::check()?;
        let refused = |reason| Err(Error::SnapshotRefused { reason });
        if env::var_os(NO_SNAPSHOT).is_some() {
            return Ok(Ok(false));
        }
        let Some(loan) = virtine.at_hypercall()? else {
            return refused("the guest has not stopped at a hypercall");
        };
        if !Arc::ptr_eq(loan.pool(), &self.pool) {
            return refused("the virtine is another cache's");
        }
        // Held until the snapshot is in force: it is taken once. Whoever takes it may take long.
        let mut image = loop {
            match self.image.try_lock() {
                Ok(image) => break image,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    if let Err(ended) = meter.pause(Duration::from_millis(1)) {
                        return Ok(Err(ended));
                    }
                }
            }
        };
        let Some(before) = &*image else {
            return refused("this cache has taken its snapshot");
        };
        let (machine, snapshot) = loan.split_mut();
        let retaken = match snapshot.retake(machine, self.layout.memory(), meter)? {
            Ok(retaken) => retaken,
            Err(ended) => return Ok(Err(ended)),
        };
        self.pool.replace_snapshot(before, retaken);
        *image = None;
        Ok(Ok(true))
    }

    /// Whether [`Cache::snapshot`] has taken one.
    pub(crate) fn is_retaken(&self) -> bool {
        match self.image.try_lock() {
            Ok(image) => image.is_none(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().is_none(),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Whether the host has approved of guests that ask for their snapshot.
    pub(crate) const fn guests_may_ask(&self) -> bool {
        self.guests_may_ask
    }

    /// Gives a virtine back, as dropping it does.
    pub fn put(&self, virtine: Lease) {
        drop(virtine);
    }

    /// Tears clean virtines down until at most `count` are left.
    pub fn trim(&self, count: usize) {
        if fork::check().is_ok() {
            self.pool.trim(count);
        }
    }

    /// Calls of [`Cache::get`] that found a clean virtine.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.pool.statistics().hits
    }

    /// Calls of [`Cache::get`] that had to make one or wait for one.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.pool.statistics().misses
    }

    /// Virtines that are clean and ready.
    #[must_use]
    pub fn size(&self) -> usize {
        self.pool.statistics().size
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if fork::is_child() {
            // A lock may be held for ever.
            return;
        }
        if env::var_os(DUMP_STATISTICS).is_some() {
            let Statistics { hits, misses, size } = self.pool.statistics();
            eprintln!("virtine cache: hits={hits} misses={misses} size={size}");
        }
        self.pool.close();
    }
}

/// A virtine on loan from a [`Cache`]; dropped, it goes back to be cleaned. It may outlive the cache.
pub struct Lease(Option<Virtine>);

const ON_LOAN: &str = "only drop takes the virtine";

impl Deref for Lease {
    type Target = Virtine;

    fn deref(&self) -> &Virtine {
        self.0.as_ref().expect(ON_LOAN)
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Virtine {
        self.0.as_mut().expect(ON_LOAN)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(virtine) = self.0.take() {
            virtine.end();
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
