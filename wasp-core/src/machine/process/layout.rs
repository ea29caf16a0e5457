//! Where things lie in a child's address space besides its guest, whose addresses are below 512 GiB.
//!
//! ```text
//! LOADER           code of the zygote and of the loader; gone before a guest starts
//! SCRIPT           the script of system calls; gone with the loader
//! DOOR             the door's code, r-x
//! START            two start pages: r-- to the child, written by the host
//! SIGNAL_STACK     rw-: where the kernel writes signal frames
//! ```
//!
//! The host maps the same file from the start page on: see [`CONTROL`].

use virtine_rt::abi::PAGE_SIZE;

/// Where no guest's memory reaches.
pub(super) const GUEST_END: u64 = 512 << 30;
/// The loader's code.
pub(super) const LOADER: u64 = 0x7000_0000_0000;
/// From the loader's first byte to behind the script.
pub(super) const LOADER_SPAN: u64 = 0x20_0000;
/// The script, behind the loader.
pub(super) const SCRIPT: u64 = LOADER + 0x10_0000;
/// Bytes of a script: 64 a system call.
pub(super) const SCRIPT_SIZE: u64 = 16 * PAGE_SIZE;
/// The door's code.
pub(super) const DOOR: u64 = 0x7100_0000_0000;
/// The start pages.
pub(super) const START: u64 = DOOR + PAGE_SIZE;
/// Bytes of the start pages.
pub(super) const START_SIZE: u64 = 2 * PAGE_SIZE;
/// The signal stack, right behind the start pages.
pub(super) const SIGNAL_STACK: u64 = START + START_SIZE;
/// Bytes of the signal stack. A frame with all of AVX-512's registers takes 3.4 KiB.
pub(super) const SIGNAL_STACK_SIZE: u64 = 5 * PAGE_SIZE;
/// Below here go the frames of signals that come in while the door runs. Above there are at most two: one for the guest's
/// own stop, and one for a signal that comes in before the door's first instruction.
pub(super) const NESTED_FRAMES: u64 = SIGNAL_STACK + 3 * PAGE_SIZE;
/// Lower than here there is no room for another frame: the next one goes below [`NESTED_FRAMES`] again. Each signal but
/// one is the host's, which does not send so many before it looks.
pub(super) const LOWEST_FRAMES: u64 = SIGNAL_STACK + PAGE_SIZE;
/// Behind everything that stays.
pub(super) const DOOR_END: u64 = SIGNAL_STACK + SIGNAL_STACK_SIZE;
/// What host and child share for as long as there is a child: start page and signal stack.
pub(super) const CONTROL: u64 = START;
/// Bytes of that.
pub(super) const CONTROL_SIZE: u64 = DOOR_END - START;
/// Where in the shared file the script is.
pub(super) const SCRIPT_OFFSET: u64 = CONTROL_SIZE;
/// Behind the last address of user space (Documentation/arch/x86/x86_64/mm.rst).
pub(super) const USER_END: u64 = 0x7fff_ffff_f000;
