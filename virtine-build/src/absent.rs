//! What of `std` is not in a guest, and what to do instead. What is there but cannot be called says so
//! itself, in virtine-rt's facade.

/// By path, the longest first.
const ALTERNATIVES: [(&str, &str); 12] = [
    ("std::fs", FILES),
    ("fs", FILES),
    ("File", FILES),
    ("std::net", NETWORK),
    ("TcpStream", NETWORK),
    ("UdpSocket", NETWORK),
    ("std::panic", PANICS),
    ("panic::", PANICS),
    ("catch_unwind", PANICS),
    (
        "std::os",
        "a virtine has no operating system: do this on the host",
    ),
    (
        "std::backtrace",
        "a virtine keeps no backtraces; its panics and faults come out with file and line",
    ),
    (
        "std::env",
        "a virtine has no process of its own: its policy grants it arguments and variables, no more",
    ),
];

const FILES: &str =
    "a virtine has no directories and no links but hard ones: go through them on the host";
const NETWORK: &str =
    "a virtine has no network: talk to it on the host, and pass what it said to the function";
const PANICS: &str =
    "a panic ends the virtine: catch it on the host, where the function's `try_call` returns it";

/// What to do instead of using `path`.
pub(crate) fn alternative(path: &str) -> Option<&'static str> {
    let known = |prefix: &str| path == prefix || path.starts_with(prefix);
    let mut alternatives = ALTERNATIVES.iter();
    alternatives
        .find(|(prefix, _)| known(prefix))
        .map(|(_, alternative)| *alternative)
}
