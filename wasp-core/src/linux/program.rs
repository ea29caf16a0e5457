//! Static Linux programs, run like [`std::process::Command`] runs others.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{MemfdFlags, OFlags, SeekFrom, fcntl_setfl, memfd_create, seek};
use rustix::io::{retry_on_intr, write};

use crate::Error;
use crate::base::exit::Fault;
use crate::base::hypercall::Hypercall;
use crate::base::quietly::quietly;
use crate::base::quota::Quota;
use crate::base::status::Status;
use crate::host::dispatch::Session;
use crate::host::heap_end::HeapEnd;
use crate::host::policy::Policy;
use crate::limits::cancel::CancelToken;
use crate::limits::deadline::Deadline;
use crate::limits::meter::Meter;
use crate::linux::initial_pages::InitialPages;
use crate::linux::layout::Layout;
use crate::linux::names;
use crate::linux::personality::Linux;
use crate::linux::process::Process;
use crate::linux::stack::Start;
use crate::machine::entry::Entry;
use crate::machine::stop::Stop;
use crate::machine::{Machine, backend};
use crate::memory::elf::Executable;
use crate::pool::reclaimer::Disposable;
use crate::service::{self, Completion};

const MEMORY: u64 = 64 << 20;
const STACK: u64 = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A static Linux executable that runs in its own virtual machine.
///
/// It sees nothing of the host except what its [`Policy`] grants. A small, closed personality answers its system calls.
/// There are no other processes, no threads, no sockets and no signal handlers.
///
/// ```no_run
/// use wasp_core::Policy;
/// use wasp_core::linux::Program;
///
/// # fn main() -> Result<(), wasp_core::Error> {
/// let output = Program::open("/bin/busybox")?
///     .args(["sha256sum", "data/a"])
///     .policy(Policy::new().read("data"))
///     .output()?;
/// assert!(output.finished.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    file: Vec<u8>,
    arguments: Vec<OsString>,
    environment: Vec<OsString>,
    policy: Policy,
    input: Option<Vec<u8>>,
    memory: u64,
    stack: u64,
    timeout: Duration,
    cancel: Option<CancelToken>,
}

/// The outcome of a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// How it ended.
    pub status: Status,
    /// The system calls that it was refused, each once. They may be why it failed.
    pub refused: Vec<&'static str>,
}

impl Finished {
    /// Whether it exited with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status == Status::Exited(0)
    }
}

/// The outcome and output of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub finished: Finished,
    /// Everything written to standard output.
    pub stdout: Vec<u8>,
    /// Everything written to standard error.
    pub stderr: Vec<u8>,
}

impl Program {
    /// Opens the program in a file, which is read at once.
    ///
    /// # Errors
    ///
    /// [`Error::ReadImage`] if it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = fs::read(path).map_err(|source| Error::ReadImage {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::new(path, file))
    }

    /// Creates a program from the contents of an ELF file. `path` is the name that the program sees.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, file: Vec<u8>) -> Self {
        let path = path.as_ref().to_owned();
        Self {
            arguments: vec![path.clone().into_os_string()],
            path,
            file,
            environment: Vec::new(),
            policy: Policy::new(),
            input: None,
            memory: MEMORY,
            stack: STACK,
            timeout: TIMEOUT,
            cancel: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Adds an environment variable. The environment is empty at first.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let mut variable = name.as_ref().to_owned();
        variable.push("=");
        variable.push(value);
        self.environment.push(variable);
        self
    }

    /// Sets what it may ask of the host. Default: nothing.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Uses these bytes as its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Limits its memory to this many bytes: the program itself (its segments in memory), heap, mappings and stack
    /// together. Default: 64 MiB.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Uses this many bytes of that for the stack. Default: 1 MiB.
    #[must_use]
    pub fn stack(mut self, bytes: u64) -> Self {
        self.stack = bytes;
        self
    }

    /// Limits its run time. Default: 10 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Lets this token cancel it.
    #[must_use]
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// Runs it. The policy determines its standard streams.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if the file is not a static executable, [`Error::Fault`] if it does what no program may,
    /// [`Error::TimedOut`], [`Error::Cancelled`], and errors of the host.
    pub fn status(&self) -> Result<Finished, Error> {
        self.run(self.policy.clone())
    }

    /// Runs it, and captures its standard output and standard error. This is limited by its output quota, and by its
    /// memory grant, since the host keeps the output in memory.
    ///
    /// # Errors
    ///
    /// As for [`Program::status`].
    pub fn output(&self) -> Result<Output, Error> {
        let [stdout, stderr] = [scratch("stdout")?, scratch("stderr")?];
        let policy = self
            .policy
            .clone()
            .stdout_to(copy(&stdout)?)
            .stderr_to(copy(&stderr)?)
            .limit(Quota::Output, self.policy.limits().output.min(self.memory));
        let finished = self.run(policy)?;
        Ok(Output {
            finished,
            stdout: contents(stdout)?,
            stderr: contents(stderr)?,
        })
    }

    fn run(&self, mut policy: Policy) -> Result<Finished, Error> {
        if let Some(input) = &self.input {
            policy = policy.stdin_from(holding(input)?);
        }
        let executable = Executable::parse(&self.file)?;
        let layout = Layout::within(&executable, self.memory, self.stack)?;
        let deadline = Deadline::after(self.timeout);
        let start = Start {
            arguments: &texts(&self.arguments)?,
            environment: &texts(&self.environment)?,
            executable: &executable,
            random: crate::host::random::seed(),
            features: crate::linux::layout::features(),
            own: [libc::AT_IGNORE, 0],
        };
        let stack = start.lay_out(layout.stack_top);
        if stack.len() as u64 > self.stack / 4 {
            return Err(Error::Argument {
                reason: format!(
                    "arguments and environment take {} bytes, more than a quarter of the stack",
                    stack.len()
                ),
            });
        }
        let rsp = layout.stack_top - stack.len() as u64;
        let contents = executable.contents(&stack, layout.stack_top);
        let (machine, file) = Machine::prepare(
            backend::for_guests(policy.required_backend())?,
            &layout.plan(),
            contents,
        )?;
        let mut machine = Disposable::from(machine);
        let token = self.cancel.as_ref();
        let _cancelling = token.map(|token| token.watch(machine.canceller()));
        let meter = Meter::new(deadline, policy.limits(), self.memory).in_machine(machine.slot());
        let mut session = Session::new(policy, HeapEnd::new(0, 0), meter);
        let given = InitialPages(file.written().into());
        let mut process = Process::new(layout.space, given, layout.heap, self.stack, self.memory);
        process.path.clone_from(&self.path);
        let entry = Entry::program(executable.entry, rsp);
        let first = machine.start(&entry, &deadline)?;
        let mut linux = Linux {
            process: &mut process,
            session: &mut session,
            makes_hypercalls: false,
        };
        let completion = service::serve(&mut linux, &mut machine, first)?;
        self.finished(completion, &process)
    }

    fn finished(&self, completion: Completion, process: &Process) -> Result<Finished, Error> {
        let limit = self.timeout;
        let status = match completion {
            Completion::Exited(status) => status,
            Completion::Failed(error) => return Err(error.into_error(limit)),
            Completion::Stopped(stop) => {
                return Err(match stop {
                    Stop::Ended(ended) => Error::ended(ended, limit),
                    Stop::Fault(fault) => Error::Fault(fault),
                    Stop::Hypercall(Hypercall { number, .. }) => {
                        Error::Fault(Fault::Hypercall { number })
                    }
                    // A guest in user mode cannot stop for these.
                    Stop::SystemCall(_) | Stop::Port(_) | Stop::Halted | Stop::Interrupted => {
                        Error::TimedOut { limit }
                    }
                });
            }
        };
        let refused = process.refused.iter();
        Ok(Finished {
            status,
            refused: refused
                .map(|number| names::of(*number).unwrap_or("an unknown system call"))
                .collect(),
        })
    }
}

fn texts(texts: &[OsString]) -> Result<Vec<CString>, Error> {
    let texts = texts.iter().map(|text| CString::new(text.as_bytes()));
    texts
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Argument {
            reason: "arguments and variables of a program hold no NUL".to_owned(),
        })
}

/// A file in memory that only grows, so that it is never longer than what was written.
fn scratch(name: &str) -> Result<OwnedFd, Error> {
    let failed = |errno: rustix::io::Errno| Error::system("memfd_create")(errno.into());
    let file = memfd_create(name, MemfdFlags::CLOEXEC).map_err(failed)?;
    fcntl_setfl(&file, OFlags::APPEND).map_err(failed)?;
    Ok(file)
}

fn holding(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let failed =
        |errno: rustix::io::Errno| Error::system("write of a program's input")(errno.into());
    let file = scratch("stdin")?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = retry_on_intr(|| quietly(|| write(&file, rest))).map_err(failed)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    seek(&file, SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

fn copy(file: &OwnedFd) -> Result<OwnedFd, Error> {
    file.try_clone().map_err(Error::system("dup"))
}

fn contents(file: OwnedFd) -> Result<Vec<u8>, Error> {
    use std::io::Seek as _;
    let mut bytes = Vec::new();
    let mut file = fs::File::from(file);
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.map_err(Error::system("read of a program's output"))?;
    Ok(bytes)
}
