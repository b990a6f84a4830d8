//! The disk under the program that is tested: its own file system, which can lose power and can be filled.
//!
//! The file system is ext4 in a file. `EXT4_IOC_SHUTDOWN` without a log flush simulates a power cut: all operations
//! fail from then on, and after the next mount everything that was not synced is gone. This needs root. Without root
//! the data is in a plain folder, and the campaign reports what it does not test.

use crate::{fixtures::process::run, wait_until, Process};
use anyhow::{bail, Context, Result};
use rustix::fs::{fallocate, statvfs, syncfs, FallocateFlags};
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The size of the file system; the file is sparse.
const BYTES: u64 = 640 << 20;

/// The name of the file that fills the disk.
const FILLER: &str = "filler";

/// What cannot be done if the disk is no file system of its own.
pub const NEEDS_OWN_FILESYSTEM: &str =
    "power cuts and full disks, which need root and a loop device; replaced by kill -9";

/// Calls the ioctl from Python, because our crates forbid unsafe code.
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))\n";

/// A folder on its own file system, or a plain folder.
pub struct Disk {
    folder: PathBuf,
    image: Option<PathBuf>,
    mounted: bool,
}

impl Disk {
    /// Creates a disk in a folder, with its own file system if this user may mount one.
    pub fn create(within: &Path) -> Result<Self> {
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
                eprintln!("cannot mount a file system, although this is root: {error:#}");
                disk.image = None;
                Ok(disk)
            }
        }
    }

    /// Returns true if the disk is a file system, so that it can lose power and can be filled.
    pub fn is_own_filesystem(&self) -> bool {
        self.image.is_some()
    }

    /// The folder in which the disk is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Simulates a power cut. All operations fail until [`Self::power_on`].
    fn power_off(&self) -> Result<()> {
        let python = std::env::var_os("STREEMBIT_PYTHON").unwrap_or_else(|| "python3".into());
        run(python, [OsStr::new("-c"), SHUTDOWN.as_ref(), self.folder.as_ref()])
    }

    /// Cuts the power under a running process and kills the process.
    pub fn cut_power(&self, process: &mut Process) -> Result<()> {
        // A machine without power sends nothing any more. Stop the process first: ext4 may report a sync as done while it
        // is being shut down.
        process.pause()?;
        thread::sleep(Duration::from_millis(20));
        self.power_off()?;
        process.kill()
    }

    /// Mounts the file system again, which replays its journal.
    pub fn power_on(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// Writes all cached data to the disk.
    pub fn sync(&self) -> Result<()> {
        Ok(syncfs(File::open(&self.folder)?)?)
    }

    /// Fills the disk completely. Dropping the returned value frees the space.
    pub fn fill(&self) -> Result<DiskFiller> {
        let (file, mut filler) = self.filler()?;
        let mut step = 64 << 20;
        while step >= 4096 {
            match fallocate(&file, FallocateFlags::empty(), filler.size, step) {
                Ok(()) => filler.size += step,
                Err(rustix::io::Errno::NOSPC) => step /= 2,
                Err(error) => bail!("filling {}: {error}", filler.path.display()),
            }
        }
        Ok(filler)
    }

    /// Fills the disk until `left` bytes are free. Dropping the returned value frees the space.
    pub fn fill_leaving(&self, left: u64) -> Result<DiskFiller> {
        let disk = statvfs(&self.folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let (file, mut filler) = self.filler()?;
        filler.size = free.checked_sub(left).context("the disk is full already")?;
        fallocate(&file, FallocateFlags::empty(), 0, filler.size)?;
        Ok(filler)
    }

    fn filler(&self) -> Result<(File, DiskFiller)> {
        let path = self.folder.join(FILLER);
        Ok((File::create(&path)?, DiskFiller { path, size: 0 }))
    }

    fn mount(&mut self) -> Result<()> {
        let image = self.image.as_ref().context("a plain folder cannot be mounted")?;
        // The loop device is removed with the mount.
        let options = OsStr::new("loop,commit=1");
        run("mount", ["-o".as_ref(), options, image.as_ref(), self.folder.as_ref()])?;
        self.mounted = true;
        match fs::remove_file(self.folder.join(FILLER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn unmount(&mut self) -> Result<()> {
        if self.mounted {
            // A process that was just killed may still hold open files.
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

/// The file that fills a disk, until it is dropped.
pub struct DiskFiller {
    path: PathBuf,
    /// The size in bytes.
    pub size: u64,
}

impl Drop for DiskFiller {
    fn drop(&mut self) {
        // Fails during a power cut. The next mount removes the file.
        let _ = fs::remove_file(&self.path);
    }
}
