//! Each function of the collection answers in a virtine what it answers natively.

/// Compares one file's functions: every call is made once by `collection`, where each function is a
/// virtine, and once by `collection_twin`, which is the same source without the attribute.
macro_rules! same {
    ($($module:ident { $($call:expr;)* })*) => {
        $(
            #[test]
            #[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
            fn $module() {
                let virtine = {
                    use collection::$module::*;
                    [$(format!("{:?}", $call)),*]
                };
                let native = {
                    use collection_twin::$module::*;
                    [$(format!("{:?}", $call)),*]
                };
                let calls = [$(stringify!($call)),*];
                for ((call, virtine), native) in calls.iter().zip(virtine).zip(native) {
                    assert_eq!(virtine, native, "{call}");
                }
            }
        )*
    };
}

/// A map's or set's elements in an order that can be compared.
fn sorted<T: Ord>(elements: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut elements: Vec<T> = elements.into_iter().collect();
    elements.sort();
    elements
}

/// What a function leaves behind in its argument, beside its result.
fn changed<T, R>(mut value: T, change: impl FnOnce(&mut T) -> R) -> (T, R) {
    let result = change(&mut value);
    (value, result)
}

/// `text` as owned strings.
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

mod algorithms;
mod language;
mod numbers;
mod texts;
