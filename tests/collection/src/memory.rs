//! Boxes, reference counts, cells and what is built of them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::mem;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock};

use wasp_core::virtine;

#[derive(Debug)]
enum List {
    Cons(i32, Box<List>),
    Nil,
}

use List::{Cons, Nil};

impl List {
    fn sum(&self) -> i32 {
        match self {
            Cons(value, rest) => value + rest.sum(),
            Nil => 0,
        }
    }
}

#[virtine]
pub fn cons_list(values: &[i32]) -> (i32, String) {
    let list = values
        .iter()
        .rev()
        .fold(Nil, |rest, &v| Cons(v, Box::new(rest)));
    (list.sum(), format!("{list:?}"))
}

struct Linked<T> {
    head: Option<Box<Link<T>>>,
    length: usize,
}

struct Link<T> {
    value: T,
    next: Option<Box<Link<T>>>,
}

impl<T> Linked<T> {
    fn push(&mut self, value: T) {
        let next = self.head.take();
        self.head = Some(Box::new(Link { value, next }));
        self.length += 1;
    }

    fn reverse(&mut self) {
        let mut reversed = None;
        let mut rest = self.head.take();
        while let Some(mut link) = rest {
            rest = mem::replace(&mut link.next, reversed);
            reversed = Some(link);
        }
        self.head = reversed;
    }

    fn iter(&self) -> Iter<'_, T> {
        Iter(self.head.as_deref())
    }
}

struct Iter<'l, T>(Option<&'l Link<T>>);

impl<'l, T> Iterator for Iter<'l, T> {
    type Item = &'l T;

    fn next(&mut self) -> Option<&'l T> {
        let link = self.0?;
        self.0 = link.next.as_deref();
        Some(&link.value)
    }
}

#[virtine]
pub fn linked_list(values: Vec<String>) -> (usize, String) {
    let mut list = Linked {
        head: None,
        length: 0,
    };
    values.into_iter().for_each(|v| list.push(v));
    list.reverse();
    (
        list.length,
        list.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(">"),
    )
}

#[derive(Default)]
struct Tree {
    root: Option<Box<Branch>>,
}

struct Branch {
    key: i32,
    left: Tree,
    right: Tree,
}

impl Tree {
    fn insert(&mut self, key: i32) -> bool {
        match &mut self.root {
            None => {
                self.root = Some(Box::new(Branch {
                    key,
                    left: Tree::default(),
                    right: Tree::default(),
                }));
                true
            }
            Some(branch) if key < branch.key => branch.left.insert(key),
            Some(branch) if key > branch.key => branch.right.insert(key),
            Some(_) => false,
        }
    }

    fn depth(&self) -> usize {
        self.root
            .as_ref()
            .map_or(0, |b| 1 + b.left.depth().max(b.right.depth()))
    }

    fn walk(&self, out: &mut Vec<i32>) {
        if let Some(b) = &self.root {
            b.left.walk(out);
            out.push(b.key);
            b.right.walk(out);
        }
    }
}

#[virtine]
pub fn search_tree(keys: Vec<i32>) -> (Vec<i32>, usize, usize) {
    let mut tree = Tree::default();
    let inserted = keys.into_iter().filter(|&k| tree.insert(k)).count();
    let mut sorted = vec![];
    tree.walk(&mut sorted);
    (sorted, tree.depth(), inserted)
}

struct Person {
    name: String,
    children: RefCell<Vec<Rc<Person>>>,
    parent: RefCell<Weak<Person>>,
}

impl Person {
    fn new(name: &str) -> Rc<Self> {
        Rc::new(Person {
            name: name.to_string(),
            children: RefCell::default(),
            parent: RefCell::new(Weak::new()),
        })
    }

    fn add(self: &Rc<Self>, child: &Rc<Person>) {
        *child.parent.borrow_mut() = Rc::downgrade(self);
        self.children.borrow_mut().push(Rc::clone(child));
    }

    fn ancestry(&self) -> String {
        match self.parent.borrow().upgrade() {
            Some(parent) => format!("{} of {}", self.name, parent.ancestry()),
            None => self.name.clone(),
        }
    }
}

#[virtine]
pub fn family() -> (String, usize, usize) {
    let (a, b, c) = (Person::new("Ann"), Person::new("Bob"), Person::new("Cat"));
    a.add(&b);
    b.add(&c);
    (c.ancestry(), Rc::strong_count(&b), Rc::weak_count(&a))
}

#[virtine]
pub fn cells(n: u32) -> (u32, u32, Vec<u32>, String) {
    let cell = Cell::new(n);
    cell.set(cell.get() * 2);
    let old = cell.replace(7);
    let shared = Rc::new(RefCell::new(vec![1, 2]));
    let other = shared.clone();
    other.borrow_mut().push(old);
    let state = if shared.try_borrow_mut().is_ok() {
        "free"
    } else {
        "busy"
    };
    let once = OnceCell::new();
    once.get_or_init(|| 3);
    (old, *once.get().unwrap(), shared.take(), state.to_string())
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static TABLE: LazyLock<HashMap<&'static str, u32>> =
    LazyLock::new(|| HashMap::from([("one", 1), ("two", 2)]));
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn config() -> &'static RwLock<u32> {
    static CONFIG: OnceLock<RwLock<u32>> = OnceLock::new();
    CONFIG.get_or_init(|| RwLock::new(41))
}

#[virtine]
pub fn locks(key: &str) -> (Option<u32>, u32, usize) {
    NAMES.lock().unwrap().push(key.to_owned());
    *config().write().unwrap() = 41;
    *config().write().unwrap() += 1;
    CALLS.fetch_add(1, Ordering::Relaxed);
    let names = NAMES.lock().unwrap();
    (
        TABLE.get(key).copied(),
        *config().read().unwrap(),
        names.last().map_or(0, String::len),
    )
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LOG: RefCell<Vec<String>> = RefCell::new(vec!["start".to_string()]);
}

#[virtine]
pub fn thread_locals(n: u32) -> (u32, Vec<String>) {
    LOG.set(vec!["start".to_string()]);
    for i in 0..n {
        DEPTH.with(|d| d.set(i));
        LOG.with_borrow_mut(|log| log.push(format!("at {}", DEPTH.get())));
    }
    (DEPTH.get(), LOG.take())
}

#[virtine]
pub fn arcs(values: Vec<i32>) -> (i32, usize) {
    let shared = Arc::new(Mutex::new(values));
    let clones: Vec<_> = (0..3).map(|_| Arc::clone(&shared)).collect();
    for (i, clone) in clones.iter().enumerate() {
        clone.lock().unwrap().push(i as i32);
    }
    let count = Arc::strong_count(&shared);
    drop(clones);
    let sum = Arc::try_unwrap(shared)
        .unwrap()
        .into_inner()
        .unwrap()
        .iter()
        .sum();
    (sum, count)
}

struct Noisy<'a>(&'a str, &'a RefCell<Vec<String>>);

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(format!("dropped {}", self.0));
    }
}

#[virtine]
pub fn drop_order() -> Vec<String> {
    let log = RefCell::new(vec![]);
    {
        let _a = Noisy("a", &log);
        let b = Noisy("b", &log);
        let _c = Noisy("c", &log);
        drop(b);
        mem::forget(Noisy("never", &log));
    }
    log.into_inner()
}

#[virtine]
pub fn channel(values: Vec<u8>) -> Vec<u8> {
    let (sender, receiver) = std::sync::mpsc::channel();
    for value in values {
        sender.send(value * 2).unwrap();
    }
    drop(sender);
    receiver.into_iter().collect()
}

#[virtine]
pub fn sizes() -> [usize; 6] {
    [
        mem::size_of::<Option<Box<u8>>>(),
        mem::size_of::<(u8, u32)>(),
        mem::align_of::<u64>(),
        size_of::<&str>(),
        size_of::<Option<char>>(),
        size_of_val(&[0u16; 5]),
    ]
}

#[virtine]
pub fn swaps(mut a: Vec<u8>, b: Vec<u8>) -> (Vec<u8>, Vec<u8>, Option<u8>) {
    let mut b = b;
    mem::swap(&mut a, &mut b);
    let mut slot = a.first().copied();
    let taken = slot.take();
    (a, mem::take(&mut b), taken.or(slot))
}

#[virtine]
pub fn raw_pointers(values: &mut [u32]) -> u32 {
    let pointer = values.as_mut_ptr();
    let mut sum = 0;
    for i in 0..values.len() {
        // SAFETY: `i` is inside the slice.
        unsafe {
            *pointer.add(i) += 1;
            sum += std::ptr::read(pointer.add(i));
        }
    }
    sum
}

struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Option<usize>,
}

enum Slot<T> {
    Used(T),
    Free(Option<usize>),
}

impl<T> Arena<T> {
    fn insert(&mut self, value: T) -> usize {
        match self.free {
            Some(at) => {
                if let Slot::Free(next) = self.slots[at] {
                    self.free = next;
                }
                self.slots[at] = Slot::Used(value);
                at
            }
            None => {
                self.slots.push(Slot::Used(value));
                self.slots.len() - 1
            }
        }
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        match mem::replace(&mut self.slots[at], Slot::Free(self.free)) {
            Slot::Used(value) => {
                self.free = Some(at);
                Some(value)
            }
            free => {
                self.slots[at] = free;
                None
            }
        }
    }
}

#[virtine]
pub fn arena(words: Vec<String>) -> (Vec<usize>, Option<String>) {
    let mut arena = Arena {
        slots: vec![],
        free: None,
    };
    let mut handles: Vec<usize> = words.into_iter().map(|w| arena.insert(w)).collect();
    let removed = handles.first().and_then(|&h| arena.remove(h));
    handles.push(arena.insert("new".into()));
    (handles, removed)
}
