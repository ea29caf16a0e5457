//! `std::path` in a guest, whose results match the host's.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf, is_separator};

use wasp_core::virtine;

const PATHS: [&str; 9] = [
    "",
    "/",
    ".",
    "../a",
    "/usr/lib/libc.so.6",
    "relative//folder/./file.tar.gz",
    "/ends/with/",
    ".hidden",
    "a/../b/ünï.txt",
];

#[virtine]
fn taken_apart(path: &str) -> Vec<String> {
    apart(path)
}

fn apart(path: &str) -> Vec<String> {
    let whole = Path::new(path);
    let text = |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or("none").to_owned();
    let mut parts = vec![
        whole.display().to_string(),
        text(whole.file_name()),
        text(whole.file_stem()),
        text(whole.extension()),
        whole
            .parent()
            .map_or("none".into(), |one| one.to_string_lossy().into_owned()),
        whole.with_extension("rs").display().to_string(),
        format!("{} {}", whole.is_absolute(), whole.starts_with("/usr")),
        format!("{:?}", whole.strip_prefix("/usr").is_ok()),
        path.split(is_separator).count().to_string(),
    ];
    parts.extend(whole.components().map(|component| match component {
        Component::Normal(name) => format!("name {}", name.to_string_lossy()),
        Component::ParentDir => "parent".to_owned(),
        Component::CurDir => "here".to_owned(),
        other => format!("{other:?}"),
    }));
    parts
}

#[virtine]
fn put_together(parts: Vec<String>) -> String {
    together(&parts)
}

fn together(parts: &[String]) -> String {
    let mut path: PathBuf = parts.iter().collect();
    path.push("last.txt");
    path.set_extension("bin");
    path.join(PathBuf::from("../up"))
        .to_string_lossy()
        .into_owned()
}

#[test]
fn paths_are_taken_apart_as_on_the_host() {
    for path in PATHS {
        assert_eq!(taken_apart(path), apart(path), "{path:?}");
    }
}

#[test]
fn paths_are_put_together_as_on_the_host() {
    for parts in [&PATHS[..2], &PATHS[3..4], &PATHS[5..], &[]] {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        assert_eq!(put_together(parts.clone()), together(&parts));
    }
}
