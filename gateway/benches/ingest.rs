//! How many signed events a second are verified, written and acknowledged, beside what the machine can do at all.
//!
//! `cargo bench --profile dev -p streembit -p streembit-node --bench ingest -- [EVENTS]` (default 200,000 of either kind of key).
//!
//! Events of 100 devices with bodies of 200 bytes are signed beforehand. Then, in one run and on one disk:
//! - `verify`: batched verification and hashing alone, on all cores;
//! - `rocksdb`: the same entries and bodies into a bare RocksDB by one thread, batches of 1,024, WAL synced;
//! - `ingest`: the whole way, each event acknowledged after its synced write, load generator included;
//! - the ceiling: `verify`, and what `rocksdb` takes spread over all cores, one after the other;
//! - one producer that waits for each acknowledgement, beside a bare `fdatasync` of 4 KiB.

use codec::Encode as _;
use sp_core::Pair as _;
use std::{
    io::{Seek as _, Write as _},
    time::{Duration, Instant},
};
use streembit::{
    ingest::Ingest,
    keystore::KeyPair,
    log::{Log, NewEntry},
};
use streembit_primitives::{
    batch::{self, EventKey},
    event::{EventKind, Signer, VERSION},
    hash::Domain,
    signature::{sign_ed25519, sign_sr25519, PublicKey},
    AccountId, Body, DeviceKey, EventHeader, Hash, LogId, Part, SignedEvent, Text,
};

const DEVICES: usize = 100;
const BATCH: usize = 1024;
/// With its seed and lengths, a body of 200 bytes.
const TEXT: usize = 164;
/// How many events a caller brings at once, as over the local API.
const CALL: usize = 256;
/// How many callers there are.
const CALLERS: usize = 10;
/// How many events one after the other.
const ALONE: usize = 1000;

type Signed = (SignedEvent, Body);

#[derive(Clone, Copy)]
enum Kind {
    Sr25519,
    Ed25519,
}

/// A device's key and its signed history.
struct Device {
    key: DeviceKey,
    events: Vec<Signed>,
}

fn main() -> anyhow::Result<()> {
    let count = std::env::args().find_map(|arg| arg.parse::<usize>().ok()).unwrap_or(200_000);
    let cores = std::thread::available_parallelism()?.get();
    println!("{count} events of {DEVICES} devices, bodies of 200 bytes, {cores} cores\n");
    println!("{:10}{:22}{:>12}{:>14}{:>12}", "key", "what", "events/s", "us an event", "of ceiling");
    for (name, kind) in [("sr25519", Kind::Sr25519), ("ed25519", Kind::Ed25519)] {
        let devices = sign_all(kind, count, cores);
        let verify = verify_alone(&devices, cores);
        let rocksdb = rocksdb_alone(&devices)?;
        let ceiling = verify + rocksdb / cores as f64;
        let ingest = ingest(&devices)?;
        for (what, seconds) in [
            ("verify, all cores", verify),
            ("rocksdb, one thread", rocksdb),
            ("ceiling", ceiling),
            ("ingest", ingest),
        ] {
            println!(
                "{name:10}{what:22}{:>12.0}{:>14.2}{:>11.0}%",
                1.0 / seconds,
                seconds * 1e6,
                ceiling / seconds * 100.0
            );
        }
    }
    println!();
    latency()
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn sign_all(kind: Kind, count: usize, cores: usize) -> Vec<Device> {
    let each = count.div_ceil(DEVICES);
    let numbers: Vec<u8> = (0..DEVICES as u8).collect();
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(DEVICES.div_ceil(cores))
            .map(|part| scope.spawn(move || part.iter().map(|n| device(kind, *n, each)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}

fn device(kind: Kind, n: u8, count: usize) -> Device {
    let seed = [n + 1; 32];
    let pair: schnorrkel::Keypair = sp_core::sr25519::Pair::from_seed(&seed).into();
    let ed = ed25519_dalek::SigningKey::from_bytes(&seed);
    let key = DeviceKey::Own(match kind {
        Kind::Sr25519 => PublicKey::Sr25519(pair.public.to_bytes()),
        Kind::Ed25519 => PublicKey::Ed25519(ed.verifying_key().to_bytes()),
    });
    let mut previous = Hash::ZERO;
    let events = (0..count as u64)
        .map(|sequence| {
            let body = body(n, sequence);
            let header = EventHeader {
                version: VERSION,
                device: key.device_id(),
                sequence,
                previous,
                time: 1_700_000_000_000 + sequence,
                kind: EventKind::Status,
                body_hash: body.hash(),
            };
            previous = header.hash();
            let signature = match kind {
                Kind::Sr25519 => sign_sr25519(&pair, Domain::EventHeader, &previous),
                Kind::Ed25519 => sign_ed25519(&ed, Domain::EventHeader, &previous),
            };
            (SignedEvent { header, signer: Signer::Device, signature }, body)
        })
        .collect();
    Device { key, events }
}

fn body(device: u8, sequence: u64) -> Body {
    let text = format!("{device}/{sequence} {}", "x".repeat(TEXT));
    let text = Text::try_from(text.chars().take(TEXT).collect::<String>());
    let body = Body {
        seed: *Domain::PartSalt.hash_of(&(device, sequence)).as_bytes(),
        parts: text.map(|text| vec![Part::Status(text)]).unwrap_or_default().try_into().unwrap_or_default(),
    };
    assert_eq!(body.encoded_size(), 200, "the bench is to measure bodies of 200 bytes");
    body
}

/// The devices' events as they come: one of each device in turn.
fn interleaved(devices: &[Device]) -> Vec<Signed> {
    let rounds = devices.first().map_or(0, |device| device.events.len());
    (0..rounds)
        .flat_map(|round| devices.iter().filter_map(move |device| device.events.get(round).cloned()))
        .collect()
}

/// Verifies and makes ready for the log, one chunk after another on each core: seconds an event.
fn verify_alone(devices: &[Device], cores: usize) -> f64 {
    let keys: Vec<EventKey> = devices.iter().map(|device| EventKey::new(device.key.clone())).collect();
    let events = interleaved(devices);
    let count = events.len();
    type Batch<'k> = Vec<(SignedEvent, Body, &'k EventKey)>;
    let mut shares: Vec<Vec<Batch<'_>>> = vec![Vec::new(); cores];
    let mut keyed =
        events.into_iter().zip(keys.iter().cycle()).map(|((event, body), key)| (event, body, key));
    for turn in (0..cores).cycle() {
        let chunk: Vec<_> = keyed.by_ref().take(BATCH).collect();
        if chunk.is_empty() {
            break;
        }
        shares.get_mut(turn).into_iter().for_each(|share| share.push(chunk.clone()));
    }
    let start = Instant::now();
    let good: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || share.into_iter().map(verify_chunk).sum::<usize>()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    let took = start.elapsed();
    assert_eq!(good, count, "events that do not verify");
    took.as_secs_f64() / count as f64
}

fn verify_chunk(chunk: Vec<(SignedEvent, Body, &EventKey)>) -> usize {
    let (events, bodies): (Vec<_>, Vec<_>) =
        chunk.into_iter().map(|(event, body, key)| ((event, key), body)).unzip();
    let verified = batch::verify(events).into_iter().zip(&bodies);
    verified.filter_map(|(event, body)| NewEntry::new(event.ok()?, body, 1).ok()).count()
}

/// Entries and bodies into a bare RocksDB: seconds an event.
fn rocksdb_alone(devices: &[Device]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let values: Vec<_> =
        interleaved(devices).iter().map(|(event, body)| ((event, 1u64).encode(), body.encode())).collect();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::None);
    let db = rocksdb::DB::open(&options, folder.path())?;
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    let start = Instant::now();
    for (number, chunk) in (0u64..).zip(values.chunks(BATCH)) {
        let mut batch = rocksdb::WriteBatch::default();
        for (at, (entry, body)) in (number * BATCH as u64..).zip(chunk) {
            batch.put([&[0], &at.to_be_bytes()[..]].concat(), entry);
            batch.put([&[1], &at.to_be_bytes()[..]].concat(), body);
        }
        db.write_opt(batch, &synced)?;
    }
    Ok(start.elapsed().as_secs_f64() / values.len() as f64)
}

/// The whole way: seconds an event.
fn ingest(devices: &[Device]) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let log = Log::open(&folder.path().join("log"), LogId { gateway: AccountId([1; 32]), epoch: 0 })?;
    let keys = devices.iter().map(|device| device.key.clone()).collect();
    let calls: Vec<Vec<Vec<Signed>>> = devices
        .chunks(DEVICES / CALLERS)
        .map(|share| interleaved(share).chunks(CALL).map(<[Signed]>::to_vec).collect())
        .collect();
    let count: usize = devices.iter().map(|device| device.events.len()).sum();
    let took = runtime()?.block_on(async {
        let ingest = Ingest::new(log.clone(), KeyPair::from_seed([7; 32]), keys);
        let start = Instant::now();
        let callers: Vec<_> = calls
            .into_iter()
            .map(|calls| {
                let ingest = ingest.clone();
                tokio::spawn(async move {
                    let mut acknowledged = 0;
                    for call in calls {
                        acknowledged +=
                            ingest.signed_batch(call).await.iter().filter(|result| result.is_ok()).count();
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged = 0;
        for caller in callers {
            acknowledged += caller.await?;
        }
        let took = start.elapsed();
        ingest.close().await;
        anyhow::ensure!(acknowledged == count, "{acknowledged} of {count} acknowledged");
        anyhow::Ok(took)
    })?;
    anyhow::ensure!(log.size() == count as u64, "{} of {count} in the log", log.size());
    Ok(took.as_secs_f64() / count as f64)
}

/// One producer, one event at a time, beside what a bare sync costs.
fn latency() -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut file = std::fs::File::create(folder.path().join("synced"))?;
    let mut syncs = Vec::new();
    for _ in 0..ALONE {
        let start = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        syncs.push(start.elapsed());
    }
    let log = Log::open(&folder.path().join("log"), LogId { gateway: AccountId([1; 32]), epoch: 0 })?;
    let device = device(Kind::Sr25519, 0, ALONE);
    let waits = runtime()?.block_on(async {
        let ingest = Ingest::new(log, KeyPair::from_seed([7; 32]), vec![device.key.clone()]);
        let mut waits = Vec::new();
        for (event, body) in device.events {
            let start = Instant::now();
            ingest.signed(event, body).await?;
            waits.push(start.elapsed());
        }
        anyhow::Ok(waits)
    })?;
    println!("{:32}{:>12}{:>12}", "one at a time", "p50 us", "p95 us");
    for (what, mut times) in [("fdatasync of 4 KiB", syncs), ("ingest, until acknowledged", waits)] {
        times.sort_unstable();
        println!("{what:32}{:>12}{:>12}", at(&times, 50), at(&times, 95));
    }
    Ok(())
}

fn at(sorted: &[Duration], percent: usize) -> u128 {
    sorted.get(sorted.len() * percent / 100).map_or(0, Duration::as_micros)
}
