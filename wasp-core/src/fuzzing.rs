//! The doors without a virtual machine, for the fuzzer.

use std::time::Duration;

use crate::Policy;
use crate::doors::{Deadline, GuestSpace, HeapEnd, Reply, Session, Stop};
use crate::hypercalls::Hypercall;

/// Memory of which the first page is not the guest's to write.
struct Flat<'a>(&'a mut [u8]);

const WRITABLE: u64 = 0x1000;

/// Makes hypercalls as one call of a guest's would.
///
/// # Panics
///
/// Where the host does what it never may.
pub fn serve(policy: Policy, calls: &[(u64, [u64; 3])], memory: &mut [u8]) {
    let size = memory.len() as u64;
    let read_only = memory.get(..WRITABLE as usize).map(<[u8]>::to_vec);
    let deadline = Deadline::after(Duration::from_millis(20));
    let mut session = Session::new(policy, HeapEnd::new(WRITABLE, size), deadline);
    for &(number, arguments) in calls {
        let call = Hypercall { number, arguments };
        match session.answer(call, &mut Flat(memory)) {
            Reply::Answer(answer) => check(answer),
            Reply::Unknown => {}
            Reply::Exit | Reply::TimedOut | Reply::Refused(_) | Reply::HostFunction { .. } => break,
        }
    }
    let after = memory.get(..WRITABLE as usize).map(<[u8]>::to_vec);
    assert_eq!(
        read_only, after,
        "memory was written that is not the guest's to write"
    );
}

/// An answer is zero or more, or one of Linux's error numbers.
fn check(answer: u64) {
    let answer = answer.cast_signed();
    assert!(answer >= -4095, "answer {answer}");
}

impl GuestSpace for Flat<'_> {
    fn readable(&self, address: u64, length: u64) -> Option<&[u8]> {
        let end = address.checked_add(length)?;
        self.0
            .get(usize::try_from(address).ok()?..usize::try_from(end).ok()?)
    }

    fn readable_from(&self, address: u64) -> u64 {
        (self.0.len() as u64).saturating_sub(address)
    }

    fn fill(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, Stop>,
    ) -> Option<Result<u64, Stop>> {
        let end = address.checked_add(length)?;
        let place = self
            .0
            .get_mut(usize::try_from(address).ok()?..usize::try_from(end).ok()?)?;
        (address >= WRITABLE).then(|| fill(place))
    }
}
