//! From a system call's number to what answers it.
//!
//! The list is closed. What is not on it is answered as by a kernel that was built without, or that does
//! not permit it; the first such call of each kind is told (see [`names`]).

use rustix::io::Errno;

use super::mapping::{Own, Pages};
use super::names;
use super::process::{Next, Process, SystemCall, Trouble};
use crate::Error;
use crate::arch::paging::PageTables;
use crate::doors::{Answer, Reply, Session, Stop};
use crate::memory::GuestMemory;

/// What the program's host does next.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The program goes on, or is done.
    Next(Next),
    /// Its call is over.
    Ended(Reply),
}

impl Process {
    /// Answers a system call of a program that stands still in a machine with this memory.
    pub(crate) fn answer(
        &mut self,
        call: SystemCall,
        session: &mut Session,
        memory: &mut GuestMemory,
        tables: &PageTables,
    ) -> Result<Outcome, Error> {
        let result = match session.count() {
            Ok(()) => self.dispatch(call, session, memory, tables),
            Err(stop) => Err(stop.into()),
        };
        let answer: Answer = match result {
            Ok(Next::Answer(answer)) => Ok(answer),
            Ok(next) => return Ok(Outcome::Next(next)),
            Err(Trouble::Stop(stop)) => Err(stop),
            Err(Trouble::Refused(errno)) => {
                self.refuse(call.number);
                Err(Stop::Errno(errno))
            }
            Err(Trouble::Host(error)) => return Err(error),
        };
        Ok(match session.reply(answer) {
            Reply::Answer(answer) => Outcome::Next(Next::Answer(answer)),
            reply => Outcome::Ended(reply),
        })
    }

    /// Takes note of a refusal, and tells the first of each kind.
    fn refuse(&mut self, number: u64) {
        // A program cannot make the host remember more than there are names.
        let kind = match names::of(number) {
            Some(_) => number,
            None => u64::MAX,
        };
        if self.refused.insert(kind) {
            let name = names::of(number).unwrap_or("an unknown system call");
            tracing::warn!(target: "wasp_core::linux", name, number, "refused");
        }
    }

    fn dispatch(
        &mut self,
        SystemCall { number, arguments }: SystemCall,
        session: &mut Session,
        memory: &mut GuestMemory,
        tables: &PageTables,
    ) -> Result<Next, Trouble> {
        let [first, second, third, fourth, fifth, _] = arguments;
        let number = i64::try_from(number).unwrap_or(-1);
        let pages = &mut Pages {
            memory,
            tables,
            meter: session.meter(),
        };
        if let Some(answer) = self.for_memory(number, arguments, pages) {
            return answer.map(Next::Answer);
        }
        if number == libc::SYS_arch_prctl {
            return self.arch_prctl(first, second);
        }
        // The space is lent to the view and the rest of the process changed meanwhile.
        let space = std::mem::take(&mut self.space);
        let mut own = Own {
            memory,
            space: &space,
        };
        let result = match number {
            libc::SYS_exit | libc::SYS_exit_group => Ok(Next::Exited(first as u8 as i32)),
            libc::SYS_kill | libc::SYS_tkill => self.send(second),
            libc::SYS_tgkill => self.send(third),
            libc::SYS_rt_sigaction => self
                .sigaction(&mut own, [first, second, third, fourth])
                .map(Next::Answer),
            libc::SYS_rt_sigprocmask => self
                .sigprocmask(&mut own, [first, second, third, fourth])
                .map(Next::Answer),
            libc::SYS_sigaltstack => self
                .sigaltstack(&mut own, [first, second])
                .map(Next::Answer),
            libc::SYS_futex => {
                super::time::futex(session, &own, [first, second, third, fourth]).map(Next::Answer)
            }
            _ => self
                .for_files(
                    number,
                    [first, second, third, fourth, fifth],
                    session,
                    &mut own,
                )
                .or_else(|| {
                    let arguments = [first, second, third, fourth, fifth];
                    self.for_entries(number, arguments, session, &own)
                        .or_else(|| self.for_attributes(number, arguments, session, &own))
                })
                .or_else(|| Self::for_sockets(number, arguments, session, &mut own))
                .or_else(|| self.for_time(number, [first, second, third], session, &mut own))
                .or_else(|| self.for_identity(number, arguments, session, &mut own))
                .unwrap_or(Err(Trouble::Refused(Errno::NOSYS)))
                .map(Next::Answer),
        };
        self.space = space;
        result
    }

    fn for_memory(
        &mut self,
        number: i64,
        [first, second, third, fourth, _, _]: [u64; 6],
        pages: &mut Pages<'_>,
    ) -> Option<Result<u64, Trouble>> {
        Some(match number {
            libc::SYS_brk => self.brk(pages, first),
            libc::SYS_mmap => self.mmap(pages, [first, second, third, fourth]),
            libc::SYS_munmap => self.munmap(pages, first, second),
            libc::SYS_mprotect => self.mprotect(pages, [first, second, third]),
            libc::SYS_mremap => self.mremap(pages, [first, second, third, fourth]),
            libc::SYS_madvise => self.madvise(pages, [first, second, third]),
            _ => return None,
        })
    }

    fn send(&self, signal: u64) -> Result<Next, Trouble> {
        match self.raise(signal)? {
            Some(next) => Ok(next),
            None => Err(Trouble::Refused(Errno::NOSYS)),
        }
    }

    fn arch_prctl(&self, what: u64, address: u64) -> Result<Next, Trouble> {
        const SET_FS: u64 = 0x1002;
        const GET_FS: u64 = 0x1003;
        match what {
            // As Linux: no address that is not canonical, and none of the kernel's.
            SET_FS if address >= 1 << 47 => Err(Errno::PERM.into()),
            SET_FS => Ok(Next::SetFsBase(address)),
            GET_FS if self.space.reach(address, true).is_none() => Err(Errno::FAULT.into()),
            GET_FS => Ok(Next::GetFsBase(address)),
            _ => Err(Errno::INVAL.into()),
        }
    }
}
