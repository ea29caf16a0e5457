//! Parses numbers with units, and combines many errors into one.

use syn::LitStr;

/// Collects errors, so that all are reported together.
#[derive(Default)]
pub(super) struct Errors(Option<syn::Error>);

impl Errors {
    pub(super) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(super) fn add(&mut self, result: syn::Result<()>) {
        if let Err(error) = result {
            self.push(error);
        }
    }

    pub(super) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// All values, or all errors.
pub(super) fn all<T>(results: impl Iterator<Item = syn::Result<T>>) -> syn::Result<Vec<T>> {
    let mut errors = Errors::default();
    let values = results
        .filter_map(|result| result.map_err(|error| errors.push(error)).ok())
        .collect();
    errors.finish().map(|()| values)
}

/// `"8MiB"` as a number.
pub(super) fn bytes(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let (number, unit) = number_and_unit(&value);
    let factor: Option<u64> = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    number
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| {
            let message = "expected a whole number and one of KiB, MiB, GiB, found";
            syn::Error::new(text.span(), format!("{message} \"{value}\""))
        })
}

/// `"50 ms"` -> (50, `"ms"`).
pub(super) fn number_and_unit(text: &str) -> (Option<u64>, &str) {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number.parse().ok(), unit.trim())
}
