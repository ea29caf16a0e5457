//! Traits, with and without objects.

use std::any::Any;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::TryFrom;
use std::fmt::{self, Debug, Display};
use std::iter::{FromIterator, Sum};
use std::ops::*;

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

trait Shape {
    const SIDES: u32;
    fn area(&self) -> f64;
    fn name(&self) -> String {
        format!("a shape with {} sides", Self::SIDES)
    }
}

struct Square(f64);
struct Triangle {
    base: f64,
    height: f64,
}

impl Shape for Square {
    const SIDES: u32 = 4;
    fn area(&self) -> f64 {
        self.0 * self.0
    }
    fn name(&self) -> String {
        "a square".into()
    }
}

impl Shape for Triangle {
    const SIDES: u32 = 3;
    fn area(&self) -> f64 {
        self.base * self.height / 2.0
    }
}

fn describe<S: Shape>(shape: &S) -> String {
    format!("{}: {:.2}", shape.name(), shape.area())
}

#[virtine]
pub fn static_dispatch() -> Vec<String> {
    vec![
        describe(&Square(2.0)),
        describe(&Triangle {
            base: 3.0,
            height: 4.0,
        }),
    ]
}

trait Animal {
    fn name(&self) -> String;
    fn noise(&self) -> String;
    fn legs(&self) -> u32 {
        4
    }
}

#[derive(Clone)]
struct Dog {
    name: String,
}
struct Bird;

impl Animal for Dog {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn noise(&self) -> String {
        "woof".to_string()
    }
}

impl Animal for Bird {
    fn name(&self) -> String {
        "bird".into()
    }
    fn noise(&self) -> String {
        "tweet".into()
    }
    fn legs(&self) -> u32 {
        2
    }
}

#[virtine]
pub fn dynamic_dispatch(names: Vec<String>) -> (Vec<String>, u32) {
    let mut animals: Vec<Box<dyn Animal>> = vec![Box::new(Bird)];
    for name in names {
        animals.push(Box::new(Dog { name }));
    }
    let noises = animals
        .iter()
        .map(|a| format!("{} says {}", a.name(), a.noise()))
        .collect();
    (noises, animals.iter().map(|a| a.legs()).sum())
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Vector {
    pub x: f64,
    pub y: f64,
}

impl Add for Vector {
    type Output = Vector;
    fn add(self, o: Vector) -> Vector {
        Vector {
            x: self.x + o.x,
            y: self.y + o.y,
        }
    }
}
impl Sub for Vector {
    type Output = Vector;
    fn sub(self, o: Vector) -> Vector {
        Vector {
            x: self.x - o.x,
            y: self.y - o.y,
        }
    }
}
impl Mul<f64> for Vector {
    type Output = Vector;
    fn mul(self, k: f64) -> Vector {
        Vector {
            x: self.x * k,
            y: self.y * k,
        }
    }
}
impl Mul<Vector> for f64 {
    type Output = Vector;
    fn mul(self, v: Vector) -> Vector {
        v * self
    }
}
impl Neg for Vector {
    type Output = Vector;
    fn neg(self) -> Vector {
        -1.0 * self
    }
}
impl AddAssign for Vector {
    fn add_assign(&mut self, o: Vector) {
        *self = *self + o;
    }
}
impl Sum for Vector {
    fn sum<I: Iterator<Item = Vector>>(iter: I) -> Vector {
        iter.fold(Vector::default(), |a, b| a + b)
    }
}
impl From<(f64, f64)> for Vector {
    fn from((x, y): (f64, f64)) -> Self {
        Vector { x, y }
    }
}

#[virtine]
pub fn vectors(points: Vec<Vector>) -> (Vector, Vector, f64) {
    let sum: Vector = points.iter().copied().sum();
    let mut mean = sum * (1.0 / points.len().max(1) as f64);
    mean += -Vector::from((1.0, 1.0));
    (sum, mean, (sum - mean).x)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u8, u8);

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then(self.1.cmp(&other.1)).reverse()
    }
}

#[virtine]
pub fn custom_order(versions: Vec<(u8, u8)>) -> Vec<(u8, u8)> {
    let set: BTreeSet<Version> = versions.into_iter().map(|(a, b)| Version(a, b)).collect();
    set.into_iter().map(|Version(a, b)| (a, b)).collect()
}

struct Countdown(u32);

impl Iterator for Countdown {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        self.0 = self.0.checked_sub(1)?;
        Some(self.0)
    }
}

#[virtine]
pub fn own_iterator(from: u32) -> (Vec<u32>, Option<u32>, u32) {
    let evens = Countdown(from).filter(|n| n % 2 == 0).collect();
    (
        evens,
        Countdown(from).max(),
        Countdown(from).zip(Countdown(3)).map(|(a, b)| a * b).sum(),
    )
}

struct Bag<T>(BTreeMap<T, usize>);

impl<T: Ord> FromIterator<T> for Bag<T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        let mut bag = Bag(BTreeMap::new());
        bag.extend(iter);
        bag
    }
}
impl<T: Ord> Extend<T> for Bag<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, iter: I) {
        for item in iter {
            *self.0.entry(item).or_default() += 1;
        }
    }
}
impl<'a, T> IntoIterator for &'a Bag<T> {
    type Item = (&'a T, &'a usize);
    type IntoIter = std::collections::btree_map::Iter<'a, T, usize>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[virtine]
pub fn bag_of_letters(text: &str) -> Vec<(char, usize)> {
    let mut bag: Bag<char> = text.chars().collect();
    bag.extend("aa".chars());
    (&bag).into_iter().map(|(c, n)| (*c, *n)).collect()
}

struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = String;
    fn try_from(n: u32) -> Result<Self, Self::Error> {
        if n % 2 == 0 {
            Ok(Even(n))
        } else {
            Err(format!("{n} is odd"))
        }
    }
}

#[virtine]
pub fn conversions(n: u32) -> (Result<u32, String>, Option<u8>, i64, String) {
    let even: Result<Even, _> = n.try_into();
    (
        even.map(|e| e.0),
        u8::try_from(n).ok(),
        i64::from(n),
        char::from_u32(n).map_or("none".into(), String::from),
    )
}

struct Stack<T> {
    items: Vec<T>,
}

impl<T> Deref for Stack<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.items
    }
}
impl<T> DerefMut for Stack<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}
impl<T> Index<&str> for Stack<T> {
    type Output = T;
    fn index(&self, which: &str) -> &T {
        match which {
            "top" => self.items.last().expect("not empty"),
            _ => &self.items[0],
        }
    }
}
impl<T> Drop for Stack<T> {
    fn drop(&mut self) {
        self.items.clear();
    }
}

#[virtine]
pub fn deref_and_index(items: Vec<i32>) -> (usize, i32, Option<i32>, i32) {
    let mut stack = Stack { items };
    stack.reverse();
    stack.items[1..].sort();
    (
        stack.len(),
        stack["top"],
        stack.iter().max().copied(),
        stack["bottom"],
    )
}

#[virtine]
pub fn downcasts() -> Vec<String> {
    let things: Vec<Box<dyn Any>> = vec![Box::new(5i32), Box::new("text"), Box::new(2.5f32)];
    things
        .iter()
        .map(|thing| {
            if let Some(n) = thing.downcast_ref::<i32>() {
                format!("int {n}")
            } else if let Some(s) = thing.downcast_ref::<&str>() {
                format!("str {s}")
            } else {
                "unknown".to_string()
            }
        })
        .collect()
}

fn lookup<K, V, Q>(map: &HashMap<K, V>, key: &Q) -> Option<V>
where
    K: Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
    V: Clone,
{
    map.get(key).cloned()
}

#[virtine]
pub fn borrowed_keys(map: HashMap<String, u8>, key: &str) -> Option<u8> {
    lookup(&map, key)
}

fn show_all<T>(items: &[T]) -> String
where
    T: Display + Debug,
{
    items
        .iter()
        .map(|i| format!("{i}/{i:?}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[virtine]
pub fn bounded_generics() -> String {
    show_all(&["a", "b"]) + &show_all(&[1.5, 2.0]) + &show_all::<char>(&['x'])
}

trait Visitor {
    type Output;
    fn number(&mut self, n: i64) -> Self::Output;
    fn sum(&mut self, a: &Node, b: &Node) -> Self::Output;
}

enum Node {
    Number(i64),
    Sum(Box<Node>, Box<Node>),
}

impl Node {
    fn accept<V: Visitor>(&self, v: &mut V) -> V::Output {
        match self {
            Node::Number(n) => v.number(*n),
            Node::Sum(a, b) => v.sum(a, b),
        }
    }
}

struct Evaluate;
struct Print {
    depth: usize,
}

impl Visitor for Evaluate {
    type Output = i64;
    fn number(&mut self, n: i64) -> i64 {
        n
    }
    fn sum(&mut self, a: &Node, b: &Node) -> i64 {
        a.accept(self) + b.accept(self)
    }
}
impl Visitor for Print {
    type Output = String;
    fn number(&mut self, n: i64) -> String {
        format!("{n}@{}", self.depth)
    }
    fn sum(&mut self, a: &Node, b: &Node) -> String {
        self.depth += 1;
        let text = format!("({} + {})", a.accept(self), b.accept(self));
        self.depth -= 1;
        text
    }
}

#[virtine]
pub fn visitors(n: i64) -> (i64, String) {
    let leaf = |n| Box::new(Node::Number(n));
    let tree = Node::Sum(leaf(n), Box::new(Node::Sum(leaf(2), leaf(3))));
    (
        tree.accept(&mut Evaluate),
        tree.accept(&mut Print { depth: 0 }),
    )
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match f.precision() {
            Some(p) => write!(f, "<{:.p$}, {:.p$}>", self.x, self.y),
            None => write!(f, "<{}, {}>", self.x, self.y),
        }
    }
}

#[virtine]
pub fn formatted(v: &Vector) -> (String, String, String) {
    (v.to_string(), format!("{v:.2}"), format!("{v:?}"))
}

struct Builder {
    parts: Vec<String>,
    separator: &'static str,
}

impl Builder {
    fn new() -> Self {
        Self {
            parts: vec![],
            separator: ", ",
        }
    }
    fn add(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }
    fn separated_by(self, separator: &'static str) -> Self {
        Self { separator, ..self }
    }
    fn build(self) -> String {
        self.parts.join(self.separator)
    }
}

#[virtine]
pub fn builder(words: &[&str]) -> String {
    words
        .iter()
        .fold(Builder::new(), |b, w| b.add(*w))
        .add('x')
        .separated_by("-")
        .build()
}

fn boxed_adders() -> Vec<Box<dyn Fn(i32) -> i32>> {
    (1..=3)
        .map(|n| Box::new(move |x| x + n) as Box<dyn Fn(i32) -> i32>)
        .collect()
}

fn make(n: i32) -> impl Fn(i32) -> i32 {
    move |x| x * n
}

fn apply_all(x: i32, fs: &[&dyn Fn(i32) -> i32]) -> i32 {
    fs.iter().fold(x, |x, f| f(x))
}

#[virtine]
pub fn closures(x: i32) -> (i32, i32, i32) {
    let mut calls = 0;
    let mut counted = |y: i32| {
        calls += 1;
        y - 1
    };
    let once = counted(x);
    let a = counted(once);
    let b = boxed_adders().into_iter().fold(a, |x, f| f(x));
    (
        apply_all(b, &[&make(2), &|x| x + 7, &i32::wrapping_neg]),
        a,
        calls,
    )
}

#[virtine]
pub fn compose(x: u32) -> u32 {
    fn compose<A, B, C>(f: impl Fn(A) -> B, g: impl Fn(B) -> C) -> impl Fn(A) -> C {
        move |x| g(f(x))
    }
    let add = |x| x + 1;
    let table: [(&str, fn(u32) -> u32); 2] = [("double", |x| x * 2), ("square", |x| x.pow(2))];
    table.iter().map(|(_, f)| compose(add, f)(x)).sum()
}
