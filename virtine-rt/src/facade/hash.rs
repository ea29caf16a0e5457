//! `std::hash`: core's, and the two hashers that std adds.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use siphasher::sip::SipHasher13;

/// Where the keys of this guest's maps start: the host's choice.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Has the keys of all maps follow from `seed`.
pub(crate) fn seed(seed: u64) {
    SEED.store(seed, Relaxed);
}

/// As std's: SipHash 1-3, with a key of its own for each map. The keys follow from what the host chose for
/// the snapshot, so that the same call from one snapshot sees the same orders each time.
#[derive(Clone, Debug)]
pub struct RandomState(u64);

impl RandomState {
    /// The next state.
    #[must_use]
    pub fn new() -> Self {
        Self(SEED.fetch_add(1, Relaxed))
    }
}

impl Default for RandomState {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildHasher for RandomState {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        DefaultHasher(SipHasher13::new_with_keys(self.0, !self.0.rotate_left(32)))
    }
}

/// SipHash 1-3 with a key of zeros, as std's: the same values give the same hashes as on the host.
#[derive(Clone, Debug)]
pub struct DefaultHasher(SipHasher13);

impl DefaultHasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(SipHasher13::new())
    }
}

impl Default for DefaultHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher for DefaultHasher {
    /// All integers come through here as their bytes, as they do in std.
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}
