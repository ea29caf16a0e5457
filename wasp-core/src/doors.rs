//! Doors: what a guest may ask of its host, and what becomes of it.
//!
//! ```text
//! hypercall --> dispatch --> policy: is the door open?  quota: is enough left?
//!                              |  guest_memory: is the pointer the guest's own?
//!                              v
//!                 files, streams, clock, environment, random
//! ```
//!
//! All of a call's state is one [`Session`]. It is made at the first hypercall that the host answers, so
//! a call that opens no door pays for none, and dropped with the call, however that ends; handles are
//! closed by that.

mod audit;
mod authority;
mod clock;
mod directory;
mod dispatch;
mod door;
mod environment;
mod files;
mod guest_memory;
mod handles;
mod heap_end;
mod host;
mod identities;
mod means;
mod metadata;
mod mounts;
mod naming;
mod open;
mod path;
mod place;
mod policy;
mod random;
mod refusal;
mod rights;
mod roots;
mod sockets;
mod streams;
mod system;

pub(crate) use dispatch::{Reply, Session, negative};
pub use door::Door;
pub(crate) use guest_memory::{Access, GuestSpace};
pub(crate) use heap_end::HeapEnd;
pub use host::HostFunction;
pub(crate) use metadata::encode as encode_stat;
pub(crate) use path::plain;
pub use policy::Policy;
pub(crate) use random::seed;
pub use refusal::Refusal;
pub(crate) use refusal::{Answer, Stop};
pub(crate) use streams::Waiting;
