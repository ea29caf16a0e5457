//! Capabilities and the decoder without a virtual machine, for fuzzing.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Deserialize;
use virtine_rt::abi::image::{Access, Segment};
use virtine_rt::abi::{PAGE_SIZE, USER_BASE};
use virtine_rt::codec::{DEPTH, Encoding};

use crate::Policy;
use crate::base::hypercall::Hypercall;
use crate::decode;
use crate::decode::elsewhere::{Copies, Elsewhere, Memory};
use crate::decode::source::Source;
use crate::decode::statics::Statics;
use crate::host::dispatch::{Reply, Session};
use crate::host::guest_memory::GuestSpace;
use crate::host::heap_end::HeapEnd;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::linux::initial_pages::InitialPages;
use crate::linux::process::Process;
use crate::linux::reply::SystemCallReply;
use crate::machine::kvm;
use crate::machine::kvm::x86_64::paging::{PageTables, Rights};
use crate::machine::mapped_memory::MappedMemory;
use crate::machine::stop::SystemCall;
use crate::memory::address_space::{AddressSpace, Protection};
use crate::memory::guest_memory::GuestMemory;

/// Guest memory from [`USER_BASE`] on, whose ranges results may name.
struct GuestBytes<'a>(&'a [u8]);

impl GuestBytes<'_> {
    fn find(&self, address: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(address.checked_sub(USER_BASE)?).ok()?;
        self.0.get(start..start.checked_add(length)?)
    }
}

impl Memory for GuestBytes<'_> {
    fn owns(&self, address: u64, length: u64) -> bool {
        usize::try_from(length).is_ok_and(|length| self.find(address, length).is_some())
    }

    fn copy<'t>(&self, address: u64, to: &'t mut [MaybeUninit<u8>]) -> Option<&'t mut [u8]> {
        Some(to.write_copy_of_slice(self.find(address, to.len())?))
    }
}

/// Decodes a result in one of the encodings. It may name ranges of `memory` and strings of `image`, both at
/// [`USER_BASE`].
#[must_use]
pub fn decode<T: Deserialize<'static>>(
    encoding: Encoding,
    bytes: &[u8],
    memory: &[u8],
    image: &'static [u8],
) -> Option<T> {
    let segments = [Segment {
        address: USER_BASE,
        size: image.len() as u64,
        access: Access::Read,
        bytes: image,
    }];
    let own = GuestBytes(memory);
    let copies = Copies::new();
    let source = Source {
        bytes,
        encoding,
        depth: DEPTH,
        elsewhere: Elsewhere::of(&own, &copies, u64::MAX),
        statics: Statics::new(&segments),
    };
    let deadline = Deadline::after(Duration::MAX);
    let meter = Meter::new(deadline, Policy::new().limits(), 16 << 20);
    decode::decode(source, &mut meter.allowance(), |_| Ok(())).ok()
}

/// Memory whose first page the guest may not write.
struct Flat<'a>(&'a mut [u8]);

const WRITABLE: u64 = 0x1000;

/// Makes hypercalls as one call of a guest would.
///
/// # Panics
///
/// If the host does something that it never may.
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
            Reply::Exit | Reply::Failed(_) => break,
        }
    }
    let after = memory.get(..WRITABLE as usize).map(<[u8]>::to_vec);
    assert_eq!(
        read_only, after,
        "memory was written that is not the guest's to write"
    );
}

/// The meter of a call with little time, as a fuzzer needs.
fn meter(policy: &Policy) -> Meter {
    let deadline = Deadline::after(Duration::from_millis(20));
    Meter::new(deadline, policy.limits(), 1 << 20)
}

/// Checks that an answer is zero or more, or one of Linux's error numbers.
fn check(answer: u64) {
    let answer = answer.cast_signed();
    assert!(answer >= -4095, "answer {answer}");
}

impl GuestSpace for Flat<'_> {
    fn readable_from(&self, address: u64) -> u64 {
        (self.0.len() as u64).saturating_sub(address)
    }

    fn writable_from(&self, address: u64) -> u64 {
        match address >= WRITABLE {
            true => self.readable_from(address),
            false => 0,
        }
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Option<()> {
        let start = usize::try_from(address).ok()?;
        to.copy_from_slice(self.0.get(start..start.checked_add(to.len())?)?);
        Some(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        let start = usize::try_from(address).ok()?;
        let place = self.0.get_mut(start..start.checked_add(bytes.len())?)?;
        place.copy_from_slice(bytes);
        Some(())
    }
}

/// The memory of a program that makes system calls here. Its first four pages are mapped.
pub const SYSTEM_CALL_MEMORY: Range<u64> = USER_BASE..USER_BASE + (1 << 20);

/// Makes system calls as a program would, with `contents` at the start of its memory and a stream as its fourth handle.
///
/// # Panics
///
/// If the host does something that it never may.
pub fn system_calls(policy: Policy, calls: &[(u64, [u64; 6])], contents: &[u8]) {
    let Range { start, end } = SYSTEM_CALL_MEMORY;
    let mut space = AddressSpace::new(start, end, u64::MAX);
    let mapped = start + 4 * PAGE_SIZE;
    space
        .map(start, mapped, Protection::DATA)
        .expect("the first of few");
    let mut tables = PageTables::new(end, end);
    tables.scan_from(start);
    let rights = Rights::of(Protection::DATA).expect("some");
    tables.map(start, mapped, rights);
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
    let given = InitialPages([start..mapped].into());
    let mut process = Process::new(space, given, mapped, PAGE_SIZE, end - start);
    for &(number, arguments) in calls {
        let call = SystemCall { number, arguments };
        let mut mapped =
            MappedMemory::Kvm(kvm::mapped_memory::MappedMemory::new(&mut memory, &tables));
        let reply = process.answer(call, &mut session, &mut mapped);
        match reply.expect("the host's own memory is there") {
            SystemCallReply::Answer(answer) => check(answer),
            SystemCallReply::SetThreadPointer(_) | SystemCallReply::StoreThreadPointer(_) => {}
            SystemCallReply::Exit(_) | SystemCallReply::Failed(_) => break,
        }
        let below = memory.in_place(0, start).expect("inside");
        assert!(
            below.iter().all(|byte| *byte == 0),
            "the supervisor's memory was changed"
        );
    }
}
