//! Imports of the four crates go one way.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use architecture::{Crate, Import, Rooms, cycles, imports};

/// Lowest first: see the documentation of each crate's root, which has the same list.
const WASP_CORE: Rooms = Rooms(&[
    "base",
    "limits",
    "memory",
    "decode",
    "host",
    "machine/plan",
    "machine/entry",
    "machine/stop",
    "machine/kvm/x86_64",
    "machine/kvm",
    "machine",
    "service",
    "pool",
    "linux",
    "guest",
    "function",
    "raw",
]);

/// As above.
const VIRTINE_BUILD: Rooms = Rooms(&[
    "base", "report", "syntax", "cargo", "source", "index", "slice", "emit", "compile", "model",
    "link", "explain", "guests", "pipeline",
]);

/// The room of KVM, and those that may name what is in it: the seam, and who exposes registers of x86-64 by design.
const KVM: &str = "machine/kvm";
const KVM_USERS: [&str; 3] = ["machine", "machine.rs", "raw"];
/// The crate's root re-exports one module; the fuzzer makes page tables without a machine.
const ROOTS: [&str; 2] = ["lib.rs", "fuzzing.rs"];

static WASP_CORE_IMPORTS: LazyLock<Vec<Import>> =
    LazyLock::new(|| imports(&Crate::read(&source_of("wasp-core"))));

fn source_of(package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace.join(package).join("src")
}

fn list<'a>(imports: impl IntoIterator<Item = &'a Import>) -> String {
    imports.into_iter().fold(String::new(), |mut text, import| {
        let Import { from, to, path } = import;
        let _ = writeln!(text, "{}: `{path}` of {}", from.display(), to.display());
        text
    })
}

#[test]
fn wasp_core_imports_go_down() {
    let upward = WASP_CORE.upward(&WASP_CORE_IMPORTS);
    assert!(upward.is_empty(), "upward imports:\n{}", list(upward));
}

#[test]
fn virtine_build_imports_go_down() {
    let imports = imports(&Crate::read(&source_of("virtine-build")));
    let upward = VIRTINE_BUILD.upward(&imports);
    assert!(upward.is_empty(), "upward imports:\n{}", list(upward));
}

#[test]
fn no_files_import_each_other() {
    for package in ["wasp-core", "wasp-macros", "virtine-build", "virtine-rt"] {
        let groups = cycles(&imports(&Crate::read(&source_of(package))));
        assert!(groups.is_empty(), "cycles in {package}: {groups:#?}");
    }
}

#[test]
fn only_the_seam_and_the_raw_api_know_kvm() {
    let others = WASP_CORE_IMPORTS.iter().filter(|import| {
        let knows = KVM_USERS.iter().chain(&ROOTS);
        import.to.starts_with(KVM) && !knows.into_iter().any(|room| import.from.starts_with(room))
    });
    let others = list(others);
    assert!(others.is_empty(), "imports from {KVM}:\n{others}");
    for module in &Crate::read(&source_of("wasp-core")).modules {
        let text = fs::read_to_string(source_of("wasp-core").join(&module.file)).expect("a file");
        let names = ["kvm_bindings", "kvm_ioctls"];
        let is_named = names.iter().any(|name| text.contains(name));
        let may = KVM_USERS.iter().any(|room| module.file.starts_with(room));
        assert!(!is_named || may, "{} names KVM", module.file.display());
    }
}

/// Memory is looked at where it lies only by a backend whose guests stand still then. What runs elsewhere may change
/// what was checked.
#[test]
fn guest_memory_is_copied_above_the_seam() {
    for module in &Crate::read(&source_of("wasp-core")).modules {
        let code = module.code.to_string();
        let looks = ["in_place (", "host_address (", "from_raw_parts"];
        let rooms = ["memory", "machine", "fuzzing.rs"];
        let may = rooms.iter().any(|room| module.file.starts_with(room));
        let found = looks.iter().find(|name| code.contains(*name) && !may);
        assert_eq!(found, None, "{}", module.file.display());
    }
}
