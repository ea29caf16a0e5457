//! `std::hash`: core's, and the two hashers that std adds.

use core::hint::black_box;

pub use core::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// The hasher of maps and sets. The host seeds it once for each snapshot: the order of a map is the same in
/// every call from one snapshot.
pub type RandomState = hashbrown::DefaultHashBuilder;

/// `RandomState::new`, which std has and hashbrown has not.
pub trait NewRandomState {
    /// The one state that there is.
    #[must_use]
    fn new() -> Self;
}

impl NewRandomState for RandomState {
    fn new() -> Self {
        Self::default()
    }
}

/// Chooses one of the host's seeds. foldhash takes none from outside, but each state that it makes follows
/// from the one before, so it is a number of states to pass over.
pub(crate) fn seed(seed: usize) {
    for _ in 0..seed {
        black_box(RandomState::default());
    }
}

/// SipHash 1-3 with a key of zeros, as std's: the same values give the same hashes as on the host.
#[derive(Clone, Debug)]
pub struct DefaultHasher(siphasher::sip::SipHasher13);

impl DefaultHasher {
    /// A hasher that has seen nothing.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "`Default` is right below")]
    pub fn new() -> Self {
        Self(siphasher::sip::SipHasher13::new())
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
