//! A host file that is copied into the machine: `SRC[:DST]`.

use std::path::{Component, Path};
use std::str::FromStr;

use crate::error::Error;

/// Source and destination of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passenger {
    /// Path on the host.
    pub(crate) from: String,
    /// Path in the machine: absolute, without `.` and `..`.
    pub(crate) to: String,
}

impl FromStr for Passenger {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (from, to) = match text.split_once(':') {
            Some((from, to)) => (from, to.to_owned()),
            None => (text, rooted(text)),
        };
        match is_plain(&to) {
            true => Ok(Self {
                from: from.to_owned(),
                to,
            }),
            false => Err(Error::Destination(to)),
        }
    }
}

/// Makes a relative path absolute. The command starts in `/`, so the relative path is still valid in the machine.
fn rooted(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{}", path.trim_start_matches("./")),
    }
}

/// Whether a path is `/` followed by names. The archive supports neither `.` nor `..`.
fn is_plain(path: &str) -> bool {
    let names = Path::new(path).components().skip(1);
    let rebuilt: String = names
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| format!("/{}", part.as_os_str().display()))
        .collect();
    !rebuilt.is_empty() && rebuilt == path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(String, String)> {
        let passenger: Passenger = text.parse().ok()?;
        Some((passenger.from, passenger.to))
    }

    fn pair(from: &str, to: &str) -> Option<(String, String)> {
        Some((from.to_owned(), to.to_owned()))
    }

    #[test]
    fn destination_is_taken_as_it_is() {
        assert_eq!(parse("a/b:/c/d"), pair("a/b", "/c/d"));
    }

    #[test]
    fn source_without_destination_keeps_its_path() {
        assert_eq!(parse("/etc/passwd"), pair("/etc/passwd", "/etc/passwd"));
        assert_eq!(parse("docs/a.md"), pair("docs/a.md", "/docs/a.md"));
        assert_eq!(parse("./a.md"), pair("./a.md", "/a.md"));
    }

    #[test]
    fn destination_outside_the_plain_is_refused() {
        for text in [
            "",
            "a:",
            "a:/",
            "a:b",
            "../a",
            "a:/b/../c",
            "a:/b//c",
            "a:/b/",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
