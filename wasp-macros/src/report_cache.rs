//! The build script's report, read once for all functions of a crate.
//!
//! An editor's process outlives a build. It reads the file again after a change.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use virtine_build::report::Report;

thread_local! {
    static CACHE: RefCell<Option<Cached>> = const { RefCell::new(None) };
}

struct Cached {
    file: PathBuf,
    changed: SystemTime,
    report: Rc<Report>,
}

/// The report in an OUT_DIR, if there is one.
pub(crate) fn report(out_dir: &Path) -> Option<Rc<Report>> {
    let file = Report::file(out_dir);
    let changed = fs::metadata(&file).ok()?.modified().ok()?;
    CACHE.with_borrow_mut(|cache| {
        if let Some(cached) = cache
            && (&cached.file, cached.changed) == (&file, changed)
        {
            return Some(Rc::clone(&cached.report));
        }
        let report = Rc::new(Report::read(out_dir)?);
        *cache = Some(Cached {
            file,
            changed,
            report: Rc::clone(&report),
        });
        Some(report)
    })
}
