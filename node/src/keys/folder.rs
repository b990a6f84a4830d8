//! Where a node keeps its keys: files of a keystore, and the file of its network key.

use super::{
    error::KeysError,
    held,
    identity::{Keys, SessionKey},
};
use rustix::process::{fcntl_getlk, Flock, FlockType};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{create_private, directory, read_private};
use zeroize::Zeroizing;

/// The folders of one chain of a node.
pub struct Folder {
    database: PathBuf,
    keystore: PathBuf,
    network: PathBuf,
}

/// When a restored GRANDPA key votes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Votes {
    /// As soon as it cannot contradict what it voted before.
    WhenSafe,
    /// From the node's start on.
    AtOnce,
}

/// A file of the keystore.
struct Stored {
    key: SessionKey,
    path: PathBuf,
    /// Whether it is kept from the voter.
    held: bool,
}

impl Folder {
    /// Those of a chain in a base path, with the keystore and the network key elsewhere on request.
    pub fn new(base: &Path, chain: &str, keystore: Option<&Path>, network: Option<&Path>) -> Self {
        let chain = base.join("chains").join(chain);
        Self {
            database: chain.join("db/full"),
            keystore: keystore.map_or_else(|| chain.join("keystore"), Path::to_owned),
            network: network.map_or_else(|| chain.join("network/secret_ed25519"), Path::to_owned),
        }
    }

    /// The places that a node is configured with. Where its network key is in no file, `network` names none that exists.
    pub fn configured(keystore: &Path, network: &Path) -> Self {
        Self { database: PathBuf::new(), keystore: keystore.to_owned(), network: network.to_owned() }
    }

    /// Refuses keys that are not what they should be; those that are not there are no mistake.
    pub fn check(&self, password: Option<&str>) -> Result<(), KeysError> {
        let stored = self.stored()?;
        self.check_sound(stored.iter().map(|stored| &stored.key), password)?;
        self.network_key().map(drop)
    }

    /// All keys; each is the one that its name says, with the password of the keystore where it has one.
    pub fn read(&self, password: Option<&str>) -> Result<Keys, KeysError> {
        let keys = self.read_as_they_are()?;
        self.check_sound(keys.session.iter(), password)?;
        Ok(keys)
    }

    fn check_sound<'k>(
        &self,
        mut keys: impl Iterator<Item = &'k SessionKey>,
        password: Option<&str>,
    ) -> Result<(), KeysError> {
        match keys.find(|key| !key.is_sound(password)) {
            None => Ok(()),
            Some(key) => Err(KeysError::Unsound {
                path: self.keystore.join(key.file()),
                problem: "it is damaged, or the keystore has a password (--password-filename)".into(),
            }),
        }
    }

    /// All keys, unchecked.
    pub fn read_as_they_are(&self) -> Result<Keys, KeysError> {
        let session: Vec<_> = self.stored()?.into_iter().map(|stored| stored.key).collect();
        if session.is_empty() {
            return Err(KeysError::NoSessionKeys(self.keystore.clone()));
        }
        let network = self.network_key()?.ok_or_else(|| KeysError::NoNetworkKey(self.network.clone()))?;
        Ok(Keys { network: *network, session })
    }

    /// The public halves of the keys that are kept from the voter.
    pub fn held(&self) -> Result<Vec<String>, KeysError> {
        let held = self.stored()?.into_iter().filter(|stored| stored.held);
        Ok(held.map(|stored| stored.key.public().public).collect())
    }

    /// Refuses a folder that a node is running on.
    ///
    /// RocksDB locks a file of its folder with `fcntl` for as long as the database is open, and the kernel tells who holds
    /// the lock without taking it. A node with `--database paritydb`, which no documentation of ours names, is not seen.
    pub fn check_idle(&self) -> Result<(), KeysError> {
        let path = self.database.join("LOCK");
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed("opening", &path))?,
        };
        let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))
            .map_err(|error| failed("asking for the lock of", &path)(error.into()))?;
        match lock {
            None => Ok(()),
            Some(lock) => Err(KeysError::Running {
                folder: self.database.clone(),
                process: lock.pid.map_or_else(|| "unknown".into(), |pid| pid.as_raw_pid().to_string()),
            }),
        }
    }

    /// Puts the keys where the node looks for them; whether any was missing. Does nothing where another key is there.
    pub fn put(&self, keys: &Keys, votes: Votes) -> Result<bool, KeysError> {
        let stored = self.stored()?;
        let network = self.network_key()?;
        check_same(keys, &stored)?;
        if network.as_ref().is_some_and(|there| **there != keys.network) {
            return Err(KeysError::Differs(self.network.clone()));
        }

        let mut changed = false;
        if network.is_none() {
            write(&self.network, &keys.network)?;
            changed = true;
        }
        for key in &keys.session {
            let hold = votes == Votes::WhenSafe && key.votes();
            match stored.iter().find(|stored| stored.key.name == key.name) {
                Some(stored) if stored.held && !hold => {
                    held::release(&stored.path).map_err(failed("renaming", &stored.path))?;
                }
                Some(_) => continue,
                None => {
                    let suffix = if hold { held::SUFFIX } else { "" };
                    let path = self.keystore.join(format!("{}{suffix}", key.file()));
                    write(&path, &Zeroizing::new(phrase_file(&path, &key.phrase)?))?;
                }
            }
            changed = true;
        }
        Ok(changed)
    }

    /// The keys in the keystore, in the order of their names; none where there is no such folder.
    fn stored(&self) -> Result<Vec<Stored>, KeysError> {
        let entries = match fs::read_dir(&self.keystore) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("reading", &self.keystore))?,
        };
        let mut stored: Vec<Stored> = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("reading", &self.keystore))?.path();
            let Some(file) = path.file_name().and_then(OsStr::to_str) else { continue };
            let (name, held) = file.strip_suffix(held::SUFFIX).map_or((file, false), |name| (name, true));
            let Some(name) = SessionKey::name_of(name) else { continue };
            let bytes = read_private(&path)?;
            let phrase = serde_json::from_slice(&bytes)
                .map_err(|error| KeysError::Unsound { path: path.clone(), problem: error.to_string() })?;
            stored.push(Stored { key: SessionKey { name, phrase }, path, held });
        }
        // Where a name is there twice, the one that votes counts.
        stored.sort_by(|one, other| (&one.key.name, one.held).cmp(&(&other.key.name, other.held)));
        stored.dedup_by(|other, one| other.key.name == one.key.name);
        Ok(stored)
    }

    /// The network key, as the node reads it: 32 bytes, or 64 hexadecimal digits.
    fn network_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
        if !self.network.try_exists().map_err(failed("looking for", &self.network))? {
            return Ok(None);
        }
        let bytes = read_private(&self.network)?;
        let mut key = Zeroizing::new([0; 32]);
        if hex::decode_to_slice(bytes.as_slice(), key.as_mut_slice()).is_ok() {
            return Ok(Some(key));
        }
        if bytes.len() != key.len() {
            return Err(KeysError::NotANetworkKey(self.network.clone()));
        }
        key.copy_from_slice(&bytes);
        Ok(Some(key))
    }
}

/// Refuses where a key is stored that the backup does not have.
fn check_same(keys: &Keys, stored: &[Stored]) -> Result<(), KeysError> {
    for Stored { key, path, .. } in stored {
        match keys.session.iter().find(|ours| ours.name == key.name) {
            None => return Err(KeysError::OtherKeys(path.clone())),
            Some(ours) if ours.phrase != key.phrase => return Err(KeysError::Differs(path.clone())),
            Some(_) => {}
        }
    }
    Ok(())
}

/// A key's file, as the keystore writes it: the phrase as a JSON text.
fn phrase_file(path: &Path, phrase: &str) -> Result<Vec<u8>, KeysError> {
    serde_json::to_vec(phrase)
        .map_err(|error| KeysError::Unsound { path: path.to_owned(), problem: error.to_string() })
}

/// Writes a new file with mode 0600, and the folders above it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let folder = directory(path);
    create_folder(folder).map_err(failed("making", folder))?;
    Ok(create_private(path, bytes)?)
}

fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = directory(path);
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
    use crate::keys::identity::tests::{dave, session_key};
    use sc_keystore::LocalKeystore;
    use sp_core::crypto::key_types::{AURA, GRANDPA};
    use sp_keystore::Keystore as _;
    use std::os::unix::fs::PermissionsExt as _;

    struct Fixture {
        base: tempfile::TempDir,
        folder: Folder,
    }

    fn fixture() -> Fixture {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::new(base.path(), "four", None, None);
        Fixture { base, folder }
    }

    impl Fixture {
        fn keystore(&self) -> LocalKeystore {
            LocalKeystore::open(self.base.path().join("chains/four/keystore"), None).unwrap()
        }

        /// Whether the node's own keystore can sign with the key.
        fn has(&self, key: &SessionKey) -> bool {
            let kind = if key.votes() { GRANDPA } else { AURA };
            self.keystore().has_keys(&[(key.name[4..].to_vec(), kind)])
        }
    }

    #[test]
    fn what_a_node_has_made_is_read() {
        let Fixture { folder, base } = fixture();
        assert!(matches!(folder.read(None), Err(KeysError::NoSessionKeys(_))));
        let keystore = LocalKeystore::open(base.path().join("chains/four/keystore"), None).unwrap();
        let aura = keystore.sr25519_generate_new(AURA, None).unwrap();
        keystore.ed25519_generate_new(GRANDPA, None).unwrap();
        assert!(matches!(folder.read(None), Err(KeysError::NoNetworkKey(_))));
        write(&folder.network, &[9; 32]).unwrap();
        let keys = folder.read(None).unwrap();
        assert_eq!((keys.network, keys.session.len()), ([9; 32], 2));
        assert_eq!(keys.session[0].public().public, format!("0x{}", hex::encode(aura.0)));

        fs::write(&folder.network, hex::encode([9; 32])).unwrap();
        assert_eq!(folder.read(None).unwrap(), keys);
        fs::write(&folder.network, "9").unwrap();
        assert!(matches!(folder.read(None), Err(KeysError::NotANetworkKey(_))));
    }

    #[test]
    fn a_key_that_is_not_what_its_name_says_is_not_backed_up() {
        let Fixture { folder, .. } = &fixture();
        folder.check(None).unwrap();
        folder.put(&dave(), Votes::AtOnce).unwrap();
        folder.check(None).unwrap();
        let path = folder.keystore.join(dave().session[0].file());
        for text in ["\"//Bob\"", "no JSON"] {
            fs::write(&path, text).unwrap();
            let error = folder.read(None).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            // Nor does a node start with it.
            assert_eq!(folder.check(None).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_restored_node_makes_blocks_at_once_and_votes_when_told() {
        let fixture = fixture();
        let (folder, keys) = (&fixture.folder, dave());
        let [aura, grandpa] = &keys.session[..] else { panic!("two keys") };
        assert!(folder.put(&keys, Votes::WhenSafe).unwrap());
        assert!(fixture.has(aura) && !fixture.has(grandpa));
        assert_eq!(folder.held().unwrap(), [grandpa.public().public]);
        // What is held back belongs to the validator all the same.
        assert_eq!(folder.read(None).unwrap(), keys);
        for path in [&folder.network, &folder.stored().unwrap()[0].path] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
        }

        assert!(!folder.put(&keys, Votes::WhenSafe).unwrap(), "the same again");
        assert!(folder.put(&keys, Votes::AtOnce).unwrap(), "the votes are let go");
        assert!(fixture.has(grandpa) && folder.held().unwrap().is_empty());
        assert!(!folder.put(&keys, Votes::WhenSafe).unwrap(), "what votes is not held back again");
        assert!(fixture.has(grandpa));
    }

    #[test]
    fn an_interrupted_restore_is_finished() {
        let fixture = fixture();
        let (folder, keys) = (&fixture.folder, dave());
        write(&folder.network, &keys.network).unwrap();
        assert!(folder.put(&keys, Votes::AtOnce).unwrap());
        fs::remove_file(folder.keystore.join(keys.session[0].file())).unwrap();
        assert!(folder.put(&keys, Votes::AtOnce).unwrap());
        assert_eq!(folder.read(None).unwrap(), keys);
    }

    #[test]
    fn another_validator_s_keys_stay_as_they_are() {
        let other = Keys { network: [7; 32], session: vec![session_key(AURA.0, "//Bob")] };
        let Fixture { folder, .. } = &fixture();
        folder.put(&other, Votes::AtOnce).unwrap();
        let error = folder.put(&dave(), Votes::AtOnce).unwrap_err();
        assert!(matches!(error, KeysError::OtherKeys(_)), "{error}");
        assert_eq!(folder.read(None).unwrap(), other);

        let Fixture { folder, .. } = &fixture();
        write(&folder.network, &[8; 32]).unwrap();
        let error = folder.put(&dave(), Votes::AtOnce).unwrap_err();
        assert!(matches!(error, KeysError::Differs(_)), "{error}");
        assert!(!folder.keystore.exists(), "nothing is restored where not all is");
    }

    #[test]
    fn files_that_are_no_keys_are_left_alone() {
        let Fixture { folder, .. } = &fixture();
        folder.put(&dave(), Votes::AtOnce).unwrap();
        fs::write(folder.keystore.join("notes.txt"), "of the operator").unwrap();
        assert_eq!(folder.read(None).unwrap(), dave());
        assert!(!folder.put(&dave(), Votes::AtOnce).unwrap());
    }

    #[test]
    fn a_folder_without_a_running_node_is_idle() {
        let Fixture { folder, .. } = &fixture();
        folder.check_idle().unwrap();
        fs::create_dir_all(&folder.database).unwrap();
        fs::write(folder.database.join("LOCK"), "").unwrap();
        folder.check_idle().unwrap();
    }
}
