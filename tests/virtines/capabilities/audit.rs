//! Reports of the use of capabilities.

use std::fmt::{self, Debug, Write as _};
use std::fs;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wasp_core::{Policy, virtine};

use super::Folder;
use crate::alone;

/// Collects the events of capabilities, one per line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes all");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "wasp_core::capabilities"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("nobody panics").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[virtine]
fn sizes(paths: Vec<String>) -> Vec<Option<usize>> {
    let sizes = paths.iter().map(|path| std::fs::read(path).ok());
    sizes.map(|bytes| Some(bytes?.len())).collect()
}

/// Run alone: `tracing` may cache that nobody is interested in events that other threads cause before a listener
/// exists.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn opened_and_refused_doors_are_told_and_nothing_of_what_goes_through() {
    alone::run("capabilities::audit::told", &[]);
}

#[test]
#[ignore = "run by `opened_and_refused_doors_are_told_and_nothing_of_what_goes_through`"]
fn told() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (inside, outside) = (folder.put("inside", "secret"), other.put("outside", "x"));
    let policy = Policy::new().read(folder.0.display().to_string());
    let log = Log::default();

    let found = tracing::subscriber::with_default(log.clone(), || {
        sizes::with(policy).try_call(vec![inside.clone(), outside.clone()])
    });

    let found = found.expect("sizes");
    assert_eq!(found, [Some(6), None]);
    let lines = log.0.lock().expect("nobody panics").clone();
    let [opened, refused] = lines.as_slice() else {
        panic!("expected two events, found {lines:?}");
    };
    assert!(
        opened.starts_with("INFO") && opened.contains(&inside),
        "{opened}"
    );
    assert!(
        refused.starts_with("WARN") && refused.contains(&outside),
        "{refused}"
    );
    assert!(!lines.concat().contains("secret"), "{lines:?}");
    assert_eq!(fs::read(&outside).expect("still there"), b"x");
}

/// A guest that repeats the same request many times, with very long arguments.
#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn events_of_a_kind_have_an_end_and_texts_have_one() {
    alone::run("capabilities::audit::told_a_few_times", &[]);
}

#[test]
#[ignore = "run by `events_of_a_kind_have_an_end_and_texts_have_one`"]
fn told_a_few_times() {
    let folder = Folder::new();
    let inside = folder.put("inside", "text");
    let policy = Policy::new().read(folder.0.display().to_string());
    let log = Log::default();
    let long = format!("/{}", "x\\".repeat(1500));
    let mut paths = vec![inside; 200];
    paths.extend(vec![long; 200]);

    let found =
        tracing::subscriber::with_default(log.clone(), || sizes::with(policy).try_call(paths));

    assert_eq!(found.expect("sizes").iter().flatten().count(), 200);
    let lines = log.0.lock().expect("nobody panics").clone();
    let of = |level: &str| lines.iter().filter(|line| line.starts_with(level)).count();
    // 64 of each, and one that says that there are more.
    assert_eq!((of("INFO"), of("WARN")), (65, 65));
    let last = lines
        .iter()
        .filter(|line| line.contains("not told any more"));
    assert_eq!(last.count(), 2);
    let longest = lines.iter().map(String::len).max();
    assert!(longest < Some(400), "{longest:?}");
}
