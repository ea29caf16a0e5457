//! Debian's kernel, downloaded once and kept in a cache.
//!
//! ```text
//! wasp-stock-kernel/
//!   lock                            held by the process that fills the cache
//!   unfinished/                     a download in progress, or the rest of an interrupted one
//!   linux-image-<version>/          complete: it gets this name last
//!     vmlinuz
//!     kvm.ko, kvm-amd.ko, kvm-intel.ko, ...
//! ```

use std::env;
use std::fs::{self, File};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::processor::Processor;
use crate::tools;

const CACHE: &str = "STOCK_KERNEL_CACHE";

/// Always depends on the newest kernel, whose name contains its version.
const NEWEST: &str = "linux-image-cloud-amd64";

const IMAGE: &str = "vmlinuz";

/// A kernel with its modules.
pub(crate) struct Kernel {
    folder: PathBuf,
}

impl Kernel {
    /// The newest kernel that apt knows, from the cache if it is there.
    pub(crate) fn find() -> Result<Self, Error> {
        let package = newest_package()?;
        let cache = cache()?;
        let folder = cache.join(&package);
        if !is_complete(&folder) {
            let _only_one = lock(&cache)?;
            fill(&cache, &package)?;
        }
        Ok(Self { folder })
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join(IMAGE)
    }

    /// Names and contents of the modules that this CPU needs, in load order.
    pub(crate) fn modules(
        &self,
        processor: Processor,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
        processor
            .modules()
            .iter()
            .map(|module| file_name(module))
            .filter(|name| self.folder.join(name).exists())
            .map(|name| {
                let path = self.folder.join(name);
                let content = fs::read(&path).map_err(Error::file("read", &path))?;
                Ok((name, content))
            })
            .collect()
    }
}

/// Whether a folder has all files that every machine needs. If an earlier version of this program filled it, modules
/// may be missing.
fn is_complete(folder: &Path) -> bool {
    lacking(folder).is_none()
}

/// The first needed file that is missing in a kernel's folder.
fn lacking(folder: &Path) -> Option<&'static str> {
    let makers = Processor::ALL
        .iter()
        .filter_map(|maker| maker.modules().last());
    iter::once(IMAGE)
        .chain(makers.map(|module| file_name(module)))
        .find(|name| !folder.join(name).exists())
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn newest_package() -> Result<String, Error> {
    let mut command = Command::new("apt-cache");
    // apt-cache fails if it does not know the package. Its output adds nothing then.
    let answer = tools::output("apt-cache", command.args(["depends", NEWEST])).unwrap_or_default();
    dependency(&answer)
        .map(str::to_owned)
        .ok_or(Error::NoKernelPackage)
}

/// The first kernel in the answer of `apt-cache depends`.
fn dependency(answer: &str) -> Option<&str> {
    answer
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-"))
}

fn cache() -> Result<PathBuf, Error> {
    let folder = env::var_os(CACHE).map(PathBuf::from);
    let general = || env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = folder
        .or_else(|| Some(general().or_else(home)?.join("wasp-stock-kernel")))
        .ok_or(Error::NoCache)?;
    create(&cache)?;
    Ok(cache)
}

fn lock(cache: &Path) -> Result<File, Error> {
    let path = cache.join("lock");
    let file = File::create(&path).map_err(Error::file("create", &path))?;
    file.lock().map_err(Error::file("lock", &path))?;
    Ok(file)
}

/// Adds a package to the cache, unless another process did so while this one waited for the lock.
fn fill(cache: &Path, package: &str) -> Result<(), Error> {
    let ready = cache.join(package);
    if is_complete(&ready) {
        return Ok(());
    }
    let unfinished = cache.join("unfinished");
    remove(&unfinished)?;
    let result = fetch(&unfinished, package, &ready);
    remove(&unfinished)?;
    result
}

fn fetch(unfinished: &Path, package: &str, ready: &Path) -> Result<(), Error> {
    let (tree, chosen) = (unfinished.join("tree"), unfinished.join("chosen"));
    create(&tree)?;
    create(&chosen)?;
    eprintln!("stock-kernel: downloading {package}");
    let archive = download(package, unfinished)?;
    let mut unpack = Command::new("dpkg-deb");
    tools::output("dpkg-deb", unpack.arg("-x").args([&archive, &tree]))?;
    choose(&tree, package, &chosen)?;
    remove(ready)?;
    rename(&chosen, ready)
}

fn download(package: &str, folder: &Path) -> Result<PathBuf, Error> {
    let mut command = Command::new("apt-get");
    command
        .args(["download", "-qq", package])
        .current_dir(folder);
    tools::output("apt-get", &mut command)?;
    fs::read_dir(folder)
        .map_err(Error::file("read", folder))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| not_in(package, "archive"))
}

/// Moves the files that machines need, a tenth of the package, out of an unpacked package.
fn choose(tree: &Path, package: &str, chosen: &Path) -> Result<(), Error> {
    let version = package.trim_start_matches("linux-image-");
    let modules = Processor::ALL.iter().flat_map(|maker| maker.modules());
    let modules = modules.map(|module| {
        let path = tree.join(format!("lib/modules/{version}/kernel/{module}"));
        (path, file_name(module))
    });
    let image = tree.join(format!("boot/{IMAGE}-{version}"));
    for (path, name) in modules.chain([(image, IMAGE)]) {
        // Vendors share modules. The second time, the file has been moved already.
        if path.exists() {
            rename(&path, &chosen.join(name))?;
        }
    }
    lacking(chosen).map_or(Ok(()), |name| Err(not_in(package, name)))
}

fn not_in(package: &str, expected: &str) -> Error {
    Error::NotInPackage {
        package: package.to_owned(),
        expected: expected.to_owned(),
    }
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file("rename", from))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match folder.exists() {
        true => fs::remove_dir_all(folder).map_err(Error::file("remove", folder)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Folder;

    #[test]
    fn kernel_is_the_first_image_among_the_dependencies() {
        let answer = "linux-image-cloud-amd64\n  Depends: libc6\n  \
                      Depends: linux-image-6.1.0-1-cloud-amd64\n";
        assert_eq!(dependency(answer), Some("linux-image-6.1.0-1-cloud-amd64"));
    }

    #[test]
    fn unknown_package_has_no_dependency() {
        assert_eq!(dependency(""), None);
    }

    /// Unpacks a package with these files and chooses from it. Returns the modules for a CPU.
    fn choose_from(files: &[&str], processor: Processor) -> Result<Vec<&'static str>, Error> {
        let folder = Folder::new(&format!("choose-{}", files.len()))?;
        let (tree, chosen) = (folder.path().join("tree"), folder.path().join("chosen"));
        create(&chosen)?;
        for file in files {
            let path = tree.join(file);
            create(path.parent().expect("the file is in the tree"))?;
            fs::write(path, "").expect("the temporary folder is writable");
        }
        choose(&tree, "linux-image-6.1-x", &chosen)?;
        let modules = Kernel { folder: chosen }.modules(processor)?;
        Ok(modules.into_iter().map(|(name, _)| name).collect())
    }

    const FILES: [&str; 5] = [
        "boot/vmlinuz-6.1-x",
        "lib/modules/6.1-x/kernel/arch/x86/kvm/kvm.ko",
        "lib/modules/6.1-x/kernel/arch/x86/kvm/kvm-intel.ko",
        "lib/modules/6.1-x/kernel/virt/lib/irqbypass.ko",
        "lib/modules/6.1-x/kernel/arch/x86/kvm/kvm-amd.ko",
    ];

    #[test]
    fn kernel_is_chosen_with_the_modules_that_it_has() {
        let expected = ["irqbypass.ko", "kvm.ko", "kvm-intel.ko"];
        let modules = choose_from(&FILES, Processor::Intel);
        assert!(
            matches!(&modules, Ok(found) if *found == expected),
            "{modules:?}"
        );
    }

    #[test]
    fn kernel_without_a_makers_module_is_refused() {
        let modules = choose_from(&FILES[..4], Processor::Intel);
        assert!(
            matches!(&modules, Err(Error::NotInPackage { expected, .. }) if expected == "kvm-amd.ko"),
            "{modules:?}"
        );
    }
}
