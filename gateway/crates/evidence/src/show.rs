//! What a file of evidence says, for people and programs, without verifying any of it.

use super::verify::{EvidenceFile, VerifyError};
use codec::IoReader;
use serde::Serialize;
use std::path::Path;
use streembit_keystore::account;
use streembit_primitives::{
    body::Disclosure,
    evidence::{file, Item, Prelude, ShownBody},
    AccountId, Checkpoint, DeviceId, EventKind, Hash, LogEntry, LogId, Part, Signer,
};

/// What a file says it is of. Not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedSummary {
    /// Always false: nothing was verified.
    pub verified: bool,
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// Its owner.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub owner: AccountId,
    /// The gateway that keeps its log.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub gateway: AccountId,
    /// The log.
    pub log: LogId,
    /// The anchored state of the log.
    pub checkpoint: Checkpoint,
    /// The block that accepted it.
    pub anchored: u32,
    /// The sequence of the device's last event in it.
    pub head: u64,
    /// How often the voters changed.
    pub changes: usize,
}

/// One event of a file. Not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedEvent {
    /// Its place in the device's history.
    pub sequence: u64,
    /// Its place in the log.
    pub index: u64,
    /// When it happened, by its signer's clock.
    pub time: u64,
    /// When the gateway received it.
    pub received: u64,
    /// What kind it is.
    pub kind: EventKind,
    /// Whose signature it carries.
    pub signer: Signer,
    /// How much of its body is shown.
    pub body: Disclosed,
    /// What is shown.
    pub parts: Vec<Part>,
}

/// How much of a body is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosed {
    /// All of it.
    Whole,
    /// Some parts.
    Parts,
    /// Nothing: whoever made the file keeps it.
    Withheld,
    /// Nothing: it was erased.
    Erased,
}

/// Reads a file; `claim` hears what it is of, then `each` of every event in order, until it says no.
pub fn show<E: From<VerifyError>>(
    path: &Path,
    claim: impl FnOnce(UnverifiedSummary) -> Result<(), E>,
    mut each: impl FnMut(UnverifiedEvent) -> Result<(), E>,
) -> Result<(), E> {
    let mut source = EvidenceFile::open(path)?;
    let result = (|| {
        let mut input = IoReader(&mut source);
        let prelude = file::read_prelude(&mut input).map_err(VerifyError::from)?;
        claim(UnverifiedSummary::of(&prelude))?;
        let (mut items, mut index) = (0u64, 0u64);
        loop {
            match file::read_item(&mut input, items).map_err(VerifyError::from)? {
                Item::End => return Ok(()),
                Item::Skip { level, .. } => {
                    index = index.saturating_add(1u64.checked_shl(level.into()).unwrap_or(u64::MAX));
                }
                Item::Event { entry, body } => {
                    each(UnverifiedEvent::of(index, entry, body))?;
                    index = index.saturating_add(1);
                }
            }
            items = items.saturating_add(1);
        }
    })();
    source.check()?;
    result
}

impl UnverifiedSummary {
    fn of(prelude: &Prelude) -> Self {
        let Prelude { genesis, log, device, chain, head } = prelude;
        Self {
            verified: false,
            genesis: *genesis,
            device: *device,
            owner: chain.state.device.owner,
            gateway: log.gateway,
            log: *log,
            checkpoint: chain.state.anchor.checkpoint.clone(),
            anchored: chain.state.anchor.block,
            head: head.entry.sequence,
            changes: chain.changes.len(),
        }
    }
}

impl UnverifiedEvent {
    fn of(index: u64, entry: LogEntry, body: ShownBody) -> Self {
        let LogEntry { event, received } = entry;
        let (disclosed, parts) = match body {
            ShownBody::Whole(body) => (Disclosed::Whole, body.parts.into_inner()),
            ShownBody::Parts(parts) => {
                let part = |disclosure: Disclosure| disclosure.part;
                (Disclosed::Parts, parts.into_iter().map(part).collect())
            }
            ShownBody::Withheld => (Disclosed::Withheld, Vec::new()),
            ShownBody::Erased => (Disclosed::Erased, Vec::new()),
        };
        Self {
            sequence: event.header.sequence,
            index,
            time: event.header.time,
            received,
            kind: event.header.kind,
            signer: event.signer,
            body: disclosed,
            parts,
        }
    }
}
