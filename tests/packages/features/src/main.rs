//! Answers that depend on features.

use wasp_core::virtine;

#[cfg(not(feature = "loud"))]
fn sound() -> &'static str {
    "quiet"
}

#[cfg(feature = "loud")]
fn sound() -> &'static str {
    if cfg!(feature = "very-loud") {
        "VERY LOUD"
    } else {
        "LOUD"
    }
}

#[cfg(feature = "std")]
const STD: &str = "with std";
#[cfg(not(feature = "std"))]
const STD: &str = "without std";

#[virtine]
fn features() -> String {
    format!("{}, {STD}", sound())
}

fn main() {
    println!("features: {}", features());
}
