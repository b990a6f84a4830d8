//! The files of a node's keys: the keystore and the network key.

use super::{
    error::KeysError,
    held_keys::{release, HELD_SUFFIX},
    identity::{NodeKeys, SessionKey},
    vote_record, DamagedKey,
};
use rustix::process::{fcntl_getlk, Flock, FlockType};
use sc_network::config::ed25519::SecretKey;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{create_private, folder_of, read_private};
use zeroize::Zeroizing;

/// The files of a node's keys for one chain.
pub struct KeyFiles {
    chain: PathBuf,
    database: PathBuf,
    keystore: PathBuf,
    network_key: PathBuf,
}

/// When a restored GRANDPA key starts to vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VotingStart {
    /// As soon as its votes cannot contradict its earlier ones.
    WhenSafe,
    /// When the node starts.
    AtOnce,
}

/// A key in the keystore.
struct StoredKey {
    key: SessionKey,
    path: PathBuf,
    /// True if the key is held back from the voter.
    is_held: bool,
}

/// The name of a key in the keystore, and the key or the reason why it cannot be used.
type ScannedKey = (Vec<u8>, Result<StoredKey, KeysError>);

impl KeyFiles {
    /// Returns the files for a chain in a base path. The keystore and the network key can be elsewhere.
    pub fn new(base: &Path, chain: &str, keystore: Option<&Path>, network_key: Option<&Path>) -> Self {
        let chain = base.join("chains").join(chain);
        Self {
            database: chain.join("db/full"),
            keystore: keystore.map_or_else(|| chain.join("keystore"), Path::to_owned),
            network_key: network_key.map_or_else(|| chain.join("network/secret_ed25519"), Path::to_owned),
            chain,
        }
    }

    /// Returns the files at known places. If the network key is not in a file, `network_key` is a path that does not
    /// exist.
    pub fn without_database(keystore: &Path, network_key: &Path) -> Self {
        let (chain, database) = (PathBuf::new(), PathBuf::new());
        Self { chain, database, keystore: keystore.to_owned(), network_key: network_key.to_owned() }
    }

    /// Returns the files in the keystore that do not contain the key that their names promise.
    pub fn damaged(&self, password: Option<&str>) -> Result<Vec<DamagedKey>, KeysError> {
        let mut damaged = Vec::new();
        for (name, read) in self.scan()? {
            let verified =
                read.and_then(|stored| self.validate_session_keys(std::iter::once(&stored.key), password));
            damaged.extend(verified.err().map(|problem| DamagedKey { name, problem }));
        }
        Ok(damaged)
    }

    /// Reads all keys and verifies that each matches its name. `password` is the password of the keystore, if it has
    /// one.
    pub fn read(&self, password: Option<&str>) -> Result<NodeKeys, KeysError> {
        let keys = self.read_unverified()?;
        self.validate_session_keys(keys.session.iter(), password)?;
        Ok(keys)
    }

    fn validate_session_keys<'k>(
        &self,
        mut keys: impl Iterator<Item = &'k SessionKey>,
        password: Option<&str>,
    ) -> Result<(), KeysError> {
        match keys.find(|key| !key.matches_name(password)) {
            None => Ok(()),
            Some(key) => Err(KeysError::InvalidSessionKey {
                path: self.keystore.join(key.file_name()),
                problem: "it is damaged, or the keystore has a password (--password-filename)".into(),
            }),
        }
    }

    /// Reads all keys without verifying that they match their names. There must be session keys.
    fn read_unverified(&self) -> Result<NodeKeys, KeysError> {
        if self.stored_keys()?.is_empty() {
            return Err(KeysError::NoSessionKeys(self.keystore.clone()));
        }
        self.read_existing()
    }

    /// Reads the network key and the session keys that exist, without verifying that they match their names.
    pub fn read_existing(&self) -> Result<NodeKeys, KeysError> {
        let session: Vec<_> = self.stored_keys()?.into_iter().map(|stored| stored.key).collect();
        let network = self.read_network_key()?;
        let network = network.ok_or_else(|| KeysError::NoNetworkKey(self.network_key.clone()))?;
        Ok(NodeKeys { network: *network, session })
    }

    /// Returns the public keys that are held back from the voter.
    pub fn held_public_keys(&self) -> Result<Vec<String>, KeysError> {
        let held = self.stored_keys()?.into_iter().filter(|stored| stored.is_held);
        Ok(held.map(|stored| stored.key.public().public).collect())
    }

    /// Returns an error if a node is running on the database.
    ///
    /// RocksDB locks a file in its folder with `fcntl` while the database is open, and the kernel reports the owner
    /// of the lock. A node with `--database paritydb` is not detected; the documentation does not offer it.
    pub fn ensure_node_stopped(&self) -> Result<(), KeysError> {
        let path = self.database.join("LOCK");
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed("opening", &path))?,
        };
        let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
            .map_err(|error| failed("asking for the lock of", &path)(error.into()))?;
        match lock {
            None => Ok(()),
            Some(lock) => Err(KeysError::NodeRunning {
                folder: self.database.clone(),
                process: lock.pid.map_or_else(|| "unknown".into(), |pid| pid.as_raw_pid().to_string()),
            }),
        }
    }

    /// Writes the keys to the files that the node reads. Returns true if anything changed. If another key is there,
    /// returns an error and changes nothing.
    pub fn install(&self, keys: &NodeKeys, voting_start: VotingStart) -> Result<bool, KeysError> {
        let stored = self.stored_keys()?;
        let network = self.read_network_key()?;
        ensure_no_conflict(keys, &stored)?;
        if network.as_ref().is_some_and(|existing| **existing != keys.network) {
            return Err(KeysError::ConflictingKey(self.network_key.clone()));
        }

        let mut has_changed = false;
        if network.is_none() {
            write_new(&self.network_key, &keys.network)?;
            has_changed = true;
        }
        for key in &keys.session {
            let hold = voting_start == VotingStart::WhenSafe && key.is_grandpa();
            match stored.iter().find(|stored| stored.key.name == key.name) {
                Some(stored) if stored.is_held && !hold => {
                    release(&stored.path).map_err(failed("renaming", &stored.path))?;
                }
                Some(_) => continue,
                None => {
                    let suffix = if hold { HELD_SUFFIX } else { "" };
                    let path = self.keystore.join(format!("{}{suffix}", key.file_name()));
                    write_new(&path, &Zeroizing::new(key_file_contents(&path, &key.phrase)?))?;
                }
            }
            has_changed = true;
        }
        if voting_start == VotingStart::AtOnce {
            vote_record::forget(&self.chain)
                .map_err(failed("removing the record of votes in", &self.chain))?;
        }
        Ok(has_changed)
    }

    /// Returns the keys in the keystore, ordered by name. If the keystore does not exist, there are none.
    fn stored_keys(&self) -> Result<Vec<StoredKey>, KeysError> {
        let stored: Result<Vec<_>, _> = self.scan()?.into_iter().map(|(_, read)| read).collect();
        let mut stored = stored?;
        // If a key has both files, keep the one that is not held.
        stored.sort_by(|one, other| (&one.key.name, one.is_held).cmp(&(&other.key.name, other.is_held)));
        stored.dedup_by(|other, one| other.key.name == one.key.name);
        Ok(stored)
    }

    /// Reads every key in the keystore. Returns each with its name.
    fn scan(&self) -> Result<Vec<ScannedKey>, KeysError> {
        let entries = match fs::read_dir(&self.keystore) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("reading", &self.keystore))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("reading", &self.keystore))?.path();
            let Some(file) = path.file_name().and_then(OsStr::to_str) else { continue };
            let (name, is_held) = file.strip_suffix(HELD_SUFFIX).map_or((file, false), |name| (name, true));
            let Some(name) = SessionKey::name_from_file_name(name) else { continue };
            let key = read_session_key(&path, name.clone());
            found.push((name, key.map(|key| StoredKey { key, path, is_held })));
        }
        Ok(found)
    }

    /// Reads the network key in the same way as the node does: 32 bytes, or 64 hexadecimal digits.
    fn read_network_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
        read_network_key(&self.network_key)
    }
}

/// Reads a file of the keystore: the phrase as a JSON string.
fn read_session_key(path: &Path, name: Vec<u8>) -> Result<SessionKey, KeysError> {
    let invalid = |problem: String| KeysError::InvalidSessionKey { path: path.to_owned(), problem };
    let bytes = read_private(path)?;
    if bytes.is_empty() {
        return Err(invalid(
            "the file is empty, as after a power cut; restore the key from its backup".into(),
        ));
    }
    let phrase = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    Ok(SessionKey { name, phrase })
}

/// Reads a network key. Returns `None` if the file does not exist.
fn read_network_key(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
    if !path.try_exists().map_err(failed("looking for", path))? {
        return Ok(None);
    }
    let bytes = read_private(path)?;
    let mut key = Zeroizing::new([0; 32]);
    if hex::decode_to_slice(bytes.as_slice(), key.as_mut_slice()).is_ok() {
        return Ok(Some(key));
    }
    if bytes.len() != key.len() {
        return Err(KeysError::InvalidNetworkKey(path.to_owned()));
    }
    key.copy_from_slice(&bytes);
    Ok(Some(key))
}

/// Reads a network key, and creates it if it does not exist. With `replace_empty`, an empty file counts as none.
///
/// The node would create it itself, but without a sync: after a power cut the file would be empty, and the node would not
/// start again.
pub fn ensure_network_key(path: &Path, replace_empty: bool) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    if replace_empty && fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        tracing::warn!(
            "the network key {} is empty, as after a power cut: the node makes a new one",
            path.display()
        );
        fs::remove_file(path).map_err(failed("removing", path))?;
    }
    if let Some(key) = read_network_key(path)? {
        return Ok(key);
    }
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(SecretKey::generate().as_ref());
    write_new(path, key.as_slice())?;
    Ok(key)
}

/// Returns an error if a stored key is not in the backup or differs from it.
fn ensure_no_conflict(backup: &NodeKeys, stored: &[StoredKey]) -> Result<(), KeysError> {
    for StoredKey { key, path, .. } in stored {
        match backup.session.iter().find(|ours| ours.name == key.name) {
            None => return Err(KeysError::ForeignKey(path.clone())),
            Some(ours) if ours.phrase != key.phrase => return Err(KeysError::ConflictingKey(path.clone())),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Returns the contents of a key's file as the keystore writes it: the phrase as a JSON string.
fn key_file_contents(path: &Path, phrase: &str) -> Result<Vec<u8>, KeysError> {
    serde_json::to_vec(phrase)
        .map_err(|error| KeysError::InvalidSessionKey { path: path.to_owned(), problem: error.to_string() })
}

/// Writes a new file with mode 0600. Creates the folders above it if necessary.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let folder = folder_of(path);
    create_folder(folder).map_err(failed("creating", folder))?;
    Ok(create_private(path, bytes)?)
}

fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = folder_of(path);
    create_folder(parent)?;
    fs::create_dir(path)?;
    File::open(parent)?.sync_all()
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl Fn(io::Error) -> KeysError + 'p {
    move |source| KeysError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys::{dave, session_key};
    use sc_keystore::LocalKeystore;
    use sp_core::crypto::key_types::{AURA, GRANDPA};
    use sp_keystore::Keystore as _;
    use std::os::unix::fs::PermissionsExt as _;

    struct Fixture {
        base: tempfile::TempDir,
        files: KeyFiles,
    }

    fn fixture() -> Fixture {
        let base = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(base.path(), "four", None, None);
        Fixture { base, files }
    }

    impl Fixture {
        fn keystore(&self) -> LocalKeystore {
            LocalKeystore::open(self.base.path().join("chains/four/keystore"), None).unwrap()
        }

        /// Returns true if the node's keystore finds the key.
        fn has(&self, key: &SessionKey) -> bool {
            let kind = if key.is_grandpa() { GRANDPA } else { AURA };
            self.keystore().has_keys(&[(key.name[4..].to_vec(), kind)])
        }
    }

    #[test]
    fn generated_keys_are_read() {
        let Fixture { files, base } = fixture();
        assert!(matches!(files.read(None), Err(KeysError::NoSessionKeys(_))));
        let keystore = LocalKeystore::open(base.path().join("chains/four/keystore"), None).unwrap();
        let aura = keystore.sr25519_generate_new(AURA, None).unwrap();
        keystore.ed25519_generate_new(GRANDPA, None).unwrap();
        assert!(matches!(files.read(None), Err(KeysError::NoNetworkKey(_))));
        write_new(&files.network_key, &[9; 32]).unwrap();
        let keys = files.read(None).unwrap();
        assert_eq!((keys.network, keys.session.len()), ([9; 32], 2));
        assert_eq!(keys.session[0].public().public, format!("0x{}", hex::encode(aura.0)));

        fs::write(&files.network_key, hex::encode([9; 32])).unwrap();
        assert_eq!(files.read(None).unwrap(), keys);
        fs::write(&files.network_key, "9").unwrap();
        assert!(matches!(files.read(None), Err(KeysError::InvalidNetworkKey(_))));
    }

    /// A node that is started with `--keystore-path` has no session keys in its base path, but a peer id.
    #[test]
    fn the_network_key_is_read_without_session_keys() {
        let Fixture { files, .. } = &fixture();
        assert!(matches!(files.read_existing(), Err(KeysError::NoNetworkKey(_))));
        write_new(&files.network_key, &[9; 32]).unwrap();
        assert!(files.read_existing().unwrap().session.is_empty());
        assert!(matches!(files.read(None), Err(KeysError::NoSessionKeys(_))));
    }

    #[test]
    fn a_key_that_does_not_match_its_name_is_refused() {
        let Fixture { files, .. } = &fixture();
        assert!(files.damaged(None).unwrap().is_empty());
        files.install(&dave(), VotingStart::AtOnce).unwrap();
        assert!(files.damaged(None).unwrap().is_empty());
        let path = files.keystore.join(dave().session[0].file_name());
        for text in ["\"//Bob\"", "not JSON"] {
            fs::write(&path, text).unwrap();
            let error = files.read(None).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            // A node finds it too.
            let damaged = files.damaged(None).unwrap();
            assert_eq!(damaged.len(), 1);
            assert_eq!(damaged[0].name, dave().session[0].name);
            assert_eq!(damaged[0].problem.to_string(), error);
        }
    }

    #[test]
    fn an_empty_network_key_is_made_again_only_if_the_node_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("network/secret_ed25519");
        let first = ensure_network_key(&file, true).unwrap();
        assert_eq!(*ensure_network_key(&file, true).unwrap(), *first);
        fs::write(&file, "").unwrap();
        assert!(matches!(ensure_network_key(&file, false), Err(KeysError::InvalidNetworkKey(_))));
        assert_ne!(*ensure_network_key(&file, true).unwrap(), *first);
    }

    #[test]
    fn a_restored_grandpa_key_is_held_until_it_is_released() {
        let fixture = fixture();
        let (files, keys) = (&fixture.files, dave());
        let [aura, grandpa] = &keys.session[..] else { panic!("two keys") };
        assert!(files.install(&keys, VotingStart::WhenSafe).unwrap());
        assert!(fixture.has(aura) && !fixture.has(grandpa));
        assert_eq!(files.held_public_keys().unwrap(), [grandpa.public().public]);
        // A held key is still one of the validator's keys.
        assert_eq!(files.read(None).unwrap(), keys);
        for path in [&files.network_key, &files.stored_keys().unwrap()[0].path] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
        }

        assert!(!files.install(&keys, VotingStart::WhenSafe).unwrap(), "the same again");
        assert!(files.install(&keys, VotingStart::AtOnce).unwrap(), "the key is released");
        assert!(fixture.has(grandpa) && files.held_public_keys().unwrap().is_empty());
        assert!(!files.install(&keys, VotingStart::WhenSafe).unwrap(), "a released key is not held again");
        assert!(fixture.has(grandpa));
    }

    #[test]
    fn an_interrupted_restore_can_be_repeated() {
        let fixture = fixture();
        let (files, keys) = (&fixture.files, dave());
        write_new(&files.network_key, &keys.network).unwrap();
        assert!(files.install(&keys, VotingStart::AtOnce).unwrap());
        fs::remove_file(files.keystore.join(keys.session[0].file_name())).unwrap();
        assert!(files.install(&keys, VotingStart::AtOnce).unwrap());
        assert_eq!(files.read(None).unwrap(), keys);
    }

    #[test]
    fn other_keys_are_not_overwritten() {
        let other = NodeKeys { network: [7; 32], session: vec![session_key(AURA.0, "//Bob")] };
        let Fixture { files, .. } = &fixture();
        files.install(&other, VotingStart::AtOnce).unwrap();
        let error = files.install(&dave(), VotingStart::AtOnce).unwrap_err();
        assert!(matches!(error, KeysError::ForeignKey(_)), "{error}");
        assert_eq!(files.read(None).unwrap(), other);

        let Fixture { files, .. } = &fixture();
        write_new(&files.network_key, &[8; 32]).unwrap();
        let error = files.install(&dave(), VotingStart::AtOnce).unwrap_err();
        assert!(matches!(error, KeysError::ConflictingKey(_)), "{error}");
        assert!(!files.keystore.exists(), "nothing is restored if one key cannot be");
    }

    #[test]
    fn other_files_in_the_keystore_are_ignored() {
        let Fixture { files, .. } = &fixture();
        files.install(&dave(), VotingStart::AtOnce).unwrap();
        fs::write(files.keystore.join("notes.txt"), "of the operator").unwrap();
        assert_eq!(files.read(None).unwrap(), dave());
        assert!(!files.install(&dave(), VotingStart::AtOnce).unwrap());
    }

    #[test]
    fn a_node_without_a_lock_is_stopped() {
        let Fixture { files, .. } = &fixture();
        files.ensure_node_stopped().unwrap();
        fs::create_dir_all(&files.database).unwrap();
        fs::write(files.database.join("LOCK"), "").unwrap();
        files.ensure_node_stopped().unwrap();
    }
}
