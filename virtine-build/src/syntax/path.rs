//! Paths of functions in the attribute.

use std::fmt;

use quote::ToTokens as _;

/// The path of a function, as the user wrote it.
#[derive(Clone)]
pub struct FunctionPath(pub syn::Path);

impl FunctionPath {
    /// The last name of the path.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.0.segments.last().map(|last| last.ident.to_string())
    }
}

/// Without spans: two equal paths in different places are equal.
impl fmt::Debug for FunctionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_token_stream().to_string())
    }
}

impl PartialEq for FunctionPath {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for FunctionPath {}
