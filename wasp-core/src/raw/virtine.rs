//! The raw API: a virtual machine for the caller's own guest.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::base::address::GuestAddress;
use crate::base::backend::Backend;
use crate::base::ended::Ended;
use crate::base::exit::{Direction, Exit, Fault};
use crate::base::fork;
use crate::base::hypercall::Hypercall;
use crate::limits::cancel::Canceller;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::limits::quotas::Quotas;
use crate::machine::kvm::vcpu::Vcpu;
use crate::machine::stop::{PortAccess, Stop};
use crate::machine::{Machine, backend};
use crate::pool::PooledMachine;
use crate::raw::mode::{Mode, RawLayout};
use crate::raw::registers::{FloatRegisters, Registers, SpecialRegisters};

/// The port that a raw guest writes to in order to exit: `out 0xFA, ..` of any width. All other ports are hypercalls.
/// The number is Wasp's.
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
/// The guest is not trusted. Whatever it does, [`Virtine::run`] returns, at the latest with [`Exit::TimedOut`].
/// Registers and memory are always those after the instruction at which the guest stopped.
pub struct Virtine {
    body: Body,
    layout: Arc<RawLayout>,
    deadline: Duration,
    /// The first address after the loaded images.
    image_end: u64,
    /// The deadline of a run that a signal interrupted.
    interrupted: Option<Deadline>,
    state: State,
    /// The machine must not be used again: the guest was ended from outside, broke the rules, or may have been in ring
    /// 0.
    suspect: bool,
}

/// Where a guest has stopped.
#[derive(Debug)]
enum State {
    /// Before its first instruction. In a machine that another guest has used, all registers except the general ones
    /// still hold that guest's values.
    Unstarted,
    /// At a port access, which KVM completes when the vCPU is entered again.
    AtPort(Port),
    /// At a hypercall that KVM has completed.
    AtHypercall,
    /// Anywhere else.
    Stopped,
    /// At a point from which it cannot continue.
    Faulted(Fault),
}

/// A port access that is not complete.
#[derive(Clone, Copy, Debug)]
struct Port {
    direction: Direction,
    /// It is not a hypercall but the guest's exit.
    ends: bool,
}

/// Who owns the machine.
enum Body {
    Owned(Machine),
    Lent(PooledMachine),
}

/// Builds a [`Virtine`].
#[derive(Clone, Debug)]
pub struct Builder {
    memory: u64,
    mode: Mode,
    deadline: Duration,
}

impl Builder {
    /// Bytes of memory, from guest address 0 on: a multiple of 4,096, at most 4 GiB. Default: 1 MiB. Memory that is
    /// never touched costs nothing.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The mode in which the guest starts. Default: [`Mode::User64`].
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How long each [`Virtine::run`] may take. Default: 10 s.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Creates the virtual machine, with its memory all zero.
    ///
    /// # Errors
    ///
    /// [`Error::MemorySize`] if the memory size is not possible, and errors of the host's KVM.
    pub fn build(self) -> Result<Virtine, Error> {
        fork::check()?;
        let layout = RawLayout::new(self.mode, self.memory)?;
        let mut machine = Machine::anonymous(backend::for_guests(None)?, &layout.plan())?;
        machine.set_entry(&layout.entry());
        Ok(Virtine::new(
            Body::Owned(machine),
            Arc::new(layout),
            self.deadline,
            0,
        ))
    }
}

impl Virtine {
    /// Starts building a virtine.
    #[must_use]
    pub const fn builder() -> Builder {
        Builder {
            memory: 1 << 20,
            mode: Mode::User64,
            deadline: Duration::from_secs(10),
        }
    }

    /// A virtine in a clean machine of a pool. Its image ends at `image_end`.
    pub(crate) fn lent(
        loan: PooledMachine,
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
            state: State::Unstarted,
            suspect: false,
        }
    }

    /// Returns a pooled machine to its pool.
    pub(crate) fn end(mut self) {
        // A pending `out` is dropped if the next guest starts elsewhere. A pending `in` would write to that guest's
        // registers.
        let finished = match self.state {
            State::AtPort(Port {
                direction: Direction::In,
                ..
            }) => self.settle(),
            _ => Ok(()),
        };
        match self.body {
            Body::Lent(loan) if finished.is_ok() && !self.suspect => loan.give_back(),
            Body::Lent(_) | Body::Owned(_) => {}
        }
    }

    fn machine(&self) -> &Machine {
        match &self.body {
            Body::Owned(machine) => machine,
            Body::Lent(loan) => loan,
        }
    }

    fn machine_mut(&mut self) -> &mut Machine {
        match &mut self.body {
            Body::Owned(machine) => machine,
            Body::Lent(loan) => loan,
        }
    }

    fn vcpu(&self) -> Result<&Vcpu, Error> {
        self.machine().vcpu()
    }

    /// Reads a flat image from a file into guest memory, and sets the guest to start at its first byte.
    ///
    /// # Errors
    ///
    /// [`Error::ReadImage`] if the file cannot be read, otherwise as for [`Virtine::load_raw`].
    pub fn load_binary(
        &mut self,
        path: impl AsRef<Path>,
        address: impl Into<GuestAddress>,
    ) -> Result<(), Error> {
        self.load_raw(&read_image(path.as_ref())?, address)
    }

    /// Copies a flat image into guest memory, and sets the guest to start at its first byte.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], with nothing copied, if it does not fit.
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
    /// After [`Exit::Faulted`] the guest cannot continue, and every further run gives the same answer. After
    /// [`Exit::Interrupted`] the deadline is still that of the interrupted run.
    ///
    /// # Errors
    ///
    /// Errors of the kernel. No guest can cause them.
    pub fn run(&mut self) -> Result<Exit, Error> {
        let deadline = self.interrupted.take();
        let deadline = deadline.unwrap_or_else(|| Deadline::after(self.deadline));
        let exit = self.run_until(&deadline)?;
        if exit == Exit::Interrupted {
            self.interrupted = Some(deadline);
        }
        Ok(exit)
    }

    /// Like [`Virtine::run`], but continues after signals that were not for this run.
    pub(crate) fn run_on_until(&mut self, deadline: &Deadline) -> Result<Exit, Error> {
        loop {
            match self.run_until(deadline)? {
                Exit::Interrupted => {}
                exit => return Ok(exit),
            }
        }
    }

    fn run_until(&mut self, deadline: &Deadline) -> Result<Exit, Error> {
        if let State::Faulted(cause) = &self.state {
            let cause = cause.clone();
            return Ok(Exit::Faulted { cause });
        }
        fork::check()?;
        let stop = self.enter(deadline)?;
        Ok(self.exit(stop))
    }

    /// Enters the guest. This also completes any I/O that KVM has pending.
    fn enter(&mut self, deadline: &Deadline) -> Result<Stop, Error> {
        match (&mut self.body, &self.state) {
            (Body::Lent(loan), State::Unstarted) => {
                let (machine, snapshot) = loan.split_mut();
                let registers = machine.general();
                let stop = snapshot.start_with(machine, &registers, deadline)?;
                match snapshot.is_unstarted(machine) {
                    // Ended before the guest's first instruction: to the caller, it has not started.
                    true => machine.set_general(&registers),
                    false => self.state = State::Stopped,
                }
                Ok(stop)
            }
            _ => {
                self.state = State::Stopped;
                self.machine_mut().resume(deadline)
            }
        }
    }

    /// The exit for a stop. Records where the guest is then.
    fn exit(&mut self, stop: Stop) -> Exit {
        match stop {
            Stop::Port(access) => self.port(access),
            // Raw guests use ports instead.
            Stop::Hypercall(_) | Stop::SystemCall(_) | Stop::Halted => Exit::Halted,
            Stop::Interrupted => Exit::Interrupted,
            Stop::Ended(ended) => self.ended(ended),
            Stop::Fault(cause) => {
                self.suspect = true;
                self.state = State::Faulted(cause.clone());
                Exit::Faulted { cause }
            }
        }
    }

    fn port(&mut self, access: PortAccess) -> Exit {
        let PortAccess {
            port,
            direction,
            width,
            count,
            data,
        } = access;
        let ends = port == EXIT_PORT && direction == Direction::Out;
        self.state = State::AtPort(Port { direction, ends });
        match ends {
            true => Exit::Exited,
            false => Exit::Hypercall {
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
    /// Errors of the kernel.
    pub fn registers(&mut self) -> Result<Registers, Error> {
        self.settle()?;
        Ok(self.machine_mut().general())
    }

    /// Sets the general registers.
    ///
    /// # Errors
    ///
    /// Errors of the kernel.
    pub fn set_registers(&mut self, registers: &Registers) -> Result<(), Error> {
        self.settle()?;
        self.machine_mut().set_general(registers);
        Ok(())
    }

    /// Segment, descriptor-table and control registers.
    ///
    /// # Errors
    ///
    /// Errors of the kernel.
    pub fn special_registers(&mut self) -> Result<SpecialRegisters, Error> {
        self.settle_all()?;
        Ok((&self.vcpu()?.special()?).into())
    }

    /// Sets segment, descriptor-table and control registers.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the CPU does not allow this combination.
    pub fn set_special_registers(&mut self, registers: &SpecialRegisters) -> Result<(), Error> {
        self.settle_all()?;
        // It may start in ring 0 now.
        self.suspect = true;
        let rest = self.vcpu()?.special()?;
        self.vcpu()?.set_special(&registers.over(&rest))
    }

    /// x87 and SSE registers.
    ///
    /// # Errors
    ///
    /// Errors of the kernel.
    pub fn float_registers(&mut self) -> Result<FloatRegisters, Error> {
        self.settle_all()?;
        Ok((&self.vcpu()?.float()?).into())
    }

    /// Sets x87 and SSE registers.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if a control register has reserved bits set.
    pub fn set_float_registers(&mut self, registers: &FloatRegisters) -> Result<(), Error> {
        self.settle_all()?;
        self.vcpu()?.set_float(&registers.into())
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
    /// [`Error::OutOfBounds`], with nothing copied, if the guest has no such memory.
    pub fn read(&self, address: impl Into<GuestAddress>, bytes: &mut [u8]) -> Result<(), Error> {
        let address = self.check(address.into(), bytes.len() as u64)?;
        let read = self.machine().memory().read(address, bytes);
        read.ok_or(Error::Fault(Fault::ProcessGone))
    }

    /// Copies `bytes` into guest memory from `address` on.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`], with nothing copied, if the guest has no such memory.
    pub fn write(&mut self, address: impl Into<GuestAddress>, bytes: &[u8]) -> Result<(), Error> {
        let address = self.check(address.into(), bytes.len() as u64)?;
        let _ = self.machine_mut().memory_mut().write(address, bytes);
        Ok(())
    }

    fn check(&self, address: GuestAddress, length: u64) -> Result<u64, Error> {
        let address = self.layout.check(address, length)?;
        self.machine().check_address(address, length)?;
        Ok(address)
    }

    /// What holds the guest.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.machine().backend()
    }

    /// A handle that ends a run from any thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.machine().canceller()
    }

    /// A meter for the work that is now done for the guest. The host may spend as much memory on it as the guest has.
    pub(crate) fn meter(&mut self, limits: Quotas) -> Meter {
        let deadline = self.interrupted.take();
        let deadline = deadline.unwrap_or_else(|| Deadline::after(self.deadline));
        Meter::new(deadline, limits, self.memory_size()).in_machine(self.machine().slot())
    }

    /// The hypercall at which the guest stopped.
    pub(crate) fn hypercall(&mut self) -> Hypercall {
        self.machine_mut().hypercall()
    }

    /// Answers a guest that stopped at a hypercall.
    pub(crate) fn go_on_with(&mut self, answer: u64) {
        self.machine_mut().answer(answer);
    }

    /// Records that the guest was ended from outside while the host worked for it.
    pub(crate) const fn ended(&mut self, ended: Ended) -> Exit {
        self.suspect = true;
        match ended {
            Ended::TimedOut => Exit::TimedOut,
            Ended::Cancelled => Exit::Cancelled,
        }
    }

    /// The first address after the loaded images.
    pub(crate) const fn image_end(&self) -> u64 {
        self.image_end
    }

    /// The pooled machine, if its guest stopped at a hypercall. KVM has then completed the hypercall.
    pub(crate) fn at_hypercall(&mut self) -> Result<Option<&mut PooledMachine>, Error> {
        self.settle()?;
        match &mut self.body {
            Body::Lent(loan) if matches!(self.state, State::AtHypercall) => Ok(Some(loan)),
            _ => Ok(None),
        }
    }

    /// Lets KVM complete a port access, so that the registers are those after it.
    fn settle(&mut self) -> Result<(), Error> {
        if let State::AtPort(Port { ends, .. }) = self.state {
            self.state = match ends {
                true => State::Stopped,
                false => State::AtHypercall,
            };
            self.machine_mut().finish_exit()?;
        }
        Ok(())
    }

    /// Makes every register of the vCPU the guest's own, so that it can be read and set.
    fn settle_all(&mut self) -> Result<(), Error> {
        if let (State::Unstarted, Body::Lent(loan)) = (&self.state, &mut self.body) {
            let (machine, snapshot) = loan.split_mut();
            let registers = machine.general();
            snapshot.materialise(machine)?;
            machine.set_general(&registers);
            self.state = State::Stopped;
        }
        self.settle()
    }
}

/// Reads a flat image from a file.
pub(crate) fn read_image(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::ReadImage {
        path: path.to_owned(),
        source,
    })
}

/// Machines move between threads, and threads share a handle that cancels one.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_sync<T: Sync>() {}
    is_send::<Virtine>();
    is_send::<Canceller>();
    is_sync::<Canceller>();
};
