//! Evaluates `#[cfg]`. The build script runs once for all targets, so the value of some predicates is
//! unknown.

use proc_macro2::TokenStream;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token};

/// The predicates that hold for the crates of the package.
#[derive(Debug)]
pub(crate) struct Cfg {
    known: Vec<(String, Option<String>)>,
}

/// Three-valued truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    /// It may be set by RUSTFLAGS or by build.rs itself, or cannot be parsed.
    Unknown,
}

impl Cfg {
    pub(crate) fn new(known: Vec<(String, Option<String>)>) -> Self {
        Self { known }
    }

    /// Whether an item with these attributes is certainly not compiled into a guest.
    ///
    /// `test` is false: guests are built for the package itself, never for its unit tests.
    pub(crate) fn excludes(&self, attributes: &[Attribute]) -> bool {
        attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .filter_map(|attribute| attribute.parse_args::<Meta>().ok())
            .any(|predicate| self.eval(&predicate) == Truth::False)
    }

    /// The attribute itself, or the attributes that a `cfg_attr` expands to unless its predicate is certainly
    /// false.
    pub(crate) fn applied(&self, attribute: &Attribute) -> Vec<Meta> {
        self.expanded(&attribute.meta)
    }

    fn expanded(&self, meta: &Meta) -> Vec<Meta> {
        let Meta::List(list) = meta else {
            return vec![meta.clone()];
        };
        if !list.path.is_ident("cfg_attr") {
            return vec![meta.clone()];
        }
        let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
        let parts = parse.parse2(list.tokens.clone()).unwrap_or_default();
        let mut parts = parts.iter();
        match parts.next() {
            Some(predicate) if self.eval(predicate) != Truth::False => {
                parts.flat_map(|part| self.expanded(part)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn eval(&self, predicate: &Meta) -> Truth {
        let name = predicate.path().get_ident().map(ToString::to_string);
        let name = name.unwrap_or_default();
        match predicate {
            Meta::Path(_) => self.flag(&name),
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(value),
                    ..
                }) => self.value(&name, &value.value()),
                _ => Truth::Unknown,
            },
            Meta::List(list) => {
                let parts = self.parts(&list.tokens);
                match name.as_str() {
                    "all" => all(&parts),
                    "any" => not(all(&parts.into_iter().map(not).collect::<Vec<_>>())),
                    "not" if parts.len() == 1 => not(all(&parts)),
                    _ => Truth::Unknown,
                }
            }
        }
    }

    fn parts(&self, tokens: &TokenStream) -> Vec<Truth> {
        Punctuated::<Meta, Token![,]>::parse_terminated
            .parse2(tokens.clone())
            .map_or_else(
                |_| vec![Truth::Unknown],
                |parts| parts.iter().map(|part| self.eval(part)).collect(),
            )
    }

    fn flag(&self, name: &str) -> Truth {
        match name {
            "test" => Truth::False,
            _ if self.known.iter().any(|(other, _)| other == name) => Truth::True,
            // rustc itself sets these if they hold.
            "windows" | "unix" | "debug_assertions" | "doc" | "miri" => Truth::False,
            _ => Truth::Unknown,
        }
    }

    fn value(&self, name: &str, value: &str) -> Truth {
        let mut values = self
            .known
            .iter()
            .filter(|(other, _)| other == name)
            .peekable();
        let settled = values.peek().is_some() || name == "feature";
        match values.any(|(_, other)| other.as_deref() == Some(value)) {
            true => Truth::True,
            false if settled => Truth::False,
            false => Truth::Unknown,
        }
    }
}

fn all(parts: &[Truth]) -> Truth {
    if parts.contains(&Truth::False) {
        return Truth::False;
    }
    match parts.contains(&Truth::Unknown) {
        true => Truth::Unknown,
        false => Truth::True,
    }
}

const fn not(truth: Truth) -> Truth {
    match truth {
        Truth::True => Truth::False,
        Truth::False => Truth::True,
        Truth::Unknown => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(predicate: &str) -> bool {
        let known = [
            ("unix", None),
            ("target_os", Some("linux")),
            ("feature", Some("a")),
        ];
        let known = known.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let item: syn::ItemStruct =
            syn::parse_str(&format!("#[cfg({predicate})] struct S;")).expect("an item");
        Cfg::new(known.to_vec()).excludes(&item.attrs)
    }

    #[test]
    fn only_certainly_false_predicates_exclude() {
        for (predicate, expected) in [
            ("test", true),
            ("not(test)", false),
            ("unix", false),
            ("windows", true),
            ("feature = \"a\"", false),
            ("feature = \"b\"", true),
            ("target_os = \"macos\"", true),
            ("my_own_flag", false),
            ("not(my_own_flag)", false),
            ("all(unix, test)", true),
            ("any(test, unix)", false),
            ("any(test, windows)", true),
            ("any(test, my_own_flag)", false),
        ] {
            assert_eq!(excludes(predicate), expected, "{predicate}");
        }
    }
}
