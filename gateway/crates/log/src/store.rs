//! The database: column families, keys, and options that fit a small gateway.

use super::{OpenError, StorageError};
use codec::{Decode, DecodeAll, Encode};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, DBWithThreadMode, LogLevel, Options, SingleThreaded, WriteOptions,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        PoisonError, RwLock, RwLockReadGuard,
    },
};
use streembit_primitives::{DeviceId, Hash, LogId};

pub(crate) type Db = DBWithThreadMode<SingleThreaded>;

/// Everything that is kept, and by which key. Integers in keys are big-endian, so that they sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// Index (8 bytes) -> `LogEntry`.
    Entries,
    /// Index (8 bytes) -> `Body`. Apart from the entries, so that a body can be erased.
    Bodies,
    /// First leaf (8 bytes), level (1 byte) -> up to 64 hashes of 32 bytes: [`super::tiles`] of leaves. Apart from the
    /// others, which a proof finds in memory.
    Tiles,
    /// The same of the levels above.
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
    /// Index (8 bytes) -> when its body was erased (u64, milliseconds since 1970-01-01 UTC).
    Erasures,
    /// What proves the last anchor to somebody without a node, by chain; see [`super::chain_proofs`].
    ChainProofs,
    /// `format` -> u32, `log` -> `LogId`, `state` -> [`State`], `purge` -> what [`super::erase`] has yet to remove.
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

    /// What a database of this format may lack, made by a release before these were kept: made when the gateway opens it,
    /// empty to whoever only reads.
    pub(crate) const LATER: [Self; 2] = [Self::Erasures, Self::ChainProofs];

    /// The column family's name; part of the format.
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

    /// How much of it is kept in memory before it is written out as a file; [`MEMORY`] bounds all of them together.
    const fn write_buffer(self) -> usize {
        match self {
            Self::Entries | Self::Bodies => 8 << 20,
            Self::Tiles | Self::ByDevice => 4 << 20,
            _ => 1 << 20,
        }
    }
}

/// What all families keep in memory before something is written out, in bytes.
const MEMORY: usize = 32 << 20;

/// What the log is, written with every group: the root is what the stored nodes must lead to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct State {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

pub(crate) mod meta {
    pub(crate) const FORMAT: &[u8] = b"format";
    pub(crate) const LOG: &[u8] = b"log";
    pub(crate) const STATE: &[u8] = b"state";
    pub(crate) const PURGE: &[u8] = b"purge";
}

/// The open database. It is closed and opened again when it has failed to write, which is RocksDB's way back.
pub(crate) struct Store {
    db: RwLock<Option<Db>>,
    path: PathBuf,
    /// A write of another thread than the writer's has failed.
    marked_for_reopen: AtomicBool,
    /// Where a read-only view keeps its own notes; removed with it.
    _secondary: Option<tempfile::TempDir>,
}

/// A key of a family with its value.
type KeyValue = (Vec<u8>, Vec<u8>);

/// The database for the time of one operation.
pub(crate) struct Guard<'a>(RwLockReadGuard<'a, Option<Db>>);

impl Store {
    /// Opens for writing, and makes the database where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self {
            db: RwLock::new(Some(open(path)?)),
            path: path.into(),
            marked_for_reopen: AtomicBool::new(false),
            _secondary: None,
        })
    }

    /// Opens a view as of now, beside a gateway that may be writing.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        if !path.join("CURRENT").exists() {
            return Err(OpenError::Missing { path: path.into() });
        }
        let notes = tempfile::tempdir().map_err(|error| cannot_open(path, error))?;
        let mut options = options();
        // A secondary needs its files open before the gateway's compaction removes them.
        options.set_max_open_files(-1);
        let there = Db::list_cf(&options, path).map_err(|error| explain(path, error))?;
        let lacking = |family: &Family| !there.iter().any(|name| name == family.name());
        let later: Vec<_> = Family::LATER.iter().filter(|family| lacking(family)).map(|f| f.name()).collect();
        let families = families().into_iter().filter(|family| !later.contains(&family.name()));
        let db = Db::open_cf_descriptors_as_secondary(&options, path, notes.path(), families)
            .map_err(|error| explain(path, error))?;
        // What is still in the gateway's write-ahead log.
        db.try_catch_up_with_primary().map_err(StorageError::database("reading the newest of the log"))?;
        Ok(Self {
            db: RwLock::new(Some(db)),
            path: path.into(),
            marked_for_reopen: AtomicBool::new(false),
            _secondary: Some(notes),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits only while the database is being opened again. One guard at a time on a thread, the writer's apart: it alone
    /// opens again, and a second guard would wait for it for ever.
    pub(crate) fn db(&self) -> Guard<'_> {
        Guard(self.db.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the writer to open the database again, because a write has failed.
    pub(crate) fn mark_for_reopen(&self) {
        self.marked_for_reopen.store(true, Ordering::Release);
    }

    /// Returns true if the database was marked since the last call.
    pub(crate) fn take_reopen_mark(&self) -> bool {
        self.marked_for_reopen.swap(false, Ordering::AcqRel)
    }

    /// Closes the database and opens it again.
    pub(crate) fn reopen(&self) -> Result<(), OpenError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: RocksDB locks the folder.
        *db = None;
        *db = Some(open(&self.path)?);
        Ok(())
    }
}

impl Guard<'_> {
    /// The database, or why there is none.
    pub(crate) fn get(&self) -> Result<&Db, StorageError> {
        self.0.as_ref().ok_or(StorageError::Unavailable)
    }

    pub(crate) fn family(&self, family: Family) -> Result<(&Db, &ColumnFamily), StorageError> {
        let db = self.get()?;
        let handle = db
            .cf_handle(family.name())
            .ok_or_else(|| StorageError::damaged(format!("there is no column family {}", family.name())))?;
        Ok((db, handle))
    }

    /// The bytes under a key.
    pub(crate) fn bytes(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if Family::LATER.contains(&family) && !self.has(family)? {
            return Ok(None);
        }
        let (db, handle) = self.family(family)?;
        db.get_cf(handle, key).map_err(StorageError::database("reading the log"))
    }

    /// Whether the database has this family: an older one may lack those of [`Family::LATER`].
    pub(crate) fn has(&self, family: Family) -> Result<bool, StorageError> {
        Ok(self.get()?.cf_handle(family.name()).is_some())
    }

    /// The value under a key.
    pub(crate) fn value<T: Decode>(&self, family: Family, key: &[u8]) -> Result<Option<T>, StorageError> {
        self.bytes(family, key)?.map(|bytes| decode(family, key, &bytes)).transpose()
    }

    /// The greatest key of a family with its value.
    pub(crate) fn last(&self, family: Family) -> Result<Option<KeyValue>, StorageError> {
        let (db, handle) = self.family(family)?;
        db.iterator_cf(handle, rocksdb::IteratorMode::End)
            .next()
            .transpose()
            .map(|pair| pair.map(|(key, value)| (key.into(), value.into())))
            .map_err(StorageError::database("reading the end of the log"))
    }

    /// Writes one value, synced.
    pub(crate) fn put(&self, family: Family, key: &[u8], value: &impl Encode) -> Result<(), StorageError> {
        let (db, handle) = self.family(family)?;
        db.put_cf_opt(handle, key, value.encode(), &synced())
            .map_err(StorageError::database("writing to the log"))
    }
}

/// A stored value, or which one is damaged.
pub(crate) fn decode<T: Decode>(family: Family, key: &[u8], bytes: &[u8]) -> Result<T, StorageError> {
    T::decode_all(&mut &*bytes).map_err(|error| {
        StorageError::damaged_by(format!("{} of key {}", family.name(), hex::encode(key)), error)
    })
}

pub(crate) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    // Keys of one group follow each other in every family.
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

/// An integer of 8 big-endian bytes.
pub(crate) fn integer(family: Family, bytes: &[u8]) -> Result<u64, StorageError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| {
        StorageError::damaged(format!("{}: {} bytes where 8 belong", family.name(), bytes.len()))
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
    // Also where it exists: making it may have been cut short. What is missing shows in the opening checks.
    options.create_missing_column_families(true);
    Db::open_cf_descriptors(&options, path, families()).map_err(|error| explain(path, error))
}

/// What RocksDB's words on opening mean for whoever reads them.
fn explain(path: &Path, error: rocksdb::Error) -> OpenError {
    let problem = error.to_string();
    if problem.contains("lock") && (problem.contains("LOCK") || problem.contains("hold by current process")) {
        return OpenError::Locked { path: path.into() };
    }
    match error.kind() {
        rocksdb::ErrorKind::Corruption => StorageError::damaged_by(path.display(), error).into(),
        rocksdb::ErrorKind::InvalidArgument if problem.contains("olumn famil") => {
            StorageError::damaged_by(format!("{} is no log of this program", path.display()), error).into()
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
    // What a gateway reads again is little. But every proof reads the upper tiles, some 500 bytes for each 1,000 entries, and
    // the index of the lowest ones: reading what lies below must not drive them out.
    let (upper, lowest, others) =
        (Cache::new_lru_cache(6 << 20), Cache::new_lru_cache(4 << 20), Cache::new_lru_cache(4 << 20));
    Family::ALL
        .into_iter()
        .map(|family| {
            let mut table = BlockBasedOptions::default();
            table.set_block_cache(match family {
                Family::UpperTiles => &upper,
                Family::Tiles => &lowest,
                _ => &others,
            });
            // Of tiles, four: smaller blocks need more of an index, which has to stay in memory.
            table.set_block_size(8 << 10);
            table.set_cache_index_and_filter_blocks(true);
            table.set_pin_l0_filter_and_index_blocks_in_cache(true);
            // In one piece a table's index has hundreds of kilobytes, all of which one random read would have to load.
            table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            table.set_metadata_block_size(4 << 10);
            table.set_pin_top_level_index_and_filter(true);
            // Only these are asked for keys that are not there. The others are asked for what is known to be.
            if matches!(family, Family::ByDevice | Family::Heads | Family::Forks) {
                table.set_bloom_filter(10.0, false);
                table.set_partition_filters(true);
            }
            let mut options = Options::default();
            options.set_block_based_table_factory(&table);
            options.set_write_buffer_size(family.write_buffer());
            options.set_max_write_buffer_number(3);
            // Hashes and signatures do not compress.
            options.set_compression_type(DBCompressionType::None);
            ColumnFamilyDescriptor::new(family.name(), options)
        })
        .collect()
}

fn options() -> Options {
    let mut options = Options::default();
    options.set_paranoid_checks(true);
    // Up to the first record that is not whole: the end of an unfinished write after a power cut. Nothing
    // acknowledged is beyond it, as every group was synced before it was acknowledged.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // What is replayed when opening after a crash.
    options.set_max_total_wal_size(64 << 20);
    // All families or none. When a write has failed for want of space, RocksDB writes out what it has by itself; were it
    // to get half of the families done, the other half would later be replayed with the failed write, and the log would
    // not fit together any more.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(MEMORY);
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

/// Checks whose log this is, and writes it where the database is new.
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

/// Whose log this is; `None` in a database just made.
pub(crate) fn identity(store: &Store) -> Result<Option<LogId>, OpenError> {
    let guard = store.db();
    let Some(format) = guard.value::<u32>(Family::Meta, meta::FORMAT)? else {
        return match guard.last(Family::Entries)? {
            Some(_) => Err(StorageError::damaged("it has entries but does not say whose log it is").into()),
            None => Ok(None),
        };
    };
    if format != super::FORMAT {
        return Err(OpenError::Format { path: store.path().into(), found: format });
    }
    let id: Option<LogId> = guard.value(Family::Meta, meta::LOG)?;
    Ok(Some(id.ok_or_else(|| StorageError::damaged("it does not say whose log it is"))?))
}
