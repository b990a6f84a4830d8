//! The voter's keystore: it signs nothing before the disk has what the database was told, so that no vote outlives its record.
//!
//! `sc-consensus-grandpa` writes each vote into the database before it asks for the signature, and sends the same vote again
//! after a restart. But `sc-client-db` has RocksDB sync nothing that it writes: it gets to the write-ahead log, and stays there
//! in the kernel's memory for half a minute or so. That outlives the process, and goes with the power. The box would come
//! back, vote otherwise in a round in which it has voted, and be removed from the validators for it. So the write-ahead log is
//! synced here first. It is written in order: with a vote's record, all that was written before it is on the disk, and that
//! is also the block that is voted for.
//!
//! Not, instead, a list of votes beside the database, by which a second one is refused. A signature that is refused ends the
//! voter and the node, at every start anew until the others have got further. And where the power goes in a whole house they
//! would not: each would be bound to a block that none of them has any more, and nothing would become final again.
//!
//! Blocks are not covered, and need not be: the slot of a block that was lost has passed when the box is back, by a clock that
//! goes right.

use rustix::fs::Dir;
use sc_service::config::DatabaseSource;
use sp_core::{crypto::KeyTypeId, ecdsa, ed25519, sr25519};
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

/// The keystore of the voter, for a node with this database, which is open.
pub fn for_voter(keys: KeystorePtr, database: &DatabaseSource) -> io::Result<KeystorePtr> {
    match database {
        DatabaseSource::RocksDb { path, .. } | DatabaseSource::Auto { rocksdb_path: path, .. }
            if path.is_dir() =>
        {
            Ok(Arc::new(Synced { keys, log: WriteAheadLog::of(path)? }))
        }
        other => {
            tracing::warn!(
                "a power cut can take the record of this node's last votes: that is prevented with --database rocksdb alone, \
                 and this one is {other}"
            );
            Ok(keys)
        }
    }
}

/// Keys that sign for GRANDPA once the database's log is synced.
struct Synced {
    keys: KeystorePtr,
    log: WriteAheadLog,
}

/// The write-ahead log of an open RocksDB, by its files: nobody but `sc-client-db` has a handle to the database.
struct WriteAheadLog {
    folder: PathBuf,
    open: Mutex<Open>,
}

/// What is open of it, and stays so: where others have used up all the files that this process may open, votes go on.
struct Open {
    folder: Dir,
    files: BTreeMap<OsString, LogFile>,
}

/// A file of the log. It only grows, and goes once all that is in it is in synced tables.
struct LogFile {
    file: File,
    /// How much of it is on the disk.
    synced: u64,
}

impl WriteAheadLog {
    /// That of the database in a folder. An error where there is none: it would be missed only when the power goes.
    fn of(folder: &Path) -> io::Result<Self> {
        let open = Open { folder: Dir::new(File::open(folder)?)?, files: BTreeMap::new() };
        let log = Self { folder: folder.to_owned(), open: Mutex::new(open) };
        log.sync()?;
        if log.open().files.is_empty() {
            let what = format!("{} has no write-ahead log of RocksDB", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        Ok(log)
    }

    /// Has the disk take whatever was written to the database before this call.
    fn sync(&self) -> io::Result<()> {
        let mut open = self.open();
        let Open { folder, files } = &mut *open;
        let (mut there, mut are_new) = (BTreeMap::new(), false);
        folder.rewind();
        while let Some(entry) = folder.read() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if Path::new(&name).extension() != Some(OsStr::new("log")) {
                continue;
            }
            let known = files.remove(&name);
            are_new |= known.is_none();
            let mut file = match known {
                Some(file) => file,
                None => match LogFile::open(&self.folder.join(&name))? {
                    Some(file) => file,
                    None => continue,
                },
            };
            file.sync()?;
            there.insert(name, file);
        }
        if are_new {
            rustix::fs::fsync(folder.fd()?)?;
        }
        *files = there;
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogFile {
    /// `None` where it has gone meanwhile: all of it is in tables.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self { file, synced: 0 })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Syncs it if it has grown.
    fn sync(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length != self.synced {
            self.file.sync_data()?;
            self.synced = length;
        }
        Ok(())
    }
}

impl Keystore for Synced {
    /// GRANDPA signs with this alone. It waits for the disk; the voter has a thread where it may.
    fn ed25519_sign(
        &self,
        key_type: KeyTypeId,
        public: &ed25519::Public,
        message: &[u8],
    ) -> Result<Option<ed25519::Signature>, Error> {
        self.log.sync().map_err(|error| {
            // GRANDPA does not say why it has no signature, and ends. What the disk then has is found out by the next start.
            let folder = self.log.folder.display();
            tracing::error!(
                "this validator does not vote, and ends: the log of the database in {folder} cannot be synced: {error}; check the \
                 disk and start the node again"
            );
            Error::Other(format!("syncing {folder}: {error}"))
        })?;
        self.keys.ed25519_sign(key_type, public, message)
    }

    fn ed25519_public_keys(&self, key_type: KeyTypeId) -> Vec<ed25519::Public> {
        self.keys.ed25519_public_keys(key_type)
    }

    fn ed25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<ed25519::Public, Error> {
        self.keys.ed25519_generate_new(key_type, seed)
    }

    fn sr25519_public_keys(&self, key_type: KeyTypeId) -> Vec<sr25519::Public> {
        self.keys.sr25519_public_keys(key_type)
    }

    fn sr25519_generate_new(
        &self,
        key_type: KeyTypeId,
        seed: Option<&str>,
    ) -> Result<sr25519::Public, Error> {
        self.keys.sr25519_generate_new(key_type, seed)
    }

    fn sr25519_sign(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        message: &[u8],
    ) -> Result<Option<sr25519::Signature>, Error> {
        self.keys.sr25519_sign(key_type, public, message)
    }

    fn sr25519_vrf_sign(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        data: &sr25519::vrf::VrfSignData,
    ) -> Result<Option<sr25519::vrf::VrfSignature>, Error> {
        self.keys.sr25519_vrf_sign(key_type, public, data)
    }

    fn sr25519_vrf_pre_output(
        &self,
        key_type: KeyTypeId,
        public: &sr25519::Public,
        input: &sr25519::vrf::VrfInput,
    ) -> Result<Option<sr25519::vrf::VrfPreOutput>, Error> {
        self.keys.sr25519_vrf_pre_output(key_type, public, input)
    }

    fn ecdsa_public_keys(&self, key_type: KeyTypeId) -> Vec<ecdsa::Public> {
        self.keys.ecdsa_public_keys(key_type)
    }

    fn ecdsa_generate_new(&self, key_type: KeyTypeId, seed: Option<&str>) -> Result<ecdsa::Public, Error> {
        self.keys.ecdsa_generate_new(key_type, seed)
    }

    fn ecdsa_sign(
        &self,
        key_type: KeyTypeId,
        public: &ecdsa::Public,
        message: &[u8],
    ) -> Result<Option<ecdsa::Signature>, Error> {
        self.keys.ecdsa_sign(key_type, public, message)
    }

    fn ecdsa_sign_prehashed(
        &self,
        key_type: KeyTypeId,
        public: &ecdsa::Public,
        message: &[u8; 32],
    ) -> Result<Option<ecdsa::Signature>, Error> {
        self.keys.ecdsa_sign_prehashed(key_type, public, message)
    }

    fn insert(&self, key_type: KeyTypeId, secret: &str, public: &[u8]) -> Result<(), ()> {
        self.keys.insert(key_type, secret, public)
    }

    fn keys(&self, key_type: KeyTypeId) -> Result<Vec<Vec<u8>>, Error> {
        self.keys.keys(key_type)
    }

    fn has_keys(&self, keys: &[(Vec<u8>, KeyTypeId)]) -> bool {
        self.keys.has_keys(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sp_core::{crypto::key_types::GRANDPA, Pair as _};
    use sp_keystore::testing::MemoryKeystore;
    use std::{fs, io::Write as _, os::unix::fs::symlink};

    fn append(path: &Path, bytes: &[u8]) {
        File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// The files of a log, and how much of each is synced.
    fn synced(log: &WriteAheadLog) -> Vec<(String, u64)> {
        let name = |name: &OsString| name.to_string_lossy().into_owned();
        log.open().files.iter().map(|(file, log)| (name(file), log.synced)).collect()
    }

    #[test]
    fn the_files_of_the_log_are_synced_as_far_as_they_have_grown() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        append(&file("000004.log"), b"one");
        for other in ["LOG", "LOG.old.17", "000003.sst", "CURRENT"] {
            append(&file(other), b"no log");
        }
        let log = WriteAheadLog::of(dir.path()).unwrap();
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
    fn a_folder_without_a_log_is_no_database() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(WriteAheadLog::of(dir.path()).err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_is_signed_that_the_disk_may_not_have() {
        let dir = tempfile::tempdir().unwrap();
        append(&dir.path().join("000004.log"), b"one");
        let keys: KeystorePtr = Arc::new(MemoryKeystore::new());
        let public = keys.ed25519_generate_new(GRANDPA, None).unwrap();
        let database = DatabaseSource::RocksDb { path: dir.path().to_owned(), cache_size: 16 };
        let voter = for_voter(keys, &database).unwrap();
        assert!(voter.has_keys(&[(public.0.to_vec(), GRANDPA)]));
        let signature = voter.ed25519_sign(GRANDPA, &public, b"vote").unwrap().unwrap();
        assert!(ed25519::Pair::verify(&signature, b"vote", &public));
        // A file that cannot be opened, as where a disk fails.
        symlink("000009.log", dir.path().join("000009.log")).unwrap();
        assert!(voter.ed25519_sign(GRANDPA, &public, b"vote").is_err());
        assert!(voter.sign_with(GRANDPA, ed25519::CRYPTO_ID, &public.0, b"vote").is_err());
    }

    #[test]
    fn other_databases_take_the_keys_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (keys, path) = (MemoryKeystore::new(), dir.path().join("none"));
        let rocksdb =
            DatabaseSource::Auto { paritydb_path: path.clone(), rocksdb_path: path.clone(), cache_size: 16 };
        for database in [DatabaseSource::ParityDb { path }, rocksdb] {
            let voter = for_voter(Arc::new(keys.clone()), &database).unwrap();
            let public = voter.ed25519_generate_new(GRANDPA, None).unwrap();
            assert!(voter.ed25519_sign(GRANDPA, &public, b"vote").unwrap().is_some());
        }
    }
}
