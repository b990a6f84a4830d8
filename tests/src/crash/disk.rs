//! The disk under the log: a file system of its own, whose power can be cut and which can be full.
//!
//! An ext4 file system in a file. `EXT4_IOC_SHUTDOWN` without a log flush takes the power away: everything fails from
//! then on, and after the next mount what was not synced is not there. Needs root; elsewhere the log is in a plain
//! folder, and the campaign says what it does not test.

use crate::{fixtures::process::run, wait_until};
use anyhow::{bail, Context, Result};
use rustix::fs::{fallocate, syncfs, FallocateFlags};
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The size of the file system; the file is sparse.
const BYTES: u64 = 640 << 20;

/// What fills it.
const FILLING: &str = "filling";

/// The ioctl and its flag, by a helper: it takes a foreign call, which our own crates have none of.
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))\n";

/// A folder on a file system of its own, or a plain one.
pub struct Disk {
    folder: PathBuf,
    image: Option<PathBuf>,
    mounted: bool,
}

impl Disk {
    /// Makes it in a folder: with a file system of its own where this user may mount.
    pub fn make(within: &Path) -> Result<Self> {
        let folder = within.join("disk");
        fs::create_dir(&folder)?;
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { folder, image: None, mounted: false });
        }
        let image = within.join("disk.img");
        File::create(&image)?.set_len(BYTES)?;
        run("mkfs.ext4", [OsStr::new("-q"), "-m".as_ref(), "0".as_ref(), image.as_ref()])?;
        let mut disk = Self { folder, image: Some(image), mounted: false };
        match disk.mount() {
            Ok(()) => Ok(disk),
            Err(error) => {
                eprintln!("no file system can be mounted here, though this is root: {error:#}");
                disk.image = None;
                Ok(disk)
            }
        }
    }

    /// Whether its power can be cut and it can be filled.
    pub fn is_own_filesystem(&self) -> bool {
        self.image.is_some()
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the power away. Everything fails until [`Self::power_on`].
    pub fn power_off(&self) -> Result<()> {
        let python = std::env::var_os("STREEMBIT_PYTHON").unwrap_or_else(|| "python3".into());
        run(python, [OsStr::new("-c"), SHUTDOWN.as_ref(), self.folder.as_ref()])
    }

    /// Mounts it again, which replays the file system's journal.
    pub fn power_on(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// Has everything written that was not yet.
    pub fn sync(&self) -> Result<()> {
        Ok(syncfs(File::open(&self.folder)?)?)
    }

    /// Fills it to the last byte; dropped, the space is free again.
    pub fn fill(&self) -> Result<DiskFiller> {
        let path = self.folder.join(FILLING);
        let file = File::create(&path)?;
        let mut filling = DiskFiller { path, size: 0 };
        let mut step = 64 << 20;
        while step >= 4096 {
            match fallocate(&file, FallocateFlags::empty(), filling.size, step) {
                Ok(()) => filling.size += step,
                Err(rustix::io::Errno::NOSPC) => step /= 2,
                Err(error) => bail!("filling {}: {error}", filling.path.display()),
            }
        }
        Ok(filling)
    }

    fn mount(&mut self) -> Result<()> {
        let image = self.image.as_ref().context("a plain folder is not mounted")?;
        // The loop device goes when the mount does.
        let options = OsStr::new("loop,commit=1");
        run("mount", ["-o".as_ref(), options, image.as_ref(), self.folder.as_ref()])?;
        self.mounted = true;
        match fs::remove_file(self.folder.join(FILLING)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn unmount(&mut self) -> Result<()> {
        if self.mounted {
            // A process that was just killed may still be giving its files back.
            wait_until("the disk is unmounted", 20, || run("umount", [&self.folder]))?;
            self.mounted = false;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            eprintln!("{} stays mounted: {error:#}", self.folder.display());
        }
    }
}

/// What fills a disk, until it is dropped.
pub struct DiskFiller {
    path: PathBuf,
    /// How many bytes it takes.
    pub size: u64,
}

impl Drop for DiskFiller {
    fn drop(&mut self) {
        // Without power it cannot go; it does after the next mount.
        let _ = fs::remove_file(&self.path);
    }
}
