//! The number of acknowledged entries, stored in a file beside the database.
//!
//! RocksDB recovers its write-ahead log up to the first incomplete record. After a crash that record is the unfinished
//! write. But a damaged byte in the middle of the write-ahead log would silently drop every entry after it, so the size
//! is also written to this file after each group, and compared when the log is opened. The file is not synced: after a
//! kill it is exact, after a power cut it may be behind, and it is never ahead of the database.

use super::{OpenError, StorageError};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The name of the file in the database's folder. RocksDB ignores files that it does not know.
pub(crate) const FILE: &str = "ACKNOWLEDGED";

/// The file, open for writing.
pub(crate) struct Watermark(File);

impl Watermark {
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options
            .open(folder.join(FILE))
            .map(Self)
            .map_err(|error| OpenError::Folder { path: folder.join(FILE), source: error.into() })
    }

    /// Records that `size` entries are acknowledged. A failure is only logged, as it merely weakens a later check.
    pub(crate) fn raise(&self, size: u64) {
        let mut bytes = [0; 16];
        let (plain, inverted) = bytes.split_at_mut(8);
        plain.copy_from_slice(&size.to_be_bytes());
        inverted.copy_from_slice(&(!size).to_be_bytes());
        if let Err(error) = self.0.write_all_at(&bytes, 0) {
            tracing::warn!(%error, "writing the acknowledged size of the log failed");
        }
    }
}

/// Returns the recorded size, or 0 if there is none or only half of it was written before a power cut.
pub(crate) fn read(folder: &Path) -> Result<u64, OpenError> {
    let mut bytes = Vec::new();
    match File::open(folder.join(FILE)).and_then(|file| file.take(17).read_to_end(&mut bytes)) {
        Ok(_) => Ok(parse(&bytes).unwrap_or(0)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::Folder { path: folder.join(FILE), source: error.into() }),
    }
}

/// Returns an error if the log is shorter than the acknowledged size.
pub(crate) fn check(size: u64, acknowledged: u64) -> Result<(), StorageError> {
    if size < acknowledged {
        return Err(StorageError::damaged(format!(
            "{acknowledged} entries were acknowledged, but only {size} are stored: the newest part of the database is damaged or was removed"
        )));
    }
    Ok(())
}

/// The size is followed by its bitwise complement, which detects a half-written file.
fn parse(bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let (plain, inverted) = bytes.split_at(8);
    let size = u64::from_be_bytes(plain.try_into().ok()?);
    (u64::from_be_bytes(inverted.try_into().ok()?) == !size).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_back_and_a_truncated_file_counts_as_zero() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Ok(0));
        let mark = Watermark::open(folder.path()).unwrap();
        assert_eq!(read(folder.path()), Ok(0));
        for size in [1, u64::MAX, 300] {
            mark.raise(size);
            assert_eq!(read(folder.path()), Ok(size));
        }
        drop(Watermark::open(folder.path()).unwrap());
        assert_eq!(read(folder.path()), Ok(300));
        let whole = std::fs::read(folder.path().join(FILE)).unwrap();
        for length in 0..16 {
            std::fs::write(folder.path().join(FILE), &whole[..length]).unwrap();
            assert_eq!(read(folder.path()), Ok(0));
        }
    }
}
