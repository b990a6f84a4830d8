//! The devices whose events are admitted: the key in the gateway's configuration, and the record on the chain if there is
//! one. The record counts.

use super::IngestError;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use streembit_log::{Head, Lineage, NewEntry, Refusal};
use streembit_primitives::{
    event::{ParsedDeviceKey, ParsedDeviceKeys},
    AccountId, DeviceId, DeviceKey, Hash, LogId, SignedEvent,
};

/// A device of the gateway's configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfiguredDevice {
    /// The device's id. It is the id of `key`, unless the device had another key before.
    pub id: DeviceId,
    /// The key that verifies its events as long as the chain has no record of it.
    pub key: DeviceKey,
}

impl From<DeviceKey> for ConfiguredDevice {
    fn from(key: DeviceKey) -> Self {
        Self { id: key.device_id(), key }
    }
}

/// A device whose events are admitted.
#[derive(Debug)]
pub(super) struct Device {
    configured: ParsedDeviceKey,
    registered: Option<Registered>,
    /// The key of the device is being changed.
    pause: Option<Pause>,
}

/// Why events of a device wait: its key is being changed, so they would be signed with one that no longer counts.
#[derive(Clone, Copy, Debug)]
struct Pause {
    /// The sequence of the first event that waits.
    from: u64,
    until: Instant,
}

/// The part of a device that comes from its record on the chain.
#[derive(Clone, Debug)]
struct Registered {
    keys: ParsedDeviceKeys,
    lineage: Arc<Lineage>,
}

impl Device {
    pub(super) fn new(device: ConfiguredDevice) -> Self {
        Self { configured: ParsedDeviceKey::new(device.id, device.key), registered: None, pause: None }
    }

    /// Returns true if this is the device of the configuration.
    fn is(&self, device: &ConfiguredDevice) -> bool {
        self.configured.device() == device.id && *self.configured.key() == device.key
    }

    /// Returns true if the record of the device on the chain is known.
    pub(super) fn has_lineage(&self) -> bool {
        self.registered.is_some()
    }

    pub(super) fn id(&self) -> DeviceId {
        self.configured.device()
    }

    /// Returns an error if the device had another key before and its record is not known yet: nobody knows then where its
    /// history continues, and an event in a wrong place would look like a copied key.
    pub(super) fn ensure_placed(&self) -> Result<(), IngestError> {
        let device = self.id();
        if self.registered.is_none() && self.configured.key().device_id() != device {
            return Err(IngestError::UnknownRecord { device });
        }
        Ok(())
    }

    /// Returns an error while an event with this sequence waits for a change of the device's key.
    pub(super) fn ensure_not_paused(&self, sequence: u64) -> Result<(), IngestError> {
        match self.pause {
            Some(Pause { from, until }) if sequence >= from && Instant::now() < until => {
                Err(IngestError::Paused { device: self.id() })
            }
            _ => Ok(()),
        }
    }

    /// Returns true if this record is the one that is known.
    fn is_registered_as(&self, lineage: Option<&Lineage>) -> bool {
        let known = self.registered.as_ref().map(|registered| registered.lineage.record());
        known == lineage.map(Lineage::record)
    }

    /// Returns the key that an event with this sequence is verified with.
    pub(super) fn key_at(&self, sequence: u64) -> &ParsedDeviceKey {
        self.registered.as_ref().map_or(&self.configured, |registered| registered.keys.at(sequence))
    }

    /// Returns the key that counts now.
    pub(super) fn key(&self) -> &DeviceKey {
        match &self.registered {
            Some(registered) => registered.lineage.record().key(),
            None => self.configured.key(),
        }
    }

    /// Returns true if the gateway signs for the device now.
    pub(super) fn is_hosted_by(&self, account: &AccountId) -> bool {
        matches!(self.key(), DeviceKey::Hosted { gateway, .. } if gateway == account)
    }

    /// Returns an error if an event with this sequence cannot be in the log, whoever signs it.
    pub(super) fn ensure_in_log(&self, log: &LogId, sequence: u64) -> Result<(), Refusal> {
        self.registered.as_ref().map_or(Ok(()), |known| known.lineage.ensure_in_log(log, sequence))
    }

    /// Returns an error if the device's next events belong to another log than this one.
    pub(super) fn ensure_kept_in(&self, log: &LogId) -> Result<(), Refusal> {
        let Some(registered) = &self.registered else { return Ok(()) };
        let from = registered.lineage.record().logs().last().from;
        registered.lineage.ensure_in_log(log, from)
    }

    /// Returns the sequence of the next event in the log, and the hash of the event before it. `head` is the device's last
    /// event in the log.
    pub(super) fn next(&self, log: &LogId, head: Option<&Head>) -> Result<(u64, Hash), Refusal> {
        match (&self.registered, head) {
            (Some(registered), head) => registered.lineage.next(log, head),
            (None, Some(head)) => Ok((head.sequence.saturating_add(1), head.hash)),
            (None, None) => Ok((0, Hash::ZERO)),
        }
    }

    /// Adds to an entry what the chain says of the device.
    pub(super) fn with_lineage(&self, entry: NewEntry) -> NewEntry {
        match &self.registered {
            Some(registered) => entry.with_lineage(registered.lineage.clone()),
            None => entry,
        }
    }

    /// Returns true if the device has had several keys, so that an event can be signed with one that does not count for it.
    pub(super) fn has_other_keys(&self) -> bool {
        self.registered.as_ref().is_some_and(|known| known.lineage.record().keys().count() > 1)
    }

    /// Returns the error that names both keys, if an event that is not valid is signed with another key of the device.
    pub(super) fn signed_with_other_key(&self, event: &SignedEvent) -> Option<IngestError> {
        let record = self.registered.as_ref()?.lineage.record();
        let sequence = event.header.sequence;
        let expected = record.key_at(sequence);
        let others = record.keys().iter().filter(|period| period.key != expected.key);
        let found = others.into_iter().find(|period| event.clone().verify(&period.key).is_ok())?;
        Some(IngestError::OtherKey {
            device: self.id(),
            sequence,
            found: Box::new(found.key.clone()),
            expected: Box::new(expected.key.clone()),
            from: expected.from,
        })
    }
}

/// The devices at one time.
pub(super) type Snapshot = Arc<HashMap<DeviceId, Arc<Device>>>;

/// The devices of the gateway. Their records can change at any time.
#[derive(Debug)]
pub(super) struct Devices(RwLock<Snapshot>);

impl Devices {
    pub(super) fn new(devices: impl IntoIterator<Item = ConfiguredDevice>) -> Self {
        let devices = devices.into_iter().map(Device::new).map(|device| (device.id(), Arc::new(device)));
        Self(RwLock::new(Arc::new(devices.collect())))
    }

    /// Replaces the devices. A device that stays as it was keeps its record and its pause.
    pub(super) fn set(&self, devices: impl IntoIterator<Item = ConfiguredDevice>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let keep = |device: ConfiguredDevice| match known.get(&device.id) {
            Some(same) if same.is(&device) => (device.id, same.clone()),
            _ => (device.id, Arc::new(Device::new(device))),
        };
        let changed: HashMap<_, _> = devices.into_iter().map(keep).collect();
        *known = Arc::new(changed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn get(&self, device: &DeviceId) -> Option<Arc<Device>> {
        self.snapshot().get(device).cloned()
    }

    /// Lets events of a device from the sequence `from` on wait for some time, but at most until its record changes. Returns
    /// false if the gateway does not have the device.
    pub(super) fn pause(&self, device: &DeviceId, from: u64, time: Duration) -> bool {
        self.set_pause(device, Instant::now().checked_add(time).map(|until| Pause { from, until }))
    }

    /// Ends the pause of a device. Returns false if the gateway does not have the device.
    pub(super) fn resume(&self, device: &DeviceId) -> bool {
        self.set_pause(device, None)
    }

    fn set_pause(&self, device: &DeviceId, pause: Option<Pause>) -> bool {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = devices.get(device) else { return false };
        let (configured, registered) = (known.configured.clone(), known.registered.clone());
        Arc::make_mut(&mut devices).insert(*device, Arc::new(Device { configured, registered, pause }));
        true
    }

    /// Sets or removes what the chain says of a device. If its record has changed, its pause ends. Ignores a device that the
    /// gateway does not have.
    pub(super) fn set_lineage(&self, device: &DeviceId, lineage: Option<Lineage>) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = devices.get(device) else { return };
        let pause = known.pause.filter(|_| known.is_registered_as(lineage.as_ref()));
        let registered = lineage.map(|lineage| Registered {
            keys: ParsedDeviceKeys::new(lineage.record()),
            lineage: Arc::new(lineage),
        });
        let changed = Device { configured: known.configured.clone(), registered, pause };
        Arc::make_mut(&mut devices).insert(*device, Arc::new(changed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::{
        device::{ChangeTime, DeviceRecord},
        PartyId, PublicKey,
    };

    fn key(n: u8) -> DeviceKey {
        DeviceKey::Own(PublicKey::Sr25519([n; 32]))
    }

    #[test]
    fn devices_that_stay_keep_their_records_when_others_come_and_go() {
        let devices = Devices::new([key(1).into(), key(2).into()]);
        let at = ChangeTime { block: 1, time: 1 };
        let log = LogId::first(AccountId([3; 32]));
        for n in [1, 2] {
            let record = DeviceRecord::new(key(n), PartyId([4; 32]), log, at);
            devices.set_lineage(&key(n).device_id(), Some(Lineage::new(record, None)));
        }
        // The second one has another key now, the first one stays, and the third one is new.
        let changed = ConfiguredDevice { id: key(2).device_id(), key: key(5) };
        devices.set([key(1).into(), changed, key(3).into()]);
        let known = |n| devices.get(&key(n).device_id()).map(|device| device.has_lineage());
        assert_eq!([known(1), known(2), known(3)], [Some(true), Some(false), Some(false)]);
        devices.set([key(3).into()]);
        assert_eq!([known(1), known(2), known(3)], [None, None, Some(false)]);
        assert!(!devices.pause(&key(1).device_id(), 0, Duration::from_secs(1)));
    }
}
