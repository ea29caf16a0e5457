//! What a call that has ended returns.

/// Nothing, ever.
pub enum Never {}
