//! Clean machines that have lost their image: a VM, its vCPU and its memory are worth keeping for the next
//! image of the same size.
//!
//! There is one shelf for each size of memory, and for guests with and without system calls apart, for as long as some pool of that size exists; with the
//! last such pool, all that lies on it goes.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::blueprint::Blueprint;
use crate::machine::{Machine, Paging};

/// How many machines a shelf holds.
const ROOM: usize = 16;

/// The machines of one size.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Vec<Machine>>);

impl Shelf {
    /// The shelf for machines that are made like this.
    pub(crate) fn of(blueprint: &Blueprint) -> Arc<Self> {
        type Shelves = HashMap<(u64, Paging, bool), Weak<Shelf>>;
        static SHELVES: Mutex<Option<Shelves>> = Mutex::new(None);
        let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
        let shelves = shelves.get_or_insert_default();
        shelves.retain(|_, shelf| shelf.strong_count() > 0);
        let system_calls = blueprint.system_calls().is_some();
        let key = (blueprint.size, blueprint.paging(), system_calls);
        let known = shelves.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let shelf = Arc::default();
            shelves.insert(key, Arc::downgrade(&shelf));
            shelf
        })
    }

    /// A machine, if there is one.
    pub(crate) fn take(&self) -> Option<Machine> {
        self.lock().pop()
    }

    /// All machines that are there.
    pub(crate) fn take_all(&self) -> Vec<Machine> {
        mem::take(&mut *self.lock())
    }

    /// Keeps clean machines; gives back those for which there is no room.
    pub(crate) fn put(&self, mut machines: Vec<Machine>) -> Vec<Machine> {
        let mut shelf = self.lock();
        let surplus = machines.split_off(machines.len().min(ROOM - shelf.len()));
        shelf.append(&mut machines);
        surplus
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
