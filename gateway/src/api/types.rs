//! What the API says, as JSON: ids and hashes in hexadecimal digits, accounts in SS58, times in milliseconds since
//! 1970-01-01 UTC.

use super::problem::Problem;
use crate::status::Component;
use serde::{Deserialize, Serialize};
use streembit_keystore::account;
use streembit_log::{CopiedKey, Erasure, Receipt, SignedTwice, StoredEvent};
use streembit_primitives::{
    checkpoint::Anchor,
    reading::{Name, Unit},
    Checkpoint, EventKind, Part, Reading, Signer, Source, Value,
};
use utoipa::ToSchema;

/// One screen: the gateway, its log, its devices, its parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// What people call the gateway.
    pub name: String,
    /// Its account, SS58.
    pub account: String,
    /// Where other parties reach it.
    pub peer: PeerView,
    /// The version of the program.
    pub version: String,
    /// Since when it runs.
    pub started: u64,
    /// The log; nothing while it cannot be read, and then its part says why.
    pub log: Option<LogView>,
    /// The devices; none while the log cannot be read.
    pub devices: Vec<DeviceView>,
    /// The parts of the daemon.
    pub components: Vec<Component>,
}

/// The log and how far it is anchored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Which of the gateway's logs, from 0.
    pub epoch: u32,
    /// How many events it holds; each is on disk.
    pub size: u64,
    /// The root of its tree.
    pub root: String,
    /// The last checkpoint that was made for the chain.
    pub checkpoint: Option<CheckpointView>,
    /// The last checkpoint that is anchored in a finalized block.
    pub anchor: Option<AnchorView>,
}

/// The gateway among its peers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// Its peer id.
    pub id: String,
    /// Its addresses, with the peer id, as `streembit subscribe --gateway` takes them.
    pub addresses: Vec<String>,
}

/// A checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// How many events.
    pub size: u64,
    /// The root of their tree.
    pub root: String,
    /// When it was made.
    pub time: u64,
}

/// An anchored checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AnchorView {
    /// The checkpoint.
    pub checkpoint: CheckpointView,
    /// The block that accepted it.
    pub block: u32,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// What people call it.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Who signs its events: `device` or `gateway`.
    pub signer: String,
    /// How many of its events the log holds.
    pub events: u64,
    /// The hash of its last event's header.
    pub last: Option<String>,
    /// Whether its key signed two events for one place: it was copied, and nothing more is taken from the device.
    pub forked: bool,
}

/// An event that is on disk, in the log, at this index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// Its place in the log.
    pub index: u64,
    /// The device's id.
    pub device: String,
    /// Its place in the device's history.
    pub sequence: u64,
    /// The hash of its header.
    pub hash: String,
    /// When the gateway received it.
    pub received: u64,
}

/// An event as the log holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its place in the log.
    pub index: u64,
    /// Its place in the device's history.
    pub sequence: u64,
    /// The hash of its header.
    pub hash: String,
    /// When it happened, by the signer's clock.
    pub time: u64,
    /// When the gateway received it.
    pub received: u64,
    /// What it holds: `readings` or `status`.
    pub kind: String,
    /// Who signed it: `device`, or the gateway's account.
    pub signer: String,
    /// What it says; absent where the body was erased or is not kept here.
    #[schema(value_type = Option<Vec<Object>>)]
    pub parts: Option<Vec<Part>>,
    /// The log's entry, SCALE.
    pub entry: String,
    /// The body, SCALE.
    pub body: Option<String>,
    /// When the body was erased for good, where it was.
    #[serde(default)]
    pub erased: Option<u64>,
}

/// Proves that an event is in the log at a size (RFC 9162).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct InclusionView {
    /// The event's place in the log.
    pub index: u64,
    /// The size of the log.
    pub size: u64,
    /// The root of the log at that size.
    pub root: String,
    /// The hash of the event's leaf.
    pub leaf: String,
    /// The hashes beside the way to the root, lowest first.
    pub path: Vec<String>,
}

/// Readings of a device that cannot sign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReadings {
    /// At least one, of one moment or a few.
    pub readings: Vec<NewReading>,
}

/// One reading. Where it came from is not the caller's to say: it came through this API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReading {
    /// What was read: a COVESA VSS path for vehicles, a SenML name otherwise; at most 96 bytes.
    #[schema(value_type = String, example = "Vehicle.Speed")]
    pub name: Name,
    /// Its unit; at most 16 bytes.
    #[serde(default)]
    #[schema(value_type = String, example = "km/h")]
    pub unit: Unit,
    /// The value: `{"decimal":"12.5"}`, `{"boolean":true}` or `{"text":"open"}`.
    #[schema(value_type = Object, example = json!({"decimal": "12.5"}))]
    pub value: Value,
    /// When it was read; now where it is absent.
    pub time: Option<u64>,
}

/// An event that a device signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// The signed event, SCALE in hexadecimal digits.
    pub event: String,
    /// The body, SCALE in hexadecimal digits.
    pub body: String,
}

/// Which events' bodies to erase for good. The events stay, with all that is proven of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// Whose events, by the device's name or id: then `first` and `last` are places in its history. Where it is absent
    /// they are places in the log.
    pub device: Option<String>,
    /// The first.
    pub first: u64,
    /// The last; the first where absent. At most 10,000 at once.
    pub last: Option<u64>,
}

/// An event whose body is erased: it is in no file of the database any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErasureView {
    /// Its place in the log.
    pub index: u64,
    /// The device's id.
    pub device: String,
    /// Its place in the device's history.
    pub sequence: u64,
    /// When the body was erased.
    pub erased: u64,
    /// Whether that was before this request.
    pub before: bool,
}

/// What became of each of several, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Results {
    /// One for each that was sent.
    pub results: Vec<ItemResult>,
}

/// What became of one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemResult {
    /// It is in the log.
    Receipt(ReceiptView),
    /// It was refused.
    Problem(Problem),
}

impl From<Result<ReceiptView, Problem>> for ItemResult {
    fn from(result: Result<ReceiptView, Problem>) -> Self {
        match result {
            Ok(receipt) => Self::Receipt(receipt),
            Err(problem) => Self::Problem(problem),
        }
    }
}

impl From<&Checkpoint> for CheckpointView {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: checkpoint.root.to_string(), time: checkpoint.time }
    }
}

impl From<&Anchor> for AnchorView {
    fn from(anchor: &Anchor) -> Self {
        Self { checkpoint: (&anchor.checkpoint).into(), block: anchor.block }
    }
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            index: receipt.index,
            device: receipt.device.to_string(),
            sequence: receipt.sequence,
            hash: receipt.hash.to_string(),
            received: receipt.received,
        }
    }
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        Self {
            index: erasure.index,
            device: erasure.device.to_string(),
            sequence: erasure.sequence,
            erased: erasure.at,
            before: erasure.already_erased,
        }
    }
}

impl From<StoredEvent> for EventView {
    fn from(stored: StoredEvent) -> Self {
        let header = &stored.entry.event.header;
        Self {
            index: stored.index,
            sequence: header.sequence,
            hash: header.hash().to_string(),
            time: header.time,
            received: stored.entry.received,
            kind: match header.kind {
                EventKind::Readings => "readings".into(),
                EventKind::Status => "status".into(),
            },
            signer: match &stored.entry.event.signer {
                Signer::Device => "device".into(),
                Signer::Gateway(gateway) => account::show(gateway),
            },
            parts: stored.body.present().map(|body| body.parts.to_vec()),
            entry: scale_hex(&stored.entry),
            body: stored.body.present().map(scale_hex),
            erased: stored.body.erased(),
        }
    }
}

impl NewReading {
    /// As a reading that came through the API.
    pub fn into_reading(self, now_ms: u64) -> Reading {
        let Self { name, unit, value, time } = self;
        Reading { name, unit, value, time: time.unwrap_or(now_ms), source: Source::Senml }
    }
}

/// The SCALE encoding of a value in hexadecimal digits.
pub fn scale_hex(value: &impl codec::Encode) -> String {
    format!("0x{}", hex::encode(value.encode()))
}

/// Two events that one key signed for one place of a device's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CopiedKey)]
pub struct CopiedKeyView {
    /// The device.
    pub device: String,
    /// The place that was signed for twice.
    pub sequence: u64,
    /// The event that came first, and is in the log.
    pub first: SignedTwiceView,
    /// The one that was refused because of it.
    pub second: SignedTwiceView,
}

/// One of the two.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SignedTwice)]
pub struct SignedTwiceView {
    /// Its place in the log, where it is there.
    pub index: Option<u64>,
    /// The hash of its header.
    pub hash: String,
    /// When it happened, by the signer's clock.
    pub time: u64,
    /// When the gateway received it.
    pub received: u64,
    /// The signed event, SCALE in hexadecimal digits.
    pub event: String,
}

impl From<CopiedKey> for CopiedKeyView {
    fn from(CopiedKey { device, sequence, first, second }: CopiedKey) -> Self {
        Self { device: device.to_string(), sequence, first: first.into(), second: second.into() }
    }
}

impl From<SignedTwice> for SignedTwiceView {
    fn from(SignedTwice { index, hash, time, received, event }: SignedTwice) -> Self {
        Self { index, hash: hash.to_string(), time, received, event: scale_hex(&event) }
    }
}
