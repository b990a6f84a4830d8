//! How much was acknowledged, beside the database: a database that lost its newest part must not pass for whole.
//!
//! RocksDB opens with its write-ahead log up to the first record that is not whole. After a crash that is the unfinished
//! write; but a damaged byte in the middle would cost everything after it, silently. So the acknowledged size is written
//! to a file of its own after each group. It is not synced: after a kill it is exact, after a power cut it may be behind,
//! and it is never ahead.

use super::{OpenError, StorageError};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The file's name in the database's folder; RocksDB leaves other files alone.
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

    /// Notes that `size` entries are on disk. A failure weakens a later check and nothing else.
    pub(crate) fn raise(&self, size: u64) {
        let mut bytes = [0; 16];
        let (plain, inverted) = bytes.split_at_mut(8);
        plain.copy_from_slice(&size.to_be_bytes());
        inverted.copy_from_slice(&(!size).to_be_bytes());
        if let Err(error) = self.0.write_all_at(&bytes, 0) {
            tracing::warn!(%error, "the acknowledged size could not be noted beside the log");
        }
    }
}

/// The size noted last; 0 where there is no note, or only half of one after a power cut.
pub(crate) fn read(folder: &Path) -> Result<u64, OpenError> {
    let mut bytes = Vec::new();
    match File::open(folder.join(FILE)).and_then(|file| file.take(17).read_to_end(&mut bytes)) {
        Ok(_) => Ok(parse(&bytes).unwrap_or(0)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::Folder { path: folder.join(FILE), source: error.into() }),
    }
}

/// Refuses a log that is shorter than what was acknowledged.
pub(crate) fn check(size: u64, acknowledged: u64) -> Result<(), StorageError> {
    if size < acknowledged {
        return Err(StorageError::damaged(format!(
            "{acknowledged} entries were acknowledged, {size} are here: the newest part of the database is damaged or was removed"
        )));
    }
    Ok(())
}

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
    fn a_note_is_read_back_and_half_a_note_is_none() {
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
