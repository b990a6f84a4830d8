//! The keystore of the GRANDPA voter. It syncs the database's write-ahead log before each signature, so that no vote
//! leaves the node before its record is on the disk.
//!
//! `sc-consensus-grandpa` writes each vote into the database before it requests the signature, and sends the same
//! vote again after a restart. But `sc-client-db` does not make RocksDB sync its writes: they reach the write-ahead
//! log and stay in the kernel's memory for about half a minute. They survive a crash of the process but not a power
//! cut. After a power cut, the node could vote differently in a round in which it has voted, and would be removed
//! from the validators for it. The write-ahead log is ordered: a sync that covers the record of a vote also covers
//! everything before it, including the block that is voted for.
//!
//! A list of votes cannot replace the sync. A voter whose vote is refused ends, and so does the node, at each restart until
//! the others have reached a later round. And if the power of all validators fails together, each would be bound to a
//! block that none of them has any more, and nothing would become final again. But disks fail in other ways too. If the
//! database has lost votes that the disk had confirmed, [`VoteRecord`] notices it. The key is held back then, and the
//! node restarts: it follows the others and votes again when that is safe, like a restored one.
//!
//! Block production needs no sync: when the node is back, the slot of a lost block has passed, unless the clock went
//! back.

use super::{
    delegate::delegate_to_inner,
    held_keys,
    vote_record::{Vote, VoteRecord},
};
use crate::restart::RestartSender;
use rustix::fs::Dir;
use sc_service::{
    config::{DatabaseSource, KeystoreConfig},
    Configuration,
};
use sp_core::{
    crypto::{key_types::GRANDPA, KeyTypeId},
    ecdsa, ed25519, sr25519,
};
use sp_keystore::{Error, Keystore, KeystorePtr};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Returns the keystore for the voter of a node whose database is open.
pub fn voter_keystore(
    inner: KeystorePtr,
    config: &Configuration,
    restart: RestartSender,
) -> io::Result<KeystorePtr> {
    let guard = match &config.keystore {
        KeystoreConfig::Path { path, .. } => Some(VoteGuard::new(&config.data_path, path, restart)?),
        KeystoreConfig::InMemory => None,
    };
    synced_keystore(inner, &config.database, guard)
}

fn synced_keystore(
    inner: KeystorePtr,
    database: &DatabaseSource,
    guard: Option<VoteGuard>,
) -> io::Result<KeystorePtr> {
    match database {
        DatabaseSource::RocksDb { path, .. } | DatabaseSource::Auto { rocksdb_path: path, .. }
            if path.is_dir() =>
        {
            Ok(Arc::new(SyncedKeystore { inner, log: WriteAheadLog::open(path)?, guard }))
        }
        other => {
            tracing::warn!(
                "a power cut can delete the record of this node's last votes; only --database rocksdb prevents that, but \
                 this node uses {other}"
            );
            Ok(inner)
        }
    }
}

/// A keystore that syncs the database's write-ahead log before it signs for GRANDPA.
struct SyncedKeystore {
    inner: KeystorePtr,
    log: WriteAheadLog,
    guard: Option<VoteGuard>,
}

/// Holds the key back if a vote shows that the database has lost votes.
struct VoteGuard {
    record: Mutex<VoteRecord>,
    /// The folder of the key files.
    keystore: PathBuf,
    restart: RestartSender,
}

impl VoteGuard {
    fn new(chain_folder: &Path, keystore: &Path, restart: RestartSender) -> io::Result<Self> {
        let record = Mutex::new(VoteRecord::open(chain_folder)?);
        Ok(Self { record, keystore: keystore.to_owned(), restart })
    }

    /// Returns an error and holds the key back if the vote may contradict an earlier one. A key without a file, such as
    /// that of `--alice`, cannot be held back.
    fn verify(&self, key: &ed25519::Public, vote: &Vote) -> Result<(), Error> {
        let file = self.keystore.join(hex::encode([GRANDPA.0.as_slice(), &key.0].concat()));
        if self.lock().allows(key, vote) || !file.exists() {
            return Ok(());
        }
        let reason = format!(
            "the database has lost votes of this validator: it would vote again in round {} of authority set {}. Its \
             GRANDPA key is held back until its votes cannot contradict its earlier ones",
            vote.round, vote.set
        );
        if let Err(error) = held_keys::hold(&file) {
            tracing::error!("{reason}, but {} cannot be renamed: {error}", file.display());
        } else {
            tracing::error!("{reason}. Check the disk: docs/validator/keys.md says more");
            self.restart.request_now(reason.clone());
        }
        Err(Error::Other(reason))
    }

    /// Records a vote before it is signed.
    fn add(&self, key: &ed25519::Public, vote: Vote) {
        let mut record = self.lock();
        if let Err(error) = record.add(key, vote) {
            tracing::warn!("the vote is not recorded in {}: {error}", record.path().display());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VoteRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of the write-ahead log of an open RocksDB. `sc-client-db` does not give access to the database itself.
struct WriteAheadLog {
    path: PathBuf,
    files: Mutex<OpenFiles>,
}

/// The open files of the log. They stay open, so that the validator can vote even if the process has run out of file
/// descriptors.
struct OpenFiles {
    folder: Dir,
    by_name: BTreeMap<OsString, LogFile>,
}

/// A file of the log. It only grows, and RocksDB deletes it once its contents are in synced tables.
struct LogFile {
    file: File,
    /// The number of bytes that are on the disk.
    synced: u64,
}

impl WriteAheadLog {
    /// Opens the log of the database in a folder. Returns an error if there is none, because a wrong folder would
    /// otherwise not be noticed until a power cut.
    fn open(path: &Path) -> io::Result<Self> {
        let files = OpenFiles { folder: Dir::new(File::open(path)?)?, by_name: BTreeMap::new() };
        let log = Self { path: path.to_owned(), files: Mutex::new(files) };
        log.sync()?;
        if log.lock().by_name.is_empty() {
            let problem = format!("{} has no write-ahead log of RocksDB", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, problem));
        }
        Ok(log)
    }

    /// Syncs everything that was written to the database before this call.
    fn sync(&self) -> io::Result<()> {
        let mut files = self.lock();
        let OpenFiles { folder, by_name } = &mut *files;
        let (mut current, mut has_new_file) = (BTreeMap::new(), false);
        folder.rewind();
        while let Some(entry) = folder.read() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if Path::new(&name).extension() != Some(OsStr::new("log")) {
                continue;
            }
            let known = by_name.remove(&name);
            has_new_file |= known.is_none();
            let mut file = match known {
                Some(file) => file,
                None => match LogFile::open(&self.path.join(&name))? {
                    Some(file) => file,
                    None => continue,
                },
            };
            file.sync()?;
            current.insert(name, file);
        }
        if has_new_file {
            rustix::fs::fsync(folder.fd()?)?;
        }
        *by_name = current;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, OpenFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogFile {
    /// Opens a file. Returns `None` if RocksDB has deleted it meanwhile, because all its contents are in tables.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { file, synced: 0 })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Syncs the file if it has grown.
    fn sync(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length != self.synced {
            self.file.sync_data()?;
            self.synced = length;
        }
        Ok(())
    }
}

impl Keystore for SyncedKeystore {
    /// The only method that GRANDPA signs with. It blocks on the disk; the voter runs on a thread that may block.
    fn ed25519_sign(
        &self,
        key_type: KeyTypeId,
        public: &ed25519::Public,
        message: &[u8],
    ) -> Result<Option<ed25519::Signature>, Error> {
        let vote = Vote::of_message(message).filter(|_| key_type == GRANDPA);
        let guarded = self.guard.as_ref().zip(vote);
        if let Some((guard, vote)) = guarded {
            guard.verify(public, &vote)?;
        }
        self.log.sync().map_err(|error| {
            // GRANDPA ends without saying why it has no signature. After a failed sync, only a restart shows what is
            // on the disk.
            let path = self.log.path.display();
            tracing::error!(
                "this validator stops without voting, because it cannot sync the write-ahead log of the database in \
                 {path}: {error}; check the disk and restart the node"
            );
            Error::Other(format!("syncing {path}: {error}"))
        })?;
        if let Some((guard, vote)) = guarded {
            guard.add(public, vote);
        }
        self.inner.ed25519_sign(key_type, public, message)
    }

    delegate_to_inner!(public_keys, new_keys, other_signatures);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart;
    use sp_core::Pair as _;
    use sp_keystore::testing::MemoryKeystore;
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    fn append(path: &Path, bytes: &[u8]) {
        File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// Returns the names of the files and the number of synced bytes of each.
    fn synced(log: &WriteAheadLog) -> Vec<(String, u64)> {
        let name = |name: &OsString| name.to_string_lossy().into_owned();
        log.lock().by_name.iter().map(|(file, log)| (name(file), log.synced)).collect()
    }

    #[test]
    fn sync_covers_new_and_grown_log_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        append(&file("000004.log"), b"one");
        for other in ["LOG", "LOG.old.17", "000003.sst", "CURRENT"] {
            append(&file(other), b"not a log");
        }
        let log = WriteAheadLog::open(dir.path()).unwrap();
        assert_eq!(synced(&log), [("000004.log".to_owned(), 3)]);
        append(&file("000004.log"), b"two");
        append(&file("000009.log"), b"three");
        log.sync().unwrap();
        assert_eq!(synced(&log), [("000004.log".to_owned(), 6), ("000009.log".to_owned(), 5)]);
        fs::remove_file(file("000004.log")).unwrap();
        log.sync().unwrap();
        assert_eq!(synced(&log), [("000009.log".to_owned(), 5)]);
    }

    #[test]
    fn a_folder_without_a_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(WriteAheadLog::open(dir.path()).err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_is_signed_if_the_sync_fails() {
        let dir = tempfile::tempdir().unwrap();
        append(&dir.path().join("000004.log"), b"one");
        let keys: KeystorePtr = Arc::new(MemoryKeystore::new());
        let public = keys.ed25519_generate_new(GRANDPA, None).unwrap();
        let database = DatabaseSource::RocksDb { path: dir.path().to_owned(), cache_size: 16 };
        let voter = synced_keystore(keys, &database, None).unwrap();
        assert!(voter.has_keys(&[(public.0.to_vec(), GRANDPA)]));
        let signature = voter.ed25519_sign(GRANDPA, &public, b"vote").unwrap().unwrap();
        assert!(ed25519::Pair::verify(&signature, b"vote", &public));
        // A link to itself cannot be opened, like a file on a failing disk.
        symlink("000009.log", dir.path().join("000009.log")).unwrap();
        assert!(voter.ed25519_sign(GRANDPA, &public, b"vote").is_err());
        assert!(voter.sign_with(GRANDPA, ed25519::CRYPTO_ID, &public.0, b"vote").is_err());
    }

    /// The start of a message of GRANDPA, then the round and the authority set.
    fn prevote(block: u8, round: u64) -> Vec<u8> {
        [[0, block].as_slice(), &round.to_le_bytes(), &0u64.to_le_bytes()].concat()
    }

    #[tokio::test]
    async fn a_second_vote_in_a_round_holds_the_key_back_and_restarts_the_node() {
        let dir = tempfile::tempdir().unwrap();
        append(&dir.path().join("000004.log"), b"one");
        let keys: KeystorePtr = Arc::new(MemoryKeystore::new());
        let public = keys.ed25519_generate_new(GRANDPA, None).unwrap();
        let file = dir.path().join(hex::encode([GRANDPA.0.as_slice(), &public.0].concat()));
        let database = DatabaseSource::RocksDb { path: dir.path().to_owned(), cache_size: 16 };
        let (sender, mut restarts) = restart::channel();
        let open = || {
            let guard = VoteGuard::new(dir.path(), dir.path(), sender.clone()).unwrap();
            synced_keystore(keys.clone(), &database, Some(guard)).unwrap()
        };
        let voter = open();
        for vote in [prevote(1, 5), prevote(1, 6), prevote(1, 6)] {
            assert!(voter.ed25519_sign(GRANDPA, &public, &vote).unwrap().is_some());
        }
        assert!(open().ed25519_sign(GRANDPA, &public, &prevote(2, 6)).unwrap().is_some(), "it has no file");

        append(&file, b"\"phrase\"");
        let error = open().ed25519_sign(GRANDPA, &public, &prevote(3, 6)).unwrap_err().to_string();
        assert!(error.contains("round 6"), "{error}");
        assert!(!file.exists() && held_keys::held_path(&file).is_file());
        assert!(restarts.recv().await.unwrap().contains("lost votes"));
    }

    #[test]
    fn keys_for_other_databases_sign_without_a_sync() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, path) = (MemoryKeystore::new(), dir.path().join("none"));
        let rocksdb =
            DatabaseSource::Auto { paritydb_path: path.clone(), rocksdb_path: path.clone(), cache_size: 16 };
        for database in [DatabaseSource::ParityDb { path }, rocksdb] {
            let voter = synced_keystore(Arc::new(keys.clone()), &database, None).unwrap();
            let public = voter.ed25519_generate_new(GRANDPA, None).unwrap();
            assert!(voter.ed25519_sign(GRANDPA, &public, b"vote").unwrap().is_some());
        }
    }
}
