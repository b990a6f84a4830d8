//! Measures the size of evidence, and the speed of its export and verification.
//!
//! `cargo bench --profile dev -p streembit -p streembit-node -p streembit-evidence --bench evidence -- [EVENTS]`
//! (default: 1,000,000 events of one device)
//!
//! - One event: the size of its file and of each part, the time to verify it, and what the batch of the votes' signatures
//!   saves. The chain has 4 voters, which have changed three times, and a state with 1,000 devices; the log has 100
//!   devices.
//! - The whole history of one device, with bodies of 200 bytes: the speed of the export and of the verification. Each
//!   runs in its own process, whose peak resident memory is shown. For comparison, the same signatures are verified in
//!   batches on the same cores, without anything else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../src/tests/fake.rs"]
mod fake;

use codec::{DecodeAll as _, Encode as _, IoReader};
use ed25519_dalek::Signer as _;
use fake::FakeChain;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use streembit_chain::ChainError;
use streembit_evidence::{
    collect::{collect, ProofSource},
    export, verify, Disclose, Request, Span,
};
use streembit_log::{Log, NewEntry};
use streembit_primitives::{
    checkpoint::Anchor,
    device::{ChangeTime, DeviceRecord},
    ed25519::{self, VerifyingKey},
    event::{self, EventKind, ParsedDeviceKey, Signer, VERSION},
    evidence::{file, ChainEvidence, Item, Justification, JustifiedBlock, TrustRoot},
    hash::Domain,
    signature::{sign_sr25519, PublicKey},
    AccountId, Body, Checkpoint, DeviceId, DeviceKey, EventHeader, Hash, LogId, Part, PartyId, SignedEvent,
    Text, Version,
};

/// The length of the status text. With its seed and the lengths, the body has 200 bytes.
const TEXT: usize = 164;
/// The number of events that are signed and appended at once.
const CHUNK: u64 = 16_384;
/// The number of signatures that the verifier checks in one batch.
const BATCH: usize = 256;
/// How often the evidence of one event is verified.
const ROUNDS: usize = 500;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["export", folder] => return child_export(Path::new(folder)),
        ["verify", folder] => return child_verify(Path::new(folder)),
        ["signatures", folder] => return child_signatures(Path::new(folder)),
        _ => {}
    }
    let count = arguments.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000u64);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(one_event())?;
    let folder = tempfile::tempdir()?;
    println!("\n{count} events of one device, bodies of 200 bytes");
    runtime.block_on(create_log(folder.path(), count))?;
    println!("\n{:14}{:>12}{:>14}{:>14}", "what", "events/s", "us/event", "peak RSS");
    for what in ["export", "signatures", "verify", "signatures", "verify"] {
        let output = Command::new(std::env::current_exe()?).arg(what).arg(folder.path()).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    let length = std::fs::metadata(folder.path().join("evidence"))?.len();
    println!("\nthe file has {length} bytes, {:.1} per event", length as f64 / count as f64);
    Ok(())
}

/// Prints a line of the table, with the peak resident memory of this process.
fn row(what: &str, events: u64, took: Duration) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim().to_owned();
    let seconds = took.as_secs_f64() / events as f64;
    println!("{what:14}{:>12.0}{:>14.2}{peak:>14}", 1.0 / seconds, seconds * 1e6);
}

/// A node of a fake chain.
struct Node<'a>(&'a FakeChain);

fn no() -> ChainError {
    ChainError::RequestFailed { request: "the chain in memory".into(), message: "unknown block".into() }
}

impl ProofSource for Node<'_> {
    fn genesis(&self) -> Hash {
        self.0.genesis
    }

    async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        Ok(self.0.genesis_authorities())
    }

    async fn finality_proof(&self, from: Hash) -> Result<Vec<u8>, ChainError> {
        self.0.finality_proof(from, 100).ok_or_else(no)
    }

    async fn read_proof(&self, _: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        self.0.read_proof(at).ok_or_else(no)
    }
}

struct Device {
    pair: schnorrkel::Keypair,
    sequence: u64,
    previous: Hash,
}

impl Device {
    fn new(n: u64) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        let secret = schnorrkel::MiniSecretKey::from_bytes(&seed).expect("32 bytes");
        let pair = secret.expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        Self { pair, sequence: 0, previous: Hash::ZERO }
    }

    fn key(&self) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519(self.pair.public.to_bytes()))
    }

    fn id(&self) -> DeviceId {
        self.key().device_id()
    }

    fn record(&self) -> DeviceRecord {
        DeviceRecord::new(self.key(), PartyId([5; 32]), id(), ChangeTime { block: 1, time: 1 })
    }

    /// Creates the next headers with their bodies, one after the other, because each refers to the previous one.
    fn headers(&mut self, count: u64) -> Vec<(EventHeader, Body)> {
        (0..count)
            .map(|_| {
                let text = format!("{:0TEXT$}", self.sequence);
                let part = Part::Status(Text::try_from(text).expect("short enough"));
                let body = Body { seed: [3; 32], parts: vec![part].try_into().expect("one part") };
                let header = EventHeader {
                    version: VERSION,
                    device: self.id(),
                    sequence: self.sequence,
                    previous: self.previous,
                    time: 1_780_272_000_000 + self.sequence,
                    kind: EventKind::Status,
                    body_hash: body.hash(),
                };
                self.sequence += 1;
                self.previous = header.hash();
                (header, body)
            })
            .collect()
    }

    /// Creates the next events, and signs and verifies them on all cores.
    fn entries(&mut self, count: u64) -> Vec<NewEntry> {
        let headers = self.headers(count);
        let (pair, key) = (&self.pair, &ParsedDeviceKey::new(self.id(), self.key()));
        let part = headers.len().div_ceil(cores()).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = headers
                .chunks(part)
                .map(|part| {
                    scope.spawn(move || {
                        part.iter().map(|made| signed_entry(pair, key, made)).collect::<Vec<_>>()
                    })
                })
                .collect();
            parts.into_iter().flat_map(|part| part.join().expect("a thread")).collect()
        })
    }
}

fn signed_entry(
    pair: &schnorrkel::Keypair,
    key: &ParsedDeviceKey,
    (header, body): &(EventHeader, Body),
) -> NewEntry {
    let signature = sign_sr25519(pair, Domain::EventHeader, &header.hash());
    let event = SignedEvent { header: header.clone(), signer: Signer::Device, signature };
    let verified = event.verify(key.key()).expect("signed here");
    NewEntry::new(verified, body, 1_780_272_000_000).expect("small enough")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn gateway() -> AccountId {
    AccountId([9; 32])
}

fn id() -> LogId {
    LogId::first(gateway())
}

/// Anchors the current log in a new block and collects the proof.
async fn anchor(log: &Log, chain: &mut FakeChain) -> anyhow::Result<()> {
    let size = log.size();
    let checkpoint = Checkpoint {
        version: Version,
        log: id(),
        size,
        root: log.root(size)?,
        heads_root: log.heads_root(size)?,
        time: 1,
    };
    chain.anchor(&Anchor { checkpoint, block: chain.next_number() });
    chain.block(false);
    collect(log, &Node(chain), size).await?;
    Ok(())
}

async fn one_event() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log = Log::open(&folder.path().join("log"), id())?;
    let mut chain = FakeChain::new(4);
    for _ in 0..3 {
        chain.block(true);
    }
    let mut devices: Vec<_> = (0..100).map(Device::new).collect();
    for n in 0..1000 {
        let device = Device::new(n);
        chain.register(&device.id(), &device.record());
    }
    for device in &mut devices {
        log.append(device.entries(10)).await?;
    }
    anchor(&log, &mut chain).await?;
    let (from, to) = ("2026-06-01T00:00:00.005Z".parse()?, "2026-06-01T00:00:00.006Z".parse()?);
    let span = Span { from: Some(from), to: Some(to), ..Span::default() };
    let request =
        Request { device: devices[50].id(), span, disclose: Disclose::All, chain: None, after: None };
    let mut bytes = Vec::new();
    let exported = export::write(log.reader(), &request, &mut bytes, |_, _, _| {})?;
    anyhow::ensure!(exported.events == 1, "{exported:?}");
    println!("one event; 4 voters, changed 3 times; 100 devices in the log, 1,000 on the chain");
    print_sizes(&bytes)?;
    print_times(&bytes, &chain.trust())
}

/// Prints the length of a file and of its parts.
fn print_sizes(bytes: &[u8]) -> anyhow::Result<()> {
    let prelude = file::read_prelude(&mut &*bytes)?;
    let length = file::encode_prelude(&prelude).map_or(0, |prelude| prelude.len());
    let ChainEvidence { changes, last, state, .. } = &prelude.chain;
    println!("\n| part of the file | bytes |\n|---|---|");
    for (part, bytes) in [
        ("all", bytes.len()),
        (
            "the last block of each voter set and the newest block, with their votes",
            (changes, last).encoded_size(),
        ),
        ("record and anchor with their proof in the state", state.encoded_size()),
        ("the device's last event in the heads map", prelude.segments.encoded_size()),
        ("the log and the event", bytes.len() - length),
    ] {
        println!("| {part} | {bytes} |");
    }
    Ok(())
}

/// Prints how long it takes to verify a file, and the signatures of as many votes as it has: in one batch, as the
/// verifier does, and one by one.
fn print_times(bytes: &[u8], trust: &TrustRoot) -> anyhow::Result<()> {
    let chain = file::read_prelude(&mut &*bytes)?.chain;
    let count = |block: &JustifiedBlock| match &block.justification {
        Justification::Direct { votes, .. } => votes.len(),
        Justification::Full(_) => 0,
    };
    let votes = Votes::new(chain.changes.iter().chain([&chain.last]).map(count).sum());
    let (mut whole, mut batch, mut single) = (Vec::new(), Vec::new(), Vec::new());
    // In turn, so that other work on the machine is the same for all.
    for _ in 0..ROUNDS {
        whole.push(time(|| file::verify(&mut &*bytes, trust, |_| {}).is_ok()));
        batch.push(time(|| votes.verify_batch()));
        single.push(time(|| votes.verify_single()));
    }
    println!("\n| verified on one core | median of {ROUNDS} | 5 % | 95 % |\n|---|---|---|---|");
    for (what, mut times) in [
        ("the file, from the chain's beginning on".to_owned(), whole),
        (format!("the signatures of {} votes in one batch", votes.0.len()), batch),
        ("the same one by one".to_owned(), single),
    ] {
        times.sort_unstable();
        let [middle, low, high] = [50, 5, 95].map(|percent| times[ROUNDS * percent / 100]);
        println!("| {what} | {middle:.2?} | {low:.2?} | {high:.2?} |");
    }
    Ok(())
}

/// Measures a verification, which must succeed.
fn time(verify: impl FnOnce() -> bool) -> Duration {
    let start = Instant::now();
    assert!(verify(), "not verified");
    start.elapsed()
}

/// Votes of as many voters: the key, the message and the signature of each. A message is as long as that of GRANDPA.
struct Votes(Vec<([u8; 32], [u8; 53], [u8; 64])>);

impl Votes {
    fn new(count: usize) -> Self {
        let vote = |n: u8| {
            let (key, message) = (ed25519_dalek::SigningKey::from_bytes(&[n; 32]), [n; 53]);
            (key.verifying_key().to_bytes(), message, key.sign(&message).to_bytes())
        };
        Self((1..=u8::MAX).take(count).map(vote).collect())
    }

    fn verify_batch(&self) -> bool {
        let keys: Option<Vec<_>> =
            self.0.iter().map(|(key, ..)| VerifyingKey::from_bytes_zip215(key)).collect();
        let keys = keys.unwrap_or_default();
        let votes = keys.iter().zip(&self.0);
        let parsed: Option<Vec<_>> =
            votes.map(|(key, (_, message, signature))| key.parse_signature(message, signature)).collect();
        parsed.is_some_and(|parsed| parsed.len() == self.0.len() && ed25519::verify_batch(parsed.iter()))
    }

    fn verify_single(&self) -> bool {
        self.0.iter().all(|(key, message, signature)| {
            VerifyingKey::from_bytes_zip215(key).is_some_and(|key| key.verify(message, signature))
        })
    }
}

/// Creates an anchored log of one device, and writes the trust root to a file in the same folder.
async fn create_log(folder: &Path, count: u64) -> anyhow::Result<()> {
    let log = Log::open(&folder.join("log"), id())?;
    let mut device = Device::new(1);
    let mut chain = FakeChain::new(4);
    chain.register(&device.id(), &device.record());
    while log.size() < count {
        log.append(device.entries(CHUNK.min(count - log.size()))).await?;
    }
    anchor(&log, &mut chain).await?;
    std::fs::write(folder.join("trust"), (chain.trust(), device.id()).encode())?;
    Ok(())
}

fn trust(folder: &Path) -> anyhow::Result<(TrustRoot, DeviceId)> {
    Ok(<(TrustRoot, DeviceId)>::decode_all(&mut std::fs::read(folder.join("trust"))?.as_slice())?)
}

fn evidence(folder: &Path) -> PathBuf {
    folder.join("evidence")
}

fn child_export(folder: &Path) -> anyhow::Result<()> {
    let (_, device) = trust(folder)?;
    let log = Log::open_read_only(&folder.join("log"))?;
    let start = Instant::now();
    let mut out = std::io::BufWriter::new(std::fs::File::create(evidence(folder))?);
    let request =
        Request { device, span: Span::default(), disclose: Disclose::All, chain: None, after: None };
    let exported = export::write(&log, &request, &mut out, |_, _, _| {})?;
    out.into_inner()?.sync_all()?;
    row("export", exported.events, start.elapsed());
    Ok(())
}

fn child_verify(folder: &Path) -> anyhow::Result<()> {
    let (trust, _) = trust(folder)?;
    let start = Instant::now();
    let verdict = verify::verify(&evidence(folder), &trust, |_, _, _| {})?;
    row("verify", verdict.events, start.elapsed());
    Ok(())
}

/// Verifies the same signatures in the same batches on all cores, as the verifier does. The time for reading is not
/// counted.
fn child_signatures(folder: &Path) -> anyhow::Result<()> {
    let mut input = IoReader(std::io::BufReader::new(std::fs::File::open(evidence(folder))?));
    let prelude = file::read_prelude(&mut input)?;
    let record = prelude.chain.state.device;
    let key = ParsedDeviceKey::new(record.device_id(), record.key().clone());
    let (mut count, mut took, mut ended) = (0u64, Duration::ZERO, false);
    while !ended {
        let mut batches = Vec::new();
        while batches.len() < 256 && !ended {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH && !ended {
                match file::read_item(&mut input, count)? {
                    Item::Event { entry, .. } => batch.push((entry.event, &key)),
                    Item::Skip { .. } | Item::NextSegment => {}
                    Item::End => ended = true,
                }
            }
            count += batch.len() as u64;
            batches.push(batch);
        }
        let start = Instant::now();
        let share = batches.len().div_ceil(cores()).max(1);
        std::thread::scope(|scope| {
            while !batches.is_empty() {
                let rest = batches.split_off(share.min(batches.len()));
                let part = std::mem::replace(&mut batches, rest);
                scope.spawn(move || {
                    for batch in part {
                        assert!(event::verify_batch(batch).iter().all(Result::is_ok));
                    }
                });
            }
        });
        took += start.elapsed();
    }
    row("signatures", count, took);
    Ok(())
}
