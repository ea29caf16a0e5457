//! The crates that guests can use as `std`.

/// The crate that a guest uses as `std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The runtime's facade, in a small guest without std: `#[virtine(core)]`.
    Facade,
    /// The real std: `#[virtine(std)]`.
    Std,
}

impl Library {
    /// The key that names it, in the attribute and in the manifest.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Facade => "core",
            Self::Std => "std",
        }
    }

    /// The library with this key.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        [Self::Facade, Self::Std]
            .into_iter()
            .find(|library| library.key() == key)
    }

    /// The path of the runtime in a guest's source.
    pub(crate) const fn runtime(self) -> &'static str {
        match self {
            Self::Facade => "::std",
            Self::Std => "::virtine_rt",
        }
    }
}
