//! The raw API: a virtual machine for a guest of the caller's own making.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use virtine_rt::abi::PAGE_SIZE;

use crate::Error;
use crate::address::GuestAddress;
use crate::cancel::Canceller;
use crate::deadline::Deadline;
use crate::doors;
use crate::exit::{Direction, Exit, Fault, PortAccess};
use crate::hypercalls::Hypercall;
use crate::machine::{Machine, Stop};
use crate::memory::GuestMemory;
use crate::meter::{Limits, Meter};
use crate::mode::{Mode, RawLayout};
use crate::pool::Loan;
use crate::process;
use crate::registers::{FloatRegisters, Registers, SpecialRegisters};
use crate::watchdog::Ended;

/// The port that a raw guest writes to, to end: `out 0xFA, ..` of any width. All others are
/// hypercalls. Wasp's own number.
pub const EXIT_PORT: u16 = 0xfa;

/// A virtual machine with one vCPU and its memory.
///
/// ```no_run
/// use wasp_core::{Exit, Mode, Virtine};
///
/// # fn main() -> Result<(), wasp_core::Error> {
/// let mut virtine = Virtine::builder().memory(0x8000).mode(Mode::Real16).build()?;
/// virtine.load_raw(&[0xe7, 0xfa], 0x1000)?; // out 0xfa, ax
/// loop {
///     match virtine.run()? {
///         Exit::Hypercall { port, data, .. } => {
///             println!("{port:#x} {data:#x} {:x?}", virtine.registers()?);
///         }
///         Exit::Exited => break,
///         other => panic!("{other:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// The guest is not trusted: whatever it does, [`Virtine::run`] comes back, at the latest with
/// [`Exit::TimedOut`]. Registers and memory are always those behind the instruction that the guest
/// stopped at.
pub struct Virtine {
    body: Body,
    layout: Arc<RawLayout>,
    deadline: Duration,
    /// The first address behind the images that were loaded.
    image_end: u64,
    /// Until when the run may take that a signal has interrupted.
    interrupted: Option<Deadline>,
    /// The guest has not started. In a machine that another one has used, the other registers than the
    /// general ones are then still that one's.
    unstarted: bool,
    /// The guest stopped at an access to a port, which KVM finishes when the vCPU is entered again.
    io_pending: Option<Direction>,
    /// The guest last stopped at a hypercall.
    at_hypercall: bool,
    /// What the guest cannot go on from.
    fault: Option<Fault>,
    /// The guest was last ended from outside, or broke the rules, or may have been in ring 0.
    suspect: bool,
}

/// Whose the machine is.
enum Body {
    Own(Machine),
    Lent(Loan),
}

/// Makes a [`Virtine`].
#[derive(Clone, Debug)]
pub struct Builder {
    memory: u64,
    mode: Mode,
    deadline: Duration,
}

impl Builder {
    /// Bytes of memory, from guest address 0 on: a multiple of 4,096, at most 4 GiB. 1 MiB unless said
    /// otherwise. Memory that is never touched costs nothing.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The mode that the guest starts in; [`Mode::User64`] unless said otherwise.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How long each [`Virtine::run`] may take; 10 s unless said otherwise.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes the virtual machine, with its memory all zero.
    ///
    /// # Errors
    ///
    /// [`Error::MemorySize`] where the memory is of no possible size, and what the host's KVM has
    /// against it.
    pub fn build(self) -> Result<Virtine, Error> {
        process::check()?;
        let layout = RawLayout::new(self.mode, self.memory)?;
        let blueprint = layout.blueprint();
        let mut memory = GuestMemory::anonymous(blueprint.size)?;
        let hidden = blueprint.hidden()?;
        memory.populate(&pages_of(&hidden));
        for (address, bytes) in hidden {
            memory
                .put(address, &bytes)
                .expect("the blueprint's size holds all of its parts");
        }
        let mut machine = Machine::new(memory, blueprint)?;
        machine.set_general(layout.general());
        Ok(Virtine::new(
            Body::Own(machine),
            Arc::new(layout),
            self.deadline,
            0,
        ))
    }
}

impl Virtine {
    /// Starts to make one.
    #[must_use]
    pub const fn builder() -> Builder {
        Builder {
            memory: 1 << 20,
            mode: Mode::User64,
            deadline: Duration::from_secs(10),
        }
    }

    /// A virtine in a clean machine of a pool's, whose image ends at `image_end`.
    pub(crate) fn lent(
        loan: Loan,
        layout: Arc<RawLayout>,
        deadline: Duration,
        image_end: u64,
    ) -> Self {
        Self::new(Body::Lent(loan), layout, deadline, image_end)
    }

    fn new(body: Body, layout: Arc<RawLayout>, deadline: Duration, image_end: u64) -> Self {
        Self {
            body,
            layout,
            deadline,
            image_end,
            interrupted: None,
            unstarted: true,
            io_pending: None,
            at_hypercall: false,
            fault: None,
            suspect: false,
        }
    }

    /// Gives a machine that is a pool's back to it.
    pub(crate) fn end(mut self) {
        // What is written out stays as it is where the next guest starts elsewhere; what is read in
        // would be written to that one's registers.
        let finished = match self.io_pending {
            Some(Direction::In) => self.settle(),
            _ => Ok(()),
        };
        match self.body {
            Body::Lent(loan) if finished.is_ok() && !self.suspect => loan.give_back(),
            Body::Lent(_) | Body::Own(_) => {}
        }
    }

    fn machine(&self) -> &Machine {
        match &self.body {
            Body::Own(machine) => machine,
            Body::Lent(loan) => loan,
        }
    }

    fn machine_mut(&mut self) -> &mut Machine {
        match &mut self.body {
            Body::Own(machine) => machine,
            Body::Lent(loan) => loan,
        }
    }

    /// Reads a flat image from a file into guest memory, and lets the guest start at its first byte.
    ///
    /// # Errors
    ///
    /// [`Error::ReadImage`] where the file cannot be read, else as [`Virtine::load_raw`].
    pub fn load_binary(
        &mut self,
        path: impl AsRef<Path>,
        address: impl Into<GuestAddress>,
    ) -> Result<(), Error> {
        self.load_raw(&read_image(path.as_ref())?, address)
    }

    /// Copies a flat image into guest memory, and lets the guest start at its first byte.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], with nothing copied, where it does not fit.
    pub fn load_raw(
        &mut self,
        bytes: &[u8],
        address: impl Into<GuestAddress>,
    ) -> Result<(), Error> {
        let address = address.into();
        self.write(address, bytes)?;
        self.image_end = self.image_end.max(address.0 + bytes.len() as u64);
        let registers = self.registers()?;
        self.set_registers(&Registers {
            rip: address.0,
            ..registers
        })
    }

    /// Runs the guest until it exits.
    ///
    /// After [`Exit::Faulted`] the guest cannot go on, and every further run gives the same answer. Behind an
    /// [`Exit::Interrupted`] the deadline is still that of the run that was interrupted.
    ///
    /// # Errors
    ///
    /// What the kernel has against it; nothing that a guest could bring about.
    pub fn run(&mut self) -> Result<Exit, Error> {
        let deadline = self.interrupted.take();
        let deadline = deadline.unwrap_or_else(|| Deadline::after(self.deadline));
        let exit = self.run_until(&deadline)?;
        if exit == Exit::Interrupted {
            self.interrupted = Some(deadline);
        }
        Ok(exit)
    }

    /// As [`Virtine::run`], but goes on after signals that were for somebody else.
    pub(crate) fn run_on_until(&mut self, deadline: &Deadline) -> Result<Exit, Error> {
        loop {
            match self.run_until(deadline)? {
                Exit::Interrupted => {}
                exit => return Ok(exit),
            }
        }
    }

    fn run_until(&mut self, deadline: &Deadline) -> Result<Exit, Error> {
        if let Some(fault) = &self.fault {
            return Ok(Exit::Faulted {
                cause: fault.clone(),
            });
        }
        process::check()?;
        self.io_pending = None;
        let exit = match self.enter(deadline)? {
            Stop::Port(access) => self.port(access),
            Stop::Halted => Exit::Halted,
            Stop::Interrupted => Exit::Interrupted,
            Stop::Ended(ended) => self.ended(ended),
            Stop::Fault(cause) => Exit::Faulted { cause },
        };
        if let Exit::Faulted { cause } = &exit {
            self.fault = Some(cause.clone());
        }
        self.at_hypercall = matches!(exit, Exit::Hypercall { .. });
        self.suspect |= matches!(exit, Exit::Faulted { .. });
        Ok(exit)
    }

    fn enter(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        match &mut self.body {
            Body::Own(machine) => self.layout.blueprint().run(machine, deadline),
            Body::Lent(loan) => {
                let (machine, snapshot) = loan.parts();
                if !self.unstarted {
                    return snapshot.resume(machine, deadline);
                }
                let registers = *machine.general();
                let stop = snapshot.start(machine, &registers, deadline)?;
                self.unstarted = snapshot.is_at_gate(machine);
                if self.unstarted {
                    // Ended before the guest's first instruction: to the caller, it has not started.
                    machine.set_general(registers);
                }
                Ok(stop)
            }
        }
    }

    fn port(&mut self, access: PortAccess) -> Exit {
        self.io_pending = Some(access.direction);
        match access {
            PortAccess {
                port: EXIT_PORT,
                direction: Direction::Out,
                ..
            } => Exit::Exited,
            PortAccess {
                port,
                direction,
                width,
                count,
                data,
            } => Exit::Hypercall {
                port,
                direction,
                width,
                count,
                data,
            },
        }
    }

    /// The general registers.
    ///
    /// # Errors
    ///
    /// What the kernel has against it.
    pub fn registers(&mut self) -> Result<Registers, Error> {
        self.settle()?;
        Ok(self.machine_mut().general().into())
    }

    /// Sets the general registers.
    ///
    /// # Errors
    ///
    /// What the kernel has against it.
    pub fn set_registers(&mut self, registers: &Registers) -> Result<(), Error> {
        self.settle()?;
        self.machine_mut().set_general(registers.into());
        Ok(())
    }

    /// Segment, descriptor-table and control registers.
    ///
    /// # Errors
    ///
    /// What the kernel has against it.
    pub fn special_registers(&mut self) -> Result<SpecialRegisters, Error> {
        self.settle_all()?;
        Ok((&self.machine().special()?).into())
    }

    /// Sets segment, descriptor-table and control registers.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the processor allows no such combination.
    pub fn set_special_registers(&mut self, registers: &SpecialRegisters) -> Result<(), Error> {
        self.settle_all()?;
        // It may start in ring 0 now.
        self.suspect = true;
        let rest = self.machine().special()?;
        self.machine().set_special(&registers.over(&rest))
    }

    /// x87 and SSE registers.
    ///
    /// # Errors
    ///
    /// What the kernel has against it.
    pub fn float_registers(&mut self) -> Result<FloatRegisters, Error> {
        self.settle_all()?;
        Ok((&self.machine().float()?).into())
    }

    /// Sets x87 and SSE registers.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where a control register holds reserved bits.
    pub fn set_float_registers(&mut self, registers: &FloatRegisters) -> Result<(), Error> {
        self.settle_all()?;
        self.machine().set_float(&registers.into())
    }

    /// Bytes of the guest's memory.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        self.layout.memory()
    }

    /// Copies guest memory from `address` on into `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], with nothing copied, where the guest has no such memory.
    pub fn read(&self, address: impl Into<GuestAddress>, bytes: &mut [u8]) -> Result<(), Error> {
        let address = self.layout.check(address.into(), bytes.len() as u64)?;
        let from = self
            .machine()
            .memory()
            .bytes(address, bytes.len() as u64)
            .unwrap_or_default();
        bytes.copy_from_slice(from);
        Ok(())
    }

    /// Copies `bytes` into guest memory from `address` on.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], with nothing copied, where the guest has no such memory.
    pub fn write(&mut self, address: impl Into<GuestAddress>, bytes: &[u8]) -> Result<(), Error> {
        let address = self.layout.check(address.into(), bytes.len() as u64)?;
        let _ = self.machine_mut().memory_mut().write(address, bytes);
        Ok(())
    }

    /// A handle that ends a run from any thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.machine().canceller()
    }

    /// The meter of what is now done for the guest, and its guest's memory what the host may spend on it.
    pub(crate) fn meter(&mut self, limits: Limits) -> Meter {
        let deadline = self.interrupted.take();
        let deadline = deadline.unwrap_or_else(|| Deadline::after(self.deadline));
        Meter::new(deadline, limits, self.memory_size()).in_machine(self.machine().slot())
    }

    /// What the guest asks for that has stopped at a hypercall.
    pub(crate) fn hypercall(&mut self) -> Hypercall {
        Hypercall::of(self.machine_mut().general())
    }

    /// Answers a guest that has stopped at a hypercall.
    pub(crate) fn go_on_with(&mut self, answer: u64) {
        self.machine_mut().answer(answer);
    }

    /// Takes note that the guest was ended from outside while the host worked for it.
    pub(crate) const fn ended(&mut self, ended: Ended) -> Exit {
        self.suspect = true;
        match ended {
            Ended::TimedOut => Exit::TimedOut,
            Ended::Cancelled => Exit::Cancelled,
        }
    }

    /// The first address behind the images that were loaded.
    pub(crate) const fn image_end(&self) -> u64 {
        self.image_end
    }

    /// The guest's `length` bytes at `address`, if there are so many.
    pub(crate) fn bytes(&self, address: u64, length: u64) -> Option<&[u8]> {
        let address = self.layout.check(address.into(), length).ok()?;
        self.machine().memory().bytes(address, length)
    }

    /// Has `fill` write to them.
    pub(crate) fn fill_bytes(
        &mut self,
        address: u64,
        length: u64,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<u64, doors::Stop>,
    ) -> Option<Result<u64, doors::Stop>> {
        let address = self.layout.check(address.into(), length).ok()?;
        self.machine_mut().memory_mut().fill(address, length, fill)
    }

    /// The pool's machine, if its guest has stopped at a hypercall, which KVM then has finished.
    pub(crate) fn at_hypercall(&mut self) -> Result<Option<&mut Loan>, Error> {
        self.settle()?;
        match &mut self.body {
            Body::Lent(loan) if self.at_hypercall && self.fault.is_none() => Ok(Some(loan)),
            _ => Ok(None),
        }
    }

    /// Has KVM finish an access to a port, so that the registers are those behind it.
    fn settle(&mut self) -> Result<(), Error> {
        if self.io_pending.take().is_some() {
            self.machine_mut().complete_io()?;
        }
        Ok(())
    }

    /// Lets every register of the vCPU be the guest's own, so that it can be read and set.
    fn settle_all(&mut self) -> Result<(), Error> {
        if self.unstarted
            && let Body::Lent(loan) = &mut self.body
        {
            let (machine, snapshot) = loan.parts();
            let registers = *machine.general();
            snapshot.materialise(machine)?;
            machine.set_general(registers);
            self.unstarted = false;
        }
        self.settle()
    }
}

/// The pages that these contents lie in, in ascending order.
fn pages_of(contents: &[(u64, Vec<u8>)]) -> Vec<u64> {
    let pages = contents.iter().flat_map(|(address, bytes)| {
        (*address..*address + bytes.len() as u64).step_by(PAGE_SIZE as usize)
    });
    let mut pages: Vec<u64> = pages.collect();
    pages.sort_unstable();
    pages
}

/// Reads a flat image from a file.
pub(crate) fn read_image(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::ReadImage {
        path: path.to_owned(),
        source,
    })
}

/// Machines move between threads; a handle to cancel one is shared by them.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_sync<T: Sync>() {}
    is_send::<Virtine>();
    is_send::<Canceller>();
    is_sync::<Canceller>();
};
