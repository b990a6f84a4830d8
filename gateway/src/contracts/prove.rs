//! Proofs of a meter, from a gateway's log against what the chain has anchored of it.

use crate::log::{LogError, LogReader, StoredEvent};
use codec::{DecodeAll as _, Encode as _};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use streembit_primitives::{
    body::Disclosure, chain::Anchor, contract::ContractId, proof::ReadingProof, reading::Name, DeviceId,
    Part, Reading,
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
    let body = event.body.as_ref()?;
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
