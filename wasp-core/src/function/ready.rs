//! What a function keeps from its first call on.

use std::sync::Arc;

use virtine_rt::abi::image::Segment;

use crate::guest::prepared_function::PreparedFunction;
use crate::host::policy::Policy;
use crate::pool::Pool;

/// What a function keeps from its first call on.
pub(crate) struct Ready {
    pub(crate) prepared: PreparedFunction,
    pub(crate) pool: Arc<Pool>,
    pub(crate) policy: Policy,
    /// The segments of the image, for strings that results borrow.
    pub(crate) segments: Vec<Segment<'static>>,
}
