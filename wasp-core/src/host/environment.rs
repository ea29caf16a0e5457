//! Environment variables and program arguments.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use rustix::io::Errno;

use crate::base::capability::Capability;
use crate::host::guest_memory::{Access as _, GuestSpace};
use crate::host::policy::Policy;
use crate::host::request_error::{Answer, RequestError};

/// The value of a granted variable.
pub(super) fn variable(policy: &Policy, name: Vec<u8>) -> Result<OsString, RequestError> {
    let name = OsString::from_vec(name);
    if !policy.variables().contains(&name) {
        return Err(RequestError::denied(
            Capability::Env,
            name.to_string_lossy(),
        ));
    }
    value(&name).ok_or(RequestError::Errno(Errno::NOENT))
}

/// `NAME=value` of the granted variable with this index among those that are set.
pub(super) fn variable_at(policy: &Policy, index: u64) -> Result<OsString, RequestError> {
    let mut set = policy
        .variables()
        .iter()
        .filter_map(|name| Some((name, value(name)?)));
    let (name, value) = usize::try_from(index)
        .ok()
        .and_then(|index| set.nth(index))
        .ok_or(Errno::NOENT)?;
    let mut text = name.clone();
    text.push("=");
    text.push(value);
    Ok(text)
}

/// The value of a variable. A name that is empty or contains `=` or NUL has none.
fn value(name: &OsStr) -> Option<OsString> {
    let bytes = name.as_bytes();
    let possible = !bytes.is_empty() && !bytes.contains(&b'=') && !bytes.contains(&0);
    possible.then(|| env::var_os(name)).flatten()
}

/// One of the program's arguments.
pub(super) fn argument(index: u64) -> Result<OsString, RequestError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| env::args_os().nth(index))
        .ok_or(RequestError::Errno(Errno::NOENT))
}

/// Copies the text to the guest if it fits the guest's buffer. Returns its length.
pub(super) fn answer(
    memory: &mut (impl GuestSpace + ?Sized),
    text: &OsStr,
    [buffer, capacity]: [u64; 2],
) -> Answer {
    let length = text.len() as u64;
    if length <= capacity {
        memory.put(buffer, text.as_bytes())?;
    }
    Ok(length)
}
