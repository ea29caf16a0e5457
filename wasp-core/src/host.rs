//! Capabilities: what a guest may ask of its host, and how the host answers.
//!
//! ```text
//! hypercall --> dispatch --> policy: is it granted?  quota: is enough left?
//!                              |  guest_memory: is the pointer the guest's own?
//!                              v
//!                 files, streams, clock, environment, random
//! ```
//!
//! All of a call's state is one [`Session`](dispatch::Session). It is created at the first hypercall that the host
//! answers, so a call that uses no capability pays nothing. It is dropped with the call, however the call ends, which
//! closes all handles.

pub(crate) mod audit;
pub(crate) mod authority;
pub(crate) mod call_error;
pub(crate) mod clock;
pub(crate) mod directory;
pub(crate) mod dispatch;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod functions;
pub(crate) mod guest_memory;
pub(crate) mod handles;
pub(crate) mod heap_end;
pub(crate) mod identities;
pub(crate) mod metadata;
pub(crate) mod mounts;
pub(crate) mod naming;
pub(crate) mod open;
pub(crate) mod path;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod random;
pub(crate) mod request_error;
pub(crate) mod rights;
pub(crate) mod roots;
pub(crate) mod sockets;
pub(crate) mod streams;
pub(crate) mod system;
pub(crate) mod transfer_modes;
