//! `Box<dyn Error>`, `anyhow::Error` and their like: errors of any type, of which only the texts travel.

use core::error::Error;
use core::fmt;
use core::iter;

use alloc_crate::boxed::Box;
use alloc_crate::string::{String, ToString as _};
use alloc_crate::vec::Vec;

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use super::wire::{DecodeAs, EncodeAs};

/// An error that refers to `dyn Error`, as `Box<dyn Error>` and `anyhow::Error` do: its text, and those of its sources.
pub struct Chain;

/// As [`Chain`], for `Box<dyn Error + Send + Sync>`.
pub struct SendChain;

/// The texts of an error and its sources that travel. More sources are left out. No chain of a program's own is as long,
/// and a foreign one is dropped by recursion.
const LONGEST: usize = 64;

/// What comes of an error: its text, and what comes of its source.
pub struct Link {
    text: String,
    source: Option<Box<Self>>,
}

/// As of an error that is made of a text.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref();
        source.map(|source| source as &(dyn Error + 'static))
    }
}

impl<T: AsRef<dyn Error + 'static>> EncodeAs<T> for Chain {
    fn encode<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        encode(value.as_ref(), serializer)
    }
}

impl EncodeAs<Box<dyn Error + Send + Sync>> for SendChain {
    fn encode<S: Serializer>(
        value: &Box<dyn Error + Send + Sync>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        encode(&**value, serializer)
    }
}

impl EncodeAs<Box<dyn Error + Send>> for SendChain {
    fn encode<S: Serializer>(
        value: &Box<dyn Error + Send>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        encode(&**value, serializer)
    }
}

fn encode<S: Serializer>(error: &(dyn Error + 'static), serializer: S) -> Result<S::Ok, S::Error> {
    let chain = iter::successors(Some(error), |&error| error.source());
    let texts = chain.take(LONGEST).map(|error| error.to_string());
    texts.collect::<Vec<String>>().serialize(serializer)
}

impl<'de, T: From<Link>> DecodeAs<'de, T> for Chain {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        decode(deserializer).map(T::from)
    }
}

impl<'de> DecodeAs<'de, Box<dyn Error + Send + Sync>> for SendChain {
    fn decode<D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<dyn Error + Send + Sync>, D::Error> {
        Ok(Box::new(decode(deserializer)?))
    }
}

impl<'de> DecodeAs<'de, Box<dyn Error + Send>> for SendChain {
    fn decode<D: Deserializer<'de>>(deserializer: D) -> Result<Box<dyn Error + Send>, D::Error> {
        Ok(Box::new(decode(deserializer)?))
    }
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Link, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > LONGEST {
        return Err(D::Error::custom("an error has too many sources"));
    }
    let link = |source: Option<Box<Link>>, text| Some(Box::new(Link { text, source }));
    let first = texts.into_iter().rev().fold(None, link);
    first
        .map(|first| *first)
        .ok_or_else(|| D::Error::custom("an error has no text"))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Decoder, encode};
    use super::super::{As, AsRef};
    use super::*;

    fn chain(length: usize) -> Box<dyn Error> {
        let link = |source, number: usize| {
            let text = number.to_string();
            Some(Box::new(Link { text, source }))
        };
        let first = (0..length).rev().fold(None, link);
        first.expect("a chain is not empty")
    }

    fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
        let chain = iter::successors(Some(error), |&error| error.source());
        chain.map(|error| error.to_string()).collect()
    }

    #[test]
    fn error_comes_back_with_its_sources_up_to_a_limit() {
        for (length, kept) in [(1, 1), (3, 3), (LONGEST, LONGEST), (1000, LONGEST)] {
            let sent = chain(length);
            let mut bytes = Vec::new();
            encode(&AsRef::<Chain, _>::new(&sent), &mut bytes).expect("a Vec takes all");
            let found = Decoder::new(&bytes).take::<As<Chain, Box<dyn Error>>>();
            let found = texts(&*found.expect("an error").0);
            assert_eq!(found, texts(&*sent)[..kept]);
        }
    }

    #[test]
    fn chain_without_text_or_too_long_is_refused() {
        for texts in [0, LONGEST + 1] {
            let mut bytes = Vec::new();
            encode(&alloc_crate::vec![""; texts], &mut bytes).expect("a Vec takes all");
            let found = Decoder::new(&bytes).take::<As<SendChain, Box<dyn Error + Send + Sync>>>();
            assert!(found.is_err());
        }
    }
}
