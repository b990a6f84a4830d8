//! The JSON types of the API. Ids and hashes are in hexadecimal, accounts in SS58, and times in milliseconds since
//! 1970-01-01 UTC.

use super::problem::Problem;
use crate::{
    daemon::Reloaded,
    event_view::{EventView, LogIdView},
    status::Component,
};
use serde::{Deserialize, Serialize};
use streembit_log::{CopiedKey, Erasure, Receipt, SignedTwice, StoredEvent};
use streembit_primitives::{
    checkpoint::Anchor,
    reading::{Name, Unit},
    Checkpoint, LogId, Reading, Source, Value,
};
use utoipa::ToSchema;

/// The status of the gateway, its log, its devices and its components.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// The gateway's name in its configuration.
    pub name: String,
    /// The gateway's account, in SS58.
    pub account: String,
    /// The gateway's account, in hexadecimal.
    #[serde(default)]
    pub account_hex: String,
    /// The gateway's peer id and addresses.
    pub peer: PeerView,
    /// The version of the gateway program.
    pub version: String,
    /// The time when the gateway started.
    pub started: u64,
    /// The log, or null while it cannot be read; the component `log` then gives the reason.
    pub log: Option<LogView>,
    /// The configured devices; empty while the log cannot be read.
    pub devices: Vec<DeviceView>,
    /// The components of the daemon.
    pub components: Vec<Component>,
}

/// The size and root of the log, and its last checkpoint and anchor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// The epoch of the log; a gateway's first log has epoch 0.
    pub epoch: u32,
    /// The number of events in the log. All of them are on disk.
    pub size: u64,
    /// The root of the log's Merkle tree.
    pub root: String,
    /// The last checkpoint that the gateway signed.
    pub checkpoint: Option<CheckpointView>,
    /// The last anchor in a finalized block.
    pub anchor: Option<AnchorView>,
    /// The C2SP verifier key of the log's notes, or null if no anchor of the log is proven yet.
    pub verifier_key: Option<String>,
}

/// The gateway as a libp2p peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    /// The peer id.
    pub id: String,
    /// The addresses with the peer id, in the form that `streembit subscribe --gateway` accepts.
    pub addresses: Vec<String>,
}

/// A checkpoint of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckpointView {
    /// The size of the checkpoint, in events.
    pub size: u64,
    /// The root of the Merkle tree at that size.
    pub root: String,
    /// The time when it was signed.
    pub time: u64,
}

/// A checkpoint that the chain accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AnchorView {
    /// The checkpoint.
    pub checkpoint: CheckpointView,
    /// The number of the block that accepted it.
    pub block: u32,
}

/// A device of the gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// The device's name in the configuration.
    pub name: String,
    /// The device's id.
    pub id: String,
    /// The signer of the device's events: `device` or `gateway`.
    pub signer: String,
    /// The public key of the device, or the account of the gateway that signs for it.
    #[serde(default)]
    pub key: String,
    /// The sequence number of the first event that the key signs.
    #[serde(default)]
    pub key_from: u64,
    /// The log that the device's events are in, or null if the chain does not know the device.
    #[serde(default)]
    pub log: Option<LogIdView>,
    /// What the owner says about the device: `active`, `lost`, `stolen` or `retired`; null if the chain does not know it.
    #[serde(default)]
    pub state: Option<String>,
    /// The party that owns the device, or null if the chain does not know the device.
    #[serde(default)]
    pub owner: Option<String>,
    /// The time since which the party owns the device, or null if the chain does not know the device.
    #[serde(default)]
    pub owner_since: Option<u64>,
    /// The number of the device's events in the log.
    #[serde(rename = "event_count")]
    pub events: u64,
    /// The hash of the last event's header, or null if there are no events.
    pub last: Option<String>,
    /// True if the device's present key signed two events with one sequence number. The key was copied, and the gateway
    /// accepts no more events from the device until it has a new key.
    pub forked: bool,
}

/// The proof of a device's last event at the last anchor of the log. Changes of the device's record on the chain need it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LastAnchored)]
pub struct LastAnchoredView {
    /// The device's id.
    pub device: String,
    /// The log, as gateway and epoch.
    pub log: String,
    /// The sequence number of the device's last anchored event, or null if it has none.
    pub sequence: Option<u64>,
    /// The hash of the header of that event.
    pub hash: Option<String>,
    /// The sequence number of the device's last event in the log, also if it is not anchored yet.
    pub newest: Option<u64>,
    /// The proof (`LastAnchored`), SCALE-encoded, in hexadecimal.
    pub proof: String,
}

/// The answer to a request that pauses a device, or ends its pause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseView {
    /// The device's id.
    pub device: String,
    /// How long the pause is at most, in milliseconds; 0 if it has ended.
    pub milliseconds: u64,
}

/// What changed when the gateway read its configuration again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Reload)]
pub struct ReloadView {
    /// The names of the devices that were added.
    pub added: Vec<String>,
    /// The names of the devices that were changed.
    pub changed: Vec<String>,
    /// The names of the devices that were removed. Their events stay in the log, and their records on the chain.
    pub removed: Vec<String>,
    /// The sections that differ from those that the gateway started with. It takes them when it starts again.
    pub needs_restart: Vec<String>,
}

impl From<Reloaded> for ReloadView {
    fn from(reloaded: Reloaded) -> Self {
        let Reloaded { added, changed, removed, needs_restart } = reloaded;
        let needs_restart = needs_restart.into_iter().map(str::to_owned).collect();
        Self { added, changed, removed, needs_restart }
    }
}

/// The receipt of an event that is in the log and on disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The event's index in the log.
    pub index: u64,
    /// The device's id.
    pub device: String,
    /// The event's sequence number.
    pub sequence: u64,
    /// The hash of the event's header.
    pub hash: String,
    /// The time when the gateway received the event.
    pub received: u64,
    /// What the sender should know, such as that a number was rounded; absent if there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// An event in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = StoredEvent)]
pub struct StoredEventView {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// The log entry, SCALE-encoded, in hexadecimal.
    pub entry: String,
    /// The body, SCALE-encoded, in hexadecimal; null if it was erased or is not stored.
    pub body: Option<String>,
}

/// An inclusion proof (RFC 9162): proves that an event is in the log of a given size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct InclusionView {
    /// The event's index in the log.
    pub index: u64,
    /// The size of the log that the proof is for.
    pub size: u64,
    /// The root of the log at that size.
    pub root: String,
    /// The leaf hash of the event.
    pub leaf: String,
    /// The sibling hashes on the path from the leaf to the root, lowest first.
    pub path: Vec<String>,
}

/// Readings of a device that cannot sign its own events.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReadings {
    /// The readings of one event; at least one.
    pub readings: Vec<NewReading>,
}

/// One reading. Its source is not part of the request, because it is always this API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReading {
    /// The name of the reading: a COVESA VSS path for vehicles, otherwise a SenML name; at most 96 bytes.
    #[schema(value_type = String, example = "Vehicle.Speed")]
    pub name: Name,
    /// The unit; at most 16 bytes.
    #[serde(default)]
    #[schema(value_type = String, example = "km/h")]
    pub unit: Unit,
    /// The value: `{"decimal":"12.5"}`, `{"boolean":true}` or `{"text":"open"}`.
    #[schema(value_type = Object, example = json!({"decimal": "12.5"}))]
    pub value: Value,
    /// The time of the reading; the current time if absent.
    pub time: Option<u64>,
}

/// An event that its device signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// The signed event, SCALE-encoded, in hexadecimal.
    pub event: String,
    /// The body, SCALE-encoded, in hexadecimal.
    pub body: String,
}

/// A request to erase the bodies of events permanently. The events themselves stay in the log and can still be proven.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// The name or id of the device whose events are erased; `first` and `last` are then sequence numbers. If absent,
    /// `first` and `last` are indexes in the log.
    pub device: Option<String>,
    /// The first event.
    pub first: u64,
    /// The last event; the same as `first` if absent. One request erases at most 10,000 bodies.
    pub last: Option<u64>,
}

/// An event whose body was erased. No file of the database contains the body any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErasureView {
    /// The event's index in the log.
    pub index: u64,
    /// The device's id.
    pub device: String,
    /// The event's sequence number.
    pub sequence: u64,
    /// The time when the body was erased.
    pub erased: u64,
    /// True if the body had already been erased before this request.
    pub before: bool,
}

/// The results of a request with several events, in the order of the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Results {
    /// One result per event.
    pub results: Vec<ItemResult>,
}

/// The result of adding one event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemResult {
    /// The event is in the log.
    Receipt(ReceiptView),
    /// The event was rejected.
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
            remarks: Vec::new(),
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

impl StoredEventView {
    /// Returns the view of an event that is stored in `log`.
    pub fn of(log: LogId, stored: StoredEvent) -> Self {
        let entry = scale_hex(&stored.entry);
        let body = stored.body.present().map(scale_hex);
        Self { event: EventView::of_stored(log, stored), entry, body }
    }
}

impl NewReading {
    /// Converts this into a [`Reading`]. `now_ms` is the time of a reading without one.
    pub fn into_reading(self, now_ms: u64) -> Reading {
        let Self { name, unit, value, time } = self;
        Reading { name, unit, value, time: time.unwrap_or(now_ms), source: Source::of_adapter("senml", "") }
    }
}

/// Returns the SCALE encoding of a value in hexadecimal, starting with `0x`.
pub fn scale_hex(value: &impl codec::Encode) -> String {
    format!("0x{}", hex::encode(value.encode()))
}

/// The proof that a device's key was copied: two events with one sequence number, both signed with the key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CopiedKey)]
pub struct CopiedKeyView {
    /// The device's id.
    pub device: String,
    /// The sequence number of both events.
    pub sequence: u64,
    /// The event that came first and is in the log.
    pub first: SignedTwiceView,
    /// The event that came second and was rejected.
    pub second: SignedTwiceView,
}

/// One of two events that prove a copied key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = SignedTwice)]
pub struct SignedTwiceView {
    /// The event's index in the log, or null if it is not in the log.
    pub index: Option<u64>,
    /// The hash of the event's header.
    pub hash: String,
    /// The time of the event, by the signer's clock.
    pub time: u64,
    /// The time when the gateway received the event.
    pub received: u64,
    /// The signed event, SCALE-encoded, in hexadecimal.
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
