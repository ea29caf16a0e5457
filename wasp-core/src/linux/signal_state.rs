//! A program's signal state.

/// The highest signal number. Numbers start at 1.
pub(super) const LAST: u64 = 64;
/// Bytes of the kernel's `struct sigaction` on x86-64, `sigset_t` and `stack_t`.
pub(super) const ACTION: usize = 32;
pub(super) const SET: usize = 8;
pub(super) const STACK: usize = 24;

/// `sigaltstack`'s flag for no alternate stack.
pub(super) const DISABLED: u64 = libc::SS_DISABLE as u64;

/// A program's signal state.
#[derive(Clone, Debug)]
pub(crate) struct SignalState {
    pub(super) actions: Vec<[u8; ACTION]>,
    pub(super) blocked: [u8; SET],
    pub(super) stack: [u8; STACK],
}

impl Default for SignalState {
    fn default() -> Self {
        let mut stack = [0; STACK];
        stack[8..16].copy_from_slice(&DISABLED.to_le_bytes());
        Self {
            actions: vec![[0; ACTION]; LAST as usize],
            blocked: [0; SET],
            stack,
        }
    }
}
