//! An edit rebuilds what it concerns, and nothing else is ever built again.

use std::fs;
use std::path::{Path, PathBuf};

use packages::support::Package;

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn each_edit_gives_the_new_answer_and_no_edit_builds_nothing() {
    let package = Package::plain("plain-edits");
    assert_eq!(package.run(), "answer: 41\n");

    let unchanged = package.cargo("build").succeeds().stderr;
    assert!(!unchanged.contains("Compiling"), "{unchanged}");

    package.edit("src/main.rs", "+ 1", "+ 2");
    assert_eq!(package.run(), "answer: 42\n", "the virtine itself");

    package.edit("src/arithmetic.rs", "* 2", "* 3");
    assert_eq!(package.run(), "answer: 62\n", "a helper in another file");

    package.edit("src/label.rs", "\"answer\"", "\"result\"");
    assert_eq!(package.run(), "result: 62\n", "what only the host reaches");

    package.edit(
        "src/arithmetic.rs",
        "//! What the virtine reaches.",
        "mod factor;",
    );
    package.edit("src/arithmetic.rs", "* 3", "* factor::value()");
    package.write("src/arithmetic/factor.rs", "pub fn value() -> u32 { 4 }\n");
    assert_eq!(package.run(), "result: 82\n", "a new module");

    package.remove("src/arithmetic/factor.rs");
    package.write(
        "src/arithmetic/factor/mod.rs",
        "pub fn value() -> u32 { 5 }\n",
    );
    assert_eq!(package.run(), "result: 102\n", "the module moved");

    package.edit("src/main.rs", "#[virtine]", "");
    package.edit("src/main.rs", "use wasp_core::virtine;", "");
    package.edit(
        "src/main.rs",
        "match answer::try_call(20)",
        "match Ok::<u32, u8>(answer(1))",
    );
    assert_eq!(package.run(), "result: 7\n", "no virtine any more");
}

#[test]
fn same_source_gives_the_same_image_in_another_folder() {
    let images = ["here", "in-a-folder-of-a-longer-name"].map(|folder| {
        let package = Package::plain_in(folder, "plain-same");
        package.cargo("build --target-dir target").succeeds();
        let mut images = Vec::new();
        find(&package.path("target"), "guest.img", &mut images);
        let [image] = images.as_slice() else {
            panic!("expected one image, found {images:?}");
        };
        fs::read(image).expect("the image is read")
    });
    assert!(!images[0].is_empty());
    assert!(images[0] == images[1], "the images differ");
}

fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        if path.is_dir() {
            find(&path, name, found);
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
}
