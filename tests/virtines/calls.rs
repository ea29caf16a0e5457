//! Ordinary code in virtines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasp_core::virtine;

mod shapes;

use shapes::{Area as _, Shape};

#[virtine]
fn square(x: i32) -> i32 {
    x * x
}

#[virtine]
fn nothing() {}

#[virtine]
pub(crate) fn fibonacci(n: u32) -> u64 {
    // A call of a virtine inside a virtine is an ordinary call.
    if n < 2 {
        u64::from(n)
    } else {
        fibonacci(n - 1) + fibonacci(n - 2)
    }
}

const LIMIT: usize = 3;
static CALLS: AtomicU32 = AtomicU32::new(40);
type Words = BTreeMap<String, usize>;

macro_rules! twice {
    ($value:expr) => {
        $value + $value
    };
}

struct Cents(u64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn longest<T: AsRef<str>>(words: &[T]) -> Option<&T> {
    words.iter().max_by_key(|word| word.as_ref().len())
}

#[virtine]
fn a_bit_of_everything(text: &str) -> (Words, String, u32, Vec<u32>) {
    let mut words = Words::new();
    for word in text.split_whitespace().take(LIMIT) {
        *words.entry(word.to_uppercase()).or_default() += 1;
    }
    let names: Vec<&str> = text.split_whitespace().collect();
    let longest = longest(&names).copied().unwrap_or_default();
    let shared = Rc::new(longest.to_owned());
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let mut queue: VecDeque<u32> = (0..5).collect();
    queue.rotate_left(2);
    let line = format!("{shared:>8} costs {} at {LIMIT}", Cents(1234));
    (words, line, twice!(calls), queue.into_iter().collect())
}

#[virtine]
fn total_area(shapes: Vec<Shape>) -> f64 {
    shapes.iter().map(Shape::area).sum()
}

mod inner {
    pub(super) mod deeper {
        use wasp_core::virtine;

        #[virtine]
        pub(in super::super) fn square(x: u64) -> u64 {
            super::helper(x)
        }
    }

    fn helper(x: u64) -> u64 {
        (crate::calls::shift(x) * x) >> 1
    }
}

fn shift(x: u64) -> u64 {
    x << 1
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn plain_call_returns_the_result() {
    assert_eq!(square(12), 144);
    assert_eq!(square(-3), 9);
    nothing();
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn fallible_call_returns_it_as_ok() {
    assert_eq!(square::try_call(7).expect("a result"), 49);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn recursion_stays_inside() {
    assert_eq!(fibonacci(20), 6765);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn helpers_constants_statics_macros_and_traits_come_along() {
    let (words, line, calls, queue) = a_bit_of_everything("to be or not to be, said somebody");
    assert_eq!(
        words,
        Words::from([
            ("TO".to_owned(), 1),
            ("BE".to_owned(), 1),
            ("OR".to_owned(), 1)
        ])
    );
    assert_eq!(line, "somebody costs 12.34 at 3");
    assert_eq!(
        calls, 82,
        "the guest's own copy of the static, fresh in every call"
    );
    assert_eq!(queue, [2, 3, 4, 0, 1]);
    assert_eq!(
        CALLS.load(Ordering::Relaxed),
        40,
        "the host's copy is out of reach"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn types_and_traits_of_other_files_come_along() {
    let shapes = vec![
        Shape::Square { side: 2.0 },
        Shape::Rectangle {
            width: 1.5,
            height: 4.0,
        },
    ];
    assert_eq!(total_area(shapes), 10.0);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn functions_of_one_name_in_two_modules_are_two() {
    assert_eq!(inner::deeper::square(5), 25);
    assert_eq!(
        inner::deeper::square::try_call(1 << 20).expect("a result"),
        1 << 40
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn hundred_calls_in_a_row_agree() {
    for n in 0..100 {
        assert_eq!(square(n), n * n);
    }
}

mod twins {
    //! A module whose one function has its name, and is re-exported past it.

    pub(crate) mod double {
        use wasp_core::virtine;

        #[virtine]
        pub(crate) fn double(number: u32) -> u32 {
            number * 2
        }

        #[test]
        fn failures_are_errors_in_its_own_module() {
            assert_eq!(double::try_call(4).ok(), Some(8));
        }
    }

    pub(crate) use double::double;
}

#[test]
fn function_of_its_modules_name_is_re_exported() {
    assert_eq!(twins::double(21), 42);
    assert_eq!(twins::double::double(5), 10);
}
