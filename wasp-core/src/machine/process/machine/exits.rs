//! What a child's question means: why its guest has stopped.

use virtine_rt::abi::{HYPERCALL_PORT, PAGE_SIZE};

use crate::base::exit::{Direction, Exception, Fault};
use crate::base::hypercall::Hypercall;
use crate::base::registers::Registers;
use crate::machine::plan::Interface;
use crate::machine::process::assembly::ASKED;
use crate::machine::process::child::Site;
use crate::machine::process::frame::Frame;
use crate::machine::process::instruction::{self, LONGEST, PortInstruction};
use crate::machine::process::layout::{DOOR, GUEST_END};
use crate::machine::process::listener::Notification;
use crate::machine::process::machine::{At, Next, ProcessMachine, Source};
use crate::machine::stop::{PortAccess, Stop, SystemCall};

impl ProcessMachine {
    /// Why the guest has stopped.
    #[inline]
    pub(super) fn stop(&mut self, notification: &Notification) -> Stop {
        match Site::of(notification) {
            Site::Door => self.stop_at_door(notification),
            Site::Guest if notification.instruction_pointer < GUEST_END => {
                self.system_call(notification)
            }
            // A call from the door's other parts, or from the vsyscall page, where KVM's guests have nothing.
            Site::Asked | Site::Guest => {
                self.at = At::SystemCall(notification.id);
                nothing_there(notification.instruction_pointer)
            }
        }
    }

    pub(super) fn system_call(&mut self, notification: &Notification) -> Stop {
        self.at = At::SystemCall(notification.id);
        let call = SystemCall {
            number: u64::from(notification.number.cast_unsigned()),
            arguments: notification.arguments,
        };
        match self.plan.interface {
            Interface::SystemCalls => Stop::SystemCall(call),
            Interface::Hypercalls | Interface::Ports => {
                no_system_calls(notification.instruction_pointer)
            }
        }
    }

    /// Whether a `syscall` instruction stands before this address.
    fn is_behind_call(&self, rip: u64) -> bool {
        let mut bytes = [0; 2];
        let read = self.memory.read(rip.wrapping_sub(2), &mut bytes);
        read.is_some() && bytes == [0x0f, 0x05]
    }

    /// A call that the kernel itself has refused: its guest is told that there is none.
    #[cold]
    fn unfiltered_call(&mut self, frame: &Frame) -> Stop {
        match self.plan.interface {
            Interface::SystemCalls => {
                self.next.registers.rax = i64::from(-libc::ENOSYS).cast_unsigned();
                Stop::Interrupted
            }
            Interface::Hypercalls | Interface::Ports => no_system_calls(frame.registers.rip),
        }
    }

    #[inline]
    fn stop_at_door(&mut self, notification: &Notification) -> Stop {
        self.at = At::Door(notification.id);
        let [_, _, context, fs, gs, _] = notification.arguments;
        match Frame::read(&self.child.control, context) {
            None => nothing_there(DOOR),
            Some(frame) if is_in_door(frame.registers.rip) => self.stop_in_door(frame, [fs, gs]),
            Some(frame) => self.stop_of(&frame, [fs, gs]),
        }
    }

    /// A signal or an exception in the door itself. RDX is then the address of the frame that the door was called with.
    #[cold]
    fn stop_in_door(&mut self, mut frame: Frame, bases: [u64; 2]) -> Stop {
        /// More frames than the signal stack has room for.
        const DEEPEST: u32 = 8;
        for _ in 0..DEEPEST {
            if frame.is_exception() {
                return Stop::Fault(Fault::Exception(frame.exception()));
            }
            if has_been_answered(&frame) {
                return Stop::Interrupted;
            }
            frame = match Frame::read(&self.child.control, frame.registers.rdx) {
                Some(frame) if is_in_door(frame.registers.rip) => frame,
                Some(frame) => return self.stop_of(&frame, bases),
                None => return nothing_there(DOOR),
            };
        }
        nothing_there(DOOR)
    }

    /// As [`ProcessMachine::stop`], where the host's last answer came too late: a signal had interrupted the question
    /// (Linux before 5.19). The host has dealt with that one.
    #[cold]
    pub(super) fn stop_unanswered(&mut self, notification: &Notification) -> Stop {
        let was_at = self.at;
        match (was_at, Site::of(notification)) {
            // Asked once more for the same stop.
            (At::Door(_), Site::Door) => {
                self.at = At::Door(notification.id);
                Stop::Interrupted
            }
            // The call is to be made again, and has been answered.
            (At::SystemCall(_), Site::Door) => {
                let stop = self.stop(notification);
                if matches!(stop, Stop::Interrupted) {
                    self.next.registers.rax = self.answer;
                    self.next.registers.rip = self.next.registers.rip.wrapping_add(2);
                }
                stop
            }
            _ => self.stop(notification),
        }
    }

    /// Why the guest whose frame this is has stopped.
    #[inline]
    fn stop_of(&mut self, frame: &Frame, bases: [u64; 2]) -> Stop {
        self.next = Next {
            registers: frame.registers,
            bases,
            extended: Source::Frame(frame.extended),
        };
        match frame.is_exception() {
            false => Stop::Interrupted,
            true if frame.is_unfiltered_call() && self.is_behind_call(frame.registers.rip) => {
                self.unfiltered_call(frame)
            }
            true => self.exception(frame),
        }
    }

    #[inline]
    fn exception(&mut self, frame: &Frame) -> Stop {
        let access = match frame.may_be_port_access() {
            true => self.port_instruction(&frame.registers),
            false => None,
        };
        match access {
            Some(instruction) => self.port_access(instruction),
            None => Stop::Fault(Fault::Exception(frame.exception())),
        }
    }

    /// The access to a port at the instruction pointer, if it is one.
    #[inline]
    fn port_instruction(&mut self, registers: &Registers) -> Option<PortInstruction> {
        /// `out imm8, al`, as the runtime makes its hypercalls.
        const OUT_IMMEDIATE: u8 = 0xe6;
        let rip = registers.rip;
        if let Some((at, PortInstruction { length: 2, access })) = self.known
            && at == rip
        {
            let mut known = PortInstruction { length: 2, access };
            known.access.data = u32::from(registers.rax as u8);
            return Some(known);
        }
        let memory = self.memory.as_remote()?;
        let mut bytes = [0; LONGEST];
        let read = memory.read_some(rip, &mut bytes);
        let found = instruction::decode(bytes.get(..read)?, registers)?;
        let is_plain = bytes[0] == OUT_IMMEDIATE && found.length == 2;
        if is_plain && self.plan.is_constant_code(rip) {
            self.known = Some((rip, found));
        }
        Some(found)
    }

    #[inline]
    fn port_access(&mut self, PortInstruction { access, length }: PortInstruction) -> Stop {
        let registers = &mut self.next.registers;
        registers.rip = registers.rip.wrapping_add(length);
        if access.direction == Direction::In {
            // It reads zeros.
            registers.rax &= match access.width {
                1 => !0xff,
                2 => !0xffff,
                _ => 0,
            };
        }
        match self.plan.interface {
            Interface::Ports => Stop::Port(access),
            _ if is_byte_out(&access) && access.port == HYPERCALL_PORT => {
                Stop::Hypercall(self.hypercall())
            }
            _ => Stop::Fault(Fault::Port {
                port: access.port,
                width: access.width.into(),
            }),
        }
    }

    /// The hypercall that the guest has stopped at: RDI, RSI, RDX and RCX.
    #[inline]
    pub(crate) const fn hypercall(&self) -> Hypercall {
        let Registers {
            rdi, rsi, rdx, rcx, ..
        } = self.next.registers;
        Hypercall {
            number: rdi,
            arguments: [rsi, rdx, rcx],
        }
    }
}

/// One `out` of one byte.
const fn is_byte_out(access: &PortAccess) -> bool {
    matches!(access.direction, Direction::Out) && access.width == 1
}

const fn is_in_door(rip: u64) -> bool {
    rip >= DOOR && rip < DOOR + PAGE_SIZE
}

/// Whether the host had answered the door's question when this signal came in. The guest was then about to go on, and
/// what it was to load is what it will load. Before, the guest's own stop is what the host has to hear of.
const fn has_been_answered(frame: &Frame) -> bool {
    frame.registers.rip >= DOOR + ASKED as u64
}

/// What `syscall` is where EFER.SCE is clear (Intel SDM vol. 2, SYSCALL). The instruction has two bytes.
fn no_system_calls(behind: u64) -> Stop {
    Stop::Fault(Fault::Exception(Exception {
        vector: Exception::INVALID_INSTRUCTION,
        error_code: 0,
        rip: behind.wrapping_sub(2),
        rsp: 0,
        address: 0,
        place: None,
        overflowed_stack: None,
    }))
}

/// The page fault of a guest that executes what it does not have (Intel SDM vol. 3, 5.7).
fn nothing_there(address: u64) -> Stop {
    const PAGE_FAULT: u8 = 14;
    const USER_FETCH: u64 = 0x14;
    Stop::Fault(Fault::Exception(Exception {
        vector: PAGE_FAULT,
        error_code: USER_FETCH,
        rip: address,
        rsp: 0,
        address,
        place: None,
        overflowed_stack: None,
    }))
}
