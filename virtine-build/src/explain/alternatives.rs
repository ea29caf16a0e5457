//! The items that guests lack in `std`, and their alternatives. Functions that exist but cannot be called have their
//! own messages, in virtine-rt's facade.

/// By path. The first prefix that matches counts.
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
        "the small runtime has no operating system: leave out `core`, and the guest gets the real std, which \
         supports everything except other processes; or do this on the host",
    ),
    (
        "std::backtrace",
        "a virtine cannot capture backtraces; its panics and faults are reported with file and line",
    ),
    (
        "std::env",
        "a virtine has no process of its own: its policy grants it arguments and variables, nothing else",
    ),
    ("std::", OTHER),
];

const FILES: &str = "the small runtime supports neither directories nor symbolic links: leave out `core`, and \
                     the guest gets the real std, which lists folders; or do this on the host";
const NETWORK: &str =
    "a virtine has no network: communicate on the host, and pass the data to the function";
const PANICS: &str = "a panic ends the virtine: leave out `core` to catch it inside, with the real std; or catch \
                      it on the host, where the function's `try_call` returns it";
const OTHER: &str =
    "the small runtime does not have this: leave out `core`, and the guest gets the real std";

/// What to do instead of using `path`.
pub(crate) fn alternative(path: &str) -> Option<&'static str> {
    let known = |prefix: &str| path == prefix || path.starts_with(prefix);
    let mut alternatives = ALTERNATIVES.iter();
    alternatives
        .find(|(prefix, _)| known(prefix))
        .map(|(_, alternative)| *alternative)
}
