//! A log of many events: memory while it grows, time to open it after a kill, time of proofs, size on disk.
//!
//! A separate process signs events on all cores and submits them to ingest, which verifies each and acknowledges it
//! after a synced write. When all events are acknowledged, the process continues for a while and is killed under
//! load. Then the log is opened, and proofs of random entries are made and verified: first at once, while RocksDB
//! still compacts what the kill left, and again when RocksDB is idle.

use super::{
    disk_bytes, percentile_us, runtime,
    signed_events::{devices, sign_all, Device, Kind, LOG},
};
use crate::fixtures::process::{resident_kib, written_bytes};
use anyhow::{ensure, Context, Result};
use rand::Rng as _;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::Log;

/// How many events each device signs before they are submitted.
const EVENTS_PER_ROUND: usize = 500;
/// The filling process marks a line for the report after this many events.
const REPORT_INTERVAL: u64 = 500_000;
/// How many entries are proven in each round. Each is proven twice: the second time, it is in the page cache.
const PROOFS: usize = 2_000;
/// The number of rounds.
const ROUNDS: usize = 10;
/// The largest read of a proof, in bytes.
const READ: usize = 32 << 10;
/// How long the load continues before the kill.
const TIME_BEFORE_KILL: Duration = Duration::from_secs(2);

/// Fills a log with `count` events in a temporary folder, and measures it.
pub fn run(count: u64) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("streembit-bench-").tempdir()?;
    let path = folder.path().join("log");
    let start = Instant::now();
    let mut filler = Command::new(std::env::current_exe()?)
        .arg("fill")
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the filling process")?;
    let lines = BufReader::new(filler.stdout.take().context("the filling process has no output")?).lines();
    let mut acknowledged = 0;
    let mut full: Option<Instant> = None;
    println!("| events acknowledged | seconds | resident MiB of the filling process |\n|---|---|---|");
    for line in lines {
        let line = line?;
        let mut fields = line.split_whitespace();
        acknowledged = fields.next().context("no size")?.parse()?;
        let resident: u64 = fields.next().context("no resident size")?.parse()?;
        if fields.next().is_some() {
            println!("| {acknowledged} | {:.0} | {} |", start.elapsed().as_secs_f64(), resident >> 10);
        }
        full = full.or((acknowledged >= count).then(Instant::now));
        if full.is_some_and(|since| since.elapsed() > TIME_BEFORE_KILL) {
            break;
        }
    }
    filler.kill()?;
    filler.wait()?;
    println!();
    measure(&path, acknowledged)
}

fn measure(path: &Path, acknowledged: u64) -> Result<()> {
    let start = Instant::now();
    let log = Log::open(path, LOG)?;
    let opened = start.elapsed();
    let size = log.size();
    ensure!(size >= acknowledged, "{acknowledged} were acknowledged, but the log has {size}");
    let during_compaction = prove(&log, size)?;
    let compacted = wait_for_compaction()?;
    let at_rest = prove(&log, size)?;
    let reads = random_reads(path, PROOFS)?;
    let bytes = disk_bytes(path);
    println!("| after the kill | measured |\n|---|---|");
    println!("| entries, of {acknowledged} known to be acknowledged | {size} |");
    println!("| opening, with all of its checks | {:.2} s |", opened.as_secs_f64());
    println!("| until RocksDB has compacted what the kill left | {:.0} s |", compacted.as_secs_f64());
    for (what, times) in [
        ("inclusion proof of a random entry, during compaction", &during_compaction.first),
        ("the same entries again, after 2,000 others, during compaction", &during_compaction.again),
        ("inclusion proof of a random entry, at rest", &at_rest.first),
        ("the same entries again, after 2,000 others, at rest", &at_rest.again),
        ("one random read of 32 KiB from this disk, without the page cache", &reads),
    ] {
        println!("| {what}, p50 | {:.0} us |", percentile_us(times, 50));
        println!("| {what}, p95 | {:.0} us |", percentile_us(times, 95));
    }
    println!("| bytes on disk per event, including a body of 200 bytes | {} |", bytes / size.max(1));
    println!(
        "| resident memory of the reading process | {} MiB |",
        resident_kib(std::process::id()).unwrap_or(0) >> 10
    );
    Ok(())
}

/// Times of proofs, sorted.
struct Proofs {
    first: Vec<Duration>,
    again: Vec<Duration>,
}

/// Proves random entries twice per round, and verifies every proof.
fn prove(log: &Log, size: u64) -> Result<Proofs> {
    let root = log.root(size)?;
    let mut random = rand::thread_rng();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let entries: Vec<u64> = (0..PROOFS).map(|_| random.gen_range(0..size)).collect();
        for times in [&mut first, &mut again] {
            for index in &entries {
                let start = Instant::now();
                let proof = log.prove_inclusion(*index, size)?;
                times.push(start.elapsed());
                let stored = log.stored(*index)?.context("a missing entry")?;
                let leaf = stored.entry.leaf();
                let holds = proof.verify(leaf, *index, size, &root);
                ensure!(holds, "the proof of entry {index} does not verify");
            }
        }
    }
    first.sort_unstable();
    again.sort_unstable();
    Ok(Proofs { first, again })
}

/// Waits until this process has written nothing for some seconds.
fn wait_for_compaction() -> Result<Duration> {
    const QUIET: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let (mut before, mut since) = (written_bytes(std::process::id())?, start);
    while since.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(200));
        let now = written_bytes(std::process::id())?;
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    Ok(since.duration_since(start))
}

/// Measures reads of the size that a proof needs, in the log's largest table.
fn random_reads(path: &Path, count: usize) -> Result<Vec<Duration>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let tables = std::fs::read_dir(path)?.filter_map(|file| {
        let file = file.ok()?;
        let length = file.metadata().ok()?.len();
        (file.path().extension()? == "sst").then_some((length, file.path()))
    });
    let (length, table) = tables.max().context("a log without tables")?;
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits())?;
    let file = std::fs::File::options().read(true).custom_flags(direct).open(table)?;
    // Direct reads must be aligned to pages, in the file and in memory.
    let mut bytes = vec![0u8; READ + 4096];
    let start = bytes.as_ptr().align_offset(4096);
    let page = bytes.get_mut(start..start + READ).context("no aligned page")?;
    let mut random = rand::thread_rng();
    let mut times = (0..count)
        .map(|_| {
            let place = random.gen_range(0..(length / READ as u64).max(1)) * READ as u64;
            let start = Instant::now();
            rustix::io::pread(&file, &mut *page, place)?;
            Ok(start.elapsed())
        })
        .collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times)
}

/// The filling process: submits events until it is killed. Prints a line per round: acknowledged events, resident
/// KiB, and a mark if the line belongs in the report.
pub fn fill(path: &Path) -> Result<()> {
    let log = Log::open(path, LOG)?;
    let mut devices = devices(Kind::Ed25519)?;
    let keys: Vec<_> = devices.iter().map(Device::key).collect();
    let runtime = runtime()?;
    let ingest = Ingest::new(log.clone(), KeyPair::from_seed([7; 32]), keys)?;
    let mut reported = 0;
    loop {
        let events = sign_all(&mut devices, EVENTS_PER_ROUND)?;
        let count: usize = events.iter().map(Vec::len).sum();
        let acknowledged = runtime.block_on(async {
            let callers: Vec<_> = events
                .into_iter()
                .map(|events| {
                    let ingest = ingest.clone();
                    tokio::spawn(async move {
                        ingest.signed_batch(events).await.iter().filter(|result| result.is_ok()).count()
                    })
                })
                .collect();
            let mut acknowledged = 0;
            for caller in callers {
                acknowledged += caller.await?;
            }
            anyhow::Ok(acknowledged)
        })?;
        ensure!(acknowledged == count, "{acknowledged} of {count} acknowledged");
        let size = log.size();
        let mark = if size / REPORT_INTERVAL > reported / REPORT_INTERVAL { " report" } else { "" };
        reported = size;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{size} {}{mark}", resident_kib(std::process::id()).unwrap_or(0))?;
        out.flush()?;
    }
}
