//! The machines of one image: in stock, in use, and on their way back.
//!
//! Each live VM makes every `munmap` and page fault of the process dearer, so their number is bounded.
//! Machines are made and torn down under no lock; those that a guest has spoilt by the [cleaner], unless
//! somebody waits for one and does it himself.

use std::borrow::Borrow;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::cleaner::{self, Chores};
use crate::machine::Machine;
use crate::process;
use crate::shells::Shelf;
use crate::snapshot::Snapshot;
use crate::stock::{Statistics, Stock, Taken};

/// A snapshot, and the machines that start from it.
pub(crate) struct Pool {
    stock: Stock<Instance, Pattern>,
    shelf: Arc<Shelf>,
}

/// A snapshot that machines are made from, told from all others by its address.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Snapshot>);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A machine, and what it was made from.
struct Instance {
    machine: Machine,
    pattern: Pattern,
    /// Its guest did what no guest may, or was ended from outside: it is not to be used again.
    spoilt: bool,
    /// Which thread used it last. It is most likely on the same processor still, which has the machine's
    /// state and memory in its caches.
    thread: usize,
}

/// A number that no other living thread has.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| ptr::from_ref(here).addr())
}

impl Borrow<Pattern> for Instance {
    fn borrow(&self) -> &Pattern {
        &self.pattern
    }
}

impl Instance {
    const fn clean(machine: Machine, pattern: Pattern) -> Self {
        Self {
            machine,
            pattern,
            spoilt: false,
            thread: 0,
        }
    }
}

impl Pool {
    /// A pool of at most `limit` machines that start from `snapshot`. `shell` is a first one, which it need
    /// not make any more; until somebody wants it, it does not count.
    pub(crate) fn new(snapshot: Snapshot, shell: Machine, limit: usize) -> Arc<Self> {
        let shelf = Shelf::of(snapshot.blueprint());
        drop(shelf.put(vec![shell]));
        Arc::new(Self {
            stock: Stock::new(limit, Pattern(Arc::new(snapshot))),
            shelf,
        })
    }

    /// A clean machine, waiting at most `patience` for one.
    #[inline]
    pub(crate) fn get(self: &Arc<Self>, patience: Duration) -> Result<Loan, Error> {
        let here = this_thread();
        let taken = self
            .stock
            .take(patience, |instance| instance.thread == here)?;
        let mut instance = match taken {
            Taken::Clean(instance) => instance,
            Taken::Make(pattern) => Instance::clean(self.make(&pattern)?, pattern),
            Taken::Used(used) => self.renew(used)?,
        };
        instance.thread = here;
        Ok(Loan {
            pool: Arc::clone(self),
            instance: Some(instance),
        })
    }

    /// Makes machines until `count` are clean.
    pub(crate) fn ensure(&self, count: usize) -> Result<(), Error> {
        while let Some(pattern) = self.stock.reserve(count)? {
            let machine = self.make(&pattern)?;
            self.put_clean(machine, pattern);
        }
        Ok(())
    }

    /// What machines are made from now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.stock.pattern().0
    }

    /// Has later machines start from another snapshot than `old`. False, with nothing done, where that
    /// is no longer in force.
    pub(crate) fn replace_snapshot(&self, old: &Arc<Snapshot>, snapshot: Snapshot) -> bool {
        let pattern = Pattern(Arc::new(snapshot));
        let outdated = self
            .stock
            .replace_pattern(&Pattern(Arc::clone(old)), pattern);
        let replaced = outdated.is_some();
        self.shelve(outdated.unwrap_or_default());
        replaced
    }

    /// Tears clean machines down until at most `count` are left, and shells of this size.
    pub(crate) fn trim(&self, count: usize) {
        drop(self.stock.trim(count));
        drop(self.shelf.take_all());
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.stock.statistics()
    }

    /// Ends the pool. What is on loan is torn down when it comes back.
    pub(crate) fn close(&self) {
        let (clean, used) = self.stock.close();
        self.shelve(clean);
        drop(used);
    }

    /// Makes a machine for which room has been reserved.
    fn make(&self, Pattern(snapshot): &Pattern) -> Result<Machine, Error> {
        let machine = match self.shelf.take() {
            Some(shell) => snapshot.adopt(shell),
            None => snapshot.machine(),
        };
        machine.inspect_err(|_| self.stock.forget())
    }

    fn put_clean(&self, machine: Machine, pattern: Pattern) {
        self.put_back(Instance::clean(machine, pattern));
    }

    #[inline]
    fn put_back(&self, clean: Instance) {
        if let Some(refused) = self.stock.put_clean(clean) {
            self.shelve(vec![refused]);
        }
    }

    fn put_used(self: &Arc<Self>, instance: Instance) {
        match self.stock.put_used(instance) {
            None => cleaner::call(Arc::clone(self) as Arc<dyn Chores>),
            refused => drop(refused),
        }
    }

    /// Keeps clean machines for other pools of this size, if there are any.
    fn shelve(&self, clean: Vec<Instance>) {
        let others = Arc::strong_count(&self.shelf) > 1;
        if others && !clean.is_empty() {
            let machines = clean.into_iter().map(|instance| instance.machine);
            drop(self.shelf.put(machines.collect()));
        }
    }

    /// What becomes of a used machine: a clean one of the snapshot in force.
    fn renew(&self, used: Instance) -> Result<Instance, Error> {
        let current = self.stock.pattern();
        let machine = match Self::recycle(used, &current) {
            Some(machine) => machine,
            None => self.make(&current)?,
        };
        Ok(Instance::clean(machine, current))
    }

    /// Cleans a machine, if it can be; else it is torn down.
    fn recycle(used: Instance, current: &Pattern) -> Option<Machine> {
        let Instance {
            mut machine,
            pattern,
            spoilt,
            ..
        } = used;
        if spoilt || pattern.0.is_beyond_cleaning(&machine).unwrap_or(true) {
            return None;
        }
        pattern.0.clean(&mut machine).ok()?;
        match pattern == *current {
            true => Some(machine),
            false => current.0.adopt(machine).ok(),
        }
    }
}

impl Chores for Pool {
    fn do_one(&self) {
        if let Some(used) = self.stock.next_used() {
            // Where none can be made, the next caller tries, and is told why it cannot be.
            if let Ok(clean) = self.renew(used) {
                self.put_back(clean);
            }
            self.stock.cleaned();
        }
    }
}

/// A machine in use. Dropped, it counts as spoilt: only [`Loan::give_back`] vouches for it.
pub(crate) struct Loan {
    pool: Arc<Pool>,
    instance: Option<Instance>,
}

impl Loan {
    /// The pool that it belongs to.
    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The machine and what it started from.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut Machine, &Snapshot) {
        let Instance {
            machine, pattern, ..
        } = self.instance.as_mut().expect(OWNED);
        (machine, &pattern.0)
    }

    /// Puts a machine back whose guest has stopped in good order.
    #[inline]
    pub(crate) fn give_back(mut self) {
        let Some(mut instance) = self.instance.take() else {
            return;
        };
        instance.machine.slot().end_tenancy();
        if process::is_child() {
            // Whatever lock its teardown takes may be held for ever.
            std::mem::forget(instance);
        } else if instance.pattern.0.clean_at_once(&mut instance.machine) {
            self.pool.put_back(instance);
        } else {
            self.pool.put_used(instance);
        }
    }

    fn instance(&self) -> &Instance {
        self.instance.as_ref().expect(OWNED)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        match self.instance.take() {
            Some(instance) if process::is_child() => std::mem::forget(instance),
            Some(instance) => {
                instance.machine.slot().end_tenancy();
                self.pool.put_used(Instance {
                    spoilt: true,
                    ..instance
                });
            }
            None => {}
        }
    }
}

const OWNED: &str = "only give_back and drop take the machine, and both end the loan";

impl Deref for Loan {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.instance().machine
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Machine {
        self.parts().0
    }
}
