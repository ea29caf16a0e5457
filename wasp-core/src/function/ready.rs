//! What a function keeps from its first call on.

use std::sync::Arc;

use virtine_rt::abi::image::Segment;

use crate::base::backend::Backend;
use crate::guest::prepared_function::PreparedFunction;
use crate::host::policy::Policy;
use crate::pool::Pool;

/// What a function keeps from its first call on.
pub(crate) struct Ready {
    pub(crate) prepared: PreparedFunction,
    pub(crate) pool: Arc<Pool>,
    pub(crate) policy: Policy,
    /// What holds its guests.
    pub(crate) backend: Backend,
    /// Those of the image, for texts that results borrow.
    pub(crate) segments: Vec<Segment<'static>>,
}
