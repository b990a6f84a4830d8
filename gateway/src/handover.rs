//! The last event of a device in the log that it was in before, which its first event in this gateway's log names.
//!
//! The gateway learns it when it agrees to keep the device (`streembit device admit`), and keeps it in a small file in the
//! data folder.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{replace_private, FileError};
use streembit_primitives::{heads::HeadEntry, DeviceId};

/// Stores the last event of a device in the log before.
pub fn store(data_dir: &Path, last: &HeadEntry) -> Result<(), FileError> {
    let bytes = serde_json::to_vec(last).unwrap_or_default();
    replace_private(&path(data_dir, &last.device), &bytes)
}

/// Returns the last event of a device in the log before, or `None` if it is not known. A file that cannot be read is
/// reported, and does not keep the gateway from logging.
pub fn load(data_dir: &Path, device: &DeviceId) -> Option<HeadEntry> {
    let path = path(data_dir, device);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the device's last event in the log before");
            return None;
        }
    };
    match serde_json::from_slice::<HeadEntry>(&bytes) {
        Ok(last) if last.device == *device => Some(last),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the device's last event in the log before");
            None
        }
    }
}

fn path(data_dir: &Path, device: &DeviceId) -> PathBuf {
    data_dir.join(format!("handover-{}.json", hex::encode(device.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Hash;

    #[test]
    fn what_was_stored_is_read_back_and_a_damaged_file_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let device = DeviceId([1; 32]);
        assert_eq!(load(dir.path(), &device), None);
        let last = HeadEntry { device, sequence: 7, hash: Hash([2; 32]) };
        store(dir.path(), &last).unwrap();
        assert_eq!(load(dir.path(), &device), Some(last));
        assert_eq!(load(dir.path(), &DeviceId([3; 32])), None);
        std::fs::write(path(dir.path(), &device), "{").unwrap();
        assert_eq!(load(dir.path(), &device), None);
    }
}
