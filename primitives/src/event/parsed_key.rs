//! The keys of a device, parsed once to verify many events. Requires `std`.

use crate::{device::DeviceRecord, ed25519::VerifyingKey, p256, signature::PublicKey, DeviceId, DeviceKey};
use alloc::vec::Vec;

/// A key of a device, parsed once to verify many events.
#[derive(Clone, Debug)]
pub struct ParsedDeviceKey {
    device: DeviceId,
    key: DeviceKey,
    parsed: ParsedKey,
}

#[derive(Clone, Debug)]
pub(super) enum ParsedKey {
    Sr25519(schnorrkel::PublicKey),
    Ed25519(VerifyingKey),
    P256(p256::VerifyingKey),
    /// Not a valid key: no signature is valid for it.
    Malformed,
}

impl ParsedDeviceKey {
    /// Parses a key of a device. The id of the device is that of its first key, which this key need not be.
    pub fn new(device: DeviceId, key: DeviceKey) -> Self {
        let parsed = match key.consent_key() {
            PublicKey::Sr25519(bytes) => {
                schnorrkel::PublicKey::from_bytes(&bytes).map_or(ParsedKey::Malformed, ParsedKey::Sr25519)
            }
            PublicKey::Ed25519(bytes) => {
                VerifyingKey::from_bytes(&bytes).map_or(ParsedKey::Malformed, ParsedKey::Ed25519)
            }
            PublicKey::P256(bytes) => {
                p256::VerifyingKey::from_slice(&bytes).map_or(ParsedKey::Malformed, ParsedKey::P256)
            }
        };
        Self { device, key, parsed }
    }

    /// Returns the id of the device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Returns the key.
    pub fn key(&self) -> &DeviceKey {
        &self.key
    }

    pub(super) fn parsed(&self) -> &ParsedKey {
        &self.parsed
    }
}

/// All keys of a device, each with the sequence of the first event that it signs.
#[derive(Clone, Debug)]
pub struct ParsedDeviceKeys {
    first: ParsedDeviceKey,
    /// The keys after the first one, oldest first.
    later: Vec<(u64, ParsedDeviceKey)>,
}

impl ParsedDeviceKeys {
    /// Parses the keys of a device.
    pub fn new(record: &DeviceRecord) -> Self {
        let device = record.device_id();
        let parse = |key: &DeviceKey| ParsedDeviceKey::new(device, key.clone());
        let later = record.keys().iter().skip(1).map(|period| (period.from, parse(&period.key)));
        Self { first: parse(&record.keys().first().key), later: later.collect() }
    }

    /// Returns the id of the device.
    pub fn device(&self) -> DeviceId {
        self.first.device
    }

    /// Returns the key that an event with this sequence is verified with, as [`DeviceRecord::key_at`] does.
    pub fn at(&self, sequence: u64) -> &ParsedDeviceKey {
        let counts = self.later.iter().rev().find(|(from, _)| *from <= sequence);
        counts.map_or(&self.first, |(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{ChangeTime, KeyChange},
        AccountId, LogId, PartyId,
    };

    #[test]
    fn each_event_has_the_key_that_the_record_has_for_it() {
        let key = |n: u8| DeviceKey::Own(PublicKey::Ed25519([n; 32]));
        let at = ChangeTime { block: 1, time: 1 };
        let log = LogId::first(AccountId([9; 32]));
        let mut record = DeviceRecord::new(key(1), PartyId([8; 32]), log, at);
        // The key of number 2 never counts, because number 3 begins with the same event.
        for (n, from) in [(2, 5), (3, 5), (4, 9)] {
            record.set_key(key(n), from, KeyChange::Rotated, from, at).unwrap();
        }
        let keys = ParsedDeviceKeys::new(&record);
        assert_eq!(keys.device(), key(1).device_id());
        for (sequence, n) in [(0, 1), (4, 1), (5, 3), (8, 3), (9, 4), (u64::MAX, 4)] {
            assert_eq!(keys.at(sequence).key(), &key(n), "{sequence}");
            assert_eq!(keys.at(sequence).key(), &record.key_at(sequence).key, "{sequence}");
            assert_eq!(keys.at(sequence).device(), record.device_id(), "{sequence}");
        }
    }
}
