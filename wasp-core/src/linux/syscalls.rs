//! Answers to system calls. The list is closed, and each answer is like Linux's.

pub(crate) mod attributes;
pub(crate) mod dispatch;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod identity;
pub(crate) mod memory;
pub(crate) mod signals;
pub(crate) mod sockets;
pub(crate) mod stat;
pub(crate) mod time;
