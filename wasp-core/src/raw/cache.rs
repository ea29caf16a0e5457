//! Keeps virtines ready before they are needed.

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
use crate::machine::entry::Entry;
use crate::machine::snapshot::Snapshot;
use crate::machine::{Machine, backend};
use crate::pool::slots::Statistics;
use crate::pool::{BUDGET, Pool};
use crate::raw::mode::{Mode, RawLayout};
use crate::raw::virtine::{Virtine, read_image};

/// If set to any value, every cache prints its hits, misses and size to standard error when it is dropped.
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
/// A used virtine whose guest was in ring 3 is cleaned at once, by the thread that returns it, and keeps its memory for
/// the next use ([`CacheBuilder::keep`]). Background threads handle all others: guests in ring 0, and misbehaving
/// guests, whose machines are torn down and replaced. The caller of [`Cache::get`] waits for them only if no clean
/// virtine is left and no more may be created. Waiting callers are served in order.
pub struct Cache {
    pool: Arc<Pool>,
    layout: Arc<RawLayout>,
    deadline: Duration,
    image_end: u64,
    patience: Duration,
    /// The snapshot that virtines start from, until a running guest's state replaces it; then `None`.
    image: Mutex<Option<Arc<Snapshot>>>,
    guests_may_ask: bool,
}

/// Builds a [`Cache`].
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
    /// The mode in which guests start. Default: [`Mode::User64`].
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How long each run may take. Default: 10 s.
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

    /// Like [`CacheBuilder::binary`], from a file.
    ///
    /// # Errors
    ///
    /// [`Error::ReadImage`] if the file cannot be read.
    pub fn load_binary(
        self,
        path: impl AsRef<Path>,
        address: impl Into<GuestAddress>,
    ) -> Result<Self, Error> {
        Ok(self.binary(read_image(path.as_ref())?, address))
    }

    /// How many virtines may exist at a time, in use or not. Default: 64.
    #[must_use]
    pub const fn limit(mut self, virtines: usize) -> Self {
        self.limit = virtines;
        self
    }

    /// How long [`Cache::get`] waits when the limit is reached. Default: 10 s. With zero, it fails at once.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The most bytes of memory written by guests that all virtines together may keep. Default: 512 MiB.
    ///
    /// A virtine that keeps its memory is clean as soon as that is overwritten. One that does not gets each page anew
    /// from the kernel, which takes a hundred times as long. Beyond the limit, the least recently used virtines release
    /// their memory first. A virtine that was not used for 10 seconds also releases it. Up to 128 pages per virtine
    /// (512 KiB) are always kept, and are not counted.
    #[must_use]
    pub const fn keep(mut self, bytes: u64) -> Self {
        self.kept = bytes;
        self
    }

    /// Lets a guest ask once for its snapshot, by Wasp's hypercall: see [`Cache::serve`]. Otherwise guests that ask get
    /// EPERM.
    #[must_use]
    pub const fn allow_snapshot(mut self) -> Self {
        self.guests_may_ask = true;
        self
    }

    /// Lays out the image. Virtines are created on demand.
    ///
    /// # Errors
    ///
    /// [`Error::MemorySize`], [`Error::OutOfBounds`] if the image does not fit, and errors of the host's KVM.
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

/// The state of this image's guests before their first instruction, and the machine from which it was read.
fn lay_out(
    layout: &RawLayout,
    image: &[u8],
    address: GuestAddress,
) -> Result<(Snapshot, Machine), Error> {
    let (mut machine, file) = Machine::prepare(
        backend::for_guests(None)?,
        &layout.plan(),
        [(address.0, image)],
    )?;
    let state = machine.state()?;
    let entry = Entry {
        rip: address.0,
        ..layout.entry()
    };
    let snapshot = Snapshot::of(&mut machine, file, state, &entry)?;
    Ok((snapshot, machine))
}

impl Cache {
    /// Starts building a cache whose virtines have this many bytes of memory.
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

    /// Creates virtines until `count` are clean and ready.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if that is more than the limit allows, and errors of the host's KVM.
    pub fn ensure(&self, count: usize) -> Result<(), Error> {
        fork::check()?;
        self.pool.ensure(count)
    }

    /// Returns a virtine in the image's initial state: a clean one if there is one, else a new one, else the next one
    /// that is cleaned.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if the limit is reached and none is cleaned in time, and errors of the host's KVM when it
    /// creates a new one.
    pub fn get(&self) -> Result<Lease, Error> {
        fork::check()?;
        let loan = self.pool.get(self.patience)?;
        let layout = Arc::clone(&self.layout);
        let virtine = Virtine::lent(loan, layout, self.deadline, self.image_end);
        Ok(Lease(Some(virtine)))
    }

    /// Lets every later virtine of this cache start in this one's state: its registers and memory after the hypercall
    /// at which it stopped. Wasp's snapshot hypercall (number 0xFF) does the same. Here the host decides, once, whether
    /// and when.
    ///
    /// The snapshot contains everything that the virtine was given: take it before any argument goes in. Returns false,
    /// and does nothing, if `WASP_NO_SNAPSHOT` is set.
    ///
    /// # Errors
    ///
    /// [`Error::SnapshotRefused`] for a second snapshot, for a virtine of another cache, and for one that has not
    /// stopped at a hypercall; and errors of the kernel.
    pub fn snapshot(&self, virtine: &mut Lease) -> Result<bool, Error> {
        // The host decided on it, so it has no time limit.
        let meter = Meter::new(Deadline::after(Duration::MAX), Quotas::endless(), 0);
        Ok(self.snapshot_within(virtine, &meter)?.unwrap_or(false))
    }

    /// Like [`Cache::snapshot`], but on the time of the guest that asked for it.
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
        // Held until the snapshot is in force, because it is taken only once. This may take long.
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

    /// Whether [`Cache::snapshot`] has taken a snapshot.
    pub(crate) fn is_retaken(&self) -> bool {
        match self.image.try_lock() {
            Ok(image) => image.is_none(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().is_none(),
            Err(TryLockError::WouldBlock) => false,
        }
    }

    /// Whether the host allows guests to ask for their snapshot.
    pub(crate) const fn guests_may_ask(&self) -> bool {
        self.guests_may_ask
    }

    /// Returns a virtine to the cache, as dropping it does.
    pub fn put(&self, virtine: Lease) {
        drop(virtine);
    }

    /// Tears down clean virtines until at most `count` are left.
    pub fn trim(&self, count: usize) {
        if fork::check().is_ok() {
            self.pool.trim(count);
        }
    }

    /// The number of calls of [`Cache::get`] that found a clean virtine.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.pool.statistics().hits
    }

    /// The number of calls of [`Cache::get`] that had to create a virtine or wait for one.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.pool.statistics().misses
    }

    /// The number of virtines that are clean and ready.
    #[must_use]
    pub fn size(&self) -> usize {
        self.pool.statistics().size
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if fork::is_child() {
            // A lock may be held forever.
            return;
        }
        if env::var_os(DUMP_STATISTICS).is_some() {
            let Statistics { hits, misses, size } = self.pool.statistics();
            eprintln!("virtine cache: hits={hits} misses={misses} size={size}");
        }
        self.pool.close();
    }
}

/// A virtine on loan from a [`Cache`]. When dropped, it is returned and cleaned. It may outlive the cache.
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

/// Threads share a cache, and its leases move between them.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_sync<T: Sync>() {}
    is_send::<Cache>();
    is_sync::<Cache>();
    is_send::<Lease>();
};
