//! `#[cfg]` as the build script can tell it: it runs once for all targets, so some predicates have
//! no answer.

use proc_macro2::TokenStream;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token};

/// The predicates that hold for the package's own crates.
#[derive(Debug)]
pub(crate) struct Cfg {
    known: Vec<(String, Option<String>)>,
}

/// Three-valued truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    /// Set by RUSTFLAGS, by build.rs itself, or not to be parsed.
    Unknown,
}

impl Cfg {
    pub(crate) fn new(known: Vec<(String, Option<String>)>) -> Self {
        Self { known }
    }

    /// Whether an item with these attributes is certainly not compiled into a guest.
    ///
    /// `test` counts as false: guests are built for the package itself, never for its unit tests.
    pub(crate) fn excludes(&self, attributes: &[Attribute]) -> bool {
        attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("cfg"))
            .filter_map(|attribute| attribute.parse_args::<Meta>().ok())
            .any(|predicate| self.eval(&predicate) == Truth::False)
    }

    /// What an attribute comes to: itself, or what a `cfg_attr` puts in its place unless its predicate is
    /// certainly false.
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
        match predicate {
            Meta::Path(path) if path.is_ident("test") => Truth::False,
            Meta::Path(path) => self.flag(
                &path
                    .get_ident()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ),
            Meta::NameValue(pair) => {
                let name = pair
                    .path
                    .get_ident()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                match &pair.value {
                    Expr::Lit(ExprLit {
                        lit: Lit::Str(value),
                        ..
                    }) => self.value(&name, &value.value()),
                    _ => Truth::Unknown,
                }
            }
            Meta::List(list) => {
                let parts = self.parts(&list.tokens);
                match list.path.get_ident().map(ToString::to_string).as_deref() {
                    Some("all") => all(&parts),
                    Some("any") => not(all(&parts.into_iter().map(not).collect::<Vec<_>>())),
                    Some("not") if parts.len() == 1 => not(all(&parts)),
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
        let known = self.known.iter().any(|(other, _)| other == name);
        match known {
            true => Truth::True,
            // What rustc itself would set, and has not.
            false
                if matches!(
                    name,
                    "windows" | "unix" | "debug_assertions" | "doc" | "miri"
                ) =>
            {
                Truth::False
            }
            false => Truth::Unknown,
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
    fn only_what_is_certainly_false_is_excluded() {
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
