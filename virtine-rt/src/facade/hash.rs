//! `std::hash`: core's contents, and the two hashers that std adds.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use siphasher::sip::SipHasher13;

/// The seed for the keys of this guest's maps, chosen by the host.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Sets the seed from which the keys of all maps are derived.
pub(crate) fn seed(seed: u64) {
    SEED.store(seed, Relaxed);
}

/// Same as in std: SipHash 1-3, with a separate key for each map. The keys are derived from the host's seed for the
/// snapshot, so the same call from one snapshot always sees the same orders.
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

/// SipHash 1-3 with an all-zero key, as in std: the same values hash as on the host.
#[derive(Clone, Debug)]
pub struct DefaultHasher(SipHasher13);

impl DefaultHasher {
    /// Creates a hasher without input.
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
    /// All integers are hashed as their bytes, as in std.
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}
