//! The package of the tests of the macro's errors, which has no code of its own.
