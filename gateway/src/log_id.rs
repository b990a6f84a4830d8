//! The log that the gateway begins in an empty data folder.
//!
//! The commands that open an epoch or take over a device write it down, so that a gateway that starts before its node
//! begins the right log: events in a log that is not the open one can never be anchored.

use std::{
    io::{Error, ErrorKind},
    path::Path,
};
use streembit_keystore::files::{replace_private, FileError};
use streembit_primitives::LogId;

/// The name of the file in the data folder. RocksDB ignores files that it does not know.
const FILE: &str = "NEXT_LOG";

/// Stores the log to begin in a data folder that has none.
pub fn store(data_dir: &Path, log: LogId) -> Result<(), FileError> {
    replace_private(&data_dir.join(FILE), &serde_json::to_vec(&log).unwrap_or_default())
}

/// Returns the log to begin, or `None` if none was stored. Fails if the file cannot be read: the first log would then be a
/// guess.
pub fn load(data_dir: &Path) -> Result<Option<LogId>, Error> {
    match std::fs::read(data_dir.join(FILE)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::AccountId;

    #[test]
    fn a_stored_log_is_read_back_and_a_damaged_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        let log = LogId { gateway: AccountId([3; 32]), epoch: 4 };
        store(dir.path(), log).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(log));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(load(dir.path()).is_err());
    }
}
