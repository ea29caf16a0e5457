//! The machines of one image: in stock, in use, and on their way back.
//!
//! Each live VM makes every `munmap` and page fault of the process dearer, so their number is bounded.
//! Machines are made and torn down under no lock; those that a guest has poisoned by the [reclaimer], unless
//! somebody waits for one and does it himself.

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
    /// Bytes that its machines may keep of what their guests have written.
    budget: u64,
    /// Bytes that they keep, as far as that is much.
    kept: Arc<AtomicU64>,
    /// It is looked at by the [reclaimer](idle).
    watched: AtomicBool,
}

/// What a pool may keep unless it is told otherwise.
pub(crate) const BUDGET: u64 = 512 << 20;

/// A snapshot that machines are made from, told from all others by its address.
#[derive(Clone)]
pub(crate) struct TemplateId(Arc<Snapshot>);

impl PartialEq for TemplateId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A machine, and what it was made from.
struct Instance {
    machine: Machine,
    template: TemplateId,
    /// Its guest did what no guest may, or was ended from outside: it is not to be used again.
    poisoned: bool,
    /// Bytes of its memory that count among the pool's.
    kept: BudgetShare,
    /// When it was used last, in looks of the reclaimer's, where it keeps much.
    used: u32,
    /// Which thread used it last. It is most likely on the same processor still, which has the machine's
    /// state and memory in its caches.
    thread: usize,
}

/// Bytes that count among a pool's, as long as this is there.
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
    /// A pool of at most `limit` machines that start from `snapshot`. `shell` is a first one, which it need
    /// not make any more; until somebody wants it, it does not count.
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

    /// A clean machine, waiting at most `patience` for one.
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

    /// Makes machines until `count` are clean.
    pub(crate) fn ensure(&self, count: usize) -> Result<(), Error> {
        while let Some(template) = self.slots.reserve(count)? {
            let machine = self.make(&template)?;
            self.put_clean(machine, template);
        }
        Ok(())
    }

    /// What machines are made from now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.slots.template().0
    }

    /// Has later machines start from another snapshot than `old`. False, with nothing done, where that
    /// is no longer in force.
    pub(crate) fn replace_snapshot(&self, old: &Arc<Snapshot>, snapshot: Snapshot) -> bool {
        let template = TemplateId(Arc::new(snapshot));
        let outdated = self
            .slots
            .replace_template(&TemplateId(Arc::clone(old)), template);
        let replaced = outdated.is_some();
        self.keep_spare(outdated.unwrap_or_default());
        replaced
    }

    /// Tears clean machines down until at most `count` are left, and shells of this size.
    pub(crate) fn trim(&self, count: usize) {
        drop(self.slots.trim(count));
        drop(self.spares.take_all());
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.slots.statistics()
    }

    /// Ends the pool. What is on loan is torn down when it comes back.
    pub(crate) fn close(&self) {
        let (clean, used) = self.slots.close();
        self.keep_spare(clean);
        drop(used);
    }

    /// Makes a machine for which room has been reserved.
    fn make(&self, TemplateId(snapshot): &TemplateId) -> Result<Machine, Error> {
        let machine = match self.spares.take() {
            Some(shell) => snapshot.adopt(shell),
            None => snapshot.machine(),
        };
        machine.inspect_err(|_| self.slots.forget())
    }

    /// Puts a machine back that has just been cleaned.
    #[inline]
    fn put_back_cleaned(self: &Arc<Self>, clean: Instance) {
        match clean.kept.is_nothing() && clean.keeps() == 0 {
            true => self.put_back(clean),
            false => self.put_back_keeping(clean),
        }
    }

    /// As above, where it keeps much or did so. Beyond the budget, those give their memory back first that were used
    /// longest ago.
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

    /// Counts what a machine keeps now.
    fn account(&self, instance: &mut Instance) {
        let keeps = instance.keeps();
        instance.kept = BudgetShare((keeps > 0).then(|| {
            self.kept.fetch_add(keeps, Ordering::Relaxed);
            (Arc::clone(&self.kept), keeps)
        }));
    }

    /// Has a machine that was lent give its memory back.
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

    /// ReleaseIdle clean machines for other pools of this size, if there are any.
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

    /// What becomes of a used machine: a clean one of the snapshot in force.
    fn renew(&self, used: Instance) -> Result<Instance, Error> {
        let current = self.slots.template();
        let machine = match Self::recycle(used, &current) {
            Some(machine) => machine,
            None => self.make(&current)?,
        };
        Ok(Instance::clean(machine, current))
    }

    /// Cleans a machine, if it can be; else it is torn down.
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
        // Numbers of looks wrap, after some centuries.
        let is_idle = |instance: &Instance| !instance.kept.is_nothing() && instance.used <= since;
        while let Some(idle) = self.slots.lend(is_idle) {
            self.release_memory(idle);
        }
        self.watched.store(false, Ordering::SeqCst);
        // What has come back meanwhile has found it watched.
        self.slots.has(|instance| !instance.kept.is_nothing())
            && !self.watched.swap(true, Ordering::SeqCst)
    }
}

impl Reclaim for Pool {
    fn reclaim_one(&self) {
        if let Some(used) = self.slots.next_used() {
            // Where none can be made, the next caller tries, and is told why it cannot be.
            if let Ok(clean) = self.renew(used) {
                self.put_back(clean);
            }
            self.slots.cleaned();
        }
    }
}

/// A machine in use. Dropped, it counts as poisoned: only [`PooledMachine::give_back`] vouches for it.
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

    /// Puts a machine back whose guest has stopped in good order.
    #[inline]
    pub(crate) fn give_back(mut self) {
        let Some(mut instance) = self.instance.take() else {
            return;
        };
        instance.machine.slot().end_tenancy();
        if fork::is_child() {
            // Whatever lock its teardown takes may be held for ever.
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
