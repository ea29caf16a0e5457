//! Parsers and what they build.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::str::{Chars, FromStr};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Operator(char),
    Open,
    Close,
}

fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            ' ' | '\t' => {
                chars.next();
            }
            '0'..='9' | '.' => {
                let mut number = String::new();
                while let Some(d) = chars.next_if(|d| d.is_ascii_digit() || *d == '.') {
                    number.push(d);
                }
                tokens.push(Token::Number(
                    number.parse().map_err(|e| format!("{number}: {e}"))?,
                ));
            }
            '+' | '-' | '*' | '/' | '^' => {
                tokens.push(Token::Operator(c));
                chars.next();
            }
            '(' => {
                tokens.push(Token::Open);
                chars.next();
            }
            ')' => {
                tokens.push(Token::Close);
                chars.next();
            }
            other => return Err(format!("unexpected {other:?}")),
        }
    }
    Ok(tokens)
}

struct Expression<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Expression<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        while let Some(Token::Operator(op @ ('+' | '-'))) = self.peek() {
            self.at += 1;
            let right = self.product()?;
            value = if *op == '+' {
                value + right
            } else {
                value - right
            };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.power()?;
        while let Some(Token::Operator(op @ ('*' | '/'))) = self.peek() {
            self.at += 1;
            let right = self.power()?;
            match op {
                '*' => value *= right,
                _ if right == 0.0 => return Err("division by zero".into()),
                _ => value /= right,
            }
        }
        Ok(value)
    }

    fn power(&mut self) -> Result<f64, String> {
        let base = self.atom()?;
        match self.peek() {
            Some(Token::Operator('^')) => {
                self.at += 1;
                Ok(base.powi(self.power()? as i32))
            }
            _ => Ok(base),
        }
    }

    fn atom(&mut self) -> Result<f64, String> {
        let token = self.peek().ok_or("unexpected end")?;
        self.at += 1;
        match token {
            Token::Number(n) => Ok(*n),
            Token::Operator('-') => Ok(-self.atom()?),
            Token::Open => {
                let value = self.sum()?;
                match self.peek() {
                    Some(Token::Close) => {
                        self.at += 1;
                        Ok(value)
                    }
                    _ => Err("missing )".to_string()),
                }
            }
            other => Err(format!("unexpected {other:?}")),
        }
    }
}

#[virtine]
pub fn evaluate(text: &str) -> Result<f64, String> {
    let tokens = tokenize(text)?;
    let mut expression = Expression {
        tokens: &tokens,
        at: 0,
    };
    let value = expression.sum()?;
    match expression.peek() {
        None => Ok(value),
        Some(rest) => Err(format!("trailing {rest:?}")),
    }
}

#[virtine]
pub fn to_reverse_polish(text: &str) -> Result<Vec<String>, String> {
    let precedence = |op: char| match op {
        '^' => 3,
        '*' | '/' => 2,
        _ => 1,
    };
    let (mut output, mut stack) = (vec![], Vec::<Token>::new());
    for token in tokenize(text)? {
        match token {
            Token::Number(n) => output.push(n.to_string()),
            Token::Operator(op) => {
                while let Some(Token::Operator(top)) = stack.last() {
                    if precedence(*top) >= precedence(op) && op != '^' {
                        output.push(top.to_string());
                        stack.pop();
                    } else {
                        break;
                    }
                }
                stack.push(Token::Operator(op));
            }
            Token::Open => stack.push(Token::Open),
            Token::Close => loop {
                match stack.pop() {
                    Some(Token::Open) => break,
                    Some(Token::Operator(op)) => output.push(op.to_string()),
                    _ => return Err("unbalanced".into()),
                }
            },
        }
    }
    while let Some(token) = stack.pop() {
        match token {
            Token::Operator(op) => output.push(op.to_string()),
            _ => return Err("unbalanced".into()),
        }
    }
    Ok(output)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonError {
    pub at: usize,
    pub expected: String,
}

struct JsonParser<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl JsonParser<'_> {
    fn fail<T>(&self, expected: &str) -> Result<T, JsonError> {
        Err(JsonError {
            at: self.at,
            expected: expected.to_owned(),
        })
    }

    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self) -> Result<Json, JsonError> {
        self.blanks();
        let value = match self.bytes.get(self.at) {
            Some(b'n') if self.eat("null") => Json::Null,
            Some(b't') if self.eat("true") => Json::Bool(true),
            Some(b'f') if self.eat("false") => Json::Bool(false),
            Some(b'"') => Json::Text(self.text()?),
            Some(b'[') => {
                self.at += 1;
                let mut items = vec![];
                self.blanks();
                while !self.eat("]") {
                    items.push(self.value()?);
                    if !self.eat(",") && self.bytes.get(self.at) != Some(&b']') {
                        return self.fail("comma or bracket");
                    }
                }
                Json::Array(items)
            }
            Some(b'{') => {
                self.at += 1;
                let mut members = BTreeMap::new();
                self.blanks();
                while !self.eat("}") {
                    self.blanks();
                    let key = self.text()?;
                    self.blanks();
                    if !self.eat(":") {
                        return self.fail("colon");
                    }
                    members.insert(key, self.value()?);
                    if !self.eat(",") && self.bytes.get(self.at) != Some(&b'}') {
                        return self.fail("comma or brace");
                    }
                }
                Json::Object(members)
            }
            Some(b'-' | b'0'..=b'9') => {
                let start = self.at;
                while let Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') =
                    self.bytes.get(self.at)
                {
                    self.at += 1;
                }
                let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap();
                match text.parse() {
                    Ok(number) => Json::Number(number),
                    Err(_) => return self.fail("number"),
                }
            }
            _ => return self.fail("value"),
        };
        self.blanks();
        Ok(value)
    }

    fn text(&mut self) -> Result<String, JsonError> {
        if !self.eat("\"") {
            return self.fail("string");
        }
        let mut out = Vec::new();
        loop {
            match self.bytes.get(self.at) {
                None => return self.fail("closing quote"),
                Some(b'"') => {
                    self.at += 1;
                    return String::from_utf8(out).or_else(|_| self.fail("utf-8"));
                }
                Some(b'\\') => {
                    out.push(match self.bytes.get(self.at + 1) {
                        Some(b'n') => b'\n',
                        Some(b't') => b'\t',
                        Some(&c @ (b'"' | b'\\' | b'/')) => c,
                        _ => return self.fail("escape"),
                    });
                    self.at += 2;
                }
                Some(&byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }
}

impl FromStr for Json {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = JsonParser {
            bytes: text.as_bytes(),
            at: 0,
        };
        let value = parser.value()?;
        if parser.at < text.len() {
            return parser.fail("end");
        }
        Ok(value)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => write!(f, "null"),
            Json::Bool(b) => write!(f, "{b}"),
            Json::Number(n) => write!(f, "{n}"),
            Json::Text(t) => write!(f, "{t:?}"),
            Json::Array(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{key:?}:{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

#[virtine]
pub fn parse_json(text: &str) -> Result<Json, JsonError> {
    text.parse()
}

#[virtine]
pub fn print_json(value: &Json) -> String {
    value.to_string()
}

#[virtine]
pub fn json_depth(text: String) -> Result<usize, JsonError> {
    fn depth(value: &Json) -> usize {
        match value {
            Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
            Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
            _ => 0,
        }
    }
    Json::from_str(&text).map(|value| depth(&value))
}

#[virtine]
pub fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let row = rows.last_mut().unwrap();
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => {
                row.last_mut().unwrap().push('"');
                chars.next();
            }
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(String::new()),
            ('\n', false) => rows.push(vec![String::new()]),
            (c, _) => row.last_mut().unwrap().push(c),
        }
    }
    rows
}

#[virtine]
pub fn parse_query(query: &str) -> Vec<(String, Option<String>)> {
    query
        .trim_start_matches('?')
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.replace('+', " "))),
            None => (part.to_owned(), None),
        })
        .collect()
}

#[virtine]
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |b: u8| (b as char).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[virtine]
pub fn parse_ini(
    text: &str,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, (usize, String)> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = String::from("default");
    for (number, line) in text.lines().enumerate().map(|(n, l)| (n + 1, l.trim())) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_string();
        } else if let Some((key, value)) = line.split_once('=') {
            sections
                .entry(section.clone())
                .or_default()
                .insert(key.trim().into(), value.trim().into());
        } else {
            return Err((number, format!("cannot read `{line}`")));
        }
    }
    Ok(sections)
}

#[virtine]
pub fn balanced(text: &str) -> Result<(), usize> {
    let mut open = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                let wanted = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(wanted) {
                    return Err(at);
                }
            }
            _ => {}
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(text.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<u32> = text
            .split('.')
            .map(|part| part.parse::<u32>().map_err(|e| format!("{part:?}: {e}")))
            .collect::<Result<_, _>>()?;
        let [major, minor, patch] = parts[..] else {
            return Err(format!("expected 3 parts, found {}", parts.len()));
        };
        Ok(Version {
            major,
            minor,
            patch,
        })
    }
}

#[virtine]
pub fn newest(versions: Vec<String>) -> Result<Option<Version>, String> {
    let parsed: Result<Vec<Version>, _> = versions.iter().map(|v| v.parse()).collect();
    Ok(parsed?.into_iter().max())
}

fn s_expression(chars: &mut Peekable<Chars<'_>>) -> Option<Vec<String>> {
    let mut out = vec![];
    loop {
        match chars.next()? {
            ' ' => {}
            ')' => return Some(out),
            '(' => {
                let inner = s_expression(chars)?;
                out.push(format!("<{}>", inner.join("|")));
            }
            c => {
                let mut atom = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric()) {
                    atom.push(c);
                }
                out.push(atom);
            }
        }
    }
}

#[virtine]
pub fn parse_lisp(text: &str) -> Option<String> {
    let mut chars = text.chars().peekable();
    (chars.next()? == '(').then(|| s_expression(&mut chars).map(|parts| parts.join("|")))?
}

#[virtine]
pub fn glob_match(pattern: &str, text: &str) -> bool {
    fn matches(p: &[u8], t: &[u8]) -> bool {
        match (p, t) {
            ([], []) => true,
            ([b'*', rest @ ..], t) => matches(rest, t) || !t.is_empty() && matches(p, &t[1..]),
            ([b'?', p @ ..], [_, t @ ..]) => matches(p, t),
            ([a, p @ ..], [b, t @ ..]) if a == b => matches(p, t),
            _ => false,
        }
    }
    matches(pattern.as_bytes(), text.as_bytes())
}
