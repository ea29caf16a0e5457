//! What of `std` is not in a guest, and what to do instead. What is there but cannot be called says so
//! itself, in virtine-rt's facade.

/// By path, the longest first.
const ALTERNATIVES: [(&str, &str); 13] = [
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
        "the runtime's own std has no operating system: #[virtine(std)] gives the function the real \
         one, which has what needs no other process; or do this on the host",
    ),
    (
        "std::backtrace",
        "a virtine keeps no backtraces; its panics and faults come out with file and line",
    ),
    (
        "std::env",
        "a virtine has no process of its own: its policy grants it arguments and variables, no more",
    ),
    ("std::", ELSE),
];

const FILES: &str = "the runtime's own std has no directories and no links but hard ones: \
                     #[virtine(std)] lists folders; or go through them on the host";
const NETWORK: &str =
    "a virtine has no network: talk to it on the host, and pass what it said to the function";
const PANICS: &str = "a panic ends the virtine: #[virtine(std)] can catch it inside; or catch it on \
                      the host, where the function's `try_call` returns it";
const ELSE: &str =
    "the runtime's own std has it not: #[virtine(std)] gives the function the real one";

/// What to do instead of using `path`.
pub(crate) fn alternative(path: &str) -> Option<&'static str> {
    let known = |prefix: &str| path == prefix || path.starts_with(prefix);
    let mut alternatives = ALTERNATIVES.iter();
    alternatives
        .find(|(prefix, _)| known(prefix))
        .map(|(_, alternative)| *alternative)
}
