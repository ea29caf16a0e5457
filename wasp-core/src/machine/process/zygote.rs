//! The process that makes one child for each machine.
//!
//! It is no child of this program's: it is cloned twice, so that no SIGCHLD and no `wait` of the program's ever meets
//! it. It ends when this process does, which it watches by a pidfd, or when the socket is closed. The children get
//! SIGKILL when it ends. Descriptors of a machine therefore do not outlive this process, even where a child of a
//! `fork` has copies of them.

use std::ffi::{CStr, c_int, c_void};

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags,
    SocketType, sendmsg, shutdown, socketpair,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::Error;
use crate::base::exit::Fault;
use crate::machine::process::assembly::descriptor;
use crate::machine::process::executable::executable;
use crate::machine::process::support::Support;
use crate::memory::image_file::write_all;

/// This process's zygote, by the socket that it takes requests from.
static ZYGOTE: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Bytes of the stack on which each of the two clones starts.
const STACK: usize = 64 << 10;

fn failed(operation: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::system(operation)(errno.into())
}

/// Asks for a child that makes itself a machine by the script in `control`, with the memory in `image`. Its
/// descriptors come out of the socket that this returns, or the reason why there is none.
pub(super) fn request(
    control: BorrowedFd<'_>,
    image: BorrowedFd<'_>,
    support: &Support,
) -> Result<OwnedFd, Error> {
    let (own, childs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed("socketpair"))?;
    let descriptors = [control, childs.as_fd(), image];
    let mut zygote = ZYGOTE.lock().unwrap_or_else(PoisonError::into_inner);
    let sent = match &*zygote {
        Some(socket) => send(socket.as_fd(), &descriptors),
        None => Err(Errno::PIPE),
    };
    match sent {
        Ok(()) => {}
        // There is none yet, or somebody has killed it.
        Err(Errno::PIPE | Errno::CONNRESET) => {
            let socket = start(support)?;
            let sent = send(socket.as_fd(), &descriptors);
            sent.map_err(|_| Error::Fault(Fault::ProcessGone))?;
            *zygote = Some(socket);
        }
        Err(errno) => return Err(failed("sendmsg to the zygote")(errno)),
    }
    Ok(own)
}

/// Ends this process's zygote, and with it all its children: for children that take too long and to whom this program
/// may send no signal any more, since it has changed its user. The next request starts another.
pub(super) fn end() {
    let mut zygote = ZYGOTE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(socket) = zygote.take() {
        // Children of a `fork` may hold copies, so closing this one would not do. It fails only where the zygote has
        // ended.
        let _ = shutdown(&socket, Shutdown::Both);
    }
}

fn send(socket: BorrowedFd<'_>, descriptors: &[BorrowedFd<'_>; 3]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(descriptors));
    let byte = [IoSlice::new(&[0])];
    sendmsg(socket, &byte, &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// What the second clone needs; it shares this thread's memory.
struct Launch {
    program: RawFd,
    requests: RawFd,
    host: RawFd,
    second_stack: *mut c_void,
    /// The processors that the program's main thread may run on: not those of the thread that happens to come first.
    processors: libc::cpu_set_t,
    error: c_int,
}

/// Starts a zygote; returns the socket for requests.
fn start(support: &Support) -> Result<OwnedFd, Error> {
    let (own, zygotes) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed("socketpair"))?;
    let program = program(support)?;
    let host = pidfd_open(getpid(), PidfdFlags::empty()).map_err(failed("pidfd_open"))?;
    let mut stacks = vec![0_u128; 2 * STACK / size_of::<u128>()];
    let base: *mut u8 = stacks.as_mut_ptr().cast();
    // SAFETY: the end of the first half of `stacks`.
    let first = unsafe { base.add(STACK) };
    // SAFETY: its end.
    let second = unsafe { base.add(2 * STACK) };
    let mut launch = Launch {
        program: program.as_raw_fd(),
        requests: zygotes.as_raw_fd(),
        host: host.as_raw_fd(),
        second_stack: second.cast(),
        processors: processors_of_main_thread(),
        error: 0,
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    let argument = (&raw mut launch).cast();
    let _signals = AllBlocked::new();
    // SAFETY: the new process runs `first_clone` on a stack of its own while this thread waits for it to end
    // (CLONE_VFORK), so everything that `launch` points at stays. It exits by system call and touches no lock. Its exit
    // signal is 0: it is no child that a `wait` of the program's would find.
    let pid = unsafe { libc::clone(first_clone, first.cast(), flags, argument) };
    if pid < 0 {
        return Err(Error::system("clone")(std::io::Error::last_os_error()));
    }
    // SAFETY: waits for that process alone, which has ended.
    unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WCLONE) };
    match launch.error {
        0 => Ok(own),
        errno => Err(Error::system("start of the zygote")(
            std::io::Error::from_raw_os_error(errno),
        )),
    }
}

fn processors_of_main_thread() -> libc::cpu_set_t {
    // SAFETY: all-zero is a valid set, an empty one.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let process = getpid().as_raw_nonzero().get();
    // SAFETY: the kernel writes at most the size that it is told. An empty set, if it fails, changes nothing.
    unsafe { libc::sched_getaffinity(process, size_of_val(&set), &raw mut set) };
    set
}

/// A file with the zygote's program. Where anonymous files cannot be executed (vm.memfd_noexec=2), a temporary one.
fn program(support: &Support) -> Result<OwnedFd, Error> {
    let wanted = MemfdFlags::CLOEXEC | MemfdFlags::from_bits_retain(libc::MFD_EXEC);
    let file = match memfd_create("virtine-zygote", wanted) {
        Ok(file) => Ok(file),
        // Before Linux 6.3 there is no such flag.
        Err(Errno::INVAL) => memfd_create("virtine-zygote", MemfdFlags::CLOEXEC),
        Err(Errno::ACCESS) => return temporary_program(support),
        Err(errno) => Err(errno),
    };
    let file = file.map_err(failed("memfd_create"))?;
    write_all(file.as_fd(), &executable(support), 0)
        .map_err(failed("write of the zygote's program"))?;
    Ok(file)
}

fn temporary_program(support: &Support) -> Result<OwnedFd, Error> {
    let failed = failed("write of the zygote's program to a temporary file");
    let write = || {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = open(std::env::temp_dir(), flags, Mode::RWXU)?;
        write_all(file.as_fd(), &executable(support), 0)?;
        // A file that is open for writing cannot be executed.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    };
    write().map_err(failed)
}

/// Clones once more and ends, so that the second clone is nobody's child.
extern "C" fn first_clone(argument: *mut c_void) -> c_int {
    let launch: *mut Launch = argument.cast();
    // SAFETY: `start` waits with its value in place; nobody else uses it.
    let stack = unsafe { (*launch).second_stack };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `start`: this process waits for the new one to execute the program or end.
    let pid = unsafe { libc::clone(second_clone, stack, flags, argument) };
    if pid < 0 {
        tell(launch);
    }
    exit()
}

/// Becomes the zygote. All signals are blocked, and stay so.
extern "C" fn second_clone(argument: *mut c_void) -> c_int {
    const FIRST: [u32; 4] = [0, 1, 2, descriptor::REQUESTS];
    let launch: *mut Launch = argument.cast();
    // SAFETY: `first_clone` waits, and `start` behind it, with the value in place.
    let Launch {
        program,
        requests,
        host,
        processors,
        ..
    } = unsafe { ptr::read(launch) };
    // Out of the way of the numbers that are about to be given.
    let copies = [program, requests, host].map(|file| {
        let copy = libc::F_DUPFD_CLOEXEC as usize;
        system_call(libc::SYS_fcntl, [file as usize, copy, 16, 0, 0])
    });
    if copies.iter().any(|copy| copy.cast_signed() < 0) {
        tell(launch);
        exit();
    }
    let [program, requests, host] = copies;
    let size = size_of::<libc::cpu_set_t>();
    system_call(
        libc::SYS_sched_setaffinity,
        [0, size, (&raw const processors).addr(), 0, 0],
    );
    let priority = 0_i32;
    let other = libc::SCHED_OTHER as usize;
    system_call(
        libc::SYS_sched_setscheduler,
        [0, other, (&raw const priority).addr(), 0, 0],
    );
    // The kernel's struct sigaction: SIG_IGN, no flags, no restorer, no mask. Its children need nobody to wait for them.
    let ignore = [libc::SIG_IGN, 0, 0, 0];
    let signal = libc::SIGCHLD as usize;
    system_call(
        libc::SYS_rt_sigaction,
        [signal, ignore.as_ptr().addr(), 0, 8, 0],
    );
    for number in FIRST {
        system_call(libc::SYS_dup2, [requests, number as usize, 0, 0, 0]);
    }
    let first = descriptor::HOST as usize;
    system_call(libc::SYS_dup2, [host, first, 0, 0, 0]);
    let last = u32::MAX as usize;
    for range in [[first + 1, program - 1], [program + 1, last]] {
        let [from, to] = range;
        system_call(libc::SYS_close_range, [from, to, 0, 0, 0]);
    }
    system_call(libc::SYS_chdir, [c"/".as_ptr().addr(), 0, 0, 0, 0]);
    let name: &CStr = c"virtine-zygote";
    let arguments = [name.as_ptr(), ptr::null()];
    let environment: [*const libc::c_char; 1] = [ptr::null()];
    let [arguments, environment] = [arguments.as_ptr().addr(), environment.as_ptr().addr()];
    let empty = libc::AT_EMPTY_PATH as usize;
    system_call(
        libc::SYS_execveat,
        [program, c"".as_ptr().addr(), arguments, environment, empty],
    );
    tell(launch);
    exit()
}

/// A system call of a clone's, which may make no other kind of call: it shares this program's memory, of which any lock
/// may be held.
fn system_call(number: libc::c_long, [a, b, c, d, e]: [usize; 5]) -> usize {
    // SAFETY: the callers above name descriptors of the clone's own table, and values that live until the call is over.
    (unsafe { libc::syscall(number, a, b, c, d, e) }) as usize
}

/// Tells `start` why its clone did not come to be what it should.
fn tell(launch: *mut Launch) {
    let error = std::io::Error::last_os_error().raw_os_error();
    // SAFETY: `start` waits with its value in place; nobody else uses it.
    unsafe { (*launch).error = error.unwrap_or(libc::EIO) };
}

/// Ends a clone.
fn exit() -> ! {
    // SAFETY: ends this process alone, without running what `atexit` has registered for the program.
    unsafe { libc::_exit(0) }
}

/// All signals are blocked in this thread, for as long as this is there: a handler of the program's must not run in a
/// clone that shares its memory.
struct AllBlocked(libc::sigset_t);

impl AllBlocked {
    fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set that it is given.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        // SAFETY: the set is initialised; the thread's mask until now goes to the other one.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: pthread_sigmask fails only for an unknown first argument, and has written it.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        // SAFETY: puts the thread's own mask back.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
