//! What a guest asks for by a hypercall.

/// The port of Wasp's hypercalls.
pub const HYPERCALL_PORT: u16 = 0xff;
/// The number of the hypercall by which a guest asks for its snapshot.
pub const SNAPSHOT_HYPERCALL: u64 = 0xff;

/// What a guest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypercall {
    /// Which hypercall it is.
    pub number: u64,
    /// Its arguments, as the guest gave them: nothing about them is checked.
    pub arguments: [u64; 3],
}
