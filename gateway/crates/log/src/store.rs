//! The RocksDB database: its column families and keys, and options that suit a small gateway.

use super::{OpenError, StorageError};
use codec::{Decode, DecodeAll, Encode};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, DBWithThreadMode, LogLevel, Options, SingleThreaded, WriteOptions,
};
use std::{
    cmp::Ordering::{Equal, Greater, Less},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        PoisonError, RwLock, RwLockReadGuard,
    },
};
use streembit_primitives::{DeviceId, Hash, LogId};

pub(crate) type Db = DBWithThreadMode<SingleThreaded>;

/// The column families, with their keys and values. Integers in keys are big-endian, so that they sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// Index (8 bytes) -> `LogEntry`.
    Entries,
    /// Index (8 bytes) -> `Body`. Separate from the entries, so that a body can be erased.
    Bodies,
    /// First leaf (8 bytes), level (1 byte) -> up to 64 hashes of 32 bytes: the [`super::tiles`] of leaves. Separate
    /// from the tiles above, which stay in memory.
    Tiles,
    /// The tiles of the levels above, with the same keys and values.
    UpperTiles,
    /// Device (32 bytes), sequence (8 bytes) -> index (8 bytes).
    ByDevice,
    /// Device (32 bytes) -> [`super::Head`].
    Heads,
    /// Device (32 bytes), sequence (8 bytes) -> [`super::Fork`].
    Forks,
    /// Size (8 bytes) -> `SignedCheckpoint`.
    Checkpoints,
    /// Size (8 bytes) -> `Anchor`.
    Anchors,
    /// Index (8 bytes) -> when its body was erased (u64, milliseconds since the Unix epoch).
    Erasures,
    /// The proof of the last anchor on each chain; see [`super::chain_proofs`] for the keys.
    ChainProofs,
    /// `format` -> u32, `log` -> `LogId`, `state` -> [`State`], `purge` -> the bodies that [`super::erase`] has yet to
    /// remove from the disk.
    Meta,
}

impl Family {
    pub(crate) const ALL: [Self; 12] = [
        Self::Entries,
        Self::Bodies,
        Self::Tiles,
        Self::UpperTiles,
        Self::ByDevice,
        Self::Heads,
        Self::Forks,
        Self::Checkpoints,
        Self::Anchors,
        Self::Erasures,
        Self::ChainProofs,
        Self::Meta,
    ];

    /// The families that were added later without a new format, so that the database of an older release lacks them.
    /// They are created when the log is opened for writing, and read as empty until then.
    pub(crate) const ADDED_LATER: [Self; 2] = [Self::Erasures, Self::ChainProofs];

    /// The name of the column family, which is part of the format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Bodies => "bodies",
            Self::Tiles => "tiles",
            Self::UpperTiles => "upper-tiles",
            Self::ByDevice => "by-device",
            Self::Heads => "heads",
            Self::Forks => "forks",
            Self::Checkpoints => "checkpoints",
            Self::Anchors => "anchors",
            Self::Erasures => "erasures",
            Self::ChainProofs => "chain-proofs",
            Self::Meta => "meta",
        }
    }

    /// The size at which the family's memtable is flushed to a file, in bytes. [`TOTAL_WRITE_BUFFER`] bounds all
    /// families.
    const fn write_buffer(self) -> usize {
        match self {
            Self::Entries | Self::Bodies => 8 << 20,
            Self::Tiles | Self::ByDevice => 4 << 20,
            _ => 1 << 20,
        }
    }
}

/// The size at which the memtables of all families are flushed, in bytes.
const TOTAL_WRITE_BUFFER: usize = 32 << 20;

/// The size and root of the log, written with every group. The stored nodes must lead to this root.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct State {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// The keys of [`Family::Meta`].
pub(crate) mod meta {
    pub(crate) const FORMAT: &[u8] = b"format";
    pub(crate) const LOG: &[u8] = b"log";
    pub(crate) const STATE: &[u8] = b"state";
    pub(crate) const PURGE: &[u8] = b"purge";
}

/// The open database. After a failed write, RocksDB refuses all others until it is closed and opened again.
pub(crate) struct Store {
    db: RwLock<Option<Db>>,
    path: PathBuf,
    /// Set when a write outside the writer's thread has failed.
    marked_for_reopen: AtomicBool,
    /// The folder in which a read-only instance writes its own log. Removed when the store is dropped.
    _secondary: Option<tempfile::TempDir>,
}

/// A key of a family with its value.
type KeyValue = (Vec<u8>, Vec<u8>);

/// Keeps the database open for one operation.
pub(crate) struct Guard<'a>(RwLockReadGuard<'a, Option<Db>>);

impl Store {
    /// Opens the database for writing, and creates it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            db: RwLock::new(Some(open(path)?)),
            path: path.into(),
            marked_for_reopen: AtomicBool::new(false),
            _secondary: None,
        })
    }

    /// Opens the current state of the database for reading, even while a gateway writes to it.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        if !path.join("CURRENT").exists() {
            return Err(OpenError::Missing { path: path.into() });
        }
        let secondary = tempfile::tempdir().map_err(|error| cannot_open(path, error))?;
        let mut options = options();
        // A secondary instance must open all files at once, before the gateway's compaction deletes them.
        options.set_max_open_files(-1);
        let stored = Db::list_cf(&options, path).map_err(|error| open_error(path, error))?;
        let is_missing = |family: &Family| !stored.iter().any(|name| name == family.name());
        let missing: Vec<_> = Family::ADDED_LATER
            .iter()
            .filter(|family| is_missing(family))
            .map(|family| family.name())
            .collect();
        let families = families().into_iter().filter(|family| !missing.contains(&family.name()));
        let db = Db::open_cf_descriptors_as_secondary(&options, path, secondary.path(), families)
            .map_err(|error| open_error(path, error))?;
        // Reads the entries that are still in the gateway's write-ahead log.
        db.try_catch_up_with_primary()
            .map_err(StorageError::database("reading the newest entries of the log"))?;
        Ok(Self {
            db: RwLock::new(Some(db)),
            path: path.into(),
            marked_for_reopen: AtomicBool::new(false),
            _secondary: Some(secondary),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits only while the database is being opened again.
    ///
    /// A thread must not hold two guards: if the writer starts to reopen the database between them, the second guard
    /// waits for the writer, and the writer for the first guard. Only the writer's own thread is exempt.
    pub(crate) fn db(&self) -> Guard<'_> {
        Guard(self.db.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Requests that the writer opens the database again, because a write has failed.
    pub(crate) fn mark_for_reopen(&self) {
        self.marked_for_reopen.store(true, Ordering::Release);
    }

    /// Clears the mark of [`Self::mark_for_reopen`]. Returns true if it was set.
    pub(crate) fn take_reopen_mark(&self) -> bool {
        self.marked_for_reopen.swap(false, Ordering::AcqRel)
    }

    /// Closes the database and opens it again. Creates none: if there is none, its disk was removed, and may come back.
    pub(crate) fn reopen(&self) -> Result<(), OpenError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Close it first, because RocksDB locks the folder.
        *db = None;
        if !self.path.join("CURRENT").exists() {
            return Err(cannot_open(&self.path, std::io::ErrorKind::NotFound.into()));
        }
        *db = Some(open(&self.path)?);
        Ok(())
    }
}

impl Guard<'_> {
    /// Returns the database, or an error if it could not be opened again after a failed write.
    pub(crate) fn get(&self) -> Result<&Db, StorageError> {
        self.0.as_ref().ok_or(StorageError::Unavailable)
    }

    pub(crate) fn family(&self, family: Family) -> Result<(&Db, &ColumnFamily), StorageError> {
        let db = self.get()?;
        let handle = db
            .cf_handle(family.name())
            .ok_or_else(|| StorageError::damaged(format!("column family {} is missing", family.name())))?;
        Ok((db, handle))
    }

    /// Returns the bytes stored under a key.
    pub(crate) fn bytes(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if Family::ADDED_LATER.contains(&family) && !self.has(family)? {
            return Ok(None);
        }
        let (db, handle) = self.family(family)?;
        db.get_cf(handle, key).map_err(StorageError::database("reading the log"))
    }

    /// Returns true if the database has this family. An older database may lack those of [`Family::ADDED_LATER`].
    pub(crate) fn has(&self, family: Family) -> Result<bool, StorageError> {
        Ok(self.get()?.cf_handle(family.name()).is_some())
    }

    /// Returns the value stored under a key.
    pub(crate) fn value<T: Decode>(&self, family: Family, key: &[u8]) -> Result<Option<T>, StorageError> {
        self.bytes(family, key)?.map(|bytes| decode(family, key, &bytes)).transpose()
    }

    /// Returns the greatest key of a family and its value.
    pub(crate) fn last(&self, family: Family) -> Result<Option<KeyValue>, StorageError> {
        let (db, handle) = self.family(family)?;
        db.iterator_cf(handle, rocksdb::IteratorMode::End)
            .next()
            .transpose()
            .map(|pair| pair.map(|(key, value)| (key.into(), value.into())))
            .map_err(StorageError::database("reading the end of the log"))
    }

    /// Writes one value with a synced write.
    pub(crate) fn put(&self, family: Family, key: &[u8], value: &impl Encode) -> Result<(), StorageError> {
        let (db, handle) = self.family(family)?;
        db.put_cf_opt(handle, key, value.encode(), &synced())
            .map_err(StorageError::database("writing to the log"))
    }
}

/// Decodes a stored value.
pub(crate) fn decode<T: Decode>(family: Family, key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    T::decode_all(&mut &*bytes).map_err(|error| {
        StorageError::damaged_by(format!("{} of key {}", family.name(), hex::encode(key)), error)
    })
}

/// The options of a synced write.
pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    // The keys of one group are consecutive in every family.
    options.set_memtable_insert_hint_per_batch(true);
    options
}

pub(crate) fn device_key(device: &DeviceId, sequence: u64) -> [u8; 40] {
    let mut key = [0; 40];
    let (id, number) = key.split_at_mut(32);
    id.copy_from_slice(&device.0);
    number.copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Decodes an integer of 8 big-endian bytes.
pub(crate) fn integer(family: Family, bytes: &[u8]) -> Result<u64, StorageError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| {
        StorageError::damaged(format!("{}: an integer has {} bytes instead of 8", family.name(), bytes.len()))
    })
}

fn open(path: &Path) -> Result<Db, OpenError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let fresh = !path.join("CURRENT").exists();
    if fresh {
        let foreign = std::fs::read_dir(path).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.path().extension().is_some_and(|e| e == "sst")))
        });
        if foreign {
            let what = format!("{} has tables but no CURRENT file", path.display());
            return Err(StorageError::damaged(what).into());
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| cannot_open(path, error))?;
        super::failpoint::reach("open-folder");
    }
    let mut options = options();
    options.create_if_missing(fresh);
    // Also for an existing database, whose creation may have been interrupted. The checks of an opened log find
    // families that were lost later.
    options.create_missing_column_families(true);
    Db::open_cf_descriptors(&options, path, families()).map_err(|error| open_error(path, error))
}

/// Translates an error of RocksDB on opening.
fn open_error(path: &Path, error: rocksdb::Error) -> OpenError {
    let problem = error.to_string();
    if problem.contains("lock") && (problem.contains("LOCK") || problem.contains("hold by current process")) {
        return OpenError::Locked { path: path.into() };
    }
    match error.kind() {
        rocksdb::ErrorKind::Corruption => StorageError::damaged_by(path.display(), error).into(),
        rocksdb::ErrorKind::InvalidArgument if problem.contains("olumn famil") => {
            StorageError::damaged_by(format!("{} is not a log of this program", path.display()), error).into()
        }
        rocksdb::ErrorKind::IOError if problem.contains("No such file") && path.join("CURRENT").exists() => {
            StorageError::damaged_by(path.display(), error).into()
        }
        _ => OpenError::Database { path: path.into(), source: error },
    }
}

fn cannot_open(path: &Path, error: std::io::Error) -> OpenError {
    OpenError::Folder { path: path.into(), source: error.into() }
}

fn families() -> Vec<ColumnFamilyDescriptor> {
    // A gateway rereads little. But every proof reads upper tiles (some 500 bytes per 1,000 entries) and the index of
    // the leaf tiles, so these must not be evicted by other reads.
    let (upper_tiles, tiles, others) =
        (Cache::new_lru_cache(6 << 20), Cache::new_lru_cache(4 << 20), Cache::new_lru_cache(4 << 20));
    Family::ALL
        .into_iter()
        .map(|family| {
            let mut table = BlockBasedOptions::default();
            table.set_block_cache(match family {
                Family::UpperTiles => &upper_tiles,
                Family::Tiles => &tiles,
                _ => &others,
            });
            // A block holds four tiles. Smaller blocks need a larger index, which has to stay in memory.
            table.set_block_size(8 << 10);
            table.set_cache_index_and_filter_blocks(true);
            table.set_pin_l0_filter_and_index_blocks_in_cache(true);
            // An index in one piece has hundreds of kilobytes, and a random read would load all of it.
            table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            table.set_metadata_block_size(4 << 10);
            table.set_pin_top_level_index_and_filter(true);
            // Only these families are searched for keys that may not exist.
            if matches!(family, Family::ByDevice | Family::Heads | Family::Forks) {
                table.set_bloom_filter(10.0, false);
                table.set_partition_filters(true);
            }
            let mut options = Options::default();
            options.set_block_based_table_factory(&table);
            options.set_write_buffer_size(family.write_buffer());
            options.set_max_write_buffer_number(3);
            // Hashes and signatures cannot be compressed.
            options.set_compression_type(DBCompressionType::None);
            ColumnFamilyDescriptor::new(family.name(), options)
        })
        .collect()
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    // Recover up to the first incomplete record, which after a power cut is the unfinished write. No acknowledged entry
    // is beyond it, because every group is synced before it is acknowledged.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // Bounds the replay when the log is opened after a crash.
    options.set_max_total_wal_size(64 << 20);
    // Flush all families or none. When a write fails because the disk is full, RocksDB flushes its memtables by itself.
    // If it flushed only some of them, the others would later be replayed with the failed write, and the families would
    // contradict each other.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(TOTAL_WRITE_BUFFER);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_bytes_per_sync(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// Checks that the database holds the log `id`, or makes it the log `id` if it is new.
pub(crate) fn check_identity(store: &Store, id: &LogId) -> Result<(), OpenError> {
    let guard = store.db();
    let Some(found) = identity(store)? else {
        let (db, handle) = guard.family(Family::Meta)?;
        let mut batch = rocksdb::WriteBatch::default();
        batch.put_cf(handle, meta::FORMAT, super::FORMAT.encode());
        batch.put_cf(handle, meta::LOG, id.encode());
        db.write_opt(batch, &synced()).map_err(StorageError::database("creating a log"))?;
        return Ok(());
    };
    if found != *id {
        return Err(OpenError::OtherLog {
            path: store.path().into(),
            expected: Box::new(*id),
            found: Box::new(found),
        });
    }
    Ok(())
}

/// Returns the id of the stored log, or `None` if the database is new.
pub(crate) fn identity(store: &Store) -> Result<Option<LogId>, OpenError> {
    let guard = store.db();
    let Some(format) = guard.value::<u32>(Family::Meta, meta::FORMAT)? else {
        return match guard.last(Family::Entries)? {
            Some(_) => Err(StorageError::damaged("it has entries, but its id is missing").into()),
            None => Ok(None),
        };
    };
    let path = || store.path().into();
    match format.cmp(&super::FORMAT) {
        Less => return Err(OpenError::OlderFormat { path: path(), found: format }),
        Greater => return Err(OpenError::NewerFormat { path: path(), found: format }),
        Equal => {}
    }
    let id: Option<LogId> = guard.value(Family::Meta, meta::LOG)?;
    Ok(Some(id.ok_or_else(|| StorageError::damaged("its id is missing"))?))
}
