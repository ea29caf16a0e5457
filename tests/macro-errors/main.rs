//! Every mistake that the macro can see gets an error on the token that is wrong.
//!
//! One mistake a file, named after it; what rustc prints is in the `.stderr` beside it. After a
//! change that is meant, `TRYBUILD=overwrite cargo test -p macro-errors`.

use std::env;

fn main() {
    // SAFETY: this is the only thread. trybuild's packages have no build script, but would inherit
    // this test's own OUT_DIR.
    unsafe { env::remove_var("OUT_DIR") };
    trybuild::TestCases::new().compile_fail("*/*.rs");
}
