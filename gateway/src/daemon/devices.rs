//! Follows the records of the gateway's devices on the chain, for the keys, the logs and the lost events that count.
//!
//! The last known records are kept in a file in the data folder. So a gateway whose node is away verifies events as before,
//! also after a restart. A device that the chain does not know is verified with its configured key.

use crate::{
    config::Config,
    handover,
    remedies::Remedy as _,
    status::{ComponentState, StatusBoard},
};
use codec::{DecodeAll as _, Encode as _};
use futures::{stream, StreamExt as _, TryStreamExt as _};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use streembit_chain::{ChainClient, ChainError};
use streembit_ingest::{ConfiguredDevice, Ingest};
use streembit_keystore::{account, files::replace_private};
use streembit_log::{Lineage, Log};
use streembit_primitives::{
    device::{DeviceRecord, DeviceState},
    AccountId, DeviceId, DeviceKey, Hash,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
pub(super) const COMPONENT: &str = "devices";

/// The file of the last known records, in the data folder. RocksDB ignores files that it does not know.
const FILE: &str = "DEVICES";

/// The version of the file's format.
const VERSION: u8 = 1;

/// The shortest time between two reads of the records.
const MIN_INTERVAL: Duration = Duration::from_secs(2);

/// The pause after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The number of records that are read at the same time.
const CONCURRENT: usize = 8;

/// The records of the registered devices.
pub type Records = Arc<BTreeMap<DeviceId, DeviceRecord>>;

/// Returns the devices of a configuration whose labels are resolved.
pub(super) fn configured(config: &Config, gateway: AccountId) -> Vec<ConfiguredDevice> {
    let devices = config.devices.iter();
    devices
        .map(|device| ConfiguredDevice { id: device.id(gateway), key: device.device_key(gateway) })
        .collect()
}

/// Keeps the devices' records in ingest, in the file and for the API up to date.
pub(super) struct DeviceFollower {
    /// The devices with their names.
    names: BTreeMap<DeviceId, String>,
    data_dir: PathBuf,
    log: Log,
    ingest: Ingest,
    status: StatusBoard,
    /// The chain that the records are from.
    genesis: Option<Hash>,
    records: watch::Sender<Records>,
}

impl DeviceFollower {
    /// Applies the records in the file, so that events are verified with them from the start.
    pub fn new(config: &Config, log: &Log, ingest: &Ingest, status: &StatusBoard) -> Self {
        let data_dir = config.gateway.data_dir.clone();
        let gateway = log.id().gateway;
        let names: BTreeMap<_, _> =
            config.devices.iter().map(|device| (device.id(gateway), device.name.clone())).collect();
        let stored = read(&data_dir.join(FILE));
        let (genesis, mut known) =
            stored.map_or((None, BTreeMap::new()), |(genesis, known)| (Some(genesis), known));
        known.retain(|device, _| names.contains_key(device));
        let records = watch::Sender::new(Records::default());
        let (log, ingest, status) = (log.clone(), ingest.clone(), status.clone());
        let follower = Self { names, data_dir, log, ingest, status, genesis, records };
        follower.apply(known);
        follower
    }

    /// Watches the records.
    pub fn records(&self) -> watch::Receiver<Records> {
        self.records.subscribe()
    }

    /// Follows the chain until `stop` is cancelled.
    pub async fn run(mut self, chain: ChainClient, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow(&chain) => {}
        }
        self.status.report(COMPONENT, ComponentState::Stopped);
    }

    async fn follow(&mut self, chain: &ChainClient) {
        let mut blocks = chain.finalized_heads();
        loop {
            blocks.borrow_and_update();
            match self.fetch(chain).await {
                Ok(records) => {
                    self.update(chain.genesis(), records);
                    self.report();
                    tokio::time::sleep(MIN_INTERVAL).await;
                    if blocks.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    self.status.report(COMPONENT, ComponentState::retrying(&error, error.remedy()));
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Reads the records of all devices at one block.
    async fn fetch(&self, chain: &ChainClient) -> Result<BTreeMap<DeviceId, DeviceRecord>, ChainError> {
        let view = chain.view().await?;
        let view = &view;
        let records: Vec<_> = stream::iter(self.names.keys().copied())
            .map(|device| async move { Ok::<_, ChainError>((device, view.device(device).await?)) })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(records.into_iter().filter_map(|(device, record)| Some((device, record?))).collect())
    }

    /// Applies the records of a chain and keeps them, if they are not those that are known.
    fn update(&mut self, genesis: Hash, records: BTreeMap<DeviceId, DeviceRecord>) {
        if self.genesis == Some(genesis) && **self.records.borrow() == records {
            self.refresh_handovers(&records);
            return;
        }
        let bytes = encode(genesis, &records);
        if let Err(error) = replace_private(&self.data_dir.join(FILE), &bytes) {
            tracing::warn!(%error, "the records of the devices were not kept; without a node, the gateway does not know them after a restart");
        }
        self.genesis = Some(genesis);
        self.apply(records);
    }

    /// Makes ingest verify events by these records.
    fn apply(&self, records: BTreeMap<DeviceId, DeviceRecord>) {
        let before = self.records.borrow().clone();
        for (device, name) in &self.names {
            let record = records.get(device);
            if record == before.get(device) {
                continue;
            }
            if let Some(record) = record {
                tracing::info!(device = name, "{}", describe(record));
            }
            let lineage =
                record.map(|record| Lineage::new(record.clone(), handover::load(&self.data_dir, device)));
            self.ingest.set_lineage(device, lineage);
        }
        self.records.send_replace(Arc::new(records));
    }

    /// Reads again what the gateway was told about devices that came from another log and have no event in this one yet.
    fn refresh_handovers(&self, records: &BTreeMap<DeviceId, DeviceRecord>) {
        let waits = |device: &DeviceId, record: &DeviceRecord| {
            record.logs().last().from > 0 && matches!(self.log.head(device), Ok(None))
        };
        for (device, record) in records.iter().filter(|(device, record)| waits(device, record)) {
            let last = handover::load(&self.data_dir, device);
            if last.is_some() {
                self.ingest.set_lineage(device, Some(Lineage::new(record.clone(), last)));
            }
        }
    }

    fn report(&self) {
        let records = self.records.borrow().clone();
        let problems: Vec<_> =
            records.iter().filter_map(|(device, record)| self.problem(device, record)).collect();
        let elsewhere = records.values().filter(|record| record.gateway() != self.log.id().gateway).count();
        let state = if problems.is_empty() {
            let moved =
                if elsewhere == 0 { String::new() } else { format!(", {elsewhere} with another gateway") };
            ComponentState::running(format!(
                "{} devices, {} registered{moved}",
                self.names.len(),
                records.len()
            ))
        } else {
            ComponentState::alarm(
                problems.join("; "),
                "`streembit device reassign` assigns a device to the gateway's open log, and `streembit device admit` \
                 tells the gateway the device's last event in the log before",
            )
        };
        self.status.report(COMPONENT, state);
    }

    /// Describes what the operator has to do about a device, or returns `None`.
    fn problem(&self, device: &DeviceId, record: &DeviceRecord) -> Option<String> {
        let name = self.names.get(device)?;
        let (log, own) = (record.log(), self.log.id());
        if record.state() == DeviceState::Retired || log.gateway != own.gateway {
            return None;
        }
        if log.epoch != own.epoch {
            let (found, epoch) = (log.epoch, own.epoch);
            return Some(format!("device {name} belongs to epoch {found}, but this log is epoch {epoch}"));
        }
        let first = record.logs().last().from;
        let is_hosted = matches!(record.key(), DeviceKey::Hosted { .. });
        let follows = first > 0 && !record.is_lost(first.saturating_sub(1));
        let is_new = matches!(self.log.head(device), Ok(None));
        (is_hosted && follows && is_new && handover::load(&self.data_dir, device).is_none())
            .then(|| format!("the last event of device {name} in the log before is not known"))
    }
}

/// Describes the record of a device in a few words.
fn describe(record: &DeviceRecord) -> String {
    let key = record.keys().last();
    let log = record.logs().last();
    let signer = match &key.key {
        DeviceKey::Own(key) => key.to_string(),
        DeviceKey::Hosted { gateway, .. } => format!("gateway {}", account::show(gateway)),
    };
    format!("signed by {signer} from event {} on, in log {} from event {} on", key.from, log.log, log.from)
}

/// Encodes the file: the version, the genesis hash and the records, and the BLAKE3 hash of these bytes.
fn encode(genesis: Hash, records: &BTreeMap<DeviceId, DeviceRecord>) -> Vec<u8> {
    let records: Vec<&DeviceRecord> = records.values().collect();
    let mut bytes = (VERSION, genesis, records).encode();
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// Reads the file. Returns `None` if there is none, or if it is damaged: the records are read again from the chain.
fn read(path: &Path) -> Option<(Hash, BTreeMap<DeviceId, DeviceRecord>)> {
    let bytes = std::fs::read(path).ok()?;
    let decoded = decode(&bytes);
    if decoded.is_none() {
        tracing::warn!(path = %path.display(), "the kept records of the devices are damaged and not used");
    }
    decoded
}

fn decode(bytes: &[u8]) -> Option<(Hash, BTreeMap<DeviceId, DeviceRecord>)> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(content).as_bytes() != hash {
        return None;
    }
    let (version, genesis, records) = <(u8, Hash, Vec<DeviceRecord>)>::decode_all(&mut &*content).ok()?;
    let records = records.into_iter().map(|record| (record.device_id(), record)).collect();
    (version == VERSION).then_some((genesis, records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{device::ChangeTime, LogId, PartyId, PublicKey};

    fn record(n: u8) -> DeviceRecord {
        let key = DeviceKey::Own(PublicKey::Sr25519([n; 32]));
        let at = ChangeTime { block: 1, time: 1 };
        DeviceRecord::new(key, PartyId([1; 32]), LogId::first(AccountId([2; 32])), at)
    }

    #[test]
    fn kept_records_are_read_back_and_damaged_ones_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(read(&path), None);
        let records: BTreeMap<_, _> = [1, 2].map(record).map(|record| (record.device_id(), record)).into();
        let bytes = encode(Hash([7; 32]), &records);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), Some((Hash([7; 32]), records)));
        for at in [0, 40, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "{at}");
        }
        for length in [0, 31, 32, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
    }
}
