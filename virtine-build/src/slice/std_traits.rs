//! Facts about `std` that are known without reading it.

use crate::index::item::Import;

/// Whether the import is of a module directly below `std`'s root. Such a name without `::` after it is
/// that of a variable.
pub(super) fn is_std_module(import: &Import) -> bool {
    match import.path.as_slice() {
        [root, name] => is_std(root) && name.starts_with(char::is_lowercase),
        _ => false,
    }
}

/// Whether an import of another crate's item may exist for the methods of a trait.
pub(super) fn may_be_std_trait(import: &Import) -> bool {
    let from_std = import.path.first().is_some_and(|root| is_std(root));
    let last = import.path.last().map(String::as_str).unwrap_or_default();
    from_std && (import.glob || STD_TRAITS.split(' ').any(|name| name == last))
}

fn is_std(root: &str) -> bool {
    matches!(root, "std" | "core" | "alloc")
}

/// The traits of `std` that are not in its prelude.
const STD_TRAITS: &str = "Add AddAssign Any AsciiExt BitAnd BitOr BitXor Borrow BorrowMut BufRead BuildHasher \
     Debug Deref DerefMut Display Div Error FromIterator FromStr Hash Hasher Index IndexMut \
     LowerHex Mul Neg Not Product Read RangeBounds Rem Seek Shl Shr SliceIndex Sub Sum \
     TryFrom TryInto Write";
