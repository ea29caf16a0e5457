//! Clean machines that have lost their image. A VM, its vCPU and its memory are worth keeping for the next image of the
//! same size.
//!
//! Each memory size has its own set, and guests with and without system calls have separate ones. A set lives as long
//! as a pool of that size exists.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::machine::Machine;
use crate::machine::plan::MachineKind;

/// How many machines are kept for each size.
const ROOM: usize = 16;

/// The machines of one size.
#[derive(Default)]
pub(crate) struct SpareMachines(Mutex<Vec<Machine>>);

impl SpareMachines {
    /// The spares for machines of this kind.
    pub(crate) fn of(kind: MachineKind) -> Arc<Self> {
        type All = HashMap<MachineKind, Weak<SpareMachines>>;
        static ALL: Mutex<Option<All>> = Mutex::new(None);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        all.retain(|_, spares| spares.strong_count() > 0);
        let known = all.get(&kind).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let spares = Arc::default();
            all.insert(kind, Arc::downgrade(&spares));
            spares
        })
    }

    /// A machine, if there is one.
    pub(crate) fn take(&self) -> Option<Machine> {
        self.lock().pop()
    }

    /// All spare machines.
    pub(crate) fn take_all(&self) -> Vec<Machine> {
        mem::take(&mut *self.lock())
    }

    /// Keeps clean machines. Returns those for which there is no room.
    pub(crate) fn put(&self, mut machines: Vec<Machine>) -> Vec<Machine> {
        let mut spares = self.lock();
        let surplus = machines.split_off(machines.len().min(ROOM - spares.len()));
        spares.append(&mut machines);
        surplus
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Machine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
