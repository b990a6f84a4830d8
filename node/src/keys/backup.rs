//! The backup file: JSON that shows people which validator it belongs to, with the secret keys encrypted.
//!
//! The plain part is authenticated together with the keys. The file has exactly one valid form and a checksum, so
//! that any changed byte is detected even without the passphrase.

use super::identity::{NodeKeys, ValidatorIdentity};
use codec::{DecodeAll as _, Encode as _};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Component, Path, PathBuf},
};
use streembit_keystore::{
    files::{create_private, read_private, FileError},
    Passphrase, SealError, Sealed,
};
use zeroize::Zeroizing;

/// The version of the format.
const VERSION: u32 = 1;

/// The BLAKE3 `derive_key` context of the checksum; part of the format.
const CHECKSUM_CONTEXT: &str = "streembit v1 node keys checksum";

/// A backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a backup, or only a part of one.
    #[error("{} is not a complete backup of a node's keys: {problem}; use another copy", .path.display())]
    InvalidFormat {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file was changed or damaged.
    #[error("{} is damaged: its checksum does not match; use another copy", .0.display())]
    Damaged(PathBuf),
    /// The passphrase is wrong.
    #[error("wrong passphrase for {}: check --passphrase-file, or type it again", .0.display())]
    WrongPassphrase(PathBuf),
    /// The encryption or decryption failed for another reason.
    #[error("{}: {problem}", .path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// The reason.
        problem: SealError,
    },
}

/// The contents of the file, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    validator: ValidatorIdentity,
    keys: Sealed,
    /// Covers all other fields; in hexadecimal digits.
    checksum: String,
}

impl Document {
    fn public_part(&self) -> Result<Vec<u8>, serde_json::Error> {
        public_part(self.version, &self.validator)
    }

    fn expected_checksum(&self) -> Result<String, serde_json::Error> {
        Ok(self.keys.checksum(CHECKSUM_CONTEXT, &self.public_part()?))
    }

    /// Returns the only valid form of the file.
    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Returns the plain part in the encoding that is authenticated.
fn public_part(version: u32, validator: &ValidatorIdentity) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&(version, validator))
}

/// A complete backup whose keys are still encrypted.
pub struct Backup {
    path: PathBuf,
    document: Document,
}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backup({}, {:?})", self.path.display(), self.document.validator)
    }
}

impl Backup {
    /// Writes a new file with mode 0600, then reads it back to verify it. An existing file is never overwritten.
    pub fn create(
        path: &Path,
        validator: ValidatorIdentity,
        keys: &NodeKeys,
        passphrase: &Passphrase,
    ) -> Result<(), BackupError> {
        let invalid = |error| invalid_format(path, error);
        let secret = Zeroizing::new(keys.encode());
        let sealed = Sealed::new(&secret, &public_part(VERSION, &validator).map_err(invalid)?, passphrase);
        let sealed = sealed.map_err(|error| seal_error(path, error))?;
        let mut document = Document { version: VERSION, validator, keys: sealed, checksum: String::new() };
        document.checksum = document.expected_checksum().map_err(invalid)?;
        create_private(path, &document.to_json().map_err(invalid)?)?;
        if Self::read(path)?.open(passphrase)? != *keys {
            return Err(BackupError::Damaged(path.to_owned()));
        }
        Ok(())
    }

    /// Reads a file and verifies everything that needs no passphrase.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        Self::parse(path, &read_private(path)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BackupError> {
        let invalid = |error| invalid_format(path, error);
        let document: Document = serde_json::from_slice(bytes).map_err(invalid)?;
        if document.version != VERSION {
            let problem = format!(
                "its version is {}, but this program supports only version {VERSION}",
                document.version
            );
            return Err(invalid_format(path, problem));
        }
        let is_valid_form = document.to_json().map_err(invalid)? == bytes;
        if !is_valid_form || document.checksum != document.expected_checksum().map_err(invalid)? {
            return Err(BackupError::Damaged(path.to_owned()));
        }
        // The id becomes the name of a folder, so it must not be a path.
        let mut parts = Path::new(&document.validator.chain).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(invalid_format(path, "the id of its chain cannot be the name of a folder"));
        }
        Ok(Self { path: path.to_owned(), document })
    }

    /// Returns the validator that the keys belong to.
    pub fn validator(&self) -> &ValidatorIdentity {
        &self.document.validator
    }

    /// Decrypts the keys.
    pub fn open(&self, passphrase: &Passphrase) -> Result<NodeKeys, BackupError> {
        let public = self.document.public_part().map_err(|error| invalid_format(&self.path, error))?;
        let opened = self.document.keys.open(&public, passphrase);
        let secret = opened.map_err(|error| seal_error(&self.path, error))?;
        NodeKeys::decode_all(&mut secret.as_slice()).map_err(|error| invalid_format(&self.path, error))
    }
}

fn invalid_format(path: &Path, problem: impl ToString) -> BackupError {
    BackupError::InvalidFormat { path: path.to_owned(), problem: problem.to_string() }
}

fn seal_error(path: &Path, error: SealError) -> BackupError {
    match error {
        SealError::WrongPassphrase => BackupError::WrongPassphrase(path.to_owned()),
        problem => BackupError::Seal { path: path.to_owned(), problem },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys::dave;
    use proptest::prelude::*;
    use std::{fs, os::unix::fs::PermissionsExt as _, sync::OnceLock};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    fn validator() -> ValidatorIdentity {
        ValidatorIdentity::new("streembit_four".into(), Some("0x01".into()), &dave())
    }

    /// Returns the bytes of a backup. It is created once, because the key derivation is slow.
    fn written() -> &'static [u8] {
        static WRITTEN: OnceLock<Vec<u8>> = OnceLock::new();
        WRITTEN.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("node.backup");
            Backup::create(&path, validator(), &dave(), &passphrase("right")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
            fs::read(&path).unwrap()
        })
    }

    fn read(bytes: &[u8]) -> Result<Backup, BackupError> {
        Backup::parse(Path::new("node.backup"), bytes)
    }

    /// Changes the JSON and corrects the checksum.
    fn forged(change: impl FnOnce(&mut Document)) -> Vec<u8> {
        let mut document: Document = serde_json::from_slice(written()).unwrap();
        change(&mut document);
        document.checksum = document.expected_checksum().unwrap();
        document.to_json().unwrap()
    }

    #[test]
    fn only_the_right_passphrase_decrypts_the_keys() {
        let backup = read(written()).unwrap();
        assert_eq!(*backup.validator(), validator());
        assert_eq!(backup.open(&passphrase("right")).unwrap(), dave());
        let error = backup.open(&passphrase("wrong")).unwrap_err();
        assert!(matches!(error, BackupError::WrongPassphrase(_)), "{error}");
        let text = String::from_utf8_lossy(written());
        assert!(!text.contains("Dave") && !text.contains("right") && !text.contains(&hex::encode([7; 32])));
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.backup");
        fs::write(&path, "another backup").unwrap();
        let error = Backup::create(&path, validator(), &dave(), &passphrase("right")).unwrap_err();
        assert!(error.to_string().contains("never overwritten"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"another backup");
    }

    #[test]
    fn a_changed_plain_part_with_a_correct_checksum_is_refused() {
        let changes: [fn(&mut Document); 3] = [
            |document| document.validator.chain = "streembit_other".into(),
            |document| document.validator.genesis = None,
            |document| document.validator.peer_id.push('x'),
        ];
        for change in changes {
            let error = read(&forged(change)).unwrap().open(&passphrase("right")).unwrap_err();
            assert!(matches!(error, BackupError::WrongPassphrase(_)), "{error}");
        }
    }

    #[test]
    fn the_error_for_an_invalid_file_says_what_is_wrong() {
        let error = read(&forged(|document| document.version = 2)).unwrap_err().to_string();
        assert!(error.contains("version is 2"), "{error}");
        for id in ["..", "a/b", "/etc", ""] {
            let bytes = forged(|document| document.validator.chain = id.into());
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains("cannot be the name of a folder"), "{id:?}: {error}");
        }
        let error = read(b"{\"version\": 1}").unwrap_err().to_string();
        assert!(error.contains("node.backup") && error.contains("another copy"), "{error}");
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
            let mut bytes = written().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_truncated_file_is_refused(length in any::<prop::sample::Index>()) {
            prop_assert!(read(&written()[..length.index(written().len())]).is_err());
        }

        #[test]
        fn appended_bytes_are_refused(appended in prop::collection::vec(any::<u8>(), 1..64)) {
            prop_assert!(read(&[written(), appended.as_slice()].concat()).is_err());
        }

        #[test]
        fn other_files_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
