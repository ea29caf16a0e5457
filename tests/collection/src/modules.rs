//! Modules in modules, and the many ways from one to another.

use wasp_core::virtine;

mod shapes {
    pub mod flat {
        use super::units::Length;

        #[derive(Debug, Clone, Copy)]
        pub struct Rectangle {
            pub width: Length,
            pub height: Length,
        }

        impl Rectangle {
            pub fn area(&self) -> f64 {
                self.width.metres() * self.height.metres()
            }
        }

        pub fn square(side: Length) -> Rectangle {
            Rectangle {
                width: side,
                height: side,
            }
        }
    }

    pub mod units {
        #[derive(Debug, Clone, Copy)]
        pub enum Length {
            Metres(f64),
            Feet(f64),
        }

        pub const METRES_PER_FOOT: f64 = 0.3048;

        impl Length {
            pub fn metres(self) -> f64 {
                match self {
                    Self::Metres(m) => m,
                    Self::Feet(f) => f * METRES_PER_FOOT,
                }
            }
        }
    }

    pub use self::flat::{Rectangle as Oblong, square};
    pub use units::Length::{self, *};

    pub mod prelude {
        pub use super::flat::*;
        pub use super::units;
    }
}

use self::shapes::prelude::*;
use shapes::{Feet, Oblong};

#[virtine]
pub fn areas() -> Vec<f64> {
    let a = Oblong {
        width: Feet(10.0),
        height: shapes::Length::Metres(2.0),
    };
    let b = shapes::square(units::Length::Metres(3.0));
    let c: Rectangle = crate::modules::shapes::flat::square(self::shapes::Feet(1.0));
    [a, b, c]
        .iter()
        .map(|r| (r.area() * 1e6).round() / 1e6)
        .collect()
}

pub mod counter {
    use std::sync::atomic::{AtomicU32, Ordering};

    static COUNT: AtomicU32 = AtomicU32::new(10);

    pub fn next() -> u32 {
        COUNT.fetch_add(1, Ordering::SeqCst)
    }

    pub mod names {
        use super::super::counter as numbers;

        pub fn name() -> String {
            format!("name-{}", numbers::next())
        }
    }
}

#[virtine]
pub fn fresh_every_time() -> (u32, String, u32) {
    // Statics are per call in a virtine, so only differences are compared.
    let first = counter::next();
    let name = counter::names::name();
    let second: u32 = name.trim_start_matches("name-").parse().unwrap();
    (
        second - first,
        name[..5].to_string(),
        counter::next() - second,
    )
}

mod conversions {
    pub trait ToCelsius {
        fn to_celsius(&self) -> f64;
    }

    impl ToCelsius for f64 {
        fn to_celsius(&self) -> f64 {
            (self - 32.0) / 1.8
        }
    }

    pub mod text {
        pub trait Shout {
            fn shout(&self) -> String;
        }

        impl<T: AsRef<str> + ?Sized> Shout for T {
            fn shout(&self) -> String {
                self.as_ref().to_uppercase() + "!"
            }
        }
    }
}

#[virtine]
pub fn extension_traits(degrees: f64, word: &str) -> (f64, String) {
    use conversions::{ToCelsius, text::Shout as _};
    (degrees.to_celsius().round(), word.shout())
}

#[path = "elsewhere/far_away.rs"]
mod near;

#[virtine]
pub fn at_another_path(n: u32) -> u32 {
    near::doubled(n) + near::deeper::tripled(n)
}

#[cfg(target_os = "linux")]
mod system {
    pub fn name() -> &'static str {
        "linux"
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub fn name() -> &'static str {
        compile_error!("not compiled here")
    }
}

#[virtine]
pub fn configured() -> (String, bool, String) {
    let pointer = if cfg!(target_pointer_width = "64") {
        "64"
    } else {
        "32"
    };
    (system::name().to_string(), cfg!(windows), pointer.into())
}

#[virtine]
pub fn functions_in_functions(n: u64) -> u64 {
    const OFFSET: u64 = 3;
    fn twice(n: u64) -> u64 {
        fn once(n: u64) -> u64 {
            n + OFFSET
        }
        once(once(n))
    }
    struct Local(u64);
    impl Local {
        fn get(&self) -> u64 {
            use std::ops::Add;
            self.0.add(OFFSET)
        }
    }
    twice(Local(n).get())
}

#[virtine]
pub fn included() -> (usize, String) {
    const BYTES: &[u8] = include_bytes!("elsewhere/data.txt");
    let text = include_str!("elsewhere/data.txt");
    (
        BYTES.len(),
        text.lines().last().unwrap_or_default().to_owned(),
    )
}

#[virtine]
pub fn place() -> (String, u32, String) {
    (
        module_path!().rsplit("::").next().unwrap().to_string(),
        column!(),
        file!().rsplit('/').next().unwrap().to_string(),
    )
}
