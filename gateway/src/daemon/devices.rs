//! Follows the records of the gateway's devices on the chain, for the keys, the logs and the lost events that count.
//!
//! The last known records are kept in a file in the data folder. So a gateway whose node is away verifies events as before,
//! also after a restart. A device that the chain does not know is verified with its configured key.

use crate::{
    config::{DeviceConfig, DeviceList},
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
    heads::HeadEntry,
    AccountId, DeviceId, DeviceKey, Hash, StoredEvent,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
pub(super) const COMPONENT: &str = "devices";

/// The file of the last known records, in the data folder. RocksDB ignores files that it does not know.
const FILE: &str = "DEVICES";

/// The version of the file's format.
const VERSION: u8 = 2;

/// The shortest time between two reads of the records.
const MIN_INTERVAL: Duration = Duration::from_secs(2);

/// The pause after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The number of records that are read at the same time.
const CONCURRENT: usize = 8;

/// The records of the registered devices.
pub type Records = Arc<BTreeMap<DeviceId, DeviceRecord>>;

/// Returns the configured devices, whose labels are resolved, for ingest.
pub(super) fn configured(devices: &[DeviceConfig], gateway: AccountId) -> Vec<ConfiguredDevice> {
    devices
        .iter()
        .map(|device| ConfiguredDevice { id: device.id(gateway), key: device.device_key(gateway) })
        .collect()
}

/// Keeps the devices' records in ingest, in the file and for the API up to date.
pub(super) struct DeviceFollower {
    /// The configured devices.
    devices: watch::Receiver<DeviceList>,
    /// The devices with their names.
    names: BTreeMap<DeviceId, String>,
    data_dir: PathBuf,
    log: Log,
    ingest: Ingest,
    status: StatusBoard,
    /// The state of the chain that the records are from.
    source: Option<Source>,
    records: watch::Sender<Records>,
    /// Why the log must not be anchored now.
    hold: watch::Sender<Hold>,
}

/// The state of a chain that records were read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Source {
    genesis: Hash,
    /// The number of the block.
    block: u32,
}

/// Why the log must not be anchored now, or `None` if it may be.
pub(crate) type Hold = Option<String>;

impl DeviceFollower {
    /// Applies the records in the file, so that events are verified with them from the start.
    pub fn new(
        data_dir: &Path,
        mut devices: watch::Receiver<DeviceList>,
        log: &Log,
        ingest: &Ingest,
        status: &StatusBoard,
    ) -> Self {
        let data_dir = data_dir.to_owned();
        let names = names(&devices.borrow_and_update(), log.id().gateway);
        let stored = read(&data_dir.join(FILE));
        let (source, mut known) =
            stored.map_or((None, BTreeMap::new()), |(source, known)| (Some(source), known));
        known.retain(|device, _| names.contains_key(device));
        let records = watch::Sender::new(Records::default());
        let (log, ingest, status) = (log.clone(), ingest.clone(), status.clone());
        let hold = watch::Sender::new(None);
        let follower = Self { devices, names, data_dir, log, ingest, status, source, records, hold };
        follower.apply(known);
        follower.check_unanchored();
        follower
    }

    /// Watches the records.
    pub fn records(&self) -> watch::Receiver<Records> {
        self.records.subscribe()
    }

    /// Watches whether the log may be anchored.
    pub fn hold(&self) -> watch::Receiver<Hold> {
        self.hold.subscribe()
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
            self.take_devices();
            match self.fetch(chain).await {
                Ok((block, records)) => {
                    self.update(Source { genesis: chain.genesis(), block }, records);
                    self.check_unanchored();
                    self.report();
                    tokio::time::sleep(MIN_INTERVAL).await;
                    tokio::select! {
                        changed = blocks.changed() => if changed.is_err() { return },
                        // The daemon keeps the sender as long as this runs.
                        changed = self.devices.changed() => if changed.is_err() { return },
                    }
                }
                Err(error) => {
                    self.status.report(COMPONENT, ComponentState::retrying(&error, error.remedy()));
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Takes the devices that are configured now.
    fn take_devices(&mut self) {
        self.names = names(&self.devices.borrow_and_update(), self.log.id().gateway);
    }

    /// Reads the records of all devices at one block, and returns the number of the block.
    async fn fetch(
        &self,
        chain: &ChainClient,
    ) -> Result<(u32, BTreeMap<DeviceId, DeviceRecord>), ChainError> {
        let view = chain.view().await?;
        let view = &view;
        let records: Vec<_> = stream::iter(self.names.keys().copied())
            .map(|device| async move { Ok::<_, ChainError>((device, view.device(device).await?)) })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        let records = records.into_iter().filter_map(|(device, record)| Some((device, record?))).collect();
        Ok((view.block().number, records))
    }

    /// Applies the records of a chain and keeps them, if they are not those that are known. Ignores the records of an
    /// earlier block: a node that is still importing blocks would bring back keys and logs that no longer count.
    fn update(&mut self, source: Source, records: BTreeMap<DeviceId, DeviceRecord>) {
        let known = self.source.filter(|known| known.genesis == source.genesis);
        if known.is_some_and(|known| source.block < known.block) {
            tracing::debug!(
                block = source.block,
                "the node is behind; its records of the devices are not used"
            );
            return;
        }
        self.source = Some(source);
        if known.is_some() && **self.records.borrow() == records {
            self.apply(records.clone());
            self.refresh_handovers(&records);
            return;
        }
        let bytes = encode(source, &records);
        if let Err(error) = replace_private(&self.data_dir.join(FILE), &bytes) {
            tracing::warn!(%error, "the records of the devices were not kept; without a node, the gateway does not know them after a restart");
        }
        self.apply(records);
    }

    /// Makes ingest verify events by these records.
    fn apply(&self, records: BTreeMap<DeviceId, DeviceRecord>) {
        let before = self.records.borrow().clone();
        for (device, name) in &self.names {
            let record = records.get(device);
            // Ingest forgets the record of a device that was removed and added again.
            let is_known = record.is_none() || self.ingest.has_lineage(device);
            if record == before.get(device) && is_known {
                continue;
            }
            if let Some(record) = record {
                tracing::info!(device = name, "{}", describe(record));
            }
            let lineage =
                record.map(|record| Lineage::new(record.clone(), handover::load(&self.data_dir, device)));
            self.ingest.set_lineage(device, lineage);
        }
        if *before != records {
            self.records.send_replace(Arc::new(records));
        }
    }

    /// Reads again what the gateway was told about devices whose next event must name one in another log, as long as
    /// they have no event after it in this one.
    fn refresh_handovers(&self, records: &BTreeMap<DeviceId, DeviceRecord>) {
        for (device, record) in records {
            if self.knows_previous(record, None) {
                continue;
            }
            let last = handover::load(&self.data_dir, device);
            if last.is_some() {
                self.ingest.set_lineage(device, Some(Lineage::new(record.clone(), last)));
            }
        }
    }

    /// Returns true if the event is known that the device's next one in the log must name. `handover` is its last event
    /// in the log before. If the log cannot be read, the status of the log says so.
    fn knows_previous(&self, record: &DeviceRecord, handover: Option<HeadEntry>) -> bool {
        let head = self.log.head(&record.device_id());
        let lineage = Lineage::new(record.clone(), handover);
        head.is_err() || head.is_ok_and(|head| lineage.knows_previous(&self.log.id(), head.as_ref()))
    }

    /// Holds anchoring while the log has unanchored events that another key has signed than the one that counts. Once
    /// they were anchored, they could no longer be declared lost.
    fn check_unanchored(&self) {
        let records = self.records.borrow().clone();
        let problems: Vec<_> = records.values().filter_map(|record| self.contradiction(record)).collect();
        let hold = (!problems.is_empty()).then(|| problems.join("; "));
        self.hold.send_if_modified(|known| std::mem::replace(known, hold.clone()) != hold);
    }

    /// Describes the first unanchored event of a device that contradicts its record, or returns `None`. After a change of
    /// keys, only the first event that the new key should have signed can do so: no other one follows it.
    fn contradiction(&self, record: &DeviceRecord) -> Option<String> {
        let (device, own) = (record.device_id(), self.log.id());
        let anchored = self.log.last_anchor().ok()?.map_or(0, |anchor| anchor.checkpoint.size);
        let first = |from: u64| {
            let found = self.log.device_events(&device, record.next_in_log(&own, from)?, 1).ok()?;
            found.into_iter().next().filter(|stored| stored.index >= anchored)
        };
        let unanchored = record.keys().iter().skip(1).filter_map(|period| first(period.from));
        let contradicts = |stored: &StoredEvent| {
            let event = &stored.entry.event;
            event.clone().verify(&record.key_at(event.header.sequence).key).is_err()
        };
        let sequence = unanchored.into_iter().find(contradicts)?.entry.event.header.sequence;
        let newest = self.log.head(&device).ok()??.sequence;
        let name = self.names.get(&device)?;
        let until = newest.saturating_add(2);
        Some(format!(
            "event {sequence} of device {name} is signed with another key than its record says: the owner declares the \
             events up to {newest} lost with `streembit device declare --lost-until {until} --force`"
        ))
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
                 tells the gateway the device's last event in the log before; if nobody has that log, the owner continues \
                 after a lost range with `streembit device declare --lost-until`",
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
        let is_hosted = matches!(record.key(), DeviceKey::Hosted { .. });
        (is_hosted && !self.knows_previous(record, handover::load(&self.data_dir, device)))
            .then(|| format!("the last event of device {name} in the log before is not known"))
    }
}

/// Returns the names of the devices by their ids.
fn names(devices: &[DeviceConfig], gateway: AccountId) -> BTreeMap<DeviceId, String> {
    devices.iter().map(|device| (device.id(gateway), device.name.clone())).collect()
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

/// Encodes the file: the version, the genesis hash, the number of the block and the records, and the BLAKE3 hash of these
/// bytes.
fn encode(source: Source, records: &BTreeMap<DeviceId, DeviceRecord>) -> Vec<u8> {
    let records: Vec<&DeviceRecord> = records.values().collect();
    let mut bytes = (VERSION, source.genesis, source.block, records).encode();
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// Reads the file. Returns `None` if there is none, or if it is damaged: the records are read again from the chain.
fn read(path: &Path) -> Option<(Source, BTreeMap<DeviceId, DeviceRecord>)> {
    let bytes = std::fs::read(path).ok()?;
    let decoded = decode(&bytes);
    if decoded.is_none() {
        tracing::warn!(path = %path.display(), "the kept records of the devices are damaged and not used");
    }
    decoded
}

fn decode(bytes: &[u8]) -> Option<(Source, BTreeMap<DeviceId, DeviceRecord>)> {
    let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if blake3::hash(content).as_bytes() != hash {
        return None;
    }
    let (version, genesis, block, records) =
        <(u8, Hash, u32, Vec<DeviceRecord>)>::decode_all(&mut &*content).ok()?;
    let records = records.into_iter().map(|record| (record.device_id(), record)).collect();
    (version == VERSION).then_some((Source { genesis, block }, records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use streembit_keystore::KeyPair;
    use streembit_primitives::{
        device::{ChangeTime, KeyChange},
        event::{EventKind, Signer, VERSION as EVENT_VERSION},
        hash::Domain,
        Body, EventHeader, LogId, Part, PartyId, PublicKey, SignedEvent, Text,
    };

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
        let source = Source { genesis: Hash([7; 32]), block: 9 };
        let bytes = encode(source, &records);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), Some((source, records)));
        for at in [0, 40, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "{at}");
        }
        for length in [0, 31, 32, bytes.len() - 1] {
            assert_eq!(decode(&bytes[..length]), None, "{length}");
        }
    }

    /// A follower of one device, which signs its events with `keys`.
    fn follower(dir: &Path, keys: &KeyPair) -> (DeviceFollower, DeviceRecord) {
        let gateway = KeyPair::from_seed([7; 32]);
        let key = PublicKey::Sr25519(keys.account().0);
        let text = format!("[[device]]\nname = \"meter\"\nkey = \"{key}\"");
        let config = Config::parse(&text, &dir.join("gateway.toml"), []).unwrap();
        let log = Log::open(&config.gateway.data_dir, LogId::first(gateway.account())).unwrap();
        let devices = configured(&config.devices, gateway.account());
        let ingest = Ingest::new(log.clone(), gateway, devices).unwrap();
        let at = ChangeTime { block: 1, time: 1 };
        let record = DeviceRecord::new(DeviceKey::Own(key), PartyId([1; 32]), log.id(), at);
        let devices = watch::channel(Arc::new(config.devices)).1;
        let folder = &config.gateway.data_dir;
        (DeviceFollower::new(folder, devices, &log, &ingest, &StatusBoard::new()), record)
    }

    fn known(record: &DeviceRecord) -> BTreeMap<DeviceId, DeviceRecord> {
        [(record.device_id(), record.clone())].into()
    }

    #[tokio::test]
    async fn the_records_of_an_earlier_block_are_ignored_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([1; 32]);
        let (mut follower, old) = follower(dir.path(), &keys);
        let mut new = old.clone();
        new.set_state(DeviceState::Stolen).unwrap();
        let source = |genesis, block| Source { genesis: Hash([genesis; 32]), block };
        follower.update(source(1, 9), known(&new));
        follower.update(source(1, 8), known(&old));
        assert_eq!(**follower.records.borrow(), known(&new));
        let stored = read(&follower.data_dir.join(FILE));
        assert_eq!(stored, Some((source(1, 9), known(&new))));
        follower.source = stored.map(|(source, _)| source);
        follower.update(source(1, 3), known(&old));
        assert_eq!(**follower.records.borrow(), known(&new));
        // A chain that was founded anew counts its blocks from 0.
        follower.update(source(2, 0), known(&old));
        assert_eq!(**follower.records.borrow(), known(&old));
    }

    #[tokio::test]
    async fn unanchored_events_of_an_old_key_hold_anchoring_until_they_are_declared_lost() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([1; 32]);
        let (mut follower, mut record) = follower(dir.path(), &keys);
        let mut previous = Hash::ZERO;
        for sequence in 0..3 {
            let body = Body { seed: [3; 32], parts: vec![Part::Status(Text::default())].try_into().unwrap() };
            let header = EventHeader {
                version: EVENT_VERSION,
                device: record.device_id(),
                sequence,
                previous,
                time: 1,
                kind: EventKind::Status,
                body_hash: body.hash(),
            };
            previous = header.hash();
            let signature = keys.sign(Domain::EventHeader, &previous);
            let event = SignedEvent { header, signer: Signer::Device, signature };
            follower.ingest.signed(event, body).await.unwrap();
        }
        let source = |block| Source { genesis: Hash([1; 32]), block };
        let at = ChangeTime { block: 2, time: 2 };
        let mut check = |block, record: &DeviceRecord| {
            follower.update(source(block), known(record));
            follower.check_unanchored();
            follower.hold.borrow().clone()
        };
        assert_eq!(check(1, &record), None);
        let new = DeviceKey::Own(PublicKey::Sr25519(KeyPair::from_seed([2; 32]).account().0));
        record.set_key(new, 1, KeyChange::Rotated, 1, at).unwrap();
        let hold = check(2, &record).unwrap();
        assert!(hold.contains("event 1 of device meter") && hold.contains("--lost-until 4"), "{hold}");
        record.declare_lost(1, 4, at).unwrap();
        assert_eq!(check(3, &record), None);
    }

    #[tokio::test]
    async fn a_device_that_was_removed_and_added_again_has_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let (mut follower, record) = follower(dir.path(), &KeyPair::from_seed([1; 32]));
        let (device, source) = (record.device_id(), Source { genesis: Hash([1; 32]), block: 9 });
        follower.update(source, known(&record));
        assert!(follower.ingest.has_lineage(&device));
        follower.ingest.set_devices(Vec::<ConfiguredDevice>::new());
        follower.ingest.set_devices([ConfiguredDevice { id: device, key: record.key().clone() }]);
        assert!(!follower.ingest.has_lineage(&device));
        follower.update(source, known(&record));
        assert!(follower.ingest.has_lineage(&device));
    }
}
