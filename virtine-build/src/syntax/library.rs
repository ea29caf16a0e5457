//! The crates that guests can use as `std`.

/// The crate that a guest uses as `std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// The runtime's facade.
    Facade,
    /// The real std: `#[virtine(std)]`.
    Std,
}

impl Library {
    /// The path of the runtime in a guest's source.
    pub(crate) const fn runtime(self) -> &'static str {
        match self {
            Self::Facade => "::std",
            Self::Std => "::virtine_rt",
        }
    }
}
