//! The doors and the decoder without a virtual machine, for the fuzzer.

use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Deserialize;
use virtine_rt::abi::image::{Access, Segment};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};
use virtine_rt::codec::DEPTH;

use crate::Policy;
use crate::arch::paging::{PageTables, Rights};
use crate::deadline::Deadline;
use crate::decode::{self, Source, Statics};
use crate::doors::{GuestSpace, HeapEnd, Reply, Session, Stop};
use crate::hypercalls::Hypercall;
use crate::linux::{AddressSpace, Given, Next, Outcome, Process, Protection, SystemCall};
use crate::memory::GuestMemory;
use crate::meter::Meter;

/// Decodes a result that its guest has noted the static texts of; `image` lies at [`USER_BASE`].
#[must_use]
pub fn decode<T: Deserialize<'static>>(
    bytes: &[u8],
    notes: &[u8],
    image: &'static [u8],
) -> Option<T> {
    let segments = [Segment {
        address: USER_BASE,
        size: image.len() as u64,
        access: Access::Read,
        bytes: image,
    }];
    let source = Source {
        bytes,
        depth: DEPTH,
        statics: Statics::new(&segments, notes),
    };
    let deadline = Deadline::after(Duration::MAX);
    let meter = Meter::new(deadline, Policy::new().limits(), 16 << 20);
    decode::decode(source, &mut meter.allowance(), |_| Ok(())).ok()
}

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
    let meter = meter(&policy);
    let mut session = Session::new(policy, HeapEnd::new(WRITABLE, size), meter);
    for &(number, arguments) in calls {
        let call = Hypercall { number, arguments };
        match session.answer(call, &mut Flat(memory)) {
            Reply::Answer(answer) => check(answer),
            Reply::Unknown => {}
            Reply::Exit | Reply::Ended(_) | Reply::Refused(_) | Reply::HostFunction { .. } => break,
        }
    }
    let after = memory.get(..WRITABLE as usize).map(<[u8]>::to_vec);
    assert_eq!(
        read_only, after,
        "memory was written that is not the guest's to write"
    );
}

/// Of a call with as little time as a fuzzer has.
fn meter(policy: &Policy) -> Meter {
    let deadline = Deadline::after(Duration::from_millis(20));
    Meter::new(deadline, policy.limits(), 1 << 20)
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

/// Where the memory of a program is that makes system calls here; its first four pages are mapped.
pub const SYSTEM_CALL_MEMORY: Range<u64> = USER_BASE..USER_BASE + (1 << 20);

/// Makes system calls as a program would, with `contents` at the start of its memory and a stream as its
/// fourth handle.
///
/// # Panics
///
/// Where the host does what it never may.
pub fn system_calls(policy: Policy, calls: &[(u64, [u64; 6])], contents: &[u8]) {
    let Range { start, end } = SYSTEM_CALL_MEMORY;
    let mut space = AddressSpace::new(start, end, u64::MAX);
    let mapped = start + 4 * PAGE_SIZE;
    space
        .map(start, mapped, Protection::DATA)
        .expect("the first of few");
    let mut tables = PageTables::new(end, end);
    tables.scan_from(start);
    tables.map(
        start,
        mapped,
        Rights {
            user: true,
            write: true,
            execute: false,
        },
    );
    let mut memory = GuestMemory::anonymous(tables.end()).expect("memory");
    for (address, bytes) in tables.initial() {
        memory.put(address, &bytes).expect("inside");
    }
    let length = contents.len().min(4 * PAGE_SIZE as usize);
    memory.put(start, &contents[..length]).expect("inside");
    let meter = meter(&policy);
    let mut session = Session::new(policy, HeapEnd::new(0, 0), meter);
    let (near, _far) = UnixStream::pair().expect("a pair");
    session.adopt(vec![near.into()]).expect("a stream");
    let given = Given([start..mapped].into());
    let mut process = Process::new(space, given, mapped, PAGE_SIZE, end - start);
    for &(number, arguments) in calls {
        let call = SystemCall { number, arguments };
        let outcome = process.answer(call, &mut session, &mut memory, &tables);
        match outcome.expect("the host's own memory is there") {
            Outcome::Next(Next::Answer(answer)) => check(answer),
            Outcome::Next(Next::SetFsBase(_) | Next::GetFsBase(_)) => {}
            Outcome::Next(Next::Exited(_) | Next::Killed(_)) | Outcome::Ended(_) => break,
        }
        let below = memory.bytes(0, start).expect("inside");
        assert!(
            below.iter().all(|byte| *byte == 0),
            "the supervisor's memory was changed"
        );
    }
}
