//! The machines of one image: ready, in use, and being cleaned.
//!
//! Each live VM makes every `munmap` and page fault of the process slower, so their number is bounded. No lock is held
//! while a machine is created or torn down. The [reclaimer] tears down machines that a guest has poisoned. If a caller
//! waits for a machine, the caller does it.

use std::borrow::Borrow;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::base::fork;
use crate::machine::Machine;
use crate::machine::snapshot::Snapshot;
use crate::pool::idle::ReleaseIdle;
use crate::pool::reclaimer::Reclaim;
use crate::pool::slots::{Acquired, SlotPool, Statistics};
use crate::pool::spares::SpareMachines;

pub(crate) mod idle;
pub(crate) mod reclaimer;
pub(crate) mod slots;
pub(crate) mod spares;

/// A snapshot, and the machines that start from it.
pub(crate) struct Pool {
    slots: SlotPool<Instance, TemplateId>,
    spares: Arc<SpareMachines>,
    /// Bytes that its machines may keep of the memory that their guests have written.
    budget: u64,
    /// Bytes that machines with much memory keep.
    kept: Arc<AtomicU64>,
    /// The [reclaimer](idle) watches this pool.
    watched: AtomicBool,
}

/// The default budget of a pool.
pub(crate) const BUDGET: u64 = 512 << 20;

/// A snapshot that machines are made from, identified by its address.
#[derive(Clone)]
pub(crate) struct TemplateId(Arc<Snapshot>);

impl PartialEq for TemplateId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A machine, and the snapshot it was made from.
struct Instance {
    machine: Machine,
    template: TemplateId,
    /// Its guest broke the rules or was ended from outside. It must not be used again.
    poisoned: bool,
    /// Bytes of its memory that count against the pool's budget.
    kept: BudgetShare,
    /// When it was used last, in ticks of the reclaimer, if it keeps much memory.
    used: u32,
    /// The thread that used it last. That thread is most likely still on the same CPU, whose caches hold the machine's
    /// state and memory.
    thread: usize,
}

/// Bytes that count against a pool's budget as long as this lives.
struct BudgetShare(Option<(Arc<AtomicU64>, u64)>);

impl BudgetShare {
    const fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        if let Some((all, bytes)) = &self.0 {
            all.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

/// A number that no other living thread has.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| ptr::from_ref(here).addr())
}

impl Borrow<TemplateId> for Instance {
    fn borrow(&self) -> &TemplateId {
        &self.template
    }
}

impl Instance {
    const fn clean(machine: Machine, template: TemplateId) -> Self {
        Self {
            machine,
            template,
            poisoned: false,
            kept: BudgetShare(None),
            used: 0,
            thread: 0,
        }
    }

    const fn keeps(&self) -> u64 {
        self.machine.kept_pages() * PAGE_SIZE
    }
}

impl Pool {
    /// A pool of at most `limit` machines that start from `snapshot`. `shell` is a first machine that saves creating
    /// one. It does not count until it is needed.
    pub(crate) fn new(snapshot: Snapshot, shell: Machine, limit: usize, budget: u64) -> Arc<Self> {
        let spares = SpareMachines::of(snapshot.kind());
        drop(spares.put(vec![shell]));
        Arc::new(Self {
            slots: SlotPool::new(limit, TemplateId(Arc::new(snapshot))),
            spares,
            budget,
            kept: Arc::default(),
            watched: AtomicBool::new(false),
        })
    }

    /// Returns a clean machine. Waits at most `patience` for one.
    #[inline]
    pub(crate) fn get(self: &Arc<Self>, patience: Duration) -> Result<PooledMachine, Error> {
        let here = this_thread();
        let taken = self
            .slots
            .take(patience, |instance| instance.thread == here)?;
        let mut instance = match taken {
            Acquired::Clean(instance) => instance,
            Acquired::Make(template) => Instance::clean(self.make(&template)?, template),
            Acquired::Used(used) => self.renew(used)?,
        };
        instance.thread = here;
        Ok(PooledMachine {
            pool: Arc::clone(self),
            instance: Some(instance),
        })
    }

    /// Creates machines until `count` are clean.
    pub(crate) fn ensure(&self, count: usize) -> Result<(), Error> {
        while let Some(template) = self.slots.reserve(count)? {
            let machine = self.make(&template)?;
            self.put_clean(machine, template);
        }
        Ok(())
    }

    /// The snapshot that machines are currently made from.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.slots.template().0
    }

    /// Makes later machines start from another snapshot than `old`. Returns false, and does nothing, if `old` is no
    /// longer in force.
    pub(crate) fn replace_snapshot(&self, old: &Arc<Snapshot>, snapshot: Snapshot) -> bool {
        let template = TemplateId(Arc::new(snapshot));
        let outdated = self
            .slots
            .replace_template(&TemplateId(Arc::clone(old)), template);
        let replaced = outdated.is_some();
        self.keep_spare(outdated.unwrap_or_default());
        replaced
    }

    /// Tears down clean machines until at most `count` are left, and spare machines of this size.
    pub(crate) fn trim(&self, count: usize) {
        drop(self.slots.trim(count));
        drop(self.spares.take_all());
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.slots.statistics()
    }

    /// Closes the pool. Machines on loan are torn down when they are returned.
    pub(crate) fn close(&self) {
        let (clean, used) = self.slots.close();
        self.keep_spare(clean);
        drop(used);
    }

    /// Creates a machine for which room has been reserved.
    fn make(&self, TemplateId(snapshot): &TemplateId) -> Result<Machine, Error> {
        let machine = match self.spares.take() {
            Some(shell) => snapshot.adopt(shell),
            None => snapshot.machine(),
        };
        machine.inspect_err(|_| self.slots.forget())
    }

    /// Returns a machine that has just been cleaned.
    #[inline]
    fn put_back_cleaned(self: &Arc<Self>, clean: Instance) {
        match clean.kept.is_nothing() && clean.keeps() == 0 {
            true => self.put_back(clean),
            false => self.put_back_keeping(clean),
        }
    }

    /// Like [`Pool::put_back_cleaned`], for a machine that keeps much memory or did so. Beyond the budget, the least
    /// recently used machines release their memory first.
    #[cold]
    #[inline(never)]
    fn put_back_keeping(self: &Arc<Self>, mut clean: Instance) {
        self.account(&mut clean);
        while self.kept.load(Ordering::Relaxed) > self.budget {
            match self.slots.lend(|other| !other.kept.is_nothing()) {
                Some(other) => self.release_memory(other),
                None => {
                    if Snapshot::release_memory(&mut clean.machine).is_err() {
                        return self.put_used(Instance {
                            poisoned: true,
                            ..clean
                        });
                    }
                    self.account(&mut clean);
                    break;
                }
            }
        }
        clean.used = idle::now();
        let keeps = !clean.kept.is_nothing();
        self.put_back(clean);
        if keeps && !self.watched.swap(true, Ordering::SeqCst) {
            self.ask_to_be_watched();
        }
    }

    fn ask_to_be_watched(self: &Arc<Self>) {
        let own = Arc::downgrade(self);
        let watched = idle::watch(own);
        self.watched.store(watched, Ordering::SeqCst);
    }

    /// Updates the budget with what a machine keeps now.
    fn account(&self, instance: &mut Instance) {
        let keeps = instance.keeps();
        instance.kept = BudgetShare((keeps > 0).then(|| {
            self.kept.fetch_add(keeps, Ordering::Relaxed);
            (Arc::clone(&self.kept), keeps)
        }));
    }

    /// Releases the memory of a machine that was lent.
    fn release_memory(&self, mut instance: Instance) {
        match Snapshot::release_memory(&mut instance.machine) {
            Ok(()) => {
                self.account(&mut instance);
                if let Some(refused) = self.slots.take_back(instance) {
                    self.keep_spare(vec![refused]);
                }
            }
            Err(_) => {
                drop(instance);
                self.slots.lose();
            }
        }
    }

    fn put_clean(&self, machine: Machine, template: TemplateId) {
        self.put_back(Instance::clean(machine, template));
    }

    #[inline]
    fn put_back(&self, clean: Instance) {
        if let Some(refused) = self.slots.put_clean(clean) {
            self.keep_spare(vec![refused]);
        }
    }

    fn put_used(self: &Arc<Self>, instance: Instance) {
        match self.slots.put_used(instance) {
            None => reclaimer::call(Arc::clone(self) as Arc<dyn Reclaim>),
            refused => drop(refused),
        }
    }

    /// Keeps clean machines as spares for other pools of this size, if there are any.
    fn keep_spare(&self, clean: Vec<Instance>) {
        let others = Arc::strong_count(&self.spares) > 1;
        if others && !clean.is_empty() {
            let machines = clean.into_iter().filter_map(|instance| {
                let mut machine = instance.machine;
                let keeps = machine.kept_pages() > 0;
                let is_empty = !keeps || Snapshot::release_memory(&mut machine).is_ok();
                is_empty.then_some(machine)
            });
            drop(self.spares.put(machines.collect()));
        }
    }

    /// Turns a used machine into a clean one of the current snapshot.
    fn renew(&self, used: Instance) -> Result<Instance, Error> {
        let current = self.slots.template();
        let machine = match Self::recycle(used, &current) {
            Some(machine) => machine,
            None => self.make(&current)?,
        };
        Ok(Instance::clean(machine, current))
    }

    /// Cleans a machine if possible, and tears it down otherwise.
    fn recycle(used: Instance, current: &TemplateId) -> Option<Machine> {
        let Instance {
            mut machine,
            template,
            poisoned,
            ..
        } = used;
        if poisoned || template.0.is_beyond_cleaning(&machine).unwrap_or(true) {
            return None;
        }
        template.0.clean(&mut machine).ok()?;
        match template == *current {
            true => Some(machine),
            false => current.0.adopt(machine).ok(),
        }
    }
}

impl ReleaseIdle for Pool {
    fn release_idle(&self, since: u32) -> bool {
        // Tick numbers wrap, after some centuries.
        let is_idle = |instance: &Instance| !instance.kept.is_nothing() && instance.used <= since;
        while let Some(idle) = self.slots.lend(is_idle) {
            self.release_memory(idle);
        }
        self.watched.store(false, Ordering::SeqCst);
        // Machines that were returned meanwhile found the pool watched.
        self.slots.has(|instance| !instance.kept.is_nothing())
            && !self.watched.swap(true, Ordering::SeqCst)
    }
}

impl Reclaim for Pool {
    fn reclaim_one(&self) {
        if let Some(used) = self.slots.next_used() {
            // If no machine can be created, the next caller tries and gets the error.
            if let Ok(clean) = self.renew(used) {
                self.put_back(clean);
            }
            self.slots.cleaned();
        }
    }
}

/// A machine in use. If dropped, it counts as poisoned; only [`PooledMachine::give_back`] vouches for it.
pub(crate) struct PooledMachine {
    pool: Arc<Pool>,
    instance: Option<Instance>,
}

impl PooledMachine {
    /// The pool that it belongs to.
    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The machine and what it started from.
    #[inline]
    pub(crate) fn split_mut(&mut self) -> (&mut Machine, &Snapshot) {
        let Instance {
            machine, template, ..
        } = self.instance.as_mut().expect(OWNED);
        (machine, &template.0)
    }

    /// Returns a machine whose guest stopped normally.
    #[inline]
    pub(crate) fn give_back(mut self) {
        let Some(mut instance) = self.instance.take() else {
            return;
        };
        instance.machine.slot().end_tenancy();
        if fork::is_child() {
            // Any lock that its teardown takes may be held forever.
            std::mem::forget(instance);
        } else if instance.template.0.clean_at_once(&mut instance.machine) {
            self.pool.put_back_cleaned(instance);
        } else {
            self.pool.put_used(instance);
        }
    }

    fn instance(&self) -> &Instance {
        self.instance.as_ref().expect(OWNED)
    }
}

impl Drop for PooledMachine {
    fn drop(&mut self) {
        match self.instance.take() {
            Some(instance) if fork::is_child() => std::mem::forget(instance),
            Some(instance) => {
                instance.machine.slot().end_tenancy();
                self.pool.put_used(Instance {
                    poisoned: true,
                    ..instance
                });
            }
            None => {}
        }
    }
}

const OWNED: &str = "only give_back and drop take the machine, and both end the loan";

impl Deref for PooledMachine {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.instance().machine
    }
}

impl DerefMut for PooledMachine {
    fn deref_mut(&mut self) -> &mut Machine {
        self.split_mut().0
    }
}
