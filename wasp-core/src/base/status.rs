//! How a program ended.

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By `exit` or `exit_group`, with this code, from 0 to 255.
    Exited(i32),
    /// By a signal that it sent to itself, as `abort` does.
    Killed(u8),
}
