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
    /// even if the second is newer: see `Trust`.
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
        match self.is_meter {
            true if reading.name.as_str() == obd::ODOMETER_NAME => is_odometer(reading, *value),
            true => *value >= Decimal::ZERO && units::convert(*value, &reading.unit, unit).is_ok(),
            false => units::convert(*value, &reading.unit, unit).is_ok(),
        }
    }
}

/// Returns true if a value, in kilometres, is one that a vehicle's odometer can show.
fn is_odometer(reading: &Reading, value: Decimal) -> bool {
    let Ok(kilometre) = Unit::try_from("km") else { return false };
    let Ok(value) = units::convert(value, &reading.unit, &kilometre) else { return false };
    obd::is_odometer_value(&Reading { value: Value::Decimal(value), unit: kilometre, ..reading.clone() })
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
mod tests;
