//! Proofs of one log entry in formats that other people's tools verify: C2SP tlog-proof and COSE.
//!
//! These prove less than evidence does: [`LIMITS`] says what they leave open, and every file carries it.

use super::{
    cose::{CoseError, Statement},
    export::{collected, ExportError},
    EventLog, State,
};
use codec::Encode as _;
use ed25519_dalek::SigningKey;
use serde::Serialize;
use streembit_primitives::{
    event::ENTRY_DIGEST_PREFIX,
    merkle::{InclusionProof, Tree, TreeError},
    note::{Origin, SignedNote},
    tlog_proof::TlogProof,
    DeviceId, Hash, LogEntry, StoredEvent,
};

/// What the proofs of this module prove and do not prove. Every exported file carries this sentence.
pub const LIMITS: &str =
    "This proves that the holder of the log's key had this entry in its log. It does not prove \
    that a chain accepted the log, who owns the device, or that these are all events of the device.";

/// The selection of the entry to prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryRequest {
    /// The device.
    pub device: DeviceId,
    /// The sequence of its event, or `None` for its last anchored event.
    pub sequence: Option<u64>,
    /// The genesis hash of the chain that anchored the log, or `None` for the chain of the last collection.
    pub chain: Option<Hash>,
}

/// A log entry with its inclusion proof under an anchored size of the log. Only [`EntryProof::new`] constructs this type,
/// and it verifies the proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryProof {
    entry: LogEntry,
    index: u64,
    path: InclusionProof,
    origin: Origin,
    size: u64,
    root: Hash,
}

/// A summary of the proof of an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EntrySummary {
    /// The device.
    pub device: DeviceId,
    /// The sequence of its event.
    pub sequence: u64,
    /// The index of the entry in the log.
    pub index: u64,
    /// The number of entries of the log that the proof is for.
    pub log_size: u64,
    /// The origin of the log.
    pub origin: String,
    /// The SHA-256 hash of the entry's bytes.
    pub digest: Hash,
}

impl EntryProof {
    /// Proves an entry under the last anchor that was collected from a chain.
    pub fn new<L: EventLog>(log: &L, request: &EntryRequest) -> Result<Self, ExportError> {
        let chain = collected(log, request.chain)?;
        let anchor = State::new(&chain.state_root, chain.nodes).anchor(&log.id())?;
        let anchor = anchor.ok_or(ExportError::NothingCollected)?;
        log.check_against(&anchor).map_err(ExportError::log)?;
        let (size, root) = (anchor.checkpoint.size, anchor.checkpoint.root);
        let StoredEvent { index, entry, .. } = find(log, request, size)?;
        if index >= size {
            return Err(ExportError::NotAnchored { sequence: entry.event.header.sequence, size });
        }
        let path = Tree::new(&log.nodes(), size).prove_inclusion(index).map_err(|error| match error {
            TreeError::Store(error) => ExportError::log(error),
            TreeError::OutOfRange { .. } => ExportError::NotTheAnchored,
        })?;
        if !path.verify(entry.leaf(), index, size, &root) {
            return Err(ExportError::NotTheAnchored);
        }
        let origin = Origin { genesis: chain.genesis, log: log.id() };
        Ok(Self { entry, index, path, origin, size, root })
    }

    /// Returns the bytes whose SHA-256 hash is the data of the entry's leaf.
    pub fn preimage(&self) -> Vec<u8> {
        [ENTRY_DIGEST_PREFIX, &self.entry.encode()].concat()
    }

    /// Returns the origin of the log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns a summary of the proof.
    pub fn summary(&self) -> EntrySummary {
        let header = &self.entry.event.header;
        EntrySummary {
            device: header.device,
            sequence: header.sequence,
            index: self.index,
            log_size: self.size,
            origin: self.origin.to_string(),
            digest: self.entry.digest(),
        }
    }

    /// Makes a C2SP tlog-proof, with a checkpoint that `key` signs.
    pub fn to_tlog_proof(&self, key: &SigningKey) -> TlogProof {
        TlogProof {
            extra: Some(LIMITS.into()),
            index: self.index,
            path: self.path.clone(),
            checkpoint: SignedNote::sign(&self.origin, self.size, self.root, key),
        }
    }

    /// Makes a COSE statement about the entry with a receipt of inclusion, both signed by `key`.
    pub fn to_cose(&self, key: &SigningKey) -> Result<Statement, CoseError> {
        let included = super::cose::IncludedDigest {
            digest: self.entry.digest(),
            index: self.index,
            path: &self.path,
            size: self.size,
            root: self.root,
        };
        Statement::sign(&self.origin, &included, key)
    }
}

/// Finds the requested event, or the device's last event among the first `size` entries.
fn find<L: EventLog>(log: &L, request: &EntryRequest, size: u64) -> Result<StoredEvent, ExportError> {
    let device = request.device;
    let sequence = match request.sequence {
        Some(sequence) => sequence,
        None => {
            let head = log.head_proof(&device, size).map_err(ExportError::log)?;
            head.ok_or(ExportError::NoEvents { device, size })?.entry.sequence
        }
    };
    let events = log.device_events(&device, sequence, 1).map_err(ExportError::log)?;
    let found = events.into_iter().find(|stored| stored.entry.event.header.sequence == sequence);
    found.ok_or(ExportError::NoSuchEvent { device, sequence })
}
