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
    body::Disclosure,
    checkpoint::Anchor,
    contract::{ClauseNumber, ContractId},
    reading::{Name, Unit},
    reading_proof::ReadingProof,
    units, Decimal, DeviceId, Part, Reading, Source, Value, Version,
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

impl ProvenReading {
    /// The sequence of the event.
    pub fn sequence(&self) -> u64 {
        self.proof.entry.event.header.sequence
    }

    /// When the event happened by its signer's clock, in milliseconds since 1970-01-01 UTC.
    pub fn time(&self) -> u64 {
        self.proof.entry.event.header.time
    }
}

/// The reading that a clause is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedReading {
    /// The device.
    pub device: DeviceId,
    /// The name of the reading.
    pub name: Name,
    /// The unit that the reading must be convertible to, if its value counts.
    pub unit: Option<Unit>,
    /// True if the reading is a meter, which is never negative.
    pub is_meter: bool,
}

/// Which of the readings is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// The newest one. One that an adapter or the device itself has made is preferred to one that was sent to the gateway,
    /// even if the second is newer: see [`Trust`].
    Newest,
    /// The one in the event with this sequence.
    Sequence(u64),
    /// The first one at or after this time, in milliseconds since 1970-01-01 UTC.
    FirstFrom(u64),
    /// The last one before this time, in milliseconds since 1970-01-01 UTC.
    LastBefore(u64),
}

/// Proves an anchored reading of a device. `anchor` is the log's last anchor on the chain.
///
/// A reading counts only if its value can be what the clause asks for: a number in a unit that can be converted, and for an
/// odometer kilometres that a vehicle can have.
pub fn prove_reading(
    log: &LogReader,
    anchor: Option<&Anchor>,
    wanted: &WantedReading,
    pick: Pick,
) -> Result<ProvenReading, ProveError> {
    let anchor = anchor.ok_or(ProveError::NotAnchored)?;
    log.check_against(anchor)?;
    let size = anchor.checkpoint.size;
    let found = find(log, size, wanted, pick)?;
    let Candidate { event: StoredEvent { index, entry, .. }, reading, disclosure, .. } =
        found.ok_or_else(|| ProveError::NoReading { device: wanted.device, meter: wanted.name.clone() })?;
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

impl Candidate {
    fn time(&self) -> u64 {
        self.event.entry.event.header.time
    }
}

/// Finds a reading among the first `size` entries of the log.
fn find(
    log: &LogReader,
    size: u64,
    wanted: &WantedReading,
    pick: Pick,
) -> Result<Option<Candidate>, ReadError> {
    match pick {
        Pick::Newest => newest(log, size, wanted),
        Pick::Sequence(sequence) => {
            let event = log.device_event_up_to(&wanted.device, sequence)?;
            let event = event.filter(|event| event.entry.event.header.sequence == sequence);
            Ok(event.and_then(|event| candidate(event, size, wanted)))
        }
        Pick::FirstFrom(time) => {
            let mut first = None;
            for candidate in Backwards::new(log, size, wanted)? {
                let candidate = candidate?;
                if candidate.time() < time {
                    break;
                }
                first = Some(candidate);
            }
            Ok(first)
        }
        Pick::LastBefore(time) => {
            for candidate in Backwards::new(log, size, wanted)? {
                let candidate = candidate?;
                if candidate.time() < time {
                    return Ok(Some(candidate));
                }
            }
            Ok(None)
        }
    }
}

/// Returns the newest reading of the best source.
fn newest(log: &LogReader, size: u64, wanted: &WantedReading) -> Result<Option<Candidate>, ReadError> {
    let mut best: Option<Candidate> = None;
    let mut searched = 0u32;
    for candidate in Backwards::new(log, size, wanted)? {
        let candidate = candidate?;
        if candidate.trust == Trust::Read {
            return Ok(Some(candidate));
        }
        best = best.or(Some(candidate));
        searched = searched.saturating_add(1);
        if searched > MAX_SEARCHED {
            break;
        }
    }
    Ok(best)
}

/// The readings of a device that can be proven, newest first.
struct Backwards<'a> {
    log: &'a LogReader,
    size: u64,
    wanted: &'a WantedReading,
    next: Option<u64>,
}

impl<'a> Backwards<'a> {
    fn new(log: &'a LogReader, size: u64, wanted: &'a WantedReading) -> Result<Self, ReadError> {
        let next = log.head(&wanted.device)?.map(|head| head.sequence);
        Ok(Self { log, size, wanted, next })
    }
}

impl Iterator for Backwards<'_> {
    type Item = Result<Candidate, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Sequences that are lost or in other logs have no event here.
            let event = match self.log.device_event_up_to(&self.wanted.device, self.next?) {
                Ok(event) => event?,
                Err(error) => {
                    self.next = None;
                    return Some(Err(error));
                }
            };
            self.next = event.entry.event.header.sequence.checked_sub(1);
            if let Some(found) = candidate(event, self.size, self.wanted) {
                return Some(Ok(found));
            }
        }
    }
}

/// Returns the last of an event's readings that is wanted, if the event is anchored.
fn candidate(event: StoredEvent, size: u64, wanted: &WantedReading) -> Option<Candidate> {
    let body = event.body.present().filter(|_| event.index < size)?;
    let (place, reading) = body.parts.iter().enumerate().rev().find_map(|(place, part)| match part {
        Part::Reading(reading) if wanted.accepts(reading) => Some((place, reading)),
        _ => None,
    })?;
    let disclosure = body.disclose(u32::try_from(place).ok()?)?;
    let reading = reading.clone();
    Some(Candidate { trust: Trust::of(&reading), event, reading, disclosure })
}

impl WantedReading {
    fn accepts(&self, reading: &Reading) -> bool {
        if reading.name != self.name {
            return false;
        }
        // If only the time counts, any value does.
        let Some(unit) = &self.unit else { return true };
        let Value::Decimal(value) = &reading.value else { return false };
        let is_convertible = units::convert(*value, &reading.unit, unit).is_ok();
        match self.is_meter {
            true if reading.name.as_str() == obd::ODOMETER_NAME => obd::is_odometer_value(reading),
            true => is_convertible && *value >= Decimal::ZERO,
            false => is_convertible,
        }
    }
}

/// The JSON file in which a proof is sent to another party.
#[derive(Serialize, Deserialize)]
struct ProofFile {
    /// For the reader only; the proof alone counts.
    contract: ContractId,
    /// For the reader only.
    clause: ClauseNumber,
    /// For the reader only.
    reading: Reading,
    /// The SCALE encoding of the proof, in hexadecimal.
    proof: String,
}

/// Writes a proof to the file at `path`, to send to another party.
pub fn write_proof(
    path: &Path,
    contract: ContractId,
    clause: ClauseNumber,
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
        Body, Checkpoint, DeviceKey, EventHeader, Hash, LogId, PartyId, SignedEvent,
    };

    fn gateway() -> KeyPair {
        KeyPair::from_seed([9; 32])
    }

    fn key(label: &str) -> DeviceKey {
        gateway().hosted_key(label)
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    fn wanted(device: DeviceId, reading: &str) -> WantedReading {
        let unit = Some(Unit::try_from("km").unwrap());
        WantedReading { device, name: name(reading), unit, is_meter: true }
    }

    fn newest_reading(
        log: &LogReader,
        anchor: Option<&Anchor>,
        device: &DeviceId,
        meter: &Name,
    ) -> Result<ProvenReading, ProveError> {
        prove_reading(log, anchor, &wanted(*device, meter.as_str()), Pick::Newest)
    }

    fn record(key: DeviceKey, log: LogId) -> DeviceRecord {
        DeviceRecord::new(key, PartyId([5; 32]), log, ChangeTime { block: 1, time: 1 })
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
            let (car, van) = (record(car.clone(), log.id()), record(key("van"), log.id()));
            let verified = proven.proof.clone().verify(&car, &anchor.checkpoint.root).unwrap();
            assert_eq!(verified.reading(), &proven.reading);
            assert!(proven.proof.verify(&van, &anchor.checkpoint.root).is_err());
        }
    }

    #[tokio::test]
    async fn readings_at_both_ends_of_a_time_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder).await;
        let (anchor, car) = (anchor(&log, 5), key("car").device_id());
        let value = |pick| {
            let proven = prove_reading(&log, Some(&anchor), &wanted(car, "odometer"), pick);
            proven.map(|proven| (proven.time(), proven.reading.value)).ok()
        };
        let at = |time, value: u32| Some((time, Value::Decimal(value.into())));
        // The car's events have the times 0 to 3; the one at 2 has no odometer.
        assert_eq!(value(Pick::FirstFrom(0)), at(0, 100));
        assert_eq!(value(Pick::FirstFrom(1)), at(1, 102));
        assert_eq!(value(Pick::FirstFrom(2)), at(3, 103));
        assert_eq!(value(Pick::FirstFrom(4)), None);
        assert_eq!(value(Pick::LastBefore(3)), at(1, 102));
        assert_eq!(value(Pick::LastBefore(0)), None);
        assert_eq!(value(Pick::Sequence(1)), at(1, 102));
        assert_eq!(value(Pick::Sequence(2)), None);
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
