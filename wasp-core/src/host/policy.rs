//! What a call may ask of its host, as a value.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use virtine_rt::abi::requests::grant;
use virtine_rt::codec::DEPTH;

use crate::base::backend::Backend;
use crate::base::capability::Capability;
use crate::base::quota::Quota;
use crate::base::refusal::Refusal;
use crate::host::functions::{HostFunction, Named};
use crate::host::request_error::RequestError;
use crate::host::roots::{Grant, Roots};
use crate::limits::quotas::Quotas;

/// What a guest may ask of its host. Denies everything by default.
///
/// ```
/// use wasp_core::{Policy, Quota};
///
/// let policy = Policy::new()
///     .stdout()
///     .clock()
///     .env(["LANG", "TZ"])
///     .read("/etc/app")
///     .write("/var/lib/app")
///     .limit(Quota::BytesWritten, 1 << 20);
/// ```
///
/// Cloning is nearly free: clones share their contents until one of them is changed.
#[derive(Clone, Debug, Default)]
pub struct Policy(Arc<Rules>);

#[derive(Clone, Debug, Default)]
struct Rules {
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    clock: bool,
    random: bool,
    args: bool,
    variables: Vec<OsString>,
    roots: Roots,
    functions: Vec<Named>,
    limits: Quotas,
    depth: Option<u32>,
    strict: bool,
    backend: Option<Backend>,
}

/// The target of a standard stream.
#[derive(Clone, Debug, Default)]
pub(super) enum Stream {
    /// None: it is not granted.
    #[default]
    Denied,
    /// The host's own stream.
    Inherit,
    /// Another descriptor.
    To(Arc<OwnedFd>),
}

impl Policy {
    /// A policy that allows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses calls whose guest is held by another backend, with [`Error::WrongBackend`](crate::Error::WrongBackend):
    /// for guests that must be in a virtual machine, whatever the program's user has chosen.
    #[must_use]
    pub fn require_backend(self, backend: Backend) -> Self {
        self.with(|rules| rules.backend = Some(backend))
    }

    /// The backend that guests must be held by.
    #[inline]
    pub(crate) fn required_backend(&self) -> Option<Backend> {
        self.0.backend
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Lets the guest read the host's standard input from its current position, and do nothing else with it.
    #[must_use]
    pub fn stdin(self) -> Self {
        self.with(|rules| rules.stdin = Stream::Inherit)
    }

    /// Gives the guest its own standard input. The guest can only read it, whatever the descriptor allows.
    #[must_use]
    pub fn stdin_from(self, source: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stdin = Stream::To(Arc::new(source.into())))
    }

    /// Lets the guest write to the host's standard output at its current position, and do nothing else with it.
    #[must_use]
    pub fn stdout(self) -> Self {
        self.with(|rules| rules.stdout = Stream::Inherit)
    }

    /// Gives the guest its own standard output. The guest can only write to it, whatever the descriptor allows.
    #[must_use]
    pub fn stdout_to(self, target: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stdout = Stream::To(Arc::new(target.into())))
    }

    /// Lets the guest write to the host's standard error, as with [`Policy::stdout`].
    #[must_use]
    pub fn stderr(self) -> Self {
        self.with(|rules| rules.stderr = Stream::Inherit)
    }

    /// Gives the guest its own standard error.
    #[must_use]
    pub fn stderr_to(self, target: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stderr = Stream::To(Arc::new(target.into())))
    }

    /// Lets the guest read clocks: the time of day, the time since the host started, its own CPU time.
    #[must_use]
    pub fn clock(self) -> Self {
        self.with(|rules| rules.clock = true)
    }

    /// Gives the guest random bytes from the kernel's generator.
    #[must_use]
    pub fn random(self) -> Self {
        self.with(|rules| rules.random = true)
    }

    /// Lets the guest read the program's arguments.
    #[must_use]
    pub fn args(self) -> Self {
        self.with(|rules| rules.args = true)
    }

    /// Lets the guest read these variables of the host's environment.
    #[must_use]
    pub fn env<N: Into<OsString>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.with(|rules| rules.variables.extend(names.into_iter().map(Into::into)))
    }

    /// Lets the guest read the file, or everything in the directory and below. The guest names files by paths that
    /// begin with this one. The rest of such a path, including `..` and symbolic links, cannot lead outside.
    ///
    /// The path is resolved when a guest first asks for a file under this policy or a clone of it, and stays resolved.
    /// A relative path starts at the host's current directory of that time, and symbolic links in it are followed only
    /// then. A directory stays the same, even if another takes its name. For a file, the directory that holds it stays
    /// the same, so a replaced file is seen. A path that does not exist yet is looked up again. The policy holds a
    /// descriptor for each path until it and its clones are dropped.
    #[must_use]
    pub fn read(self, path: impl AsRef<Path>) -> Self {
        self.with(|rules| rules.roots.grant(path.as_ref(), Grant::READ))
    }

    /// Lets the guest write the file. In a directory and below, it may write, create, link, rename and remove files,
    /// create and remove directories, and set times. This does not include reading. Paths work as in [`Policy::read`].
    ///
    /// A file gets a new name only if that grants no more rights to it than its current name. From a directory that may
    /// only be written, nothing can be linked or moved to one that may also be read.
    #[must_use]
    pub fn write(self, path: impl AsRef<Path>) -> Self {
        self.with(|rules| rules.roots.grant(path.as_ref(), Grant::WRITE))
    }

    /// Lets the guest call a host function under this name: a `fn`, or a closure with its captures. A second function
    /// with the same name replaces the first. In the guest, the name is that of a function listed in an attribute:
    /// `#[virtine(host(lookup))]`.
    ///
    /// The function runs on the thread of the call, and its time does not count as the guest's. If it panics, the call
    /// fails with [`Error::HostFunction`](crate::Error::HostFunction). It may call virtines, but not the one that
    /// called it ([`Error::Reentered`](crate::Error::Reentered)).
    #[must_use]
    pub fn host<S>(self, name: impl Into<String>, function: impl HostFunction<S>) -> Self {
        let named = Named::new(name.into(), function);
        self.with(|rules| {
            rules.functions.retain(|other| other.name != named.name);
            rules.functions.push(named);
        })
    }

    /// Limits `quota` for each call. Defaults: 1 GiB read, 1 GiB written, 64 MiB of output, 64 handles, 1,000,000
    /// hypercalls.
    #[must_use]
    pub fn limit(self, quota: Quota, most: u64) -> Self {
        self.with(|rules| *rules.limits.of(quota) = most)
    }

    /// Limits how deep the arguments of host functions may nest. Default: 1,000 levels. A level is any value that holds
    /// another one: a struct or tuple, an enum variant, a sequence or map, a `Some`. Deeper arguments end the call with
    /// [`Error::HostFunction`](crate::Error::HostFunction).
    ///
    /// Arguments are decoded on a stack that is large enough. The function itself runs on its own stack, including when
    /// it drops them.
    #[must_use]
    pub fn depth(self, levels: u32) -> Self {
        self.with(|rules| rules.depth = Some(levels))
    }

    /// Ends a call that asks for something that is not granted with [`Error::Denied`](crate::Error::Denied), and one
    /// that exceeds its quotas with [`Error::QuotaExceeded`](crate::Error::QuotaExceeded). Without this, the guest gets
    /// a system error, and may continue.
    #[must_use]
    pub fn strict(self) -> Self {
        self.with(|rules| rules.strict = true)
    }

    pub(super) fn depth_of_arguments(&self) -> u32 {
        self.0.depth.unwrap_or(DEPTH)
    }

    pub(crate) fn limits(&self) -> Quotas {
        self.0.limits
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.0.roots
    }

    pub(super) fn function(&self, name: &[u8]) -> Option<&Named> {
        let mut functions = self.0.functions.iter();
        functions.find(|function| function.name.as_bytes() == name)
    }

    pub(super) fn variables(&self) -> &[OsString] {
        &self.0.variables
    }

    /// The target of a standard stream.
    pub(super) fn stream(&self, capability: Capability) -> &Stream {
        match capability {
            Capability::Stdin => &self.0.stdin,
            Capability::Stdout => &self.0.stdout,
            Capability::Stderr => &self.0.stderr,
            _ => &Stream::Denied,
        }
    }

    /// Checks that a capability that covers only one thing is granted.
    pub(super) fn check(&self, capability: Capability) -> Result<(), RequestError> {
        let open = match capability {
            Capability::Clock => self.0.clock,
            Capability::Random => self.0.random,
            Capability::Args => self.0.args,
            _ => false,
        };
        match open {
            true => Ok(()),
            false => Err(RequestError::denied(capability, "")),
        }
    }

    /// The grants that a call learns when it starts. A strict call's output is not buffered, because its first attempt
    /// must end it.
    pub(crate) fn grants(&self) -> u64 {
        let bit = |stream: &Stream, bit| match stream {
            Stream::Denied if !self.0.strict => 0,
            _ => bit,
        };
        let variables = match self.0.variables.is_empty() {
            true => 0,
            false => grant::ENV,
        };
        bit(&self.0.stdout, grant::STDOUT) | bit(&self.0.stderr, grant::STDERR) | variables
    }

    /// Whether this refusal ends the call.
    pub(super) fn ends(&self, refusal: &Refusal) -> bool {
        let beyond_bounds = matches!(
            refusal,
            Refusal::QuotaExceeded {
                quota: Quota::Hypercalls,
                ..
            }
        );
        self.0.strict || beyond_bounds
    }
}

impl From<&Policy> for Policy {
    fn from(policy: &Policy) -> Self {
        policy.clone()
    }
}
