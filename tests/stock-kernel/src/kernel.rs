//! Debian's kernel, downloaded once and kept in a cache.
//!
//! ```text
//! wasp-stock-kernel/
//!   lock                            held by whoever fills the cache
//!   unfinished/                     a download under way, or what an interrupted one left
//!   linux-image-<version>/          complete: it gets this name last
//!     vmlinuz
//!     kvm.ko, kvm-amd.ko, ...
//! ```

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::tools;

const CACHE: &str = "STOCK_KERNEL_CACHE";

/// Always depends on the newest kernel, which has its version in its name.
const NEWEST: &str = "linux-image-cloud-amd64";

const IMAGE: &str = "vmlinuz";

/// In the order of loading. A kernel may lack one: `ccp` serves features that not all builds have.
const MODULES: [&str; 4] = [
    "virt/lib/irqbypass.ko",
    "drivers/crypto/ccp/ccp.ko",
    "arch/x86/kvm/kvm.ko",
    "arch/x86/kvm/kvm-amd.ko",
];

/// A kernel with its modules.
pub(crate) struct Kernel {
    folder: PathBuf,
}

impl Kernel {
    /// The newest kernel that apt knows, from the cache where it is there.
    pub(crate) fn find() -> Result<Self, Error> {
        let package = newest_package()?;
        let cache = cache()?;
        let folder = cache.join(&package);
        if !folder.exists() {
            let _only_one = lock(&cache)?;
            fill(&cache, &package)?;
        }
        Ok(Self { folder })
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join(IMAGE)
    }

    /// Name and content of the modules, in the order of loading.
    pub(crate) fn modules(&self) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
        MODULES
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

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn newest_package() -> Result<String, Error> {
    let mut command = Command::new("apt-cache");
    // apt-cache fails where it does not know the package, and then has nothing to add.
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

/// Puts a package into the cache, unless another process did while this one waited for the lock.
fn fill(cache: &Path, package: &str) -> Result<(), Error> {
    if cache.join(package).exists() {
        return Ok(());
    }
    let unfinished = cache.join("unfinished");
    remove(&unfinished)?;
    let result = fetch(&unfinished, package, &cache.join(package));
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

/// Moves what the machine needs out of an unpacked package, a tenth of it.
fn choose(tree: &Path, package: &str, chosen: &Path) -> Result<(), Error> {
    let version = package.trim_start_matches("linux-image-");
    let image = tree.join(format!("boot/{IMAGE}-{version}"));
    if !image.exists() {
        return Err(not_in(package, IMAGE));
    }
    rename(&image, &chosen.join(IMAGE))?;
    for module in MODULES {
        let path = tree.join(format!("lib/modules/{version}/kernel/{module}"));
        if path.exists() {
            rename(&path, &chosen.join(file_name(module)))?;
        }
    }
    Ok(())
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

    #[test]
    fn kernel_is_chosen_with_the_modules_that_it_has() {
        let folder = env::temp_dir().join(format!("stock-kernel-choose-{}", std::process::id()));
        let (tree, chosen) = (folder.join("tree"), folder.join("chosen"));
        let modules = tree.join("lib/modules/6.1-x/kernel/arch/x86/kvm");
        for new in [&modules, &tree.join("boot"), &chosen] {
            create(new).expect("the temporary folder is writable");
        }
        for file in [tree.join("boot/vmlinuz-6.1-x"), modules.join("kvm.ko")] {
            fs::write(file, "").expect("the temporary folder is writable");
        }

        let result = choose(&tree, "linux-image-6.1-x", &chosen);
        let kernel = Kernel { folder: chosen };
        let modules = kernel.modules();
        let image = kernel.image().exists();
        remove(&folder).expect("the temporary folder is writable");

        assert!(result.is_ok() && image, "{result:?}");
        assert!(
            matches!(modules.as_deref(), Ok([("kvm.ko", _)])),
            "{modules:?}"
        );
    }
}
