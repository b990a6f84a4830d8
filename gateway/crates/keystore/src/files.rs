//! Reads and atomically writes files with secrets, which only their owner may read.
//!
//! There is one rule for all of them. Nobody but the owner may write the file. Others may read it only if this program's
//! user could not change that or has decided against it: if the file belongs to another user, is on a read-only file
//! system, or may be written by nobody. Containers and service managers hand over secrets in such files.

use rustix::{
    fs::{fstatvfs, StatVfsMountFlags},
    process::geteuid,
};
use std::{
    fs::{File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The maximum size of a file with secrets, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A file with secrets cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file with this name exists already.
    #[error("{} exists and is never overwritten: name another file, or move this one away", .0.display())]
    Exists(PathBuf),
    /// Other users may read the file, although its owner could prevent it.
    #[error("{} can be read by others (mode {mode:o}): run `chmod 600 {}`", .path.display(), .path.display())]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// Other users may write the file.
    #[error(
        "{} can be written by others (mode {mode:o}), so they can replace the secret: its owner runs `chmod go-w {}`",
        .path.display(), .path.display()
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// The file is too large for a file with secrets.
    #[error("{} is not a file with secrets: it has more than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The operating system reported an error.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// The failed action, such as "reading".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// Reads a file, or fails if others may access it against the rule of this module.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |source| FileError::Io { doing: "reading", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Take the permissions from the open file, so that the file cannot be exchanged between the check and the read.
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    let belongs_to_others = metadata.uid() != geteuid().as_raw();
    let is_provisioned =
        belongs_to_others || is_on_read_only_filesystem(&file).map_err(failed)? || mode & 0o222 == 0;
    match judge(mode, is_provisioned) {
        Access::Allowed => {}
        Access::Readable => return Err(FileError::NotPrivate { path: path.to_owned(), mode }),
        Access::Writable => return Err(FileError::Writable { path: path.to_owned(), mode }),
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// What others may do with a file against the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    /// Nothing.
    Allowed,
    /// They may read it.
    Readable,
    /// They may write it.
    Writable,
}

/// Applies the rule. `is_provisioned` says that this user cannot or did not want to restrict who reads the file.
fn judge(mode: u32, is_provisioned: bool) -> Access {
    if mode & 0o022 != 0 {
        Access::Writable
    } else if mode & 0o077 != 0 && !is_provisioned {
        Access::Readable
    } else {
        Access::Allowed
    }
}

fn is_on_read_only_filesystem(file: &File) -> io::Result<bool> {
    Ok(fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Atomically creates a file with mode 0600 and syncs it. Fails if the name is taken.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Io { doing: "creating", path: path.to_owned(), source };
    write_temporary(path, bytes).map_err(failed)?.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            FileError::Exists(path.to_owned())
        } else {
            failed(error.error)
        }
    })?;
    sync_folder(path).map_err(failed)
}

/// Atomically replaces a file by one with mode 0600 and syncs it.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Io { doing: "replacing", path: path.to_owned(), source };
    write_temporary(path, bytes).map_err(failed)?.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(path).map_err(failed)
}

fn write_temporary(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o600))
        .prefix(".streembit-")
        .tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Returns the folder that contains a file, or `.` for a bare file name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_are_created_and_replaced_but_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create_private(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(create_private(&path, b"two"), Err(FileError::Exists(_))));
        assert_eq!(read_private(&path).unwrap().as_slice(), b"one");
        replace_private(&path, b"three").unwrap();
        assert_eq!(read_private(&path).unwrap().as_slice(), b"three");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn files_that_others_can_access_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        for (mode, advice) in [
            (0o640, "chmod 600"),
            (0o604, "chmod 600"),
            (0o644, "chmod 600"),
            (0o660, "chmod go-w"),
            (0o602, "chmod go-w"),
        ] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert!(error.to_string().contains(advice), "{error}");
        }
        for mode in [0o400, 0o600] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(read_private(&path).is_ok(), "{mode:o}");
        }
    }

    /// Containers mount secrets with mode 0440 or 0444. The folder may belong to a group.
    #[test]
    fn read_only_secrets_of_a_container_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o2775)).unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        for mode in [0o440, 0o444] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path).unwrap().as_slice(), b"x");
        }
    }

    #[test]
    fn a_provisioned_file_may_be_readable_but_never_writable_by_others() {
        assert_eq!(judge(0o644, true), Access::Allowed);
        assert_eq!(judge(0o644, false), Access::Readable);
        for mode in [0o664, 0o662, 0o620] {
            assert_eq!((judge(mode, true), judge(mode, false)), (Access::Writable, Access::Writable));
        }
    }

    #[test]
    fn missing_and_oversized_files_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        assert!(read_private(&path).unwrap_err().to_string().contains("none"));
        let large = dir.path().join("large");
        create_private(&large, &vec![0; MAX_BYTES as usize + 1]).unwrap();
        assert!(matches!(read_private(&large), Err(FileError::TooLarge(_))));
    }
}
