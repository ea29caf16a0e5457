//! The script language: numbers, fields, `+ - * /`, `dup`, `log`, and `loop`, which restarts the script while the top
//! of the stack is not zero, and so may never end.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most numbers on the stack at a time.
const MOST_NUMBERS: usize = 1_000;

/// The defect of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptError {
    /// A word that is not a number, an operation or a field of the record.
    Unknown(String),
    /// An operation that found too few numbers.
    Missing(String),
    /// Numbers left on the stack besides the result.
    Left(usize),
    /// The stack is full.
    Full,
    /// The host's log is full.
    LogFull,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(
                f,
                "expected a number, an operation or a field of the record, found `{word}`"
            ),
            Self::Missing(word) => write!(f, "`{word}` needs more numbers than there are"),
            Self::Left(count) => write!(f, "expected one number at the end, found {count}"),
            Self::Full => write!(f, "more than {MOST_NUMBERS} numbers at a time"),
            Self::LogFull => write!(f, "the host's log is full"),
        }
    }
}

/// Runs a script that can access the host through these two functions.
pub(crate) fn run(
    script: &str,
    lookup: fn(String) -> Option<f64>,
    log: fn(f64) -> bool,
) -> Result<f64, ScriptError> {
    let words: Vec<&str> = script.split_whitespace().collect();
    let (mut stack, mut at) = (Stack::default(), 0);
    while let Some(&word) = words.get(at) {
        at += 1;
        match word {
            "+" => stack.combine(word, |a, b| a + b)?,
            "-" => stack.combine(word, |a, b| a - b)?,
            "*" => stack.combine(word, |a, b| a * b)?,
            "/" => stack.combine(word, |a, b| a / b)?,
            "dup" => {
                let top = stack.pop(word)?;
                stack.push(top)?;
                stack.push(top)?;
            }
            "log" => {
                let top = stack.pop(word)?;
                if !log(top) {
                    return Err(ScriptError::LogFull);
                }
                stack.push(top)?;
            }
            "loop" => {
                if stack.pop(word)? != 0.0 {
                    at = 0;
                }
            }
            _ => stack.push(value(word, lookup)?)?,
        }
    }
    match *stack.0 {
        [result] => Ok(result),
        _ => Err(ScriptError::Left(stack.0.len())),
    }
}

fn value(word: &str, lookup: fn(String) -> Option<f64>) -> Result<f64, ScriptError> {
    match word.parse() {
        Ok(number) => Ok(number),
        Err(_) => lookup(word.to_owned()).ok_or_else(|| ScriptError::Unknown(word.to_owned())),
    }
}

#[derive(Default)]
struct Stack(Vec<f64>);

impl Stack {
    fn push(&mut self, value: f64) -> Result<(), ScriptError> {
        if self.0.len() == MOST_NUMBERS {
            return Err(ScriptError::Full);
        }
        self.0.push(value);
        Ok(())
    }

    fn pop(&mut self, word: &str) -> Result<f64, ScriptError> {
        self.0
            .pop()
            .ok_or_else(|| ScriptError::Missing(word.to_owned()))
    }

    fn combine(&mut self, word: &str, by: impl Fn(f64, f64) -> f64) -> Result<(), ScriptError> {
        let (b, a) = (self.pop(word)?, self.pop(word)?);
        self.push(by(a, b))
    }
}
