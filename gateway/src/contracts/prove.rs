//! Proofs of meter readings, made from a gateway's log and verified against its anchor on the chain.

use codec::{DecodeAll as _, Encode as _};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use streembit_adapters::obd;
use streembit_log::{CheckpointError, LogReader, ReadError, StoredEvent};
use streembit_primitives::{
    body::Disclosure, checkpoint::Anchor, contract::ContractId, reading::Name, reading_proof::ReadingProof,
    Decimal, DeviceId, Part, Reading, Source, Value, Version,
};

/// The number of a device's events that are searched for a reading of a better source.
const MAX_SEARCHED: u32 = 10_000;
/// The size limit of a proof file, in bytes. A proof takes a few kilobytes.
const MAX_BYTES: u64 = 256 * 1024;

/// An error in making, writing or reading a proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log does not agree with its anchor.
    #[error(transparent)]
    Anchor(#[from] CheckpointError),
    /// The log has no anchor yet.
    #[error("this gateway's log has no anchor yet: run the gateway with a node, and wait for the first anchor (`streembit status` shows it)")]
    NotAnchored,
    /// No anchored event of the device has the reading.
    #[error("no anchored event of device {device} has a reading {meter} that can be the value of the meter: wait until the device has been read and the log is anchored (`streembit status` shows both)")]
    NoReading {
        /// The device.
        device: DeviceId,
        /// The name of the reading.
        meter: Name,
    },
    /// The file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    File {
        /// The operation: `reading` or `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file does not hold a proof.
    #[error("{} is not a proof file: {problem}; create one with `streembit contract prove`", .path.display())]
    NoProof {
        /// The file.
        path: PathBuf,
        /// The problem with the file.
        problem: String,
    },
}

/// A proof and the reading that it proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenReading {
    /// The proof.
    pub proof: ReadingProof,
    /// The proven reading.
    pub reading: Reading,
}

/// Proves the device's newest anchored reading with the name `meter`. `anchor` is the log's last anchor on the chain.
///
/// A reading counts only if it can be the value of the meter: a number that is not negative, and for an odometer
/// kilometres that a vehicle can have. A reading that an adapter or the device itself has made is preferred to one that
/// was sent to the gateway, even if the second is newer: see `Trust`.
pub fn newest_reading(
    log: &LogReader,
    anchor: Option<&Anchor>,
    device: &DeviceId,
    meter: &Name,
) -> Result<ProvenReading, ProveError> {
    let anchor = anchor.ok_or(ProveError::NotAnchored)?;
    log.check_against(anchor)?;
    let size = anchor.checkpoint.size;
    let best = best_reading(log, size, device, meter)?;
    let Candidate { event: StoredEvent { index, entry, .. }, reading, disclosure, .. } =
        best.ok_or_else(|| ProveError::NoReading { device: *device, meter: meter.clone() })?;
    let inclusion = log.prove_inclusion(index, size)?;
    let proof = ReadingProof { version: Version, log: log.id(), size, index, entry, inclusion, disclosure };
    Ok(ProvenReading { proof, reading })
}

/// How far the value of a reading can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Trust {
    /// Somebody or some program has sent the reading to the gateway.
    Sent,
    /// An adapter of the gateway or the device itself has made the reading.
    Read,
}

impl Trust {
    fn of(reading: &Reading) -> Self {
        if reading.source == Source::of_adapter("senml", "") {
            Self::Sent
        } else {
            Self::Read
        }
    }
}

/// A reading that can be proven.
struct Candidate {
    trust: Trust,
    event: StoredEvent,
    reading: Reading,
    disclosure: Disclosure,
}

/// Returns the newest reading of the best source among the first `size` entries of the log.
fn best_reading(
    log: &LogReader,
    size: u64,
    device: &DeviceId,
    meter: &Name,
) -> Result<Option<Candidate>, ReadError> {
    let mut best: Option<Candidate> = None;
    let mut sequence = log.head(device)?.map(|head| head.sequence);
    let mut searched = 0;
    while let Some(at) = sequence {
        // Sequences that are lost or in other logs have no event here.
        let Some(event) = log.device_event_up_to(device, at)? else { break };
        sequence = event.entry.event.header.sequence.checked_sub(1);
        if let Some(found) = candidate(event, size, meter) {
            if found.trust == Trust::Read {
                return Ok(Some(found));
            }
            best = best.or(Some(found));
        }
        if best.is_some() {
            searched += 1;
        }
        if searched > MAX_SEARCHED {
            break;
        }
    }
    Ok(best)
}

/// Returns the last of an event's readings that can be the value of the meter, if the event is anchored.
fn candidate(event: StoredEvent, size: u64, meter: &Name) -> Option<Candidate> {
    let body = event.body.present().filter(|_| event.index < size)?;
    let (place, reading) = body.parts.iter().enumerate().rev().find_map(|(place, part)| match part {
        Part::Reading(reading) if reading.name == *meter && is_meter_value(reading) => Some((place, reading)),
        _ => None,
    })?;
    let disclosure = body.disclose(u32::try_from(place).ok()?)?;
    let reading = reading.clone();
    Some(Candidate { trust: Trust::of(&reading), event, reading, disclosure })
}

fn is_meter_value(reading: &Reading) -> bool {
    match &reading.value {
        Value::Decimal(_) if reading.name.as_str() == obd::ODOMETER_NAME => obd::is_odometer_value(reading),
        Value::Decimal(value) => *value >= Decimal::ZERO,
        Value::Boolean(_) | Value::Text(_) => false,
    }
}

/// The JSON file in which a proof is sent to another party.
#[derive(Serialize, Deserialize)]
struct ProofFile {
    /// For the reader only; the proof alone counts.
    contract: ContractId,
    /// For the reader only.
    clause: u32,
    /// For the reader only.
    reading: Reading,
    /// The SCALE encoding of the proof, in hexadecimal.
    proof: String,
}

/// Writes a proof to the file at `path`, to send to another party.
pub fn write_proof(
    path: &Path,
    contract: ContractId,
    clause: u32,
    proven: &ProvenReading,
) -> Result<(), ProveError> {
    let failed = |source| ProveError::File { doing: "writing", path: path.to_owned(), source };
    let file = ProofFile {
        contract,
        clause,
        reading: proven.reading.clone(),
        proof: format!("0x{}", hex::encode(proven.proof.encode())),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|error| failed(error.into()))?;
    fs::write(path, text + "\n").map_err(failed)
}

/// Reads a proof from a file. Does not verify the proof; the chain does.
pub fn read_proof(path: &Path) -> Result<ReadingProof, ProveError> {
    let failed = |source| ProveError::File { doing: "reading", path: path.to_owned(), source };
    let refused = |problem: String| ProveError::NoProof { path: path.to_owned(), problem };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(refused(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = fs::read(path).map_err(failed)?;
    let file: ProofFile = serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
    let bytes = hex::decode(file.proof.strip_prefix("0x").unwrap_or(&file.proof))
        .map_err(|error| refused(format!("\"proof\": {error}")))?;
    ReadingProof::decode_all(&mut &*bytes).map_err(|error| refused(format!("\"proof\": {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_keystore::KeyPair;
    use streembit_log::{Log, NewEntry};
    use streembit_primitives::{
        device::{ChangeTime, DeviceRecord},
        event::{EventKind, Signer, VERSION},
        hash::Domain,
        reading::Unit,
        Body, Checkpoint, DeviceKey, EventHeader, Hash, LogId, PartyId, SignedEvent,
    };

    fn record(log: &Log, key: DeviceKey) -> DeviceRecord {
        DeviceRecord::new(key, PartyId([1; 32]), log.id(), ChangeTime { block: 1, time: 1 })
    }

    fn gateway() -> KeyPair {
        KeyPair::from_seed([9; 32])
    }

    fn key(label: &str) -> DeviceKey {
        gateway().hosted_key(label)
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    async fn append(log: &Log, label: &str, readings: &[(&str, u32)]) {
        let readings = readings
            .iter()
            .map(|(meter, value)| reading(meter, Value::Decimal((*value).into()), "km", "senml"));
        append_readings(log, label, readings.collect()).await;
    }

    fn reading(meter: &str, value: Value, unit: &str, source: &str) -> Reading {
        Reading {
            name: name(meter),
            unit: Unit::try_from(unit).unwrap(),
            value,
            time: 1,
            source: Source::try_from(source).unwrap(),
        }
    }

    async fn append_readings(log: &Log, label: &str, readings: Vec<Reading>) {
        let (keys, key) = (gateway(), key(label));
        let head = log.head(&key.device_id()).unwrap();
        let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
        let parts: Vec<_> = readings.into_iter().map(Part::Reading).collect();
        let body = Body { seed: [1; 32], parts: parts.try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: key.device_id(),
            sequence,
            previous,
            time: sequence,
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        let signature = keys.sign(Domain::EventHeader, &header.hash());
        let signer = Signer::Gateway(keys.account());
        let event = SignedEvent { header, signer, signature }.verify(&key).unwrap();
        log.append(vec![NewEntry::new(event, &body, sequence).unwrap()]).await.unwrap();
    }

    fn anchor(log: &Log, size: u64) -> Anchor {
        let root = log.root(size).unwrap();
        let heads_root = log.heads_root(size).unwrap();
        let checkpoint = Checkpoint { version: Version, log: log.id(), size, root, heads_root, time: 0 };
        Anchor { checkpoint, block: 1 }
    }

    async fn log(folder: &tempfile::TempDir) -> Log {
        let id = LogId::first(gateway().account());
        let log = Log::open(&folder.path().join("log"), id).unwrap();
        append(&log, "car", &[("speed", 50), ("odometer", 100)]).await;
        append(&log, "van", &[("odometer", 900)]).await;
        append(&log, "car", &[("odometer", 101), ("speed", 60), ("odometer", 102)]).await;
        append(&log, "car", &[("speed", 70)]).await;
        append(&log, "car", &[("odometer", 103)]).await;
        log
    }

    #[tokio::test]
    async fn the_newest_anchored_reading_is_proven() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder).await;
        let car = key("car");
        for (size, value) in [(1, 100), (2, 100), (3, 102), (4, 102), (5, 103)] {
            let anchor = anchor(&log, size);
            let proven = newest_reading(&log, Some(&anchor), &car.device_id(), &name("odometer")).unwrap();
            assert_eq!(proven.reading.value, Value::Decimal(value.into()), "of {size}");
            assert_eq!(proven.proof.size, size);
            let verified = proven.proof.clone().verify(&record(&log, car.clone()), &anchor.checkpoint.root);
            assert_eq!(verified.unwrap().reading(), &proven.reading);
            assert!(proven.proof.verify(&record(&log, key("van")), &anchor.checkpoint.root).is_err());
        }
    }

    #[tokio::test]
    async fn an_implausible_or_typed_in_value_is_not_proven_before_one_that_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("log"), LogId::first(gateway().account())).unwrap();
        let meter = "Vehicle.TraveledDistance";
        let value = |text: &str| Value::Decimal(text.parse().unwrap());
        let proven = |size| {
            let device = key("car").device_id();
            newest_reading(&log, Some(&anchor(&log, size)), &device, &name(meter)).map(|p| p.reading.value)
        };
        for (number, wrong) in [
            reading(meter, value("105860104"), "m", "senml"),
            reading(meter, value("105861"), "", "senml"),
            reading(meter, value("105861"), "celsius", "obd:01A6"),
            reading(meter, value("-5"), "km", "obd:01A6"),
            reading(meter, value("1e18"), "km", "obd:01A6"),
            reading(meter, Value::Boolean(true), "km", "obd:01A6"),
        ]
        .into_iter()
        .enumerate()
        {
            append_readings(&log, "car", vec![wrong]).await;
            assert!(matches!(proven(number as u64 + 1), Err(ProveError::NoReading { .. })), "{number}");
        }
        append_readings(&log, "car", vec![reading(meter, value("105860.2"), "km", "senml")]).await;
        assert_eq!(proven(7).unwrap(), value("105860.2"), "nothing better is known");
        append_readings(&log, "car", vec![reading(meter, value("105860.1"), "km", "obd:01A6")]).await;
        append_readings(&log, "car", vec![reading(meter, value("200000"), "km", "senml")]).await;
        assert_eq!(proven(9).unwrap(), value("105860.1"));
    }

    #[tokio::test]
    async fn without_an_anchored_reading_the_error_says_what_to_wait_for() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder).await;
        let (car, van) = (key("car").device_id(), key("van").device_id());
        let refused = |anchor: Option<Anchor>, device, meter: &str| {
            newest_reading(&log, anchor.as_ref(), &device, &name(meter)).unwrap_err()
        };
        assert!(matches!(refused(None, car, "odometer"), ProveError::NotAnchored));
        let unread = refused(Some(anchor(&log, 5)), car, "fuel");
        assert!(unread.to_string().contains("fuel"), "{unread}");
        // The van's only event comes after the first entry.
        assert!(matches!(refused(Some(anchor(&log, 1)), van, "odometer"), ProveError::NoReading { .. }));
        let mut other = anchor(&log, 3);
        other.checkpoint.root = Hash([7; 32]);
        assert!(matches!(refused(Some(other), car, "odometer"), ProveError::Anchor(_)));
    }

    #[tokio::test]
    async fn a_proof_file_round_trips_and_an_invalid_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder).await;
        let anchor = anchor(&log, 5);
        let proven = newest_reading(&log, Some(&anchor), &key("car").device_id(), &name("odometer")).unwrap();
        let file = folder.path().join("proof.json");
        write_proof(&file, ContractId([1; 32]), 0, &proven).unwrap();
        assert_eq!(read_proof(&file).unwrap(), proven.proof);

        let text = fs::read_to_string(&file).unwrap();
        for (from, to) in [("\"0x", "\"0xzz"), ("\"proof\"", "\"prof\""), ("{", ""), (&text[..], "")] {
            fs::write(&file, text.replacen(from, to, 1)).unwrap();
            let error = read_proof(&file).unwrap_err().to_string();
            assert!(error.contains("proof.json"), "{from}: {error}");
        }
        fs::remove_file(&file).unwrap();
        assert!(matches!(read_proof(&file), Err(ProveError::File { .. })));
    }
}
