//! Proofs of a meter, from a gateway's log against what the chain has anchored of it.

use codec::{DecodeAll as _, Encode as _};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use streembit_log::{LogError, LogReader, StoredEvent};
use streembit_primitives::{
    body::Disclosure, checkpoint::Anchor, contract::ContractId, reading::Name, reading_proof::ReadingProof,
    DeviceId, Part, Reading,
};

/// The largest file of a proof that is read; a proof has at most a few kilobytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing of the log is anchored.
    #[error("nothing of this gateway's log is anchored yet: run the gateway beside a node, and wait for the anchor (`streembit status` shows it)")]
    NotAnchored,
    /// No anchored event has the reading.
    #[error("no anchored event of device {device} reads {meter}: wait until the device has been read and the log anchored (`streembit status` shows both)")]
    NoReading {
        /// The device.
        device: DeviceId,
        /// The reading.
        meter: Name,
    },
    /// The file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no proof.
    #[error("{} holds no proof: {problem}; `streembit contract prove` makes one", .path.display())]
    NoProof {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// A proof with what it proves, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenAt {
    /// The proof.
    pub proof: ReadingProof,
    /// What it proves.
    pub reading: Reading,
}

/// Proves the newest anchored reading of a device with this name. `anchor` is the log's last on the chain.
pub fn newest_reading(
    log: &LogReader,
    anchor: Option<&Anchor>,
    device: &DeviceId,
    meter: &Name,
) -> Result<ProvenAt, ProveError> {
    let anchor = anchor.ok_or(ProveError::NotAnchored)?;
    log.check_against(anchor)?;
    let size = anchor.checkpoint.size;
    let mut sequence = log.head(device)?.map(|head| head.sequence);
    while let Some(at) = sequence {
        for event in log.device_events(device, at, 1)? {
            if let Some(disclosure) = disclose(&event, meter).filter(|_| event.index < size) {
                return prove(log, size, event, disclosure);
            }
        }
        sequence = at.checked_sub(1);
    }
    Err(ProveError::NoReading { device: *device, meter: meter.clone() })
}

/// The last of an event's readings with this name, disclosed.
fn disclose(event: &StoredEvent, meter: &Name) -> Option<Disclosure> {
    let body = event.body.present()?;
    let place = body
        .parts
        .iter()
        .rposition(|part| matches!(part, Part::Reading(reading) if reading.name == *meter))?;
    body.disclose(u32::try_from(place).ok()?)
}

fn prove(
    log: &LogReader,
    size: u64,
    event: StoredEvent,
    disclosure: Disclosure,
) -> Result<ProvenAt, ProveError> {
    let StoredEvent { index, entry, .. } = event;
    let inclusion = log.inclusion(index, size)?;
    let Part::Reading(reading) = disclosure.part.clone() else {
        return Err(
            LogError::Damaged { what: format!("entry {index} discloses what it was not asked for") }.into()
        );
    };
    let proof = ReadingProof { log: log.id(), size, index, entry, inclusion, disclosure };
    Ok(ProvenAt { proof, reading })
}

/// A proof on its way to another party.
#[derive(Serialize, Deserialize)]
struct ProofFile {
    /// For people; what counts is in the proof.
    contract: ContractId,
    /// For people.
    clause: u32,
    /// For people.
    reading: Reading,
    /// The proof's SCALE encoding in hexadecimal digits.
    proof: String,
}

/// Writes a proof into a new file, for another party.
pub fn write_proof(
    path: &Path,
    contract: ContractId,
    clause: u32,
    proven: &ProvenAt,
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

/// Reads a proof from a file. Whether it proves anything is for the chain to say.
pub fn read_proof(path: &Path) -> Result<ReadingProof, ProveError> {
    let failed = |source| ProveError::File { doing: "reading", path: path.to_owned(), source };
    let refused = |problem: String| ProveError::NoProof { path: path.to_owned(), problem };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(refused("it is too large".into()));
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
        checkpoint::HashAlgorithm,
        event::{EventKind, Signer, VERSION},
        hash::Domain,
        Body, Checkpoint, DeviceKey, EventHeader, Hash, LogId, SignedEvent, Source, Text, Value,
    };

    fn gateway() -> KeyPair {
        KeyPair::from_seed([9; 32])
    }

    fn key(label: &str) -> DeviceKey {
        DeviceKey::Hosted { gateway: gateway().account(), label: Text::try_from(label).unwrap() }
    }

    fn name(text: &str) -> Name {
        Name::try_from(text).unwrap()
    }

    async fn append(log: &Log, label: &str, readings: &[(&str, u32)]) {
        let (keys, key) = (gateway(), key(label));
        let head = log.head(&key.device_id()).unwrap();
        let (sequence, previous) = head.map_or((0, Hash::ZERO), |head| (head.sequence + 1, head.hash));
        let part = |(meter, value): &(&str, u32)| {
            Part::Reading(Reading {
                name: name(meter),
                unit: Text::try_from("km").unwrap(),
                value: Value::Decimal((*value).into()),
                time: sequence,
                source: Source::Senml,
            })
        };
        let body =
            Body { seed: [1; 32], parts: readings.iter().map(part).collect::<Vec<_>>().try_into().unwrap() };
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
        let checkpoint =
            Checkpoint { log: log.id(), size, root, heads_root, time: 0, hash: HashAlgorithm::Blake3 };
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
            let verified = proven.proof.clone().verify(&car, &anchor.checkpoint.root).unwrap();
            assert_eq!(verified.reading(), &proven.reading);
            assert!(proven.proof.verify(&key("van"), &anchor.checkpoint.root).is_err());
        }
    }

    #[tokio::test]
    async fn where_there_is_nothing_to_prove_the_error_says_what_to_wait_for() {
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
        assert!(matches!(refused(Some(other), car, "odometer"), ProveError::Log(_)));
    }

    #[tokio::test]
    async fn a_proof_travels_in_a_file_and_anything_else_is_named() {
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
