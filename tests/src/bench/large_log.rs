//! A log of many events: memory while it grows, opening after a kill, proofs, bytes on disk.
//!
//! A process of its own signs events on all cores and brings them to the product's own ingest: real signatures, each
//! verified, each acknowledged after its synced write. When it has brought all of them it goes on, and is killed under
//! load. Then the log is opened, and random entries are proven and the proofs verified: at once, while RocksDB still merges
//! what the kill left unmerged, and when it has come to rest.

use super::{
    at, disk_bytes,
    signed_events::{devices, sign_all, Device, Kind, LOG},
};
use anyhow::{ensure, Context, Result};
use rand::Rng as _;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use streembit::{ingest::Ingest, keystore::KeyPair, log::Log};
use streembit_primitives::hash::Domain;

/// How many events each device signs before they are brought.
const ROUND: usize = 500;
/// How often the filling process tells of itself.
const REPORT: u64 = 500_000;
/// How many entries are proven, in so many rounds: each from disk, and then again, which is from the system's memory.
const PROOFS: usize = 2_000;
const ROUNDS: usize = 10;
/// The most that one proof reads at once, in bytes.
const READ: usize = 32 << 10;
/// How long the load goes on before the kill.
const BEYOND: Duration = Duration::from_secs(2);

/// Fills a log with `count` events in a folder of the system's temporary folder, and measures it.
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
        if full.is_some_and(|since| since.elapsed() > BEYOND) {
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
    ensure!(size >= acknowledged, "{acknowledged} were acknowledged, {size} are here");
    let unrested = prove(&log, size)?;
    let merged = rest()?;
    let rested = prove(&log, size)?;
    let reads = random_reads(path, PROOFS)?;
    let bytes = disk_bytes(path);
    println!("| after the kill | measured |\n|---|---|");
    println!("| entries, of {acknowledged} known to be acknowledged | {size} |");
    println!("| opening, with all of its checks | {:.2} s |", opened.as_secs_f64());
    println!("| until RocksDB has merged all that was left | {:.0} s |", merged.as_secs_f64());
    for (what, times) in [
        ("inclusion proof of a random entry, at once", &unrested.first),
        ("the same entries again, after 2,000 others, at once", &unrested.again),
        ("inclusion proof of a random entry, at rest", &rested.first),
        ("the same entries again, after 2,000 others, at rest", &rested.again),
        ("one random read of 32 KiB from this disk, past the system's memory", &reads),
    ] {
        println!("| {what}, p50 | {:.0} us |", at(times, 50));
        println!("| {what}, p95 | {:.0} us |", at(times, 95));
    }
    println!("| bytes on disk an event, bodies of 200 bytes included | {} |", bytes / size.max(1));
    println!("| resident memory of the reading process | {} MiB |", resident_kib() >> 10);
    Ok(())
}

/// How long proofs took, sorted.
struct Proofs {
    first: Vec<Duration>,
    again: Vec<Duration>,
}

/// Proves random entries, round by round, and verifies every proof.
fn prove(log: &Log, size: u64) -> Result<Proofs> {
    let root = log.root(size)?;
    let mut random = rand::thread_rng();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let entries: Vec<u64> = (0..PROOFS).map(|_| random.gen_range(0..size)).collect();
        for times in [&mut first, &mut again] {
            for index in &entries {
                let start = Instant::now();
                let proof = log.inclusion(*index, size)?;
                times.push(start.elapsed());
                let stored = log.stored(*index)?.context("an entry is not there")?;
                let leaf = Domain::LogLeaf.hash_of(&stored.entry);
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
fn rest() -> Result<Duration> {
    const QUIET: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let (mut before, mut since) = (written()?, start);
    while since.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(200));
        let now = written()?;
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    Ok(since.duration_since(start))
}

/// What this process has written to disk so far, in bytes.
fn written() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no write_bytes")?;
    Ok(line.trim().parse()?)
}

/// How long the disk takes for reads like those of a proof, in the log's largest table.
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
    // Reads past the system's memory must begin at a multiple of a page, in the file as in memory.
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

/// The filling process: brings events until it is killed. A line for each round: acknowledged, resident KiB, and a mark
/// now and then.
pub fn fill(path: &Path) -> Result<()> {
    let log = Log::open(path, LOG)?;
    let mut devices = devices(Kind::Ed25519);
    let keys = devices.iter().map(Device::key).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ingest = runtime.block_on(async { Ingest::new(log.clone(), KeyPair::from_seed([7; 32]), keys) });
    let mut told = 0;
    loop {
        let events = sign_all(&mut devices, ROUND)?;
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
        let mark = if size / REPORT > told / REPORT { " report" } else { "" };
        told = size;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{size} {}{mark}", resident_kib())?;
        out.flush()?;
    }
}

/// This process's resident memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
