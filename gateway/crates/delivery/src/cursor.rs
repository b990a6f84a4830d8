//! The file that stores a subscriber's position.

use super::verify::Position;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{replace_private, FileError};
use streembit_primitives::{DeviceId, Hash};

/// The error of reading or writing a cursor.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The file could not be read.
    #[error("cannot read the cursor {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not contain a cursor.
    #[error("{} is not a cursor: {problem}; use another file, or remove it to start at the first event", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        problem: serde_json::Error,
    },
    /// The cursor belongs to another device or chain.
    #[error("the cursor {} belongs to another {what}; use a separate file for each device and chain", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Either `device` or `chain`.
        what: &'static str,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

/// A cursor file. It is replaced atomically, so readers see either the old or the new position.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    chain: Hash,
    device: DeviceId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CursorFile {
    chain: Hash,
    device: DeviceId,
    next: u64,
    previous: Hash,
}

impl Cursor {
    /// Opens the cursor of a device on a chain. Without a file, the position is before the first event.
    pub fn open(path: &Path, chain: Hash, device: DeviceId) -> Result<(Self, Position), CursorError> {
        let cursor = Self { path: path.to_owned(), chain, device };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((cursor, Position::START)),
            Err(source) => return Err(CursorError::Read { path: path.to_owned(), source }),
        };
        let stored = serde_json::from_slice::<CursorFile>(&bytes)
            .map_err(|problem| CursorError::Malformed { path: path.to_owned(), problem })?;
        let foreign = |what| CursorError::Foreign { path: path.to_owned(), what };
        if stored.chain != chain {
            return Err(foreign("chain"));
        }
        if stored.device != device {
            return Err(foreign("device"));
        }
        Ok((cursor, Position { next: stored.next, previous: stored.previous }))
    }

    /// Stores a position durably.
    pub fn save(&self, position: Position) -> Result<(), CursorError> {
        let Position { next, previous } = position;
        let stored = CursorFile { chain: self.chain, device: self.device, next, previous };
        let bytes = serde_json::to_vec(&stored)
            .map_err(|problem| CursorError::Malformed { path: self.path.clone(), problem })?;
        Ok(replace_private(&self.path, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: Hash = Hash([1; 32]);
    const DEVICE: DeviceId = DeviceId([2; 32]);

    #[test]
    fn a_saved_position_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let (cursor, start) = Cursor::open(&path, CHAIN, DEVICE).unwrap();
        assert_eq!(start, Position::START);
        let position = Position { next: 7, previous: Hash([3; 32]) };
        cursor.save(position).unwrap();
        assert_eq!(Cursor::open(&path, CHAIN, DEVICE).unwrap().1, position);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_foreign_or_malformed_cursor_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        Cursor::open(&path, CHAIN, DEVICE).unwrap().0.save(Position::START).unwrap();
        let problem = |chain, device| Cursor::open(&path, chain, device).unwrap_err().to_string();
        assert!(problem(CHAIN, DeviceId([9; 32])).contains("another device"));
        assert!(problem(Hash([9; 32]), DEVICE).contains("another chain"));
        std::fs::write(&path, "{}").unwrap();
        assert!(problem(CHAIN, DEVICE).contains("not a cursor"));
        assert!(Cursor::open(dir.path(), CHAIN, DEVICE).is_err(), "a folder");
    }
}
