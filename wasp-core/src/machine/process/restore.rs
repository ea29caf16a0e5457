//! How a child's pages get back to what they were: by the kernel, which copies for the host and takes most of a
//! microsecond a page, or by the child itself.

use std::io::IoSlice;
use std::ops::Range;

use rustix::io::Errno;
use virtine_rt::abi::PAGE_SIZE;

use crate::memory::image_file::FrozenMemory;
use crate::memory::remote_memory::RemoteMemory;
use crate::memory::runs::Runs;

/// Bytes that are looked at, or zeroed, at a time.
const CHUNK: usize = 16 * PAGE_SIZE as usize;

static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Writes the snapshot's contents over these pages.
pub(super) fn restore(
    snapshot: &FrozenMemory,
    memory: &RemoteMemory,
    runs: &Runs,
) -> Result<(), Errno> {
    runs.iter()
        .try_for_each(|run| restore_run(snapshot, memory, run))
}

/// The pages of these that are not as in the snapshot.
pub(super) fn changed(snapshot: &FrozenMemory, memory: &RemoteMemory, runs: &Runs) -> Runs {
    let mut chunk = vec![0; CHUNK];
    let mut different = Runs::default();
    for run in runs.iter() {
        let mut at = run.start;
        while at < run.end {
            let length = CHUNK.min((run.end - at) as usize);
            let found = &mut chunk[..length];
            let read = memory.read_some(at, found);
            // What cannot be read is written, which tells why.
            found[read..].fill(0xff);
            let (pages, _) = found.as_chunks::<{ PAGE_SIZE as usize }>();
            for (page, found) in (at..).step_by(PAGE_SIZE as usize).zip(pages) {
                let expected = snapshot.page(page).unwrap_or(&ZEROS[..PAGE_SIZE as usize]);
                if found != expected {
                    different.push(page..page + PAGE_SIZE);
                }
            }
            at += length as u64;
        }
    }
    different
}

/// The pages, and among them apart those that the child can zero itself: they are zero in the snapshot, and it may write
/// them.
pub(super) fn split(
    snapshot: &FrozenMemory,
    runs: &Runs,
    may_write: impl Fn(&Range<u64>) -> bool,
) -> (Runs, Runs) {
    let (mut others, mut zero) = (Runs::default(), Runs::default());
    for mut run in runs.iter() {
        while run.start < run.end {
            let (kind, end) = match snapshot.bytes_or_hole(run.start, run.end) {
                Ok(bytes) => (&mut others, run.start + bytes.len() as u64),
                Err(end) if may_write(&(run.start..end)) => (&mut zero, end),
                Err(end) => (&mut others, end),
            };
            kind.push(run.start..end);
            run.start = end;
        }
    }
    (others, zero)
}

/// Pages that lie side by side, by as few system calls as can be.
fn restore_run(
    snapshot: &FrozenMemory,
    memory: &RemoteMemory,
    mut run: Range<u64>,
) -> Result<(), Errno> {
    /// Fewer than one system call takes (UIO_MAXIOV).
    const PIECES: usize = 64;
    while run.start < run.end {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let mut count = 0;
        let mut at = run.start;
        for piece in &mut pieces {
            let end = run.end.min(at + CHUNK as u64);
            let bytes = snapshot.bytes_or_hole(at, end);
            let bytes = bytes.unwrap_or_else(|hole| &ZEROS[..(hole - at) as usize]);
            *piece = IoSlice::new(bytes);
            count += 1;
            at += bytes.len() as u64;
            if at >= run.end {
                break;
            }
        }
        run.start += memory.write_pieces(run.start, &pieces[..count])?;
    }
    Ok(())
}
