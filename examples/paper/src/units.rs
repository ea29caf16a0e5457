//! Units, and how they are shown.

/// The unit of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    /// Cycles of the time stamp counter, as the guest reads it.
    Cycles,
    /// Requests per second.
    Rate,
}

impl Unit {
    /// Its name in raw samples.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Cycles => "cycles",
            Self::Rate => "requests/s",
        }
    }

    /// Its name in tables and on axes.
    pub(crate) const fn shown(self) -> &'static str {
        match self {
            Self::Nanoseconds => "us",
            Self::Cycles => "cycles",
            Self::Rate => "requests/s",
        }
    }

    /// A sample scaled for tables and axes.
    pub(crate) fn scale(self, value: f64) -> f64 {
        match self {
            Self::Nanoseconds => value / 1000.0,
            Self::Cycles | Self::Rate => value,
        }
    }
}

/// Three significant digits, and at least all digits before the decimal point.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        small if small < 0.1 => 4,
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// A length in bytes.
pub(crate) fn bytes(length: usize) -> String {
    match length {
        _ if length >= 1 << 20 && length.is_multiple_of(1 << 20) => format!("{} MiB", length >> 20),
        _ if length >= 1 << 10 && length.is_multiple_of(1 << 10) => format!("{} KiB", length >> 10),
        _ => format!("{length} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let numbers = [0.0, 0.0123, 0.1234, 1.234, 12.34, 123.4, 12345.6].map(number);
        assert_eq!(
            numbers,
            ["0", "0.0123", "0.123", "1.23", "12.3", "123", "12346"]
        );
    }

    #[test]
    fn lengths_are_told_in_the_largest_unit_that_is_whole() {
        assert_eq!(
            [16, 1024, 1025, 3 << 20].map(bytes),
            ["16 B", "1 KiB", "1025 B", "3 MiB"]
        );
    }
}
