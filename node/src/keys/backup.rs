//! The file of a backup: JSON, so that a person can see which validator it is; the keys in it are sealed.
//!
//! What is in clear is authenticated with the keys. The file has one form only and a checksum over all of it: a byte that is
//! changed anywhere shows without the passphrase.

use super::identity::{Keys, Validator};
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

/// Why a backup cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else, or a part is missing.
    #[error("{} is no backup of a node's keys, or not all of one: {problem}; use another copy", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was changed or damaged.
    #[error("{} is damaged: its checksum does not match; use another copy", .0.display())]
    Damaged(PathBuf),
    /// The passphrase is another.
    #[error("the passphrase is not that of {}: check --passphrase-file, or type it again", .0.display())]
    WrongPassphrase(PathBuf),
    /// The encryption or the decryption failed otherwise.
    #[error("{}: {problem}", .path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        problem: SealError,
    },
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    validator: Validator,
    keys: Sealed,
    /// Hexadecimal, over everything above.
    checksum: String,
}

impl Document {
    fn public(&self) -> Result<Vec<u8>, serde_json::Error> {
        public(self.version, &self.validator)
    }

    fn expected_checksum(&self) -> Result<String, serde_json::Error> {
        Ok(self.keys.checksum(CHECKSUM_CONTEXT, &self.public()?))
    }

    /// The one form of the file.
    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// What is in clear, as it is authenticated.
fn public(version: u32, validator: &Validator) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&(version, validator))
}

/// A backup that is whole; its keys are sealed.
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
    /// Writes a new file with mode 0600 and opens it again, so that what is told to be backed up is. A file that exists is
    /// never overwritten.
    pub fn create(
        path: &Path,
        validator: Validator,
        keys: &Keys,
        passphrase: &Passphrase,
    ) -> Result<(), BackupError> {
        let malformed = |error| format_error(path, error);
        let secret = Zeroizing::new(keys.encode());
        let sealed = Sealed::new(&secret, &public(VERSION, &validator).map_err(malformed)?, passphrase);
        let sealed = sealed.map_err(|error| seal_error(path, error))?;
        let mut document = Document { version: VERSION, validator, keys: sealed, checksum: String::new() };
        document.checksum = document.expected_checksum().map_err(malformed)?;
        create_private(path, &document.to_json().map_err(malformed)?)?;
        if Self::read(path)?.open(passphrase)? != *keys {
            return Err(BackupError::Damaged(path.to_owned()));
        }
        Ok(())
    }

    /// Reads a file and checks everything that needs no passphrase.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        Self::parse(path, &read_private(path)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, BackupError> {
        let malformed = |error| format_error(path, error);
        let document: Document = serde_json::from_slice(bytes).map_err(malformed)?;
        if document.version != VERSION {
            let problem =
                format!("its version is {}, and this program knows version {VERSION}", document.version);
            return Err(format_error(path, problem));
        }
        let one_form = document.to_json().map_err(malformed)? == bytes;
        if !one_form || document.checksum != document.expected_checksum().map_err(malformed)? {
            return Err(BackupError::Damaged(path.to_owned()));
        }
        // The id becomes a folder's name.
        let mut parts = Path::new(&document.validator.chain).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(format_error(path, "its chain's id is no name of a folder"));
        }
        Ok(Self { path: path.to_owned(), document })
    }

    /// Whose keys they are.
    pub fn validator(&self) -> &Validator {
        &self.document.validator
    }

    /// The keys.
    pub fn open(&self, passphrase: &Passphrase) -> Result<Keys, BackupError> {
        let public = self.document.public().map_err(|error| format_error(&self.path, error))?;
        let opened = self.document.keys.open(&public, passphrase);
        let secret = opened.map_err(|error| seal_error(&self.path, error))?;
        Keys::decode_all(&mut secret.as_slice()).map_err(|error| format_error(&self.path, error))
    }
}

fn format_error(path: &Path, problem: impl ToString) -> BackupError {
    BackupError::Format { path: path.to_owned(), problem: problem.to_string() }
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
    use crate::keys::identity::tests::dave;
    use proptest::prelude::*;
    use std::{fs, os::unix::fs::PermissionsExt as _, sync::OnceLock};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    fn validator() -> Validator {
        Validator::of("streembit_four".into(), Some("0x01".into()), &dave())
    }

    /// The bytes of one backup: what seals it is made to be slow.
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

    /// Changes the JSON and makes the checksum right again, as a forger would.
    fn forged(change: impl FnOnce(&mut Document)) -> Vec<u8> {
        let mut document: Document = serde_json::from_slice(written()).unwrap();
        change(&mut document);
        document.checksum = document.expected_checksum().unwrap();
        document.to_json().unwrap()
    }

    #[test]
    fn the_keys_come_back_under_their_passphrase_alone() {
        let backup = read(written()).unwrap();
        assert_eq!(*backup.validator(), validator());
        assert_eq!(backup.open(&passphrase("right")).unwrap(), dave());
        let error = backup.open(&passphrase("wrong")).unwrap_err();
        assert!(matches!(error, BackupError::WrongPassphrase(_)), "{error}");
        let text = String::from_utf8_lossy(written());
        assert!(!text.contains("Dave") && !text.contains("right") && !text.contains(&hex::encode([7; 32])));
    }

    #[test]
    fn a_backup_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.backup");
        fs::write(&path, "another backup").unwrap();
        let error = Backup::create(&path, validator(), &dave(), &passphrase("right")).unwrap_err();
        assert!(error.to_string().contains("never overwritten"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"another backup");
    }

    #[test]
    fn a_forger_who_repairs_the_checksum_gains_nothing() {
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
    fn what_is_no_backup_says_what_is_wrong() {
        let error = read(&forged(|document| document.version = 2)).unwrap_err().to_string();
        assert!(error.contains("version is 2"), "{error}");
        for id in ["..", "a/b", "/etc", ""] {
            let bytes = forged(|document| document.validator.chain = id.into());
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains("no name of a folder"), "{id:?}: {error}");
        }
        let error = read(b"{\"version\": 1}").unwrap_err().to_string();
        assert!(error.contains("node.backup") && error.contains("another copy"), "{error}");
    }

    proptest! {
        #[test]
        fn any_byte_that_is_changed_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
            let mut bytes = written().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn any_part_of_it_is_refused(length in any::<prop::sample::Index>()) {
            prop_assert!(read(&written()[..length.index(written().len())]).is_err());
        }

        #[test]
        fn more_than_it_is_refused(more in prop::collection::vec(any::<u8>(), 1..64)) {
            prop_assert!(read(&[written(), more.as_slice()].concat()).is_err());
        }

        #[test]
        fn anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
