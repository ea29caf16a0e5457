//! `macro_rules!`, and what they make.

use std::collections::HashMap;

use wasp_core::virtine;

macro_rules! square {
    ($x:expr) => {
        $x * $x
    };
}

macro_rules! maximum {
    ($x:expr) => { $x };
    ($x:expr, $($rest:expr),+) => {{
        let (a, b) = ($x, maximum!($($rest),+));
        if a > b { a } else { b }
    }};
}

macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        HashMap::from([$(($key, $value)),*])
    };
}

#[virtine]
pub fn expressions(x: i64) -> (i64, i64, usize) {
    let m = map! { "a" => 1, "b" => 2, };
    (square!(x + 1), maximum!(x, 7, square!(3)), m.len())
}

macro_rules! newtype {
    ($($name:ident($inner:ty) = $unit:literal;)*) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq)]
            struct $name($inner);

            impl $name {
                fn show(self) -> String {
                    format!("{} {}", self.0, $unit)
                }
            }
        )*
    };
}

newtype! {
    Metres(f64) = "m";
    Seconds(u32) = "s";
}

#[virtine]
pub fn items_from_macros(m: f64, s: u32) -> Vec<String> {
    vec![Metres(m).show(), Seconds(s).show()]
}

macro_rules! operations {
    ($($name:ident: $op:tt),*) => {
        $(fn $name(a: i32, b: i32) -> i32 { a $op b })*

        fn all_operations() -> Vec<(&'static str, fn(i32, i32) -> i32)> {
            vec![$((stringify!($name), $name as fn(i32, i32) -> i32)),*]
        }
    };
}

operations!(plus: +, minus: -, times: *, and: &, xor: ^);

#[virtine]
pub fn functions_from_macros(a: i32, b: i32) -> Vec<(String, i32)> {
    all_operations()
        .into_iter()
        .map(|(name, f)| (name.to_string(), f(a, b)))
        .collect()
}

macro_rules! colours {
    ($($(#[$meta:meta])* $name:ident = $rgb:expr),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        enum Colour { $($(#[$meta])* $name),* }

        impl Colour {
            const ALL: &'static [Colour] = &[$(Colour::$name),*];

            fn rgb(self) -> u32 {
                match self { $(Colour::$name => $rgb),* }
            }
        }

        impl std::str::FromStr for Colour {
            type Err = ();
            fn from_str(s: &str) -> Result<Self, ()> {
                match s {
                    $(stringify!($name) => Ok(Colour::$name),)*
                    _ => Err(()),
                }
            }
        }
    };
}

colours! {
    /// Red.
    Red = 0xff0000,
    Green = 0x00ff00,
    Blue = 0x0000ff,
}

#[virtine]
pub fn enum_from_macro(name: &str) -> (Option<u32>, Vec<String>) {
    (
        name.parse().ok().map(Colour::rgb),
        Colour::ALL.iter().map(|c| format!("{c:?}")).collect(),
    )
}

mod inner {
    macro_rules! local {
        ($x:ident) => {
            concat!("local ", stringify!($x))
        };
    }

    pub(super) fn text() -> &'static str {
        local!(name)
    }

    #[macro_export]
    macro_rules! exported_twice {
        ($x:expr) => {
            $crate::macros::inner::twice($x)
        };
    }

    pub fn twice(x: u32) -> u32 {
        x * 2
    }
}

#[virtine]
pub fn scoped_macros(x: u32) -> (String, u32) {
    (
        inner::text().to_owned(),
        crate::exported_twice!(x) + crate::exported_twice!(1),
    )
}

macro_rules! check {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

#[virtine]
pub fn early_return(age: i32) -> Result<i32, String> {
    check!(age >= 0, "age {age} is negative");
    check!(age < 150, "age {} is too large by {}", age, age - 149);
    Ok(150 - age)
}

macro_rules! count {
    () => { 0usize };
    ($head:tt $($tail:tt)*) => { 1usize + count!($($tail)*) };
}

const WORDS: usize = count!(one two three four);

#[virtine]
pub fn counted() -> [u8; WORDS] {
    let mut out = [0; WORDS];
    out[WORDS - 1] = count!(a b) as u8;
    out
}

macro_rules! point {
    ($name:ident { $($field:ident),* }) => {
        impl $name {
            fn sum(&self) -> f64 { 0.0 $(+ self.$field)* }
        }
    };
}

struct P2 {
    x: f64,
    y: f64,
}
point!(P2 { x, y });

#[virtine]
pub fn impl_from_macro(x: f64, y: f64) -> f64 {
    P2 { x, y }.sum()
}

#[virtine]
pub fn std_macros(n: u8) -> String {
    assert!(n < 200, "n is {n}");
    assert_eq!(n, n, "same");
    debug_assert_ne!(n, 201);
    println!("not seen {n}");
    eprintln!();
    let n = dbg!(n + 1);
    let list = vec![n; 3];
    match matches!(list.as_slice(), [a, ..] if *a > 100) {
        true => format!("{list:?} {}", line!() > 0),
        false if list.is_empty() => unreachable!(),
        false => concat!("small", 1, true).to_string(),
    }
}
