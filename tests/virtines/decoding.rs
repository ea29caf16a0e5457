//! What decoding results and arguments of host functions may cost the host: stack, memory, time, and panics of types.

use std::arch::asm;
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::alone;
use serde::{Deserialize, Serialize, Serializer};
use wasp_core::{Error, Policy, virtine};

// The constants of virtine-rt's ABI.
const DONE: u64 = 0x101;
const HOST: u64 = 0x115;

/// Ends the call with these bytes.
fn done(bytes: &[u8]) {
    // SAFETY: not safe; it runs in a virtine.
    unsafe {
        asm!("out 0xff, al", in("rdi") DONE, in("rsi") bytes.as_ptr(), in("rdx") bytes.len(), in("rcx") 0)
    };
}

/// Calls the host function `take` with these bytes. Returns the host's answer.
fn take_raw(bytes: &[u8]) -> i64 {
    let mut buffer = [0_u8; 64];
    let call = [
        bytes.as_ptr() as u64,
        bytes.len() as u64,
        buffer.as_mut_ptr() as u64,
        64,
    ];
    let answer: i64;
    // SAFETY: as above.
    unsafe {
        asm!("out 0xff, al", in("rdi") HOST, in("rsi") c"take".as_ptr(), in("rdx") &raw const call,
            in("rcx") 0, inlateout("rax") 0_i64 => answer);
    }
    answer
}

#[derive(Debug, Serialize, Deserialize)]
struct List {
    next: Option<Box<List>>,
}

impl List {
    fn of(nodes: u32) -> Self {
        (1..nodes).fold(Self { next: None }, |list, _| Self {
            next: Some(Box::new(list)),
        })
    }

    /// Its length, counted without recursion.
    fn count(mut self) -> u32 {
        let mut nodes = 1;
        while let Some(next) = self.next.take() {
            (self, nodes) = (*next, nodes + 1);
        }
        nodes
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Markup {
    Text(String),
    Element { name: String, children: Vec<Markup> },
}

#[virtine]
fn list(nodes: u32) -> List {
    List::of(nodes)
}

#[virtine(depth = 100_000, memory = "256MiB", stack = "128MiB")]
fn long_list(nodes: u32) -> List {
    List::of(nodes)
}

#[virtine]
fn markup(elements: u32) -> Markup {
    (0..elements).fold(Markup::Text("x".to_owned()), |inner, number| {
        Markup::Element {
            name: number.to_string(),
            children: vec![inner],
        }
    })
}

#[virtine(depth = 100_000, memory = "64MiB")]
fn forged_list(bytes: &[u8]) -> List {
    done(bytes);
    List::of(1)
}

fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::CorruptResult { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn on_a_thread(stack: usize, job: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(stack).spawn(job);
    thread.expect("a thread").join().expect("no panic");
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn values_of_some_hundred_levels_travel_unasked() {
    assert_eq!(list(500).count(), 500);
    let mut depth = 0;
    let mut inner = markup(300);
    while let Markup::Element { mut children, .. } = inner {
        depth += 1;
        inner = children.pop().expect("a child");
    }
    assert_eq!(depth, 300);
    let told = reason(list::try_call(501));
    assert!(
        told.contains("1000 levels") && told.contains("depth"),
        "{told}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn depth_is_raised_by_the_attribute_whatever_stack_the_caller_has() {
    // The first call of each takes its snapshot, which needs more stack than decoding.
    assert_eq!(long_list(1).count(), 1);
    assert!(forged_list::try_call(&[0]).is_ok());
    for stack in [128 << 10, 2 << 20] {
        on_a_thread(stack, || {
            assert_eq!(long_list(40_000).count(), 40_000);
            // Refused at the last byte, or at the first level beyond the limit. Dropping uses as much stack.
            let mut bytes = vec![1; 49_999];
            bytes.extend([0, 0]);
            assert!(reason(forged_list::try_call(&bytes)).contains("1 bytes follow"));
            let told = reason(forged_list::try_call(&[1; 1 << 20]));
            assert!(told.contains("100000 levels"), "{told}");
        });
    }
}

#[virtine(memory = "64MiB")]
fn forged_options(zeros: usize) -> Vec<Option<[u64; 20]>> {
    let mut bytes = (zeros as u64).to_le_bytes().to_vec();
    bytes.resize(8 + zeros, 0);
    done(&bytes);
    Vec::new()
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Padding {
    #[serde(skip)]
    _bytes: [[u64; 32]; 32],
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pad {
    #[serde(skip)]
    _byte: u8,
}

#[virtine]
fn forged_paddings(claimed: u64) -> Vec<Padding> {
    done(&claimed.to_le_bytes());
    Vec::new()
}

#[virtine(memory = "4GiB", timeout = "200ms")]
fn forged_pads(claimed: u64) -> Vec<Pad> {
    done(&claimed.to_le_bytes());
    Vec::new()
}

#[virtine]
fn paddings(count: usize) -> Vec<Padding> {
    (0..count).map(|_| Padding::default()).collect()
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn memory_of_a_result_is_the_guests_to_have() {
    let start = Instant::now();
    let told = reason(forged_options::try_call(20 << 20));
    assert!(
        told.contains("67108864") && told.contains("memory = "),
        "{told}"
    );
    let told = reason(forged_paddings::try_call(65_536));
    assert!(
        told.contains("16777216") && told.contains("memory = "),
        "{told}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // An honest value fits.
    assert_eq!(forged_options(300_000).len(), 300_000);
    assert_eq!(paddings(1000).len(), 1000);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn deadline_holds_while_a_result_is_decoded() {
    let start = Instant::now();
    let ended = forged_pads::try_call(4 << 30);
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(forged_pads::try_call(1000).expect("few").len(), 1000);
}

/// A float with an order, as several crates have.
#[derive(Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Ordered(f64);

impl Eq for Ordered {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "what users write")]
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.partial_cmp(other).expect("a number")
    }
}

#[virtine]
fn forged_set(bytes: &[u8]) -> BTreeSet<Ordered> {
    done(bytes);
    BTreeSet::new()
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Refusing(String);

impl TryFrom<String> for Refusing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "panic" => panic!("{}", text.repeat(1000)),
            _ => Err(text),
        }
    }
}

#[virtine]
fn forged_refusing(bytes: &[u8]) -> Refusing {
    done(bytes);
    Refusing(String::new())
}

fn floats(floats: &[f64]) -> Vec<u8> {
    let mut bytes = (floats.len() as u64).to_le_bytes().to_vec();
    bytes.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panic_of_a_types_code_is_an_error_of_few_words() {
    let set = forged_set::try_call(&floats(&[2.0, 1.0]));
    assert_eq!(set.expect("two numbers").len(), 2);
    let told = reason(forged_set::try_call(&floats(&[1.0, f64::NAN])));
    assert_eq!(told, "its type's own code panicked: a number");
    let told = reason(forged_refusing::try_call(&text("panic")));
    assert!(
        told.contains("panicked: panicpanic") && told.len() <= 256,
        "{told}"
    );
    let told = reason(forged_refusing::try_call(&text(&"\u{20ac}".repeat(50_000))));
    assert_eq!(told, "\u{20ac}".repeat(85));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Labelled {
    number: u32,
    label: &'static str,
}

const LABELS: [&str; 3] = ["", "first", "second"];

#[virtine]
fn labelled(count: u32) -> Vec<Labelled> {
    (0..count)
        .map(|number| Labelled {
            number,
            label: LABELS[number as usize % 3],
        })
        .collect()
}

#[virtine(std)]
fn labelled_by_the_real_std(count: u32) -> Vec<Labelled> {
    (0..count)
        .map(|number| Labelled {
            number,
            label: LABELS[number as usize % 3],
        })
        .collect()
}

#[virtine(timeout = "10s", memory = "64MiB")]
fn many_labels(count: usize) -> Vec<&'static str> {
    vec![LABELS[1]; count]
}

/// Claims that a string of this length lies at `address`, or this far after the image's own, and takes `bytes` bytes.
#[virtine]
fn forged_label(length: u64, behind: u64, address: u64, bytes: u64) -> &'static str {
    let honest = LABELS[1].as_ptr() as u64 + behind;
    let address = if address == 0 { honest } else { address };
    let words = [length | 1 << 63, address, bytes].map(u64::to_le_bytes);
    done(words.as_flattened());
    ""
}

/// A string that is in no image.
#[virtine]
fn made_up_label(text: &[u8]) -> &'static str {
    let mut bytes = text.to_vec();
    let place = bytes.as_mut_ptr() as u64;
    let words = [bytes.len() as u64 | 1 << 63, place, bytes.len() as u64].map(u64::to_le_bytes);
    done(words.as_flattened());
    ""
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn static_texts_are_found_inside_types_of_ones_own() {
    let expected: Vec<Labelled> = (0..100)
        .map(|number| Labelled {
            number,
            label: LABELS[number as usize % 3],
        })
        .collect();
    assert_eq!(labelled(100), expected);
    assert_eq!(labelled_by_the_real_std(100), expected);
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn static_texts_take_time_in_proportion() {
    let texts = many_labels(100_000);
    assert!(texts.len() == 100_000 && texts.iter().all(|text| *text == "first"));
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn static_text_that_lies_elsewhere_is_refused() {
    let forged = forged_label::try_call;
    assert_eq!(forged(5, 0, 0, 5).expect("where it says"), "first");
    // Strings that the image also has, and others that it does not have.
    assert_eq!(forged(4, 1, 0, 4).expect("a part"), "irst");
    assert_eq!(forged(0, 0, 0, 0).expect("nothing"), "");
    for (length, behind, address, bytes) in [
        (5, 0, 0, 4),
        (4, 0, 0, 5),
        (5, 0, 1, 5),
        (5, 0, u64::MAX, 5),
        (5, 0, u64::MAX - 4, 5),
        ((1 << 63) - 1, 0, 0, (1 << 63) - 1),
        ((1 << 63) - 1, 0, 0, u64::MAX),
    ] {
        let result = forged(length, behind, address, bytes);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{length} {behind} {address:#x} {bytes}: {result:?}"
        );
    }
    for text in [&b"made up"[..], b"\xff\xff"] {
        let result = made_up_label::try_call(text);
        assert!(
            matches!(result, Err(Error::CorruptResult { .. })),
            "{result:?}"
        );
    }
}

#[virtine(host(take_list), memory = "64MiB", stack = "16MiB")]
fn hands_over(nodes: u32) -> u32 {
    take_list(List::of(nodes))
}

#[virtine(
    host(take_long_list),
    depth = 20_000,
    memory = "64MiB",
    stack = "16MiB"
)]
fn hands_much_over(nodes: u32) -> u32 {
    take_long_list(List::of(nodes))
}

fn take_list(list: List) -> u32 {
    list.count()
}

fn take_long_list(list: List) -> u32 {
    list.count()
}

#[virtine(timeout = "500ms")]
fn hands_raw_over(bytes: &[u8]) -> i64 {
    take_raw(bytes)
}

#[virtine(timeout = "300ms", memory = "4GiB")]
fn hands_raw_over_at_length(bytes: &[u8]) -> i64 {
    take_raw(bytes)
}

fn failure<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::HostFunction { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_of_host_functions_nest_as_deep_as_the_policy_says() {
    // As above.
    assert_eq!((hands_over(1), hands_much_over(1)), (1, 1));
    on_a_thread(128 << 10, || {
        assert_eq!(hands_over(500), 500);
        let told = failure(hands_over::try_call(501));
        assert!(
            told.contains("1000 levels") && told.contains("Policy::depth"),
            "{told}"
        );
        assert_eq!(hands_much_over(10_000), 10_000);
        assert!(failure(hands_much_over::try_call(10_001)).contains("20000 levels"));
        let policy = Policy::new().host("take_list", take_list).depth(5000);
        assert_eq!(hands_over::with(policy).call(2500), 2500);
    });
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn arguments_of_host_functions_take_no_more_than_the_guest_has() {
    let policy = Policy::new().host("take", |list: Vec<Padding>| list.len() as u32);
    let told = failure(hands_raw_over::with(&policy).try_call(&65_536_u64.to_le_bytes()));
    assert!(
        told.contains("16777216") && told.contains("memory = "),
        "{told}"
    );
    let few = hands_raw_over::with(&policy).try_call(&100_u64.to_le_bytes());
    assert_eq!(few.expect("few"), 4);

    let policy = Policy::new().host("take", |list: Vec<Pad>| list.len() as u32);
    let start = Instant::now();
    let ended = hands_raw_over_at_length::with(policy).try_call(&(4_u64 << 30).to_le_bytes());
    assert!(matches!(ended, Err(Error::TimedOut { .. })), "{ended:?}");
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

/// Its code panics during encoding, with a payload that panics when it is dropped.
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        std::panic::panic_any(Explosive)
    }
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

struct Loud;

impl Serialize for Loud {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("dropped {}", "loudly".repeat(1000));
    }
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn panics_around_a_host_function_are_errors_of_the_call() {
    let call = |policy: Policy, bytes: &[u8]| failure(hands_raw_over::with(policy).try_call(bytes));
    let policy = Policy::new().host("take", |set: BTreeSet<Ordered>| set.len() as u32);
    let told = call(policy, &floats(&[1.0, f64::NAN]));
    assert_eq!(
        told,
        "cannot be handed its arguments: its type's own code panicked: a number"
    );
    let told = call(Policy::new().host("take", || Unspeakable), &[]);
    assert_eq!(told, "panicked: no message");
    let told = call(Policy::new().host("take", || Loud), &[]);
    assert!(
        told.starts_with("panicked: dropped loudly") && told.len() <= 256,
        "{told}"
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn threads_that_come_and_go_leave_their_stacks_to_one_another() {
    alone::run("decoding::child_has_threads_that_come_and_go", &[]);
}

/// In a separate process, because other tests also make mappings.
#[test]
#[ignore = "run alone by threads_that_come_and_go_leave_their_stacks_to_one_another"]
fn child_has_threads_that_come_and_go() {
    list(3);
    let before = mappings();
    for _ in 0..200 {
        on_a_thread(128 << 10, || assert_eq!(list(3).count(), 3));
    }
    let after = mappings();
    assert!(after < before + 20, "{before} mappings, then {after}");
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps")
        .expect("maps")
        .lines()
        .count()
}
