//! What a child does because its host asks for it: system calls that map its guest's memory otherwise, and zeroing.

use std::ops::Range;

use rustix::io::Errno;

use crate::Error;
use crate::base::registers::Registers;
use crate::machine::process::assembly::{ASKED, ASKED_BY_HOST, CALL, ZERO};
use crate::machine::process::child::Site;
use crate::machine::process::control::{Extended, TABLE, TABLE_RUNS};
use crate::machine::process::frame::Frame;
use crate::machine::process::layout::DOOR;
use crate::machine::process::machine::{At, ProcessMachine, no_memory};
use crate::machine::stop::Stop;

impl ProcessMachine {
    /// Has the child make a system call, which has no pointers among its arguments, or none that the kernel follows.
    pub(super) fn call(
        &mut self,
        name: &'static str,
        number: libc::c_long,
        arguments: [u64; 3],
    ) -> Result<(), Error> {
        self.flush()?;
        self.come_to_door()?;
        self.save_extended();
        loop {
            match self.call_once(number, arguments)? {
                0 => return Ok(()),
                result => match i32::try_from(result.wrapping_neg()).unwrap_or(libc::EIO) {
                    libc::EINTR => {}
                    errno => {
                        return Err(Error::system(name)(std::io::Error::from_raw_os_error(
                            errno,
                        )));
                    }
                },
            }
        }
    }

    fn call_once(&mut self, number: libc::c_long, [rdi, rsi, rdx]: [u64; 3]) -> Result<u64, Error> {
        self.ask(Registers {
            rax: number as u64,
            rdi,
            rsi,
            rdx,
            rip: DOOR + CALL as u64,
            ..Registers::default()
        })
    }

    /// Has the child zero these pages, which are its guest's to write. The guest must have ended. The child does it at
    /// the speed of memory; the host would pay the kernel for each page.
    pub(in crate::machine::process) fn zero(&mut self, runs: &[Range<u64>]) -> Result<(), Error> {
        self.has_saved = true;
        for runs in runs.chunks(TABLE_RUNS) {
            self.child.control.set_table(runs);
            self.ask(Registers {
                rbx: TABLE,
                rip: DOOR + ZERO as u64,
                ..Registers::default()
            })?;
        }
        Ok(())
    }

    /// Has the child run the door's code from these registers on, until it asks what next. Returns its RDX.
    fn ask(&mut self, mut words: Registers) -> Result<u64, Error> {
        loop {
            let At::Door(id) = self.at else {
                return Err(lost());
            };
            self.set_words(&words, Extended::Starting, 0);
            self.child.listener.answer(id, 0).err();
            let mut notification = self.child.next()?.ok_or_else(lost)?;
            if Site::of(&notification) == Site::Asked {
                self.child.listener.let_go_on(notification.id).err();
                notification = self.child.next()?.ok_or_else(lost)?;
            }
            if Site::of(&notification) != Site::Door {
                return Err(lost());
            }
            self.at = At::Door(notification.id);
            let [who, _, context, ..] = notification.arguments;
            if who == ASKED_BY_HOST {
                return Ok(context);
            }
            // A signal from outside came in between: on from where it did.
            let frame = Frame::read(&self.child.control, context);
            let frame = frame.filter(|frame| !frame.is_exception());
            let from = frame.ok_or_else(lost)?.registers;
            if from.rip < DOOR + ASKED as u64 && from.rdi == ASKED_BY_HOST {
                return Ok(from.rdx);
            }
            if from.rip >= DOOR + CALL as u64 {
                words = from;
            }
        }
    }

    /// Brings a child that stands in a system call of its guest's to the door, as if a signal had come in right behind
    /// the call.
    pub(super) fn come_to_door(&mut self) -> Result<(), Error> {
        while let At::SystemCall(id) = self.at {
            self.child.interrupt();
            self.answer = 0;
            let answered = self.child.listener.answer(id, 0);
            let notification = self.child.next()?.ok_or_else(lost)?;
            let stop = match answered {
                Ok(()) => self.stop(&notification),
                Err(_) => self.stop_unanswered(&notification),
            };
            match stop {
                Stop::Interrupted => {}
                _ => return Err(lost()),
            }
        }
        Ok(())
    }
}

fn lost() -> Error {
    no_memory(Errno::SRCH)
}
