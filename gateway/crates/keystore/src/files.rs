//! Reads and atomically writes files with secrets, which only their owner may read.

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
    /// Other users may access the file.
    #[error("{} can be read by others (mode {mode:o}): run `chmod 600 {}`", .path.display(), .path.display())]
    NotPrivate {
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

/// Reads a file, or fails if anyone but its owner may access it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |source| FileError::Io { doing: "reading", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    // Take the permissions from the open file, so that the file cannot be exchanged between the check and the read.
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::NotPrivate { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
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
        for mode in [0o640, 0o604, 0o660, 0o644] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
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
