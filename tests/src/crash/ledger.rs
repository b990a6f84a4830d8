//! What the gateway acknowledged, to whom: kept outside of its process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use streembit_primitives::{DeviceId, Hash};

/// Where an event was acknowledged to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPosition {
    /// The hash of its header.
    pub hash: Hash,
    /// Its index in the log.
    pub index: u64,
}

/// What is known of a device.
#[derive(Default)]
pub struct Device {
    /// The hashes of the events that it signed, by sequence; empty where the gateway signs.
    pub signed: Vec<Hash>,
    /// By sequence, what was acknowledged.
    pub acknowledged: BTreeMap<u64, LogPosition>,
    /// By sequence, what an event of the gateway's making was acknowledged to say.
    pub values: BTreeMap<u64, u32>,
    /// The sequences whose bodies were asked to be erased.
    pub erasing: BTreeSet<u64>,
    /// Those of which that was acknowledged.
    pub erased: BTreeSet<u64>,
}

/// Everything that the world heard of one log.
#[derive(Default)]
pub struct Ledger {
    /// The devices.
    pub devices: HashMap<DeviceId, Device>,
    /// How many events were acknowledged.
    pub acknowledged: u64,
    /// How many requests had no answer.
    pub unanswered: u64,
    /// How many events were answered with a failure that may pass.
    pub failed: u64,
    /// How many answers each producer had that acknowledged something.
    pub progress: Vec<u64>,
    /// What the gateway must never say.
    pub violations: Vec<String>,
}

impl Ledger {
    /// Notes an acknowledgement. The same event may be acknowledged again, at the same position.
    pub fn acknowledge(&mut self, device: DeviceId, sequence: u64, position: LogPosition) {
        let known = self.devices.entry(device).or_default().acknowledged.insert(sequence, position);
        match known {
            None => self.acknowledged += 1,
            Some(known) if known == position => {}
            Some(known) => self.violations.push(format!(
                "event {sequence} of {device} was acknowledged as {known:?} and again as {position:?}"
            )),
        }
    }

    /// Notes one more answer for a producer.
    pub fn advance(&mut self, producer: usize) {
        if let Some(count) = self.progress.get_mut(producer) {
            *count += 1;
        }
    }
}
