//! The folder of the database, and the file beside it that says whether the database was created completely.
//!
//! RocksDB and `sc-client-db` do not sync what they write first. After a power cut, files of a new database can be empty,
//! and neither of them opens it again. A new database holds only the genesis block, so it can be created again. But a
//! database that was complete must not be replaced by an empty one: the node would start from block 0 without a word,
//! and a validator would forget its votes. The state file tells the two apart.

use super::DatabaseError;
use crate::keys::vote_record;
use rustix::fs::syncfs;
use sc_service::{config::DatabaseSource, Configuration};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use streembit_keystore::files::{folder_of, replace_private};

/// The name of the state file, in the folder of the chain.
const STATE_FILE: &str = "database.state";

/// The contents of the state file before the database is complete.
const CREATING: &str = "creating\n";

/// The first line of the state file after the database is complete. The version of the database follows.
const COMPLETE: &str = "complete\n";

/// The file in which sc-client-db keeps the version of the database. It is written anew at each start, without a sync.
const VERSION_FILE: &str = "db_version";

/// The folder of a RocksDB database and its state file.
pub struct DatabaseFolder {
    path: PathBuf,
    state_file: PathBuf,
}

/// What was in the folder before the database is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing: the node begins a new database.
    Nothing,
    /// A database, which must have at least the genesis block.
    Database,
}

/// What the state file says.
#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    /// There is no state file: the database is new, or an earlier release created it.
    Unknown,
    /// The database was being created when the node ended.
    Creating,
    /// The database is complete. The version file had these contents.
    Complete { version: String },
}

impl DatabaseFolder {
    /// Returns the folder, or `None` if the database is not RocksDB.
    pub fn of(config: &Configuration) -> Option<Self> {
        let path = match &config.database {
            DatabaseSource::RocksDb { path, .. } => path,
            DatabaseSource::Auto { rocksdb_path, paritydb_path, .. } if !paritydb_path.exists() => {
                rocksdb_path
            }
            _ => return None,
        };
        Some(Self::new(path, &config.data_path))
    }

    fn new(path: &Path, chain_folder: &Path) -> Self {
        Self { path: path.to_owned(), state_file: chain_folder.join(STATE_FILE) }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares the folder to be opened. Removes a database whose creation was interrupted. Returns an error if files
    /// of a complete database are missing.
    pub fn prepare(&self) -> Result<Found, DatabaseError> {
        match self.read_state()? {
            State::Creating => {
                tracing::warn!(
                    "the creation of the database in {} was interrupted: it begins again",
                    self.path.display()
                );
                self.remove()?;
            }
            State::Complete { .. } if is_empty(&self.path) => {
                return Err(DatabaseError::Gone(self.path.clone()))
            }
            State::Complete { version } => {
                self.restore_version(&version)?;
                return self.verify_files().map(|()| Found::Database);
            }
            State::Unknown if is_empty(&self.path) => {}
            State::Unknown => return self.verify_files().map(|()| Found::Database),
        }
        let folder = folder_of(&self.state_file);
        fs::create_dir_all(folder).map_err(failed("creating", folder))?;
        self.write_state(CREATING)?;
        Ok(Found::Nothing)
    }

    /// Returns an error if a database that was found has no genesis block when it is open. RocksDB opens a database
    /// without its write-ahead log, or with a manifest whose end is missing, as an older and maybe empty one, and the
    /// node would begin the chain anew in it.
    pub fn verify_genesis(&self, found: Found, has_genesis: bool) -> Result<(), DatabaseError> {
        match found {
            Found::Database if !has_genesis => Err(DatabaseError::Damaged {
                folder: self.path.clone(),
                problem:
                    "it has lost its first block, so the end of its write-ahead log or manifest is missing"
                        .into(),
            }),
            Found::Database | Found::Nothing => Ok(()),
        }
    }

    /// Makes the disk take the open database, then records that it is complete.
    pub fn complete(&self) -> Result<(), DatabaseError> {
        let version_file = self.path.join(VERSION_FILE);
        let version = fs::read_to_string(&version_file).map_err(failed("reading", &version_file))?;
        let folder = File::open(&self.path).map_err(failed("opening", &self.path))?;
        syncfs(&folder).map_err(|error| failed("syncing", &self.path)(error.into()))?;
        let state = format!("{COMPLETE}{version}");
        match fs::read_to_string(&self.state_file) {
            Ok(known) if known == state => Ok(()),
            _ => self.write_state(&state),
        }
    }

    /// Forgets that there was a database, if it was removed. For `purge-chain`, which asks the user first.
    pub fn forget_if_removed(&self) -> Result<(), DatabaseError> {
        if !is_empty(&self.path) {
            return Ok(());
        }
        let chain_folder = folder_of(&self.state_file);
        vote_record::forget(chain_folder).map_err(failed("removing the record of votes in", chain_folder))?;
        remove_if_exists(fs::remove_file(&self.state_file)).map_err(failed("removing", &self.state_file))
    }

    fn read_state(&self) -> Result<State, DatabaseError> {
        match fs::read_to_string(&self.state_file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Unknown),
            Err(error) => Err(failed("reading", &self.state_file)(error)),
            Ok(text) if text == CREATING => Ok(State::Creating),
            Ok(text) => match text.strip_prefix(COMPLETE) {
                Some(version) => Ok(State::Complete { version: version.to_owned() }),
                None => Err(DatabaseError::Damaged {
                    folder: self.path.clone(),
                    problem: format!("{} has unknown contents", self.state_file.display()),
                }),
            },
        }
    }

    fn write_state(&self, text: &str) -> Result<(), DatabaseError> {
        let path = &self.state_file;
        replace_private(path, text.as_bytes())
            .map_err(|error| failed("writing", path)(io::Error::other(error.to_string())))
    }

    fn remove(&self) -> Result<(), DatabaseError> {
        remove_if_exists(fs::remove_dir_all(&self.path)).map_err(failed("removing", &self.path))
    }

    /// Writes the version file again if a power cut has emptied it.
    fn restore_version(&self, version: &str) -> Result<(), DatabaseError> {
        let path = self.path.join(VERSION_FILE);
        let is_empty = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
        if !is_empty || version.is_empty() {
            return Ok(());
        }
        fs::write(&path, version).map_err(failed("writing", &path))
    }

    /// Returns an error if a file is missing without which RocksDB would create a new database or not say why it fails.
    fn verify_files(&self) -> Result<(), DatabaseError> {
        let damaged = |problem| DatabaseError::Damaged { folder: self.path.clone(), problem };
        let current = self.path.join("CURRENT");
        let manifest = fs::read_to_string(&current)
            .map_err(|error| damaged(format!("its file CURRENT cannot be read ({error})")))?;
        let manifest = manifest.trim();
        let name_is_valid = manifest.starts_with("MANIFEST-") && !manifest.contains('/');
        if !name_is_valid {
            return Err(damaged("its file CURRENT names no MANIFEST".into()));
        }
        match fs::metadata(self.path.join(manifest)) {
            Ok(file) if file.len() > 0 => {}
            Ok(_) => return Err(damaged(format!("its file {manifest} is empty"))),
            Err(error) => return Err(damaged(format!("its file {manifest} cannot be read ({error})"))),
        }
        match fs::metadata(self.path.join(VERSION_FILE)) {
            Ok(file) if file.len() > 0 => Ok(()),
            Ok(_) => Err(damaged(format!("its file {VERSION_FILE} is empty"))),
            Err(error) => Err(damaged(format!("its file {VERSION_FILE} cannot be read ({error})"))),
        }
    }
}

/// Returns true if the folder does not exist or has no entries.
fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none())
}

fn remove_if_exists(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl Fn(io::Error) -> DatabaseError + 'p {
    move |source| DatabaseError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        folder: DatabaseFolder,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let folder = DatabaseFolder::new(&dir.path().join("db/full"), dir.path());
        Fixture { dir, folder }
    }

    impl Fixture {
        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join("db/full").join(name)
        }

        /// Writes the files that a database has after it was opened.
        fn write_files(&self) {
            fs::create_dir_all(self.folder.path()).unwrap();
            for (name, text) in
                [("CURRENT", "MANIFEST-000005\n"), ("MANIFEST-000005", "edits"), (VERSION_FILE, "4")]
            {
                fs::write(self.file(name), text).unwrap();
            }
        }
    }

    #[test]
    fn an_interrupted_creation_begins_again() {
        let fixture = fixture();
        fixture.folder.prepare().unwrap();
        fixture.write_files();
        // The power fails, and the version file is empty.
        fs::write(fixture.file(VERSION_FILE), "").unwrap();
        fixture.folder.prepare().unwrap();
        assert!(is_empty(fixture.folder.path()));
        fixture.write_files();
        fixture.folder.complete().unwrap();
        assert_eq!(fixture.folder.prepare().unwrap(), Found::Database);
        assert!(fixture.file("CURRENT").is_file(), "a complete database stays");
    }

    #[test]
    fn a_database_that_was_found_must_have_its_genesis_block() {
        let fixture = fixture();
        let found = fixture.folder.prepare().unwrap();
        assert_eq!(found, Found::Nothing);
        fixture.folder.verify_genesis(found, false).unwrap();
        fixture.write_files();
        fixture.folder.complete().unwrap();
        let found = fixture.folder.prepare().unwrap();
        fixture.folder.verify_genesis(found, true).unwrap();
        let error = fixture.folder.verify_genesis(found, false).unwrap_err().to_string();
        assert!(error.contains("first block") && error.contains("purge-chain"), "{error}");
    }

    #[test]
    fn a_complete_database_is_never_begun_anew() {
        let fixture = fixture();
        fixture.write_files();
        fixture.folder.complete().unwrap();
        fs::remove_file(fixture.file("CURRENT")).unwrap();
        let error = fixture.folder.prepare().unwrap_err().to_string();
        assert!(error.contains("CURRENT") && error.contains("purge-chain"), "{error}");
        fs::remove_dir_all(fixture.folder.path()).unwrap();
        let error = fixture.folder.prepare().unwrap_err();
        assert!(matches!(error, DatabaseError::Gone(_)), "{error}");
        fixture.folder.forget_if_removed().unwrap();
        fixture.folder.prepare().unwrap();
    }

    #[test]
    fn a_version_file_that_a_power_cut_emptied_is_restored() {
        let fixture = fixture();
        fixture.write_files();
        fixture.folder.complete().unwrap();
        fs::write(fixture.file(VERSION_FILE), "").unwrap();
        fixture.folder.prepare().unwrap();
        assert_eq!(fs::read_to_string(fixture.file(VERSION_FILE)).unwrap(), "4");
    }

    #[test]
    fn the_database_of_an_earlier_release_is_verified_and_kept() {
        let fixture = fixture();
        fixture.write_files();
        fixture.folder.prepare().unwrap();
        for (name, text) in [("MANIFEST-000005", ""), ("CURRENT", "nonsense"), (VERSION_FILE, "")] {
            fixture.write_files();
            fs::write(fixture.file(name), text).unwrap();
            let error = fixture.folder.prepare().unwrap_err().to_string();
            assert!(error.contains(fixture.folder.path().to_str().unwrap()), "{error}");
            assert!(error.contains(name), "{error}");
        }
    }
}
