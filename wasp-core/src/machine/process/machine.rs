//! A guest in a process: it is started, stops, is answered, and goes on.
//!
//! The child's only thread stands still from one of its system calls until the host answers that, so nothing races with
//! the host's reading and writing.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::Error;
use crate::base::ended::Ended;
use crate::base::exit::Fault;
use crate::base::fork;
use crate::base::registers::Registers;
use crate::limits::deadline::Deadline;
use crate::limits::watchdog::Watchdog;
use crate::limits::watchdog::slot::Slot;
use crate::machine::entry::Entry;
use crate::machine::process::child::Child;
use crate::machine::process::control::{EXTENDED_ROOM, Extended};
use crate::machine::process::frame::Frame;
use crate::machine::process::instruction::PortInstruction;
use crate::machine::process::layout::{SIGNAL_STACK, SIGNAL_STACK_SIZE};
use crate::machine::process::listener::{Missed, Notification};
use crate::machine::process::plan::{ProcessPlan, check_address, registers};
use crate::machine::process::protection;
use crate::machine::process::script::Script;
use crate::machine::process::state::ProcessState;
use crate::machine::process::support::Support;
use crate::machine::process::zygote;
use crate::machine::stop::Stop;
use crate::memory::address_space::Protection;
use crate::memory::guest_memory::GuestMemory;
use crate::memory::image_file::ImageFile;
use crate::memory::remote_memory::RemoteMemory;
use crate::memory::runs::Runs;
use crate::memory::working_set::WorkingSet;

mod exits;
mod remote_calls;

/// A process that holds a guest.
pub(crate) struct ProcessMachine {
    child: Child,
    memory: GuestMemory,
    plan: Arc<ProcessPlan>,
    /// The mask of XRSTOR.
    extended_states: u64,
    watchdog: &'static Watchdog,
    slot: Arc<Slot>,
    at: At,
    next: Next,
    /// What the guest's own system call is answered with.
    answer: u64,
    /// A signal for the running thread has made the host interrupt the guest, which whoever runs it is to be told.
    is_interrupted: bool,
    /// Since the machine was clean, extended registers have been where the guest can read them.
    has_saved: bool,
    /// The latest access to a port in code that cannot change.
    known: Option<(u64, PortInstruction)>,
    /// Pages to be put back; empty, and kept for its capacity.
    pub(super) dirty: Runs,
    /// What its guests use, where that is much.
    working_set: WorkingSet,
}

/// Where the child stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// At the door, in the question of this number.
    Door(u64),
    /// In a system call of the guest's own.
    SystemCall(u64),
    /// Nowhere: it has ended.
    Gone,
}

/// What the guest goes on with.
#[derive(Clone, Copy, Debug)]
struct Next {
    registers: Registers,
    /// The bases of FS and GS.
    bases: [u64; 2],
    extended: Source,
}

/// Where a guest's extended registers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// It starts.
    Start,
    /// A frame at this address of the signal stack.
    Frame(u64),
    /// A frame, from which they have been copied to where the guest cannot write.
    Saved,
}

impl ProcessMachine {
    /// A machine that runs `script` over the memory in `image`.
    pub(super) fn new(
        plan: Arc<ProcessPlan>,
        script: &Script,
        image: BorrowedFd<'_>,
        state: &ProcessState,
    ) -> Result<Self, Error> {
        let support = Support::get()?;
        let watchdog = Watchdog::get()?;
        let (child, memory, id) = Child::new(script, image, &support, plan.tells_signals())?;
        child
            .control
            .set_extended(Extended::Starting, &state.extended);
        let slot = watchdog.enter_process(child.process(), zygote::end);
        Ok(Self {
            memory: GuestMemory::remote(RemoteMemory::new(memory), plan.end),
            child,
            plan,
            extended_states: support.extended,
            watchdog,
            slot,
            at: At::Door(id),
            next: Next {
                registers: Registers::default(),
                bases: state.bases,
                extended: Source::Start,
            },
            answer: 0,
            is_interrupted: false,
            has_saved: false,
            known: None,
            dirty: Runs::default(),
            working_set: WorkingSet::new(),
        })
    }

    /// A machine whose memory is a file's that holds `contents`, each at its address, and the file.
    pub(crate) fn prepare<'a>(
        plan: ProcessPlan,
        contents: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<(Self, ImageFile), Error> {
        let mut file = ImageFile::create(plan.end)?;
        for (address, bytes) in contents {
            check_address(address, bytes.len() as u64)?;
            file.write(address, bytes)?;
        }
        let contents = file.contents();
        let script = Script::new(
            &contents,
            &plan.regions,
            plan.end,
            Support::get()?.wait_killable,
        )?;
        let state = ProcessState::initial();
        let machine = Self::new(Arc::new(plan), &script, contents.file, &state)?;
        Ok((machine, file))
    }

    pub(super) const fn plan(&self) -> &Arc<ProcessPlan> {
        &self.plan
    }

    pub(crate) const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    pub(crate) const fn memory_mut(&mut self) -> &mut GuestMemory {
        &mut self.memory
    }

    /// The guest's memory, and what is known of its use.
    pub(super) const fn memory_and_working_set(&mut self) -> (&GuestMemory, &mut WorkingSet) {
        (&self.memory, &mut self.working_set)
    }

    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(crate) const fn watchdog(&self) -> &'static Watchdog {
        self.watchdog
    }

    /// The general registers as of the last stop.
    pub(crate) const fn general(&self) -> &Registers {
        &self.next.registers
    }

    /// The general registers that the guest goes on with.
    pub(crate) const fn set_general(&mut self, registers: Registers) {
        self.next.registers = registers;
    }

    /// Has the guest start at `entry` when it runs next.
    pub(crate) fn set_entry(&mut self, entry: &Entry) {
        self.next.registers = registers(entry);
    }

    /// Has a guest start in a clean machine, in this state.
    #[inline]
    pub(super) const fn set_start(&mut self, registers: Registers, state: &ProcessState) {
        self.next = Next {
            registers,
            bases: state.bases,
            extended: Source::Start,
        };
    }

    /// Whether the guest has not executed its first instruction.
    pub(crate) const fn is_unstarted(&self) -> bool {
        matches!(self.next.extended, Source::Start)
    }

    /// Pages that the machine keeps in memory from one call to the next, if these are many.
    pub(crate) const fn kept_pages(&self) -> u64 {
        self.working_set.pages()
    }

    /// The base of FS.
    pub(crate) const fn thread_pointer(&self) -> u64 {
        self.next.bases[0]
    }

    /// Sets the base of FS.
    pub(crate) fn set_thread_pointer(&mut self, address: u64) -> Result<(), Error> {
        const ARCH_SET_FS: u64 = 0x1002;
        self.call(
            "arch_prctl",
            libc::SYS_arch_prctl,
            [ARCH_SET_FS, address, 0],
        )?;
        self.next.bases[0] = address;
        Ok(())
    }

    /// Answers the hypercall or system call that the guest has stopped at.
    #[inline]
    pub(crate) const fn answer(&mut self, answer: u64) {
        self.answer = answer;
        if matches!(self.at, At::Door(_)) {
            self.next.registers.rax = answer;
        }
    }

    /// Has the guest find the pages from `start` to `end` with these rights.
    pub(crate) fn protect(
        &mut self,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), Error> {
        self.known = None;
        let bits = protection::bits(protection);
        self.call("mprotect", libc::SYS_mprotect, [start, end - start, bits])
    }

    /// Drops what was written between two addresses.
    pub(super) fn discard(&mut self, start: u64, end: u64) -> Result<(), Error> {
        let advice = libc::MADV_DONTNEED as u64;
        self.call("madvise", libc::SYS_madvise, [start, end - start, advice])
    }

    /// Adds the pages that guest and host have written since the machine was made.
    #[inline]
    pub(super) fn dirty_runs(&self, runs: &mut Runs) -> Result<(), Error> {
        self.flush()?;
        self.dirty_between(self.plan.start(), self.plan.end, runs)
    }

    /// As above, between two addresses.
    pub(super) fn dirty_between(&self, start: u64, end: u64, runs: &mut Runs) -> Result<(), Error> {
        self.child.page_map.dirty(start, end, runs)
    }

    /// The pages that guest and host have written since the machine was made.
    pub(crate) fn written_pages(&mut self) -> Result<Vec<u64>, Error> {
        let mut runs = Runs::default();
        self.dirty_runs(&mut runs)?;
        self.memory.take_written(&mut Runs::default());
        runs.settle();
        Ok(runs.each_page().collect())
    }

    /// What the guest would start with besides its general registers.
    pub(crate) fn state(&self) -> ProcessState {
        match self.next.extended {
            Source::Start => ProcessState {
                bases: self.next.bases,
                ..ProcessState::initial()
            },
            Source::Saved => {
                let extended = self.child.control.extended(Extended::GoingOn);
                ProcessState::of_frame(extended, self.next.bases)
            }
            Source::Frame(address) => {
                ProcessState::of_frame(self.extended(address), self.next.bases)
            }
        }
    }

    /// Whether another guest can start in the machine once its memory is clean: only at the door is the kernel's word
    /// that nothing of the last one goes on.
    pub(crate) const fn is_at_door(&self) -> bool {
        matches!(self.at, At::Door(_))
    }

    /// Zeroes what the last guest has left in the pages that it shares with the host.
    #[inline]
    pub(super) fn clear_control(&mut self) {
        self.child.control.clear(self.has_saved);
        self.has_saved = false;
    }

    /// Writes to the child's memory what has been gathered for it.
    #[inline]
    fn flush(&self) -> Result<(), Error> {
        let Some(memory) = self.memory.as_remote() else {
            return Ok(());
        };
        memory.flush().map_err(no_memory)
    }

    /// Runs the guest until it stops, or until `deadline`.
    #[inline]
    pub(crate) fn resume(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        self.flush()?;
        self.is_interrupted = false;
        loop {
            self.watchdog.arm(&self.slot, deadline);
            let stop = self.enter();
            let ended = self.watchdog.disarm(&self.slot);
            match (stop?, ended) {
                // Meant for the run before: its deadline passed just as it came back.
                (Stop::Interrupted, Some(Ended::TimedOut)) if !deadline.is_past() => {}
                (Stop::Interrupted | Stop::Fault(Fault::ProcessGone), Some(ended)) => {
                    return Ok(Stop::Ended(ended));
                }
                // A kick that came late for the last run, or a signal from outside that means nothing.
                (Stop::Interrupted, None) if !self.is_interrupted => {}
                // A guest that stopped by itself at the last moment has stopped.
                (stop, ended) => {
                    if ended == Some(Ended::Cancelled) {
                        self.slot.ask_again();
                    }
                    return Ok(stop);
                }
            }
        }
    }

    #[inline]
    fn enter(&mut self) -> Result<Stop, Error> {
        let answered = match self.at {
            At::Door(id) => {
                self.load();
                self.child.listener.answer(id, 0)
            }
            At::SystemCall(id) => self.child.listener.answer(id, self.answer),
            At::Gone => return Ok(gone()),
        };
        let Some(notification) = self.next_stop()? else {
            self.at = At::Gone;
            return Ok(gone());
        };
        Ok(match answered {
            Ok(()) => self.stop(&notification),
            Err(_) => self.stop_unanswered(&notification),
        })
    }

    /// The guest's next system call or visit to the door. A signal for this thread has a guest stop whose runner is to
    /// be told of it.
    #[inline]
    fn next_stop(&mut self) -> Result<Option<Notification>, Error> {
        match self.child.listener.receive() {
            Ok(notification) => Ok(Some(notification)),
            Err(Missed::Interrupted) => {
                if self.plan.tells_signals() {
                    self.is_interrupted = true;
                    self.child.interrupt();
                }
                self.child.next()
            }
            Err(Missed::Gone) => Ok(None),
            Err(Missed::Refused(errno)) => {
                Err(Error::system("SECCOMP_IOCTL_NOTIF_RECV")(errno.into()))
            }
        }
    }

    /// Puts what the guest goes on with where the door loads it from.
    #[inline]
    fn load(&mut self) {
        self.save_extended();
        let (which, starts) = match self.next.extended {
            Source::Start => (Extended::Starting, 1),
            Source::Frame(_) | Source::Saved => (Extended::GoingOn, 0),
        };
        self.set_words(&self.next.registers, which, starts);
    }

    #[inline]
    fn set_words(&self, registers: &Registers, which: Extended, starts: u64) {
        let Registers {
            rax,
            rbx,
            rcx,
            rdx,
            rsi,
            rdi,
            rsp,
            rbp,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rflags,
        } = *registers;
        let [fs, gs] = self.next.bases;
        self.child.control.set_words(&[
            Frame::flags(rflags),
            self.extended_states,
            which.address(),
            starts,
            fs,
            gs,
            rip,
            rsp,
            rax,
            rcx,
            rdx,
            rbx,
            rbp,
            rsi,
            rdi,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
        ]);
    }

    /// Copies the extended registers out of the guest's reach, and of the next frame's.
    #[inline]
    fn save_extended(&mut self) {
        if let Source::Frame(address) = self.next.extended {
            self.child.control.save_extended(address);
            self.next.extended = Source::Saved;
            self.has_saved = true;
        }
    }

    /// A copy of the extended registers in a frame.
    fn extended(&self, address: u64) -> Vec<u8> {
        let available = (SIGNAL_STACK + SIGNAL_STACK_SIZE).saturating_sub(address);
        let mut area = vec![0; (available as usize).min(EXTENDED_ROOM)];
        let _ = self.child.control.signal_stack(address, &mut area);
        area
    }
}

impl Drop for ProcessMachine {
    fn drop(&mut self) {
        if !fork::is_child() {
            self.watchdog.leave(&self.slot);
        }
    }
}

/// Memory of a process that cannot be reached any more: that process has ended.
pub(super) fn no_memory(errno: Errno) -> Error {
    match errno {
        Errno::IO | Errno::SRCH => Error::Fault(Fault::ProcessGone),
        errno => Error::system("access to guest memory")(errno.into()),
    }
}

fn gone() -> Stop {
    Stop::Fault(Fault::ProcessGone)
}
