//! Boots the image of `#[virtine(std)]` functions and takes the snapshot from which each call starts.
//!
//! The image is a static program. It runs from its own entry point: libc starts, and `main` calls the function's start,
//! which sends READY. The memory that the program has mapped by then is laid out anew, with clean page tables. Every
//! call starts from that. A call runs on the same stack, below the frames of `main`.

use std::ffi::CString;
use std::time::Duration;

use virtine_rt::abi::hypercall::READY;
use virtine_rt::abi::image::{Access, Image, ImageError, Program, Segment};
use virtine_rt::abi::{AT_VIRTINE, PAGE_SIZE};

use crate::Error;
use crate::base::backend::Backend;
use crate::base::exit::Fault;
use crate::base::hypercall::Hypercall;
use crate::guest::layout::Layout;
use crate::guest::protocol::Call;
use crate::host::dispatch::Session;
use crate::host::heap_end::HeapEnd;
use crate::host::policy::Policy;
use crate::host::random;
use crate::limits::cancel::CancelToken;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::linux::initial_pages::InitialPages;
use crate::linux::layout;
use crate::linux::mapping;
use crate::linux::personality::Linux;
use crate::linux::process::Process;
use crate::linux::stack::Start;
use crate::machine::Machine;
use crate::machine::entry::Entry;
use crate::machine::snapshot::Snapshot;
use crate::machine::stop::Stop;
use crate::memory::address_space::Protection;
use crate::memory::elf::{self, Executable};
use crate::service::{self, Completion};

/// Bytes of the argument area that are mapped at every call. The rest is mapped on demand.
const WINDOW: u64 = 64 << 10;
/// Bytes below a call's frame that libc and `main` may have in use (System V ABI, 3.2.2).
const RED_ZONE: u64 = 128;

/// A started program, ready for calls.
pub(crate) struct Booted {
    pub(crate) layout: Layout,
    pub(crate) snapshot: Snapshot,
    /// The machine in which it was started, which can be reset to the snapshot.
    pub(crate) machine: Machine,
    pub(crate) process: Process,
    /// Where a call's arguments may lie.
    pub(crate) arguments: [u64; 2],
}

/// Starts `program`, for at most `limit` or until it is cancelled.
pub(crate) fn boot(
    backend: Backend,
    program: &Program<'_>,
    limit: Duration,
    cancel: Option<&CancelToken>,
) -> Result<Booted, Error> {
    let executable = executable(program.image)?;
    let sizes = program.sizes;
    let layout = layout::Layout::new(&executable, sizes.memory, sizes.stack)?;
    let start = Start {
        arguments: &[CString::from(c"virtine")],
        environment: &[],
        executable: &executable,
        random: random::seed(),
        features: layout::features(),
        own: [AT_VIRTINE, program.entries.start],
    };
    let stack = start.lay_out(layout.stack_top);
    let (mut machine, file) = Machine::prepare(
        backend,
        &layout.plan(),
        executable.contents(&stack, layout.stack_top),
    )?;
    let given = InitialPages(file.written().into());
    let end = layout.end;
    let stack_bottom = layout.stack_top - sizes.stack;
    let rsp = layout.stack_top - stack.len() as u64;
    let mut process = Process::new(layout.space, given, layout.heap, sizes.stack, sizes.memory);
    process.path.push("virtine");
    let cancelling = cancel.map(|token| token.watch(machine.canceller()));
    run(
        &mut process,
        &mut machine,
        &Entry::program(executable.entry, rsp),
        (end, limit),
    )?;
    drop(cancelling);
    machine.slot().end_tenancy();
    let mut booted = snapshot(process, machine, end)?;
    booted.layout.stack_guard = stack_bottom - PAGE_SIZE..stack_bottom;
    Ok(booted)
}

/// Runs the program until it is ready. It gets no grants: whatever it learned would be shared by every call.
fn run(
    process: &mut Process,
    machine: &mut Machine,
    entry: &Entry,
    (end, limit): (u64, Duration),
) -> Result<(), Error> {
    let (policy, nothing) = (Policy::new(), HeapEnd::new(0, 0));
    let meter = Meter::new(Deadline::after(limit), policy.limits(), process.memory)
        .in_machine(machine.slot());
    let mut session = Session::new(policy, nothing, meter);
    let first = machine.start(entry, session.meter().deadline())?;
    let mut linux = Linux {
        process,
        session: &mut session,
        makes_hypercalls: false,
    };
    match service::serve(&mut linux, machine, first)? {
        Completion::Stopped(Stop::Hypercall(Hypercall { number: READY, .. })) => Ok(()),
        other => {
            let call = Call {
                machine,
                layout: &Layout::of_linux(&process.space, [0, 0], end, process.memory),
                limit,
                exhausted: process.exhausted,
            };
            Err(call.failure(other))
        }
    }
}

/// Takes the machine's contents as the start of others.
fn snapshot(mut process: Process, mut machine: Machine, end: u64) -> Result<Booted, Error> {
    let stack_top = (machine.stack_pointer() - RED_ZONE) & !15;
    let arguments = place_for_arguments(&mut process)?;
    let pages = pages_in_use(&process, &mut machine)?;
    let plan = layout::plan(&process.space, end);
    let snapshot = Snapshot::laid_out_anew(&machine, &plan, pages.iter().copied())?;
    process.initial = process.space.clone().into();
    process.given = InitialPages::of(&pages);
    process.refused.clear();
    let mut layout = Layout::of_linux(&process.space, arguments, end, process.memory);
    layout.stack_top = stack_top;
    Ok(Booted {
        layout,
        snapshot,
        machine,
        process,
        arguments,
    })
}

/// Reserves space for arguments above the heap. The heap gets an eighth of the free space to grow into. When that is
/// used up, `malloc` continues with mappings.
fn place_for_arguments(process: &mut Process) -> Result<[u64; 2], Error> {
    let heap_end = process.heap.end.next_multiple_of(PAGE_SIZE);
    let free_end = process.space.next_mapped(heap_end);
    let free = free_end.saturating_sub(heap_end);
    let start = heap_end + (free / 8).next_multiple_of(PAGE_SIZE);
    let window_end = start + WINDOW.min(free_end.saturating_sub(start));
    if window_end <= start + PAGE_SIZE {
        let memory = process.memory;
        let needed = memory.saturating_add(WINDOW);
        return Err(ImageError::MemoryTooSmall { memory, needed }.into());
    }
    let mapped = process.space.map(start, window_end, Protection::DATA);
    mapped.map_err(|_| ImageError::SegmentCount { found: 0 })?;
    // A free page remains, so that an overrun faults.
    Ok([start, free_end - PAGE_SIZE])
}

/// What may hold something and is mapped still.
fn pages_in_use(process: &Process, machine: &mut Machine) -> Result<Vec<u64>, Error> {
    let mut pages = machine.written_pages()?;
    pages.extend(process.given.pages_between(0, u64::MAX));
    pages.sort_unstable();
    pages.dedup();
    pages.retain(|&page| process.space.holds(page, page + PAGE_SIZE));
    let mut contents = [0; PAGE_SIZE as usize];
    let mut in_use = Vec::new();
    for page in pages {
        let read = machine.memory().read(page, &mut contents);
        read.ok_or(Error::Fault(Fault::ProcessGone))?;
        if contents.iter().any(|byte| *byte != 0) {
            in_use.push(page);
        }
    }
    Ok(in_use)
}

/// The program that the image was made of. Its first segment starts with the ELF file's own header.
fn executable<'a>(image: &Image<'a>) -> Result<Executable<'a>, Error> {
    let headers = image
        .segments
        .first()
        .ok_or(ImageError::SegmentCount { found: 0 })?;
    let found = elf::Headers::parse(headers.bytes)?;
    Ok(Executable {
        segments: image.segments.iter().map(segment).collect(),
        entry: found.entry,
        headers: headers.address + found.offset,
        header_count: found.count,
    })
}

fn segment<'a>(segment: &Segment<'a>) -> elf::Segment<'a> {
    elf::Segment {
        start: segment.address,
        end: segment.end(),
        protection: Protection {
            read: true,
            write: segment.access == Access::Write,
            execute: segment.access == Access::Execute,
        },
        address: segment.address,
        bytes: segment.bytes,
    }
}

/// This call's own state of `program`, with the whole argument area mapped, if the `length` bytes of arguments from
/// `start` on exceed the space mapped for every call.
pub(crate) fn map_argument_overflow(
    program: &Process,
    machine: &mut Machine,
    [start, length]: [u64; 2],
) -> Result<Option<Process>, Error> {
    let (first, last) = (start + WINDOW, (start + length).next_multiple_of(PAGE_SIZE));
    let Some(mut mapped) = machine.mapped_memory().filter(|_| last > first) else {
        return Ok(None);
    };
    let mut process = program.clone();
    let result = process.space.map(first, last, Protection::DATA);
    result.map_err(|_| ImageError::SegmentCount { found: 0 })?;
    mapped.protect(first, last, Protection::DATA)?;
    Ok(Some(process))
}

/// Undoes a call's changes to its machine's memory mappings. Returns false if the machine must not be used again.
pub(crate) fn restore_mappings(process: &Process, machine: &mut Machine) -> Result<bool, Error> {
    match machine.mapped_memory() {
        Some(mut mapped) => mapping::restore(&mut mapped, &process.space, &process.initial),
        None => Ok(true),
    }
}
