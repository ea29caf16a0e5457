//! Which backend holds guests: one choice for the whole program.

use std::env;
use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::base::backend::Backend;
use crate::base::exit::Fault;
use crate::machine::kvm::host::Host;

/// The variable that chooses where the program does not.
const VARIABLE: &str = "WASP_BACKEND";

static CHOICE: Mutex<Choice> = Mutex::new(Choice::Open);

/// What has been settled.
#[derive(Clone, Copy)]
enum Choice {
    /// Nothing.
    Open,
    /// The program has said which one, or that any will do.
    Wanted(Option<Backend>),
    /// There have been virtines.
    Settled(Backend),
}

/// Chooses what holds guests, before the first virtine is made: this backend, or with `None` KVM where it can be used
/// and processes elsewhere. The program's choice goes before that of `WASP_BACKEND`: see [`Backend`].
///
/// # Errors
///
/// [`Error::BackendInUse`] where virtines run by another one already.
pub fn use_backend(backend: impl Into<Option<Backend>>) -> Result<(), Error> {
    let wanted = backend.into();
    let mut choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    match *choice {
        Choice::Settled(chosen) if wanted.is_some_and(|wanted| wanted != chosen) => {
            Err(Error::BackendInUse { chosen })
        }
        Choice::Settled(_) => Ok(()),
        Choice::Open | Choice::Wanted(_) => {
            *choice = Choice::Wanted(wanted);
            Ok(())
        }
    }
}

/// The backend that holds guests. Once this has been asked, it is settled.
///
/// # Errors
///
/// [`Error::UnknownBackend`] where `WASP_BACKEND` names none; and, where any would do, what KVM has against its use
/// that does not mean that there is none.
pub fn backend() -> Result<Backend, Error> {
    chosen()
}

impl Error {
    /// The backend that the guest had or was to have, where the error shows it. `None` if guests of both backends can
    /// end so. In that case the `backend` of the function, as in `square::backend()`, or
    /// [`Virtine::backend`](crate::Virtine::backend) says which one the guest had.
    #[must_use]
    pub const fn backend(&self) -> Option<Backend> {
        match self {
            Self::KvmMissing
            | Self::KvmDenied { .. }
            | Self::KvmClosed { .. }
            | Self::KvmTooOld { .. }
            | Self::ProcessorLacks { .. } => Some(Backend::Kvm),
            Self::ProcessBackend { .. }
            | Self::NeedsKvm { .. }
            | Self::Fault(Fault::ProcessGone) => Some(Backend::Process),
            Self::WrongBackend { found: backend, .. } | Self::BackendInUse { chosen: backend } => {
                Some(*backend)
            }
            _ => None,
        }
    }
}

/// The backend for guests that must have `required`, if that is some: it never is another one.
pub(crate) fn for_guests(required: Option<Backend>) -> Result<Backend, Error> {
    required.map_or_else(chosen, Ok)
}

/// The backend that holds guests. Settles it.
fn chosen() -> Result<Backend, Error> {
    let mut choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = match *choice {
        Choice::Settled(backend) => return Ok(backend),
        Choice::Wanted(wanted) => wanted,
        Choice::Open => of_environment()?,
    };
    let backend = match wanted {
        Some(backend) => backend,
        None => whichever_works()?,
    };
    *choice = Choice::Settled(backend);
    Ok(backend)
}

fn of_environment() -> Result<Option<Backend>, Error> {
    let Some(found) = env::var_os(VARIABLE) else {
        return Ok(Some(Backend::Kvm));
    };
    match found.to_str() {
        Some("" | "kvm") => Ok(Some(Backend::Kvm)),
        Some("process") => Ok(Some(Backend::Process)),
        Some("auto") => Ok(None),
        _ => Err(Error::UnknownBackend {
            found: found.to_string_lossy().into_owned(),
        }),
    }
}

/// KVM where it can be used, or else processes, which is said aloud.
fn whichever_works() -> Result<Backend, Error> {
    match Host::get() {
        Ok(_) => Ok(Backend::Kvm),
        Err(
            error @ (Error::KvmMissing
            | Error::KvmDenied { .. }
            | Error::KvmClosed { .. }
            | Error::KvmTooOld { .. }
            | Error::ProcessorLacks { .. }
            | Error::NotPermitted { .. }),
        ) => {
            tracing::warn!(target: "wasp_core::backend", %error, "guests run as processes");
            eprintln!(
                "virtines run as processes, not in virtual machines ({VARIABLE}=auto): {error}"
            );
            Ok(Backend::Process)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_backend_name_it() {
        let [kvm, process] = [Backend::Kvm, Backend::Process];
        let wrong = Error::WrongBackend {
            required: kvm,
            found: process,
        };
        assert_eq!(Error::KvmMissing.backend(), Some(kvm));
        assert_eq!(Error::NeedsKvm { feature: "" }.backend(), Some(process));
        assert_eq!(Error::BackendInUse { chosen: kvm }.backend(), Some(kvm));
        assert_eq!(wrong.backend(), Some(process));
        assert_eq!(Error::Cancelled.backend(), None);
    }
}
