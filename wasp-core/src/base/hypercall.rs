//! A guest's hypercall.

/// The port of Wasp's hypercalls.
pub const HYPERCALL_PORT: u16 = 0xff;
/// The number of the hypercall with which a guest asks for its snapshot.
pub const SNAPSHOT_HYPERCALL: u64 = 0xff;

/// A guest's hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypercall {
    /// The hypercall's number.
    pub number: u64,
    /// Its arguments, as the guest set them. They are not checked.
    pub arguments: [u64; 3],
}
