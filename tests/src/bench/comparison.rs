//! Compares the log with other logs and with bare RocksDB: entries of the same size, on one disk, in one run.
//!
//! The programs do different work per entry, and guarantee different things when they acknowledge it. Every row of
//! the table states both. `siglog` and Hypercore are skipped with a message if `tests/log-comparison/setup` has not
//! installed them.

use super::{
    bar_chart::{bar_chart, thousands, Bar},
    disk_bytes,
    ingest::{bare_rocksdb, synced},
    runtime,
    signed_events::{devices, interleaved, sign_all, Device, Kind, Signed, LOG},
    temp_dir,
};
use anyhow::{ensure, Context, Result};
use codec::Encode as _;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::{Log, NewEntry};
use streembit_primitives::event::{self, ParsedDeviceKey};

/// The size of an entry (188 bytes) and its body (200 bytes).
const BYTES: usize = 388;
/// The batch size, if a program supports batches.
const BATCH: usize = 1024;
/// The path of the chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmark-logs.svg");

/// One row of the table.
struct Row {
    program: Program,
    /// Entries per second.
    rate: f64,
    /// Bytes on disk per entry, or 0 if it is in memory.
    disk: u64,
}

/// Measures all programs with `count` entries, prints a table and draws a chart.
pub fn run(count: usize) -> Result<()> {
    let rows = measure(count)?;
    println!("{count} entries of {BYTES} bytes; 20,000 if appended one by one, 10,000 for siglog\n");
    println!(
        "| program | work per entry | on disk when acknowledged | entries/s | bytes on disk per entry |"
    );
    println!("|---|---|---|---|---|");
    for Row { program: Program { name, work, synced }, rate, disk } in &rows {
        println!("| {name} | {work} | {synced} | {} | {} |", thousands(*rate), thousands(*disk as f64));
    }
    let title = format!("Entries appended per second ({count} of {BYTES} bytes)");
    let subtitle = "logarithmic scale; the table says what each program syncs, and when";
    let bars: Vec<Bar> = rows.iter().map(Row::bar).collect();
    std::fs::write(CHART, bar_chart(&title, subtitle, &bars))?;
    println!("\n{CHART}");
    Ok(())
}

fn measure(count: usize) -> Result<Vec<Row>> {
    let mut signing = devices(Kind::Sr25519)?;
    let keys: Vec<_> = signing.iter().map(Device::key).collect();
    let events = sign_all(&mut signing, count.div_ceil(keys.len()))?;
    let events = interleaved(&events);
    let entries: Vec<Vec<u8>> = events.iter().map(|(event, body)| (event, 1u64, body).encode()).collect();
    ensure!(entries.iter().all(|entry| entry.len() == BYTES), "expected entries of {BYTES} bytes");
    let prepared = prepare(&keys, &events)?;
    let one_by_one = Program {
        name: "RocksDB, one by one",
        work: "a key and a value",
        synced: "WAL synced for every entry",
    };
    let in_batches = Program {
        name: "RocksDB, batches of 1,024",
        work: "a key and a value",
        synced: "WAL synced for every batch",
    };
    let mut rows =
        vec![rocksdb(&entries, 1, one_by_one)?, rocksdb(&entries, BATCH, in_batches)?, merkle(&entries)?];
    rows.extend(siglog(count)?);
    rows.extend(hypercore(count)?);
    rows.push(append(prepared)?);
    rows.push(ingest(keys, events)?);
    Ok(rows)
}

impl Row {
    fn bar(&self) -> Bar {
        let name = self.program.name;
        Bar { name: name.into(), value: self.rate, highlighted: name.starts_with("Streembit") }
    }
}

/// A program in the comparison, and the work that it does per entry.
struct Program {
    name: &'static str,
    work: &'static str,
    synced: &'static str,
}

impl Program {
    /// Returns the row of this program, which has appended `count` entries since `start` and uses `disk` bytes.
    fn measured(self, count: usize, start: Instant, disk: u64) -> Row {
        self.measured_seconds(count, start.elapsed().as_secs_f64(), disk)
    }

    fn measured_seconds(self, count: usize, seconds: f64, disk: u64) -> Row {
        Row { program: self, rate: count as f64 / seconds, disk: disk / count.max(1) as u64 }
    }
}

fn rocksdb(entries: &[Vec<u8>], batch: usize, program: Program) -> Result<Row> {
    let folder = temp_dir()?;
    let db = bare_rocksdb(folder.path())?;
    let handle = db.cf_handle("entries").context("no column family")?;
    // Appending one by one is slow, so measure only a part.
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
    Ok(program.measured(entries.len(), start, disk_bytes(folder.path())))
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
    let program =
        Program { name: "ct-merkle", work: "leaf and tree (SHA-256)", synced: "nothing: in memory" };
    Ok(program.measured(count, start, 0))
}

/// Returns the path of something that `tests/log-comparison/setup` installs, or prints a message if it is missing.
fn installed(name: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let path = Path::new(&home).join(".cache/streembit/bench").join(name);
    if !path.exists() {
        eprintln!("{} does not exist: run tests/log-comparison/setup to install it", path.display());
        return None;
    }
    Some(path)
}

/// Runs another program. Returns the numbers that it prints and the size of the folder that it wrote.
fn run_program(command: &mut Command, folder: &Path) -> Result<(Vec<f64>, u64)> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    Ok((numbers, disk_bytes(folder)))
}

fn siglog(count: usize) -> Result<Vec<Row>> {
    let Some(program) = installed("siglog/release/streembit-bench-siglog") else { return Ok(Vec::new()) };
    let folder = temp_dir()?;
    // Its integration slows down as the log grows, so measure it with a small one.
    let count = count.min(10_000);
    let arguments = [folder.path().display().to_string(), count.to_string(), BYTES.to_string()];
    let (seconds, disk) = run_program(Command::new(program).args(arguments), folder.path())?;
    let programs = [
        ("siglog 0.1.0, acknowledged", "sequenced in SQLite"),
        ("siglog 0.1.0, in its tree", "sequenced, leaf and tree (SHA-256), tiles"),
    ];
    let rows = seconds.iter().zip(programs).map(|(seconds, (name, work))| {
        let program = Program { name, work, synced: "SQLite's WAL synced for every batch of 256" };
        program.measured_seconds(count, *seconds, disk)
    });
    Ok(rows.collect())
}

fn hypercore(count: usize) -> Result<Vec<Row>> {
    let Some(modules) = installed("hypercore/node_modules") else { return Ok(Vec::new()) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/log-comparison/hypercore.js");
    let mut rows = Vec::new();
    for (batch, name) in [(1, "Hypercore 11, one by one"), (BATCH, "Hypercore 11, batches of 1,024")] {
        let folder = temp_dir()?;
        // Appending one by one is slow, so measure only a part.
        let count = count.min(batch * 20_000);
        let arguments =
            [folder.path().display().to_string(), count.to_string(), BYTES.to_string(), batch.to_string()];
        let mut command = Command::new("node");
        command.arg(script).args(arguments).env("NODE_PATH", &modules);
        let (seconds, disk) = run_program(&mut command, folder.path())?;
        let program = Program {
            name,
            work: "leaf and tree (BLAKE2b), root signed for every batch",
            synced: "nothing: it leaves syncing to the system",
        };
        rows.push(program.measured_seconds(count, *seconds.first().context("no time")?, disk));
    }
    Ok(rows)
}

/// Verifies the events beforehand, so that only the log is measured.
fn prepare(keys: &[streembit_primitives::DeviceKey], events: &[Signed]) -> Result<Vec<NewEntry>> {
    let keys: Vec<ParsedDeviceKey> =
        keys.iter().map(|key| ParsedDeviceKey::new(key.device_id(), key.clone())).collect();
    let keyed =
        events.iter().zip(keys.iter().cycle()).map(|((event, _), key)| (event.clone(), key)).collect();
    event::verify_batch(keyed)
        .into_iter()
        .zip(events)
        .map(|(event, (_, body))| Ok(NewEntry::new(event?, body, 1)?))
        .collect()
}

/// Measures only the log: order, tree and index, which is comparable with siglog and Hypercore.
fn append(entries: Vec<NewEntry>) -> Result<Row> {
    let folder = temp_dir()?;
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let count = entries.len();
    let mut groups = Vec::new();
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        groups.push(entries.by_ref().take(BATCH).collect::<Vec<_>>());
    }
    let runtime = runtime()?;
    let start = Instant::now();
    runtime.block_on(async {
        for group in groups {
            log.append(group).await?;
        }
        anyhow::Ok(())
    })?;
    let program = Program {
        name: "Streembit's log, batches of 1,024",
        work: "order within its device, leaf and tree (BLAKE3), index by device",
        synced: "WAL synced for every batch",
    };
    Ok(program.measured(count, start, disk_bytes(folder.path())))
}

/// Measures the complete ingest, including the verification of signatures.
fn ingest(keys: Vec<streembit_primitives::DeviceKey>, events: Vec<Signed>) -> Result<Row> {
    let folder = temp_dir()?;
    let log = Log::open(&folder.path().join("log"), LOG)?;
    let count = events.len();
    let runtime = runtime()?;
    let start = Instant::now();
    let ingest = Ingest::new(log, KeyPair::from_seed([7; 32]), keys)?;
    let acknowledged = runtime
        .block_on(async { ingest.signed_batch(events).await.iter().filter(|result| result.is_ok()).count() });
    ensure!(acknowledged == count, "{acknowledged} of {count} acknowledged");
    let program = Program {
        name: "Streembit's ingest",
        work: "sr25519 signature verified, then the same as the log",
        synced: "WAL synced for every group",
    };
    Ok(program.measured(count, start, disk_bytes(folder.path())))
}
