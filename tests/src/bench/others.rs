//! The log side by side with others: the same number of entries of the same size, on one disk, in one run.
//!
//! What each of them does for an entry differs, and what is on disk when it says that it is done differs more: both are
//! said in every row. `siglog` and Hypercore run where `tests/others/setup` has installed them, and are named as
//! missing elsewhere.

use super::{
    disk_bytes,
    ingest::{bare_rocksdb, synced},
    load::{devices, interleaved, sign_all, Device, Kind, Signed, LOG},
    plot::{bars, thousands, Bar},
    scratch,
};
use anyhow::{ensure, Context, Result};
use codec::Encode as _;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use streembit::{
    ingest::Ingest,
    keystore::KeyPair,
    log::{Log, NewEntry},
};
use streembit_primitives::event::{self, ParsedDeviceKey};

/// An entry of the log and its body: 188 and 200 bytes.
const BYTES: usize = 388;
/// How many entries are appended at once, where that can be chosen.
const BATCH: usize = 1024;
/// Where the plot goes.
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmark-logs.svg");

/// One row: what was measured.
struct Row {
    name: &'static str,
    does: &'static str,
    synced: &'static str,
    /// Entries a second.
    rate: f64,
    /// Bytes on disk an entry; 0 in memory.
    disk: u64,
}

/// What somebody does with an entry, and when it is on disk.
type About = (&'static str, &'static str, &'static str);

/// Measures everybody with `count` entries, prints a table and draws the plot.
pub fn run(count: usize) -> Result<()> {
    let mut signing = devices(Kind::Sr25519);
    let keys: Vec<_> = signing.iter().map(Device::key).collect();
    let events = sign_all(&mut signing, count.div_ceil(keys.len()))?;
    let events = interleaved(&events);
    let entries: Vec<Vec<u8>> = events.iter().map(|(event, body)| (event, 1u64, body).encode()).collect();
    ensure!(entries.iter().all(|entry| entry.len() == BYTES), "entries are to have {BYTES} bytes");
    let prepared = prepare(&keys, &events)?;
    let mut rows = vec![
        rocksdb(&entries, 1, ("RocksDB, one by one", "a key and a value", "WAL synced for every entry"))?,
        rocksdb(
            &entries,
            BATCH,
            ("RocksDB, batches of 1,024", "a key and a value", "WAL synced for every batch"),
        )?,
        merkle(&entries)?,
    ];
    rows.extend(siglog(count)?);
    rows.extend(hypercore(count)?);
    rows.push(append(prepared)?);
    rows.push(ingest(keys, events)?);
    println!("{count} entries of {BYTES} bytes; one by one 20,000 of them, siglog 10,000\n");
    println!("| who | for every entry | on disk when acknowledged | entries/s | bytes on disk an entry |");
    println!("|---|---|---|---|---|");
    for Row { name, does, synced, rate, disk } in &rows {
        println!("| {name} | {does} | {synced} | {} | {} |", thousands(*rate), thousands(*disk as f64));
    }
    let title = format!("Entries appended a second ({count} of {BYTES} bytes)");
    let drawn: Vec<Bar> = rows
        .iter()
        .map(|row| Bar { name: row.name.into(), value: row.rate, own: row.name.starts_with("Streembit") })
        .collect();
    std::fs::write(PLOT, bars(&title, "logarithmic; who syncs what, and when, is in the table", &drawn))?;
    println!("\n{PLOT}");
    Ok(())
}

/// A row of `count` entries that took since `start`.
fn row(about: About, count: usize, start: Instant, disk: u64) -> Row {
    let (name, does, synced) = about;
    Row {
        name,
        does,
        synced,
        rate: count as f64 / start.elapsed().as_secs_f64(),
        disk: disk / count.max(1) as u64,
    }
}

fn rocksdb(entries: &[Vec<u8>], batch: usize, about: About) -> Result<Row> {
    let folder = scratch()?;
    let db = bare_rocksdb(folder.path())?;
    let handle = db.cf_handle("entries").context("no column family")?;
    // One by one takes long, and a part says as much.
    let entries = entries.get(..entries.len().min(batch * 20_000)).unwrap_or(entries);
    let synced = synced();
    let mut index = 0u64;
    let start = Instant::now();
    for group in entries.chunks(batch) {
        let mut batch = rocksdb::WriteBatch::default();
        for entry in group {
            batch.put_cf(handle, index.to_be_bytes(), entry);
            index += 1;
        }
        db.write_opt(batch, &synced)?;
    }
    Ok(row(about, entries.len(), start, disk_bytes(folder.path())))
}

fn merkle(entries: &[Vec<u8>]) -> Result<Row> {
    let entries = entries.to_vec();
    let count = entries.len();
    let start = Instant::now();
    let mut tree = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    for entry in entries {
        tree.push(entry);
    }
    ensure!(tree.root().num_leaves() == count as u64, "ct-merkle lost a leaf");
    Ok(row(("ct-merkle", "leaf and tree (SHA-256)", "nothing: in memory"), count, start, 0))
}

/// Where `tests/others/setup` installs.
fn installed(name: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let path = Path::new(&home).join(".cache/streembit/bench").join(name);
    if !path.exists() {
        eprintln!("{} is not there: tests/others/setup installs it", path.display());
        return None;
    }
    Some(path)
}

/// The numbers that another program prints, having written into a folder; and how large that became.
fn numbers(command: &mut Command, folder: &Path) -> Result<(Vec<f64>, u64)> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    Ok((numbers, disk_bytes(folder)))
}

fn siglog(count: usize) -> Result<Vec<Row>> {
    let Some(program) = installed("siglog/release/streembit-bench-siglog") else { return Ok(Vec::new()) };
    let folder = scratch()?;
    // Its integration slows down as it grows; a part is kind to it.
    let count = count.min(10_000);
    let arguments = [folder.path().display().to_string(), count.to_string(), BYTES.to_string()];
    let (seconds, disk) = numbers(Command::new(program).args(arguments), folder.path())?;
    let names = ["siglog 0.1.0, acknowledged", "siglog 0.1.0, in its tree"];
    let does = ["sequenced in SQLite", "sequenced, leaf and tree (SHA-256), tiles"];
    let rows = seconds.iter().zip(names).zip(does).map(|((seconds, name), does)| Row {
        name,
        does,
        synced: "SQLite's WAL synced for every batch of 256",
        rate: count as f64 / seconds,
        disk: disk / count.max(1) as u64,
    });
    Ok(rows.collect())
}

fn hypercore(count: usize) -> Result<Vec<Row>> {
    let Some(modules) = installed("hypercore/node_modules") else { return Ok(Vec::new()) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/others/hypercore.js");
    let mut rows = Vec::new();
    for (batch, name) in [(1, "Hypercore 11, one by one"), (BATCH, "Hypercore 11, batches of 1,024")] {
        let folder = scratch()?;
        // One by one takes long, and a part says as much.
        let count = count.min(batch * 20_000);
        let arguments =
            [folder.path().display().to_string(), count.to_string(), BYTES.to_string(), batch.to_string()];
        let mut command = Command::new("node");
        command.arg(script).args(arguments).env("NODE_PATH", &modules);
        let (seconds, disk) = numbers(&mut command, folder.path())?;
        rows.push(Row {
            name,
            does: "leaf and tree (BLAKE2b), root signed for every batch",
            synced: "nothing: it leaves syncing to the system",
            rate: count as f64 / seconds.first().context("no time")?,
            disk: disk / count.max(1) as u64,
        });
    }
    Ok(rows)
}

/// Verified beforehand, so that only the log is measured.
fn prepare(keys: &[streembit_primitives::DeviceKey], events: &[Signed]) -> Result<Vec<NewEntry>> {
    let keys: Vec<ParsedDeviceKey> = keys.iter().cloned().map(ParsedDeviceKey::new).collect();
    let keyed =
        events.iter().zip(keys.iter().cycle()).map(|((event, _), key)| (event.clone(), key)).collect();
    event::verify_batch(keyed)
        .into_iter()
        .zip(events)
        .map(|(event, (_, body))| Ok(NewEntry::new(event?, body, 1)?))
        .collect()
}

/// The log alone: order, tree and index, as siglog and Hypercore do it.
fn append(entries: Vec<NewEntry>) -> Result<Row> {
    let folder = scratch()?;
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let count = entries.len();
    let mut groups = Vec::new();
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        groups.push(entries.by_ref().take(BATCH).collect::<Vec<_>>());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let start = Instant::now();
    runtime.block_on(async {
        for group in groups {
            log.append(group).await?;
        }
        anyhow::Ok(())
    })?;
    let about = (
        "Streembit's log, batches of 1,024",
        "order within its device, leaf and tree (BLAKE3), index by device",
        "WAL synced for every batch",
    );
    Ok(row(about, count, start, disk_bytes(folder.path())))
}

/// The whole way, with every signature verified.
fn ingest(keys: Vec<streembit_primitives::DeviceKey>, events: Vec<Signed>) -> Result<Row> {
    let folder = scratch()?;
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let count = events.len();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let start = Instant::now();
    let acknowledged = runtime.block_on(async {
        let ingest = Ingest::new(log, KeyPair::from_seed([7; 32]), keys);
        ingest.signed_batch(events).await.iter().filter(|result| result.is_ok()).count()
    });
    ensure!(acknowledged == count, "{acknowledged} of {count} acknowledged");
    let about =
        ("Streembit's ingest", "sr25519 signature verified, then as the log", "WAL synced for every group");
    Ok(row(about, count, start, disk_bytes(folder.path())))
}
