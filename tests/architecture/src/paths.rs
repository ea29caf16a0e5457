//! Paths in source: those of `use` declarations, and those in code.

use proc_macro2::{TokenStream, TokenTree};
use syn::UseTree;

/// One name that a `use` declaration brings in.
#[derive(Clone, Debug)]
pub struct Use {
    /// What it names.
    pub path: Vec<String>,
    /// What it is called here; `None` for a glob.
    pub name: Option<String>,
    /// Whether others can see it.
    pub is_public: bool,
}

/// Adds each name of a `use` declaration to `uses`.
pub(crate) fn flatten(tree: &UseTree, is_public: bool, uses: &mut Vec<Use>) {
    descend(tree, &mut Vec::new(), is_public, uses);
}

fn descend(tree: &UseTree, path: &mut Vec<String>, is_public: bool, uses: &mut Vec<Use>) {
    let mut add = |last: Option<String>, name: Option<String>| {
        // `use a::{self}` names `a`.
        let last = last.filter(|last| last != "self" || path.is_empty());
        let name = match name {
            Some(name) if name == "self" => path.last().cloned(),
            name => name,
        };
        let path = path.iter().cloned().chain(last).collect();
        uses.push(Use {
            path,
            name,
            is_public,
        });
    };
    match tree {
        UseTree::Name(name) => add(Some(name.ident.to_string()), Some(name.ident.to_string())),
        UseTree::Rename(name) => add(Some(name.ident.to_string()), Some(name.rename.to_string())),
        UseTree::Glob(_) => add(None, None),
        UseTree::Path(next) => {
            path.push(next.ident.to_string());
            descend(&next.tree, path, is_public, uses);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                descend(tree, path, is_public, uses);
            }
        }
    }
}

/// All paths of two segments and more in `code`. What a single name means, a `use` declaration says.
pub(crate) fn paths(code: TokenStream) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    scan(code, &mut found);
    found
}

fn scan(code: TokenStream, found: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in code {
        match token {
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    found.extend(take(&mut path));
                }
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                found.extend(take(&mut path));
                colons = 0;
                scan(group.stream(), found);
            }
            // `$crate::a` is `crate::a` in the crate that defines the macro.
            TokenTree::Punct(_) | TokenTree::Literal(_) => {
                found.extend(take(&mut path));
                colons = 0;
            }
        }
    }
    found.extend(take(&mut path));
}

fn take(path: &mut Vec<String>) -> Option<Vec<String>> {
    let found = std::mem::take(path);
    (found.len() > 1).then_some(found)
}
