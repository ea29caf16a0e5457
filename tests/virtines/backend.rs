//! The backend that the tests run on, and what it refuses.

use std::fs;
use std::path::{Path, PathBuf};

use wasp_core::{Backend, Error, Mode, Virtine};

/// Where the memory of guests starts that every backend can hold: no process has any below.
pub(crate) const LOWEST: u64 = 0x1_0000;
/// Bytes of memory of most guests, and where they start.
pub(crate) const MEMORY: u64 = LOWEST + 0x1_0000;
pub(crate) const START: u64 = LOWEST + 0x8000;

/// Where guests of this mode start: real mode reaches no further than 64 KiB.
pub(crate) fn start(mode: Mode) -> u64 {
    match mode {
        Mode::Real16 => START - LOWEST,
        _ => START,
    }
}

/// Whether guests are processes, not virtual machines.
pub(crate) fn by_process() -> bool {
    wasp_core::backend().expect("a backend") == Backend::Process
}

/// Whether the backend has refused what only KVM has. By process it must have; on KVM nothing may have failed.
pub(crate) fn needs_kvm<T>(result: &Result<T, Error>) -> bool {
    let error = result.as_ref().err();
    let refused = matches!(error, Some(Error::NeedsKvm { .. }));
    assert!(
        refused == by_process() && refused == error.is_some(),
        "{error:?}"
    );
    refused
}

/// Whether the backend refuses guests of this mode, as processes must.
pub(crate) fn refuses(mode: Mode) -> bool {
    by_process() && mode != Mode::User64 && needs_kvm(&Virtine::builder().mode(mode).build())
}

/// Those of the modes that guests can be in.
pub(crate) fn modes(modes: &[Mode]) -> Vec<Mode> {
    let modes = modes.iter().copied();
    modes.filter(|mode| !refuses(*mode)).collect()
}

/// How many processes there are that hold guests: whatever their maker has, also where this process knows nothing of
/// them any more.
pub(crate) fn processes() -> usize {
    let folders = folders();
    let maker = folders.iter().skip(1).find_map(|guest| {
        let status = fs::read_to_string(guest.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("PPid:"))?;
        line.split_whitespace().nth(1)?.parse::<u32>().ok()
    });
    maker.map_or(0, |maker| {
        let children = format!("/proc/{maker}/task/{maker}/children");
        fs::read_to_string(children).map_or(0, |list| list.split_whitespace().count())
    })
}

/// The folders in /proc of this process, and of those that hold its guests: it has them open.
pub(crate) fn folders() -> Vec<PathBuf> {
    let is_process = |path: &Path| {
        let number = path.strip_prefix("/proc").ok().and_then(Path::to_str);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let descriptors = fs::read_dir("/proc/self/fd").expect("own descriptors");
    let guests = descriptors
        .flatten()
        .map(|descriptor| descriptor.path())
        .filter(|path| fs::read_link(path).is_ok_and(|path| is_process(&path)));
    [PathBuf::from("/proc/self")]
        .into_iter()
        .chain(guests)
        .collect()
}
