//! Signed events per second that are verified, written and acknowledged, compared with the ceiling of the machine.
//!
//! Events of 100 devices with bodies of 200 bytes are signed beforehand. Then three things are measured in one
//! process and on one disk, five times in turn:
//! - `verify`: only batched verification and hashing, on all cores;
//! - `rocksdb`: one thread writes the same bytes (entries, bodies, tree and index) to a bare RocksDB with the same
//!   column families and buffers, with a synced WAL;
//! - `ingest`: the complete ingest, including the load generator. Each event is acknowledged after its synced write.
//!
//! The ceiling is the time of `verify` plus the time of `rocksdb` divided by the number of cores. All results are
//! medians of the five rounds.

use super::{
    median, own_cpu_seconds, percentile_us, runtime,
    signed_events::{devices, interleaved, sign_all, Device, Kind, Signed, LOG},
    temp_dir,
};
use anyhow::{ensure, Result};
use codec::Encode as _;
use std::{
    io::{Seek as _, Write as _},
    time::{Duration, Instant},
};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    event::{self, entry_digest, ParsedDeviceKey},
    merkle::{leaf_hash, Frontier, NodeId},
    Body, DeviceKey, SignedEvent,
};

/// The batch size of verification and of bare RocksDB, at which both are fastest.
const BATCH: usize = 4096;
/// How many events a device submits in one call.
const CALL: usize = 128;
/// How many events are submitted one at a time.
const SINGLE_EVENTS: usize = 2000;
/// The number of rounds.
const ROUNDS: usize = 5;

/// The cost of one event.
#[derive(Clone, Copy)]
struct Cost {
    /// Elapsed seconds.
    wall: f64,
    /// CPU seconds over all cores.
    cpu: f64,
}

/// Measures `count` events for each kind of key, and then the latency of single events.
pub fn run(count: usize) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    println!("{count} events of 100 devices, bodies of 200 bytes, {cores} cores, median of {ROUNDS}");
    println!("SHA-256 {}\n", sha256_implementation());
    println!("| key | measured | events/s | CPU us per event | of the ceiling |");
    println!("|---|---|---|---|---|");
    for (name, kind) in [("sr25519", Kind::Sr25519), ("Ed25519", Kind::Ed25519), ("P-256", Kind::P256)] {
        compare_with_ceiling(name, kind, count, cores)?;
    }
    println!();
    latency()
}

/// Describes the SHA-256 of the log, which the crate `sha2` chooses when it is compiled and when it runs.
fn sha256_implementation() -> &'static str {
    if cfg!(feature = "software-sha256") {
        return "in software (feature software-sha256)";
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sha") {
        return "with the SHA instructions of the processor";
    }
    "in software, because there are no SHA instructions, or sha2 does not use them here"
}

fn compare_with_ceiling(name: &str, kind: Kind, count: usize, cores: usize) -> Result<()> {
    let mut signing = devices(kind)?;
    let keys: Vec<DeviceKey> = signing.iter().map(Device::key).collect();
    let events = sign_all(&mut signing, count.div_ceil(keys.len()))?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let verify = verify_only(&keys, &events, cores)?;
        let rocksdb = rocksdb_only(&events)?;
        rounds.push([verify, rocksdb, ingest(&keys, &events)?]);
    }
    let middle = |of: fn(&Cost) -> f64, at: usize| {
        median(rounds.iter().filter_map(|round| round.get(at)).map(of).collect())
    };
    let [verify, rocksdb, ingest] =
        [0, 1, 2].map(|at| Cost { wall: middle(|c| c.wall, at), cpu: middle(|c| c.cpu, at) });
    let ceiling = Cost { wall: verify.wall + rocksdb.wall / cores as f64, cpu: verify.cpu + rocksdb.cpu };
    for (what, cost) in [
        ("verification in batches and hashing, all cores", verify),
        ("the same bytes into bare RocksDB, one thread", rocksdb),
        ("ceiling", ceiling),
        ("ingest, acknowledged after the synced write", ingest),
    ] {
        let (rate, cpu, part) = (1.0 / cost.wall, cost.cpu * 1e6, ceiling.wall / cost.wall * 100.0);
        println!("| {name} | {what} | {rate:.0} | {cpu:.1} | {part:.0} % |");
    }
    Ok(())
}

/// Measures the cost of `work` per event.
fn measure(count: usize, work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (start, cpu) = (Instant::now(), own_cpu_seconds());
    work()?;
    let count = count as f64;
    Ok(Cost { wall: start.elapsed().as_secs_f64() / count, cpu: (own_cpu_seconds() - cpu) / count })
}

type Keyed<'k> = Vec<(SignedEvent, Body, &'k ParsedDeviceKey)>;

/// Verifies the events and prepares their entries, with one thread per core.
fn verify_only(keys: &[DeviceKey], events: &[Vec<Signed>], cores: usize) -> Result<Cost> {
    let keys: Vec<ParsedDeviceKey> =
        keys.iter().map(|key| ParsedDeviceKey::new(key.device_id(), key.clone())).collect();
    let events: Keyed<'_> = interleaved(events)
        .into_iter()
        .zip(keys.iter().cycle())
        .map(|((event, body), key)| (event, body, key))
        .collect();
    let count = events.len();
    let mut shares: Vec<Vec<Keyed<'_>>> = vec![Vec::new(); cores];
    for (turn, batch) in (0..cores).cycle().zip(events.chunks(BATCH)) {
        shares.get_mut(turn).into_iter().for_each(|share| share.push(batch.to_vec()));
    }
    measure(count, || {
        let verified: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = shares
                .into_iter()
                .map(|share| scope.spawn(move || share.into_iter().map(verify_batch).sum::<usize>()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        ensure!(verified == count, "{verified} of {count} verified");
        Ok(())
    })
}

fn verify_batch(batch: Keyed<'_>) -> usize {
    let (events, bodies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|(event, body, key)| ((event, key), body)).unzip();
    let verified = event::verify_batch(events).into_iter().zip(&bodies);
    verified.filter_map(|(event, body)| NewEntry::new(event.ok()?, body, 1).ok()).count()
}

/// The column families of the log and the sizes of their write buffers.
const FAMILIES: [(&str, usize); 6] = [
    ("entries", 8 << 20),
    ("bodies", 8 << 20),
    ("tiles", 4 << 20),
    ("by-device", 4 << 20),
    ("heads", 1 << 20),
    ("meta", 1 << 20),
];

/// A key and its value in the column family with this index in [`FAMILIES`].
type Record = (usize, Vec<u8>, Vec<u8>);

/// Prepares the records that the log writes for these events, in batches.
fn records(events: &[Signed]) -> Vec<Vec<Record>> {
    let mut frontier = Frontier::new();
    let mut tiles: Vec<Vec<u8>> = Vec::new();
    let mut groups = Vec::new();
    for group in events.chunks(BATCH) {
        let mut records = Vec::with_capacity(5 * group.len());
        let mut heads = std::collections::BTreeMap::new();
        for (event, body) in group {
            let index = frontier.size().to_be_bytes();
            let entry = (event, 1u64).encode();
            let device = event.header.device.0;
            let in_device = [&device[..], &event.header.sequence.to_be_bytes()].concat();
            frontier.append(leaf_hash(&entry_digest(&entry)), |node| {
                if node.id.level.is_multiple_of(6) {
                    let level = usize::from(node.id.level / 6);
                    tiles.resize_with(tiles.len().max(level + 1), Vec::new);
                    let Some(tile) = tiles.get_mut(level) else { return };
                    tile.extend(node.hash.0);
                    if node.id.index % 64 == 63 {
                        records.push((2, tile_key(node.id), std::mem::take(tile)));
                    }
                }
            });
            records.push((0, index.to_vec(), entry));
            records.push((1, index.to_vec(), body.encode()));
            records.push((3, in_device, index.to_vec()));
            heads.insert(device, (event.header.sequence, event.header.hash(), frontier.size() - 1).encode());
        }
        for (level, tile) in tiles.iter().enumerate().filter(|(_, tile)| !tile.is_empty()) {
            let level = 6 * level as u8;
            let id = NodeId { level, index: (frontier.size() >> level) - 1 };
            records.push((2, tile_key(id), tile.clone()));
        }
        records.extend(heads.into_iter().map(|(device, head)| (4, device.to_vec(), head)));
        records.push((5, b"state".to_vec(), (frontier.size(), frontier.root()).encode()));
        groups.push(records);
    }
    groups
}

/// The key of the tile that contains a node.
fn tile_key(node: NodeId) -> Vec<u8> {
    let first = (node.index / 64 * 64) << node.level;
    [&first.to_be_bytes()[..], &[node.level / 6]].concat()
}

/// Opens a bare RocksDB with the log's column families.
pub(super) fn bare_rocksdb(path: &std::path::Path) -> Result<rocksdb::DB> {
    let mut table = rocksdb::BlockBasedOptions::default();
    table.set_block_cache(&rocksdb::Cache::new_lru_cache(8 << 20));
    table.set_block_size(8 << 10);
    let families = FAMILIES.map(|(name, buffer)| {
        let mut options = rocksdb::Options::default();
        options.set_block_based_table_factory(&table);
        options.set_write_buffer_size(buffer);
        options.set_max_write_buffer_number(3);
        options.set_compression_type(rocksdb::DBCompressionType::None);
        rocksdb::ColumnFamilyDescriptor::new(name, options)
    });
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(32 << 20);
    options.set_max_total_wal_size(64 << 20);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    Ok(rocksdb::DB::open_cf_descriptors(&options, path, families)?)
}

/// Write options that sync the write-ahead log.
pub(super) fn synced() -> rocksdb::WriteOptions {
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    synced.set_memtable_insert_hint_per_batch(true);
    synced
}

fn rocksdb_only(events: &[Vec<Signed>]) -> Result<Cost> {
    let folder = temp_dir()?;
    let events = interleaved(events);
    let groups = records(&events);
    let db = bare_rocksdb(folder.path())?;
    let handles: Vec<_> = FAMILIES.iter().filter_map(|(name, _)| db.cf_handle(name)).collect();
    let synced = synced();
    measure(events.len(), || {
        for group in &groups {
            let mut batch = rocksdb::WriteBatch::default();
            for (family, key, value) in group {
                if let Some(handle) = handles.get(*family) {
                    batch.put_cf(handle, key, value);
                }
            }
            db.write_opt(batch, &synced)?;
        }
        Ok(())
    })
}

/// Runs the complete ingest. Each device submits its events in calls of [`CALL`].
fn ingest(keys: &[DeviceKey], events: &[Vec<Signed>]) -> Result<Cost> {
    let folder = temp_dir()?;
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let calls: Vec<Vec<Vec<Signed>>> =
        events.iter().map(|events| events.chunks(CALL).map(<[Signed]>::to_vec).collect()).collect();
    let count: usize = events.iter().map(Vec::len).sum();
    let runtime = runtime()?;
    let ingest = Ingest::new(log.clone(), KeyPair::from_seed([7; 32]), keys.to_vec())?;
    let cost = measure(count, || {
        runtime.block_on(async {
            let callers: Vec<_> =
                calls.into_iter().map(|calls| tokio::spawn(submit_calls(ingest.clone(), calls))).collect();
            let mut acknowledged = 0;
            for caller in callers {
                acknowledged += caller.await?;
            }
            ensure!(acknowledged == count, "{acknowledged} of {count} acknowledged");
            Ok(())
        })
    })?;
    runtime.block_on(ingest.close());
    ensure!(log.size() == count as u64, "{} of {count} in the log", log.size());
    Ok(cost)
}

/// Submits the calls of one device, each after the acknowledgement of the one before. Returns the number of
/// acknowledged events.
async fn submit_calls(ingest: Ingest, calls: Vec<Vec<Signed>>) -> usize {
    let mut acknowledged = 0;
    for call in calls {
        acknowledged += ingest.signed_batch(call).await.iter().filter(|result| result.is_ok()).count();
    }
    acknowledged
}

/// Measures one producer that submits one event at a time, compared with a bare sync.
fn latency() -> Result<()> {
    let folder = temp_dir()?;
    let mut file = std::fs::File::create(folder.path().join("synced"))?;
    let mut syncs = Vec::new();
    for _ in 0..SINGLE_EVENTS {
        let start = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        syncs.push(start.elapsed());
    }
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let mut device = Device::new(Kind::Sr25519, 0)?;
    let events = device.take(SINGLE_EVENTS)?;
    let waits: Vec<Duration> = runtime()?.block_on(async {
        let ingest = Ingest::new(log, KeyPair::from_seed([7; 32]), vec![device.key()])?;
        let mut waits = Vec::new();
        for (event, body) in events {
            let start = Instant::now();
            ingest.signed(event, body).await?;
            waits.push(start.elapsed());
        }
        anyhow::Ok(waits)
    })?;
    println!("| one event at a time | p50 | p95 |\n|---|---|---|");
    for (what, mut times) in [("`fdatasync` of 4 KiB", syncs), ("ingest, until acknowledged", waits)] {
        times.sort_unstable();
        println!("| {what} | {:.0} us | {:.0} us |", percentile_us(&times, 50), percentile_us(&times, 95));
    }
    Ok(())
}
