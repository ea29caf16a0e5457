//! From the image of `#[virtine(std)]` functions to the snapshot from which each of one's calls starts.
//!
//! The image is a static program. It is run from its own entry point: libc starts, `main` calls the
//! function's start, which says READY. What it has mapped by then is laid out anew, with clean page
//! tables, and is what every call finds. A call runs on the same stack, below what `main` has on it.

use std::ffi::CString;
use std::time::Duration;

use kvm_bindings::kvm_regs;
use virtine_rt::abi::hypercall::READY;
use virtine_rt::abi::image::{Access, Image, ImageError, Program, Segment};
use virtine_rt::abi::{AT_VIRTINE, PAGE_SIZE};

use super::address_space::Protection;
use super::elf::{self, Executable};
use super::layout::{self, Layout};
use super::mapping;
use super::process::{Given, Process};
use super::run::End;
use super::stack::Start;
use crate::Error;
use crate::arch::gate::Gate;
use crate::arch::registers::USER_RFLAGS;
use crate::blueprint::Blueprint;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::doors::{HeapEnd, Policy, Session};
use crate::guest::{self, Return};
use crate::hypercalls::Hypercall;
use crate::kvm::Host;
use crate::machine::Machine;
use crate::memory::GuestMemory;
use crate::memory_file::MemoryFile;
use crate::meter::Meter;
use crate::snapshot::Snapshot;
use crate::vcpu_state::VcpuState;

/// What of the arguments' place is mapped at every call; the rest where it is needed.
pub(crate) const WINDOW: u64 = 64 << 10;
/// Below a call's frame, what libc and `main` have left may be in use (System V ABI, 3.2.2).
const RED_ZONE: u64 = 128;

/// A started program, ready for calls.
pub(crate) struct Booted {
    pub(crate) layout: crate::layout::Layout,
    pub(crate) snapshot: Snapshot,
    /// The machine in which it was started, to be made one of the snapshot's.
    pub(crate) machine: Machine,
    pub(crate) process: Process,
    /// Where a call's arguments may lie.
    pub(crate) arguments: [u64; 2],
}

/// Starts `program`, for at most `limit` or until it is cancelled.
pub(crate) fn boot(
    program: &Program<'_>,
    limit: Duration,
    cancel: Option<&CancelToken>,
) -> Result<Booted, Error> {
    let executable = executable(program.image)?;
    let sizes = program.sizes;
    let layout = Layout::new(&executable, sizes.memory, sizes.stack)?;
    let start = Start {
        arguments: &[CString::from(c"virtine")],
        environment: &[],
        executable: &executable,
        random: crate::doors::seed(),
        features: layout::features(),
        own: [AT_VIRTINE, program.entries.start],
    };
    let stack = start.lay_out(layout.stack_top);
    let rsp = layout.stack_top - stack.len() as u64;
    let mut file = layout.blueprint.file()?;
    for segment in &executable.segments {
        file.write(segment.address, segment.bytes)?;
    }
    file.write(rsp, &stack)?;
    let memory = GuestMemory::map(&file.contents())?;
    let mut machine = Machine::new(memory, &layout.blueprint)?;
    machine.set_general(kvm_regs {
        rip: executable.entry,
        rsp,
        rflags: USER_RFLAGS,
        ..Default::default()
    });
    let end = layout.end;
    let given = Given(file.written().into());
    let mut process = Process::new(layout.space, given, layout.heap, sizes.stack, sizes.memory);
    process.path.push("virtine");
    let cancelling = cancel.map(|token| token.watch(machine.canceller()));
    run(&mut process, &mut machine, &layout.blueprint, end, limit)?;
    drop(cancelling);
    machine.slot().end_tenancy();
    snapshot(process, machine, &layout.blueprint, end)
}

/// Runs the program until it is ready. It is granted nothing: what it learnt would be every call's.
fn run(
    process: &mut Process,
    machine: &mut Machine,
    blueprint: &Blueprint,
    end: u64,
    limit: Duration,
) -> Result<(), Error> {
    let (policy, nothing) = (Policy::new(), HeapEnd::new(0, 0));
    let meter = Meter::new(Deadline::after(limit), policy.limits(), process.memory)
        .in_machine(machine.slot());
    let mut session = Session::new(policy, nothing, meter);
    let first = blueprint.run(machine, session.meter().deadline())?;
    let stopped = process.serve(machine, blueprint, &mut session, first)?;
    let exit = match stopped {
        End::Hypercall => {
            let Hypercall { number, arguments } = Hypercall::of(machine.general());
            Return::Hypercall { number, arguments }
        }
        other => Return::of(other, process)?,
    };
    match exit {
        Return::Hypercall { number: READY, .. } => Ok(()),
        other => {
            let view = crate::layout::Layout::of_linux(
                &process.space,
                [0, 0],
                end,
                process.memory,
                blueprint.clone(),
            );
            Err(guest::failure(other, machine, &view, limit))
        }
    }
}

/// What the machine holds now, as what others start from.
fn snapshot(
    mut process: Process,
    mut machine: Machine,
    started: &Blueprint,
    end: u64,
) -> Result<Booted, Error> {
    let state = VcpuState::of(&machine, started)?;
    let stack_top = (machine.general().rsp - RED_ZONE) & !15;
    let arguments = place_for_arguments(&mut process)?;
    let pages = pages_in_use(&process, &mut machine, started);
    let blueprint = layout::blueprint(&process.space, end);
    let mut file = blueprint.file()?;
    for page in pages {
        let contents = machine.memory().bytes(page, PAGE_SIZE);
        file.write(page, contents.unwrap_or_default())?;
    }
    set_gate(&mut file, &blueprint, state.fs_base())?;
    process.initial = process.space.clone().into();
    process.given = Given(file.written().into());
    process.refused.clear();
    let mut layout = crate::layout::Layout::of_linux(
        &process.space,
        arguments,
        end,
        process.memory,
        blueprint.clone(),
    );
    layout.stack_top = stack_top;
    Ok(Booted {
        layout,
        snapshot: Snapshot::new(file, blueprint, Default::default(), state)?,
        machine,
        process,
        arguments,
    })
}

/// A place above the heap, which leaves the heap an eighth of what is free to grow into; `malloc` goes on
/// with mappings where that is used up.
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
    // A page stays free, so that whatever comes next is met by a fault.
    Ok([start, free_end - PAGE_SIZE])
}

/// What may hold something and is mapped still.
fn pages_in_use(process: &Process, machine: &mut Machine, started: &Blueprint) -> Vec<u64> {
    let mut pages = Vec::new();
    machine.memory_mut().take_written(&mut pages);
    if let Some(ring3) = started.watched() {
        ring3.dirty_pages(machine.memory(), &mut pages);
    }
    pages.extend(process.given.pages_between(0, u64::MAX));
    pages.sort_unstable();
    pages.dedup();
    let zero = [0; PAGE_SIZE as usize];
    pages.retain(|&page| {
        process.space.holds(page, page + PAGE_SIZE)
            && machine.memory().bytes(page, PAGE_SIZE) != Some(&zero)
    });
    pages
}

/// Has the gate bring FS's base to where the program's thread has its data.
fn set_gate(file: &mut MemoryFile, blueprint: &Blueprint, fs_base: u64) -> Result<(), Error> {
    match blueprint.watched() {
        Some(ring3) => {
            let form = Host::get()?.cpu().gate;
            file.write(ring3.gate().base, &Gate::page_for(form, fs_base))
        }
        None => Ok(()),
    }
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

impl Process {
    /// This call's own state of the program, with all of its arguments' place mapped, where `length` bytes
    /// of them are more than there is for every call.
    pub(crate) fn with_arguments(
        &self,
        machine: &mut Machine,
        blueprint: &Blueprint,
        [start, length]: [u64; 2],
    ) -> Result<Option<Self>, Error> {
        let (first, last) = (start + WINDOW, (start + length).next_multiple_of(PAGE_SIZE));
        let Some(ring3) = blueprint.watched().filter(|_| last > first) else {
            return Ok(None);
        };
        let mut process = self.clone();
        let mapped = process.space.map(first, last, Protection::DATA);
        mapped.map_err(|_| ImageError::SegmentCount { found: 0 })?;
        let rights = Protection::DATA.rights();
        let memory = machine.memory_mut();
        ring3.tables().remap(memory, first, last, rights);
        Ok(Some(process))
    }

    /// Takes back what a call has changed in the page tables of its machine. False where the machine is not to
    /// be used again.
    pub(crate) fn leave(
        &self,
        machine: &mut Machine,
        blueprint: &Blueprint,
    ) -> Result<bool, Error> {
        match blueprint.watched() {
            Some(ring3) => {
                let memory = machine.memory_mut();
                mapping::restore(memory, ring3.tables(), &self.space, &self.initial)
            }
            None => Ok(true),
        }
    }
}
