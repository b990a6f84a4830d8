//! Shows the content of an evidence file to people and programs, without verifying it.

use super::verify::{EvidenceFile, VerifyError};
use codec::IoReader;
use serde::Serialize;
use std::path::Path;
use streembit_keystore::account;
use streembit_primitives::{
    body::Disclosure,
    evidence::{file, Item, Prelude, ShownBody},
    AccountId, Checkpoint, DeviceId, EventKind, Hash, LogEntry, LogId, Part, PartyId, Signer,
};

/// The claims of a file about itself. They are not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedSummary {
    /// Always false: nothing was verified.
    pub verified: bool,
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// The party that owns the device.
    pub owner: PartyId,
    /// The gateway that keeps the log.
    #[serde(serialize_with = "account::ss58::serialize")]
    pub gateway: AccountId,
    /// The log.
    pub log: LogId,
    /// The anchored checkpoint of the log.
    pub checkpoint: Checkpoint,
    /// The number of the block that accepted the checkpoint.
    pub anchored: u32,
    /// The sequence of the device's last event in the checkpoint.
    pub head: u64,
    /// The number of changes of voters.
    pub changes: usize,
}

/// An event of a file. It is not verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnverifiedEvent {
    /// The position in the device's history.
    pub sequence: u64,
    /// The position in the log.
    pub index: u64,
    /// The time of the event by its signer's clock, in milliseconds since 1970.
    pub time: u64,
    /// The time at which the gateway received the event, in milliseconds since 1970.
    pub received: u64,
    /// The kind of the event.
    pub kind: EventKind,
    /// The signer of the event.
    pub signer: Signer,
    /// How much of the body is disclosed.
    pub body: Disclosed,
    /// The disclosed parts of the body.
    pub parts: Vec<Part>,
}

/// How much of a body is disclosed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disclosed {
    /// The whole body.
    Whole,
    /// Some parts.
    Parts,
    /// Nothing, because the exporter withheld the body.
    Withheld,
    /// Nothing, because the body was erased.
    Erased,
}

/// Reads a file. Calls `claim` with the file's claims, then `each` with every event in order. Stops at the first error
/// of a callback.
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
