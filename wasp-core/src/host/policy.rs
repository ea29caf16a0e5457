//! What a call may ask of its host, as a value.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use virtine_rt::abi::requests::grant;
use virtine_rt::codec::DEPTH;

use crate::base::capability::Capability;
use crate::base::quota::Quota;
use crate::base::refusal::Refusal;
use crate::host::functions::{HostFunction, Named};
use crate::host::request_error::RequestError;
use crate::host::roots::{Grant, Roots};
use crate::limits::quotas::Quotas;

/// What a guest may ask of its host. Denies everything until told otherwise.
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
/// To clone one costs next to nothing: clones share what they hold until one of them is changed.
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
}

/// Where a standard stream leads.
#[derive(Clone, Debug, Default)]
pub(super) enum Stream {
    /// Nowhere: it is not granted.
    #[default]
    Denied,
    /// To the host's own.
    Inherit,
    /// Elsewhere.
    To(Arc<OwnedFd>),
}

impl Policy {
    /// Nothing is allowed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Lets it read the host's standard input, from where it stands, and do nothing else with it.
    #[must_use]
    pub fn stdin(self) -> Self {
        self.with(|rules| rules.stdin = Stream::Inherit)
    }

    /// Gives it a standard input of its own, which it only reads, whatever the descriptor allows.
    #[must_use]
    pub fn stdin_from(self, source: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stdin = Stream::To(Arc::new(source.into())))
    }

    /// Lets it write to the host's standard output, where it stands, and do nothing else with it.
    #[must_use]
    pub fn stdout(self) -> Self {
        self.with(|rules| rules.stdout = Stream::Inherit)
    }

    /// Gives it a standard output of its own, which it only writes to, whatever the descriptor allows.
    #[must_use]
    pub fn stdout_to(self, target: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stdout = Stream::To(Arc::new(target.into())))
    }

    /// Lets it write to the host's standard error, as to [`Policy::stdout`].
    #[must_use]
    pub fn stderr(self) -> Self {
        self.with(|rules| rules.stderr = Stream::Inherit)
    }

    /// Gives it a standard error of its own.
    #[must_use]
    pub fn stderr_to(self, target: impl Into<OwnedFd>) -> Self {
        self.with(|rules| rules.stderr = Stream::To(Arc::new(target.into())))
    }

    /// Lets it read clocks: the time of day, the time since the host started, its own processor time.
    #[must_use]
    pub fn clock(self) -> Self {
        self.with(|rules| rules.clock = true)
    }

    /// Gives it random bytes, from the kernel's generator.
    #[must_use]
    pub fn random(self) -> Self {
        self.with(|rules| rules.random = true)
    }

    /// Lets it read the program's arguments.
    #[must_use]
    pub fn args(self) -> Self {
        self.with(|rules| rules.args = true)
    }

    /// Lets it read these variables of the host's environment.
    #[must_use]
    pub fn env<N: Into<OsString>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.with(|rules| rules.variables.extend(names.into_iter().map(Into::into)))
    }

    /// Lets it read the file, or what lies in the directory and below. The guest names files by paths that
    /// begin with this one; whatever follows, `..` and symbolic links included, leads to nothing outside.
    ///
    /// Where the path leads is found out when a guest first asks for a file under this policy or a clone of
    /// it, and held from then on: a relative path starts at the host's current directory of that time, and
    /// symbolic links on it are followed then and not later. A directory stays the one that it was, even
    /// where another takes its name. Of a file, the directory that holds it does, so that a file that is
    /// replaced is seen. What is not there yet is looked for again. The policy holds a descriptor for each
    /// path, until it and its clones are dropped.
    #[must_use]
    pub fn read(self, path: impl AsRef<Path>) -> Self {
        self.with(|rules| rules.roots.grant(path.as_ref(), Grant::READ))
    }

    /// Lets it write the file, or write, make, link, rename and remove files, make and remove directories,
    /// and set times in the directory and below. It may not read them for that. Paths are as in
    /// [`Policy::read`].
    ///
    /// A file gets a name only where that grants no more of it than the one that it has: from a directory
    /// that may only be written, nothing is linked or moved to one that may be read as well.
    #[must_use]
    pub fn write(self, path: impl AsRef<Path>) -> Self {
        self.with(|rules| rules.roots.grant(path.as_ref(), Grant::WRITE))
    }

    /// Lets it call a function of the host's, by this name: a `fn`, or a closure with whatever it holds.
    /// A second one of the same name takes the first one's place. In the guest, the name is a function's
    /// that an attribute lists: `#[virtine(host(lookup))]`.
    ///
    /// The function runs on the thread of the call, and its time is not the guest's. Where it panics, the
    /// call ends with [`Error::HostFunction`](crate::Error::HostFunction). It may call virtines, but
    /// not the one that called it ([`Error::Reentered`](crate::Error::Reentered)).
    #[must_use]
    pub fn host<S>(self, name: impl Into<String>, function: impl HostFunction<S>) -> Self {
        let named = Named::new(name.into(), function);
        self.with(|rules| {
            rules.functions.retain(|other| other.name != named.name);
            rules.functions.push(named);
        })
    }

    /// Grants each call so much of `quota`. Unless said otherwise: 1 GiB read, 1 GiB written, 64 MiB of
    /// output, 64 handles, 1,000,000 hypercalls.
    #[must_use]
    pub fn limit(self, quota: Quota, most: u64) -> Self {
        self.with(|rules| *rules.limits.of(quota) = most)
    }

    /// Lets the arguments of host functions nest so many levels deep; 1,000 unless said otherwise. A level is whatever
    /// holds another value: a struct or tuple, an enum's variant, a sequence or map, a `Some`. More end the call with
    /// [`Error::HostFunction`](crate::Error::HostFunction).
    ///
    /// They are decoded on a stack that is large enough. What the function does with them, to drop them among it, runs
    /// on its own.
    #[must_use]
    pub fn depth(self, levels: u32) -> Self {
        self.with(|rules| rules.depth = Some(levels))
    }

    /// Ends a call that asks for what is not granted with [`Error::Denied`](crate::Error::Denied), and one
    /// that asks for more than its quotas with
    /// [`Error::QuotaExceeded`](crate::Error::QuotaExceeded). Otherwise the guest is told of it as of an
    /// error of the system, and may go on.
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

    /// Where a standard stream leads.
    pub(super) fn stream(&self, capability: Capability) -> &Stream {
        match capability {
            Capability::Stdin => &self.0.stdin,
            Capability::Stdout => &self.0.stdout,
            Capability::Stderr => &self.0.stderr,
            _ => &Stream::Denied,
        }
    }

    /// Whether a capability is granted that covers only one thing.
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

    /// What a call is told of its grants when it starts. A strict call's output is not held back: its
    /// first attempt must end it.
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
