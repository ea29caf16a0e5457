//! Files beneath the roots that a policy grants, and all ways to leave them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;

use wasp_core::{Policy, virtine};

use super::{Folder, reads, writes};

#[virtine]
fn works_on_files(folder: &str) -> Result<(String, u64, bool), String> {
    works_on_files_inside(folder).map_err(|error| error.to_string())
}

fn works_on_files_inside(folder: &str) -> io::Result<(String, u64, bool)> {
    let path = format!("{folder}/new");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    file.write_all(b"one two three")?;
    file.seek(SeekFrom::Start(4))?;
    let mut word = [0; 3];
    file.read_exact(&mut word)?;
    file.seek(SeekFrom::End(-5))?;
    file.write_all(b"THREE")?;
    let length = file.metadata()?.len();
    drop(file);
    fs::hard_link(&path, format!("{folder}/second"))?;
    fs::remove_file(&path)?;
    let gone = File::open(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    let mut appended = File::options()
        .append(true)
        .open(format!("{folder}/second"))?;
    appended.write_all(b"!")?;
    let text = fs::read_to_string(format!("{folder}/second"))?;
    Ok((
        text,
        length,
        gone && fs::metadata(folder)?.is_dir() && &word == b"two",
    ))
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn files_are_made_read_linked_and_removed() {
    let folder = Folder::new();
    let root = folder.0.display().to_string();
    let policy = Policy::new().read(&root).write(&root);
    let (text, length, rest) = works_on_files::with(policy)
        .call(&root)
        .expect("all granted");
    assert_eq!((text.as_str(), length, rest), ("one two THREE!", 13, true));
    assert_eq!(fs::read_dir(&folder.0).expect("the folder").count(), 1);
    assert!(
        works_on_files::with(Policy::new().read(&root))
            .call(&root)
            .is_err()
    );
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn no_path_leads_out_of_its_root() {
    let folder = Folder::new();
    let secret = folder.put("secret", "secret");
    let inside = folder.path("inside");
    fs::create_dir(&inside).expect("a folder");
    folder.put("inside/open", "open");
    symlink(&secret, folder.path("inside/absolute")).expect("a link");
    symlink("../secret", folder.path("inside/relative")).expect("a link");
    symlink("..", folder.path("inside/up")).expect("a link");
    symlink("/proc/self/root", folder.path("inside/magic")).expect("a link");
    let policy = Policy::new().read(&inside).write(&inside);
    let read = |path: &str| reads::with(&policy).call(path);
    let at = |rest: &str| format!("{inside}/{rest}");
    assert_eq!(read(&at("open")).as_deref(), Ok("open"));
    assert_eq!(read(&at(".//./open")).as_deref(), Ok("open"));
    assert_eq!(read(&at("../inside/open")), Err(Some(libc::EACCES)));
    let magic = format!("magic{secret}");
    for rest in [
        "../secret",
        "./../secret",
        "absolute",
        "relative",
        "up/secret",
        &magic,
        "/../secret",
    ] {
        let code = read(&at(rest))
            .expect_err("out of reach")
            .expect("the host's");
        assert!(matches!(code, libc::EACCES | libc::ELOOP), "{rest}: {code}");
        let written = writes::with(&policy).call(&at(rest), "overwritten");
        let code = written.expect_err("out of reach").expect("the host's");
        assert!(matches!(code, libc::EACCES | libc::ELOOP), "{rest}: {code}");
    }
    assert_eq!(read(&secret), Err(Some(libc::EACCES)));
    assert_eq!(read("/etc/hostname"), Err(Some(libc::EACCES)));
    assert_eq!(read(""), Err(Some(libc::ENOENT)));
    assert_eq!(read(&at("none")), Err(Some(libc::ENOENT)));
    // It never reaches the host: a path with a NUL is not valid, as in std.
    assert_eq!(read(&at("open\0")), Err(None));
    assert_eq!(read(&at(&"x".repeat(4096))), Err(Some(libc::ENAMETOOLONG)));
    assert_eq!(fs::read_to_string(&secret).expect("still there"), "secret");
}

#[virtine]
fn links(old: &str, new: &str) -> Result<(), Option<i32>> {
    fs::hard_link(old, new).map_err(|error| error.raw_os_error())
}

#[virtine]
fn removes(path: &str) -> Result<(), Option<i32>> {
    fs::remove_file(path).map_err(|error| error.raw_os_error())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn links_open_no_file_further() {
    let folder = Folder::new();
    let (drop_off, both) = (folder.path("in"), folder.path("both"));
    fs::create_dir(&drop_off).expect("a folder");
    fs::create_dir(&both).expect("a folder");
    let dropped = folder.put("in/dropped", "not to be read");
    let policy = Policy::new().write(&drop_off).write(&both).read(&both);
    let link = |old: &str, new: &str| links::with(&policy).call(old, new);
    assert_eq!(
        link(&dropped, &format!("{both}/readable")),
        Err(Some(libc::EACCES))
    );
    assert_eq!(
        link("/etc/hostname", &format!("{both}/name")),
        Err(Some(libc::EACCES))
    );
    assert_eq!(link(&dropped, &format!("{drop_off}/second")), Ok(()));
    assert_eq!(reads::with(&policy).call(&dropped), Err(Some(libc::EACCES)));
    assert_eq!(
        removes::with(&policy).call(&format!("{drop_off}/second")),
        Ok(())
    );
    assert_eq!(
        removes::with(&policy).call(&drop_off),
        Err(Some(libc::EACCES))
    );
    assert_eq!(
        removes::with(&policy).call(&format!("{drop_off}/..")),
        Err(Some(libc::EACCES))
    );
    assert_eq!(removes(&dropped), Err(Some(libc::EACCES)));
    assert!(fs::exists(&dropped).expect("known"));
}

#[virtine]
fn copies(from: &str, to: &str) -> Result<u64, Option<i32>> {
    fs::copy(from, to).map_err(|error| error.raw_os_error())
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn megabyte_comes_and_goes_whole() {
    let folder = Folder::new();
    let contents: String = (0..1 << 17).map(|n| format!("{n:07}\n")).collect();
    let (from, to) = (folder.put("from", &contents), folder.path("to"));
    let policy = Policy::new().read(&folder.0).write(&folder.0);
    assert_eq!(copies::with(policy).call(&from, &to), Ok(1 << 20));
    assert_eq!(fs::read_to_string(to).expect("written"), contents);
}

#[virtine(std)]
fn keeps_house(folder: &str) -> io::Result<(bool, bool, usize)> {
    use std::os::unix::fs::MetadataExt as _;
    let at = |name: &str| format!("{folder}/{name}");
    fs::create_dir_all(at("deep/down"))?;
    fs::write(at("deep/down/file"), "text")?;
    fs::rename(at("deep/down/file"), at("moved"))?;
    fs::hard_link(at("moved"), at("second"))?;
    fs::write(at("other"), "text")?;
    let inode = |name: &str| fs::metadata(at(name)).map(|known| known.ino());
    let same = inode("moved")? == inode("second")?;
    let differ = inode("moved")? != inode("other")?;
    fs::remove_dir_all(at("deep"))?;
    Ok((same, differ, fs::read_dir(folder)?.count()))
}

#[test]
#[cfg_attr(without_kvm, ignore = "WASP_TEST_WITHOUT_KVM=1")]
fn real_std_makes_moves_and_removes_folders() {
    let folder = Folder::new();
    let root = folder.0.display().to_string();
    let policy = Policy::new().read(&root).write(&root);
    let kept = keeps_house::with(policy).call(&root).expect("all granted");
    assert_eq!(kept, (true, true, 3));
    let refused = keeps_house::with(Policy::new().read(&root)).call(&root);
    let kind = refused.expect_err("nothing may be written").kind();
    assert_eq!(kind, ErrorKind::PermissionDenied);
}
