//! A file of the host that goes along into the machine: `SRC[:DST]`.

use std::path::{Component, Path};
use std::str::FromStr;

use crate::error::Error;

/// Where a file comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passenger {
    /// On the host.
    pub(crate) from: String,
    /// In the machine: absolute, names only.
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

/// A relative path keeps its words inside the machine, where the command starts in `/`.
fn rooted(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{}", path.trim_start_matches("./")),
    }
}

/// Whether a path is `/` and then names, as the archive knows neither `.` nor `..`.
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
