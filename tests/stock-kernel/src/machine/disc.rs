//! A compact disc from which a PC's BIOS boots a kernel.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::scratch::Folder;
use crate::tools::{self, GRUB_MKRESCUE, GRUB_MODULES};

/// The boot loader modules that [`menu`] needs.
const MODULES: &str = "--install-modules=linux normal iso9660 biosdisk configfile";

/// Creates the disc's image, which has no name and is deleted automatically.
pub(super) fn burn(kernel: &Path, initramfs: &File, options: &str) -> Result<File, Error> {
    let folder = Folder::new("disc")?;
    let (content, image) = (folder.path().join("content"), folder.path().join("image"));
    let boot = content.join("boot/grub");
    fs::create_dir_all(&boot).map_err(Error::file("create", &boot))?;
    let menu_path = boot.join("grub.cfg");
    fs::write(&menu_path, menu(options)).map_err(Error::file("write", &menu_path))?;
    fs::copy(kernel, content.join("vmlinuz")).map_err(Error::file("copy", kernel))?;
    copy(initramfs, &content.join("initramfs"))?;

    let mut command = Command::new(GRUB_MKRESCUE);
    command
        .args([
            "-d",
            GRUB_MODULES,
            MODULES,
            "--fonts=",
            "--themes=",
            "--locales=",
            "--compress=no",
        ])
        .arg("-o")
        .args([&image, &content])
        .env("TMPDIR", folder.path());
    tools::output(GRUB_MKRESCUE, &mut command)?;
    File::open(&image).map_err(Error::file("open", &image))
}

fn copy(mut from: &File, to: &Path) -> Result<(), Error> {
    File::create(to)
        .and_then(|mut file| io::copy(&mut from, &mut file))
        .map_err(Error::file("write", to))?;
    Ok(())
}

/// The boot loader's script.
fn menu(options: &str) -> String {
    format!("linux /vmlinuz {options}\ninitrd /initramfs\nboot\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_is_booted_with_its_options_and_the_initramfs() {
        assert_eq!(
            menu("a=1 b"),
            "linux /vmlinuz a=1 b\ninitrd /initramfs\nboot\n"
        );
    }
}
