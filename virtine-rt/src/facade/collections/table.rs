//! The common parts of `HashMap` and `HashSet`.

/// Defines one of the two, based on hashbrown's table of the same name. `$key` is what is hashed.
macro_rules! table {
    ($(#[$about:meta])* $table:ident<$($type:ident),+>, by $key:ident) => {
        $(#[$about])*
        pub struct $table<$($type,)+ S = $crate::hash::RandomState>(hashbrown::$table<$($type,)+ S>);

        #[expect(missing_docs, reason = "std's own, which documents them")]
        impl<$($type),+> $table<$($type,)+ $crate::hash::RandomState> {
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            #[must_use]
            pub fn with_capacity(capacity: usize) -> Self {
                Self::with_capacity_and_hasher(capacity, $crate::hash::RandomState::new())
            }
        }

        #[expect(missing_docs, reason = "std's own, which documents them")]
        impl<$($type,)+ S> $table<$($type,)+ S> {
            pub const fn with_hasher(hasher: S) -> Self {
                Self(hashbrown::$table::with_hasher(hasher))
            }

            pub fn with_capacity_and_hasher(capacity: usize, hasher: S) -> Self {
                Self(hashbrown::$table::with_capacity_and_hasher(capacity, hasher))
            }

            pub fn capacity(&self) -> usize {
                self.0.capacity()
            }

            pub fn hasher(&self) -> &S {
                self.0.hasher()
            }

            pub fn len(&self) -> usize {
                self.0.len()
            }

            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            pub fn clear(&mut self) {
                self.0.clear();
            }
        }

        #[expect(missing_docs, reason = "std's own, which documents them")]
        impl<$($type,)+ S: core::hash::BuildHasher> $table<$($type,)+ S>
        where
            $key: Eq + core::hash::Hash,
        {
            pub fn reserve(&mut self, additional: usize) {
                self.0.reserve(additional);
            }

            pub fn try_reserve(&mut self, additional: usize) -> Result<(), $crate::collections::TryReserveError> {
                let result = self.0.try_reserve(additional);
                // The error type is alloc's, and only alloc can create one.
                result.or_else(|_| $crate::vec::Vec::<u8>::new().try_reserve(usize::MAX))
            }

            pub fn shrink_to_fit(&mut self) {
                self.0.shrink_to_fit();
            }

            pub fn shrink_to(&mut self, least: usize) {
                self.0.shrink_to(least);
            }
        }

        impl<$($type: Clone,)+ S: Clone> Clone for $table<$($type,)+ S> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }

            fn clone_from(&mut self, source: &Self) {
                self.0.clone_from(&source.0);
            }
        }

        impl<$($type: core::fmt::Debug,)+ S> core::fmt::Debug for $table<$($type,)+ S> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<$($type,)+ S: Default> Default for $table<$($type,)+ S> {
            fn default() -> Self {
                Self::with_hasher(S::default())
            }
        }

        impl<$($type: serde::Serialize,)+ H: core::hash::BuildHasher> serde::Serialize for $table<$($type,)+ H>
        where
            $key: Eq + core::hash::Hash,
        {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de, $($type: serde::Deserialize<'de>,)+ S> serde::Deserialize<'de> for $table<$($type,)+ S>
        where
            $key: Eq + core::hash::Hash,
            S: core::hash::BuildHasher + Default,
        {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                hashbrown::$table::deserialize(deserializer).map(Self)
            }
        }
    };
}
