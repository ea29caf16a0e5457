//! The limits of one call, and who ends it: deadlines, the watchdog, cancellation, quotas.

pub(crate) mod cancel;
pub(crate) mod deadline;
pub(crate) mod meter;
pub(crate) mod pieces;
pub(crate) mod quotas;
pub(crate) mod watchdog;
