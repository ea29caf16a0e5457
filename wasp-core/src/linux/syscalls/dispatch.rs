//! Dispatches a system call by its number.
//!
//! The list is closed. Other system calls are answered as by a kernel that was built without them, or that does not
//! permit them. The first such call of each kind is reported (see [`names`]).

use rustix::io::Errno;

use crate::Error;
use crate::base::status::Status;
use crate::host::dispatch::{Reply, Session, negative};
use crate::host::request_error::{Answer, RequestError};
use crate::linux::mapping::{LinuxGuestMemory, Pages};
use crate::linux::names;
use crate::linux::process::Process;
use crate::linux::reply::SystemCallReply;
use crate::linux::system_call_error::SystemCallError;
use crate::machine::mapped_memory::MappedMemory;
use crate::machine::stop::SystemCall;

impl Process {
    /// Answers a system call of a stopped program whose memory is `mapped`.
    pub(crate) fn answer(
        &mut self,
        call: SystemCall,
        session: &mut Session,
        mapped: &mut MappedMemory<'_>,
    ) -> Result<SystemCallReply, Error> {
        let result = match session.count() {
            Ok(()) => self.dispatch(call, session, mapped),
            Err(error) => Err(error.into()),
        };
        let answer: Answer = match result {
            Ok(SystemCallReply::Answer(answer)) => Ok(answer),
            Ok(reply) => return Ok(reply),
            Err(SystemCallError::Request(error)) => Err(error),
            Err(SystemCallError::Refused(errno)) => {
                self.refuse(call.number);
                Err(RequestError::Errno(errno))
            }
            Err(SystemCallError::Host(error)) => return Err(error),
        };
        Ok(match session.reply(answer) {
            Reply::Answer(answer) => SystemCallReply::Answer(answer),
            Reply::Failed(error) => SystemCallReply::Failed(error),
            // No system call is answered like this.
            Reply::Exit | Reply::Unknown => SystemCallReply::Answer(negative(Errno::NOSYS)),
        })
    }

    /// Records a refusal, and reports the first of each kind.
    fn refuse(&mut self, number: u64) {
        // A program cannot make the host remember more numbers than there are names.
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
        mapped: &mut MappedMemory<'_>,
    ) -> Result<SystemCallReply, SystemCallError> {
        let [first, second, third, fourth, fifth, _] = arguments;
        let number = i64::try_from(number).unwrap_or(-1);
        let pages = &mut Pages {
            mapped,
            meter: session.meter(),
        };
        if let Some(answer) = self.for_memory(number, arguments, pages) {
            return answer.map(SystemCallReply::Answer);
        }
        if number == libc::SYS_arch_prctl {
            return self.arch_prctl(first, second);
        }
        // The view borrows the space while the rest of the process changes.
        let space = std::mem::take(&mut self.space);
        let mut own = LinuxGuestMemory {
            memory: mapped.memory_mut(),
            space: &space,
        };
        let result = match number {
            libc::SYS_exit | libc::SYS_exit_group => {
                Ok(SystemCallReply::Exit(Status::Exited(first as u8 as i32)))
            }
            libc::SYS_kill | libc::SYS_tkill => self.send(second),
            libc::SYS_tgkill => self.send(third),
            libc::SYS_rt_sigaction => self
                .sigaction(&mut own, [first, second, third, fourth])
                .map(SystemCallReply::Answer),
            libc::SYS_rt_sigprocmask => self
                .sigprocmask(&mut own, [first, second, third, fourth])
                .map(SystemCallReply::Answer),
            libc::SYS_sigaltstack => self
                .sigaltstack(&mut own, [first, second])
                .map(SystemCallReply::Answer),
            libc::SYS_futex => {
                crate::linux::syscalls::time::futex(session, &own, [first, second, third, fourth])
                    .map(SystemCallReply::Answer)
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
                .unwrap_or(Err(SystemCallError::Refused(Errno::NOSYS)))
                .map(SystemCallReply::Answer),
        };
        self.space = space;
        result
    }

    fn for_memory(
        &mut self,
        number: i64,
        [first, second, third, fourth, _, _]: [u64; 6],
        pages: &mut Pages<'_, '_>,
    ) -> Option<Result<u64, SystemCallError>> {
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

    fn send(&self, signal: u64) -> Result<SystemCallReply, SystemCallError> {
        match self.raise(signal)? {
            Some(next) => Ok(next),
            None => Err(SystemCallError::Refused(Errno::NOSYS)),
        }
    }

    fn arch_prctl(&self, what: u64, address: u64) -> Result<SystemCallReply, SystemCallError> {
        const SET_FS: u64 = 0x1002;
        const GET_FS: u64 = 0x1003;
        match what {
            // As in Linux: only canonical addresses, and none of the kernel's.
            SET_FS if address >= 1 << 47 => Err(Errno::PERM.into()),
            SET_FS => Ok(SystemCallReply::SetThreadPointer(address)),
            GET_FS if self.space.reach(address, true).is_none() => Err(Errno::FAULT.into()),
            GET_FS => Ok(SystemCallReply::StoreThreadPointer(address)),
            _ => Err(Errno::INVAL.into()),
        }
    }
}
