//! The acknowledgements of the gateway, recorded outside of its process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use streembit_primitives::{DeviceId, Hash};

/// The position at which an event was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPosition {
    /// The hash of the event's header.
    pub hash: Hash,
    /// The index in the log.
    pub index: u64,
}

/// The events that were sent for one device, and those that were acknowledged.
#[derive(Default)]
pub struct Device {
    /// The hashes of the events that the device signed, by sequence. Empty for a hosted device.
    pub signed: Vec<Hash>,
    /// The acknowledged positions, by sequence.
    pub acknowledged: BTreeMap<u64, LogPosition>,
    /// The acknowledged values of a hosted device, by sequence.
    pub values: BTreeMap<u64, u32>,
    /// The sequences whose erasure was requested.
    pub erasing: BTreeSet<u64>,
    /// The sequences whose erasure was acknowledged.
    pub erased: BTreeSet<u64>,
}

/// All responses of the gateway about one log.
#[derive(Default)]
pub struct Ledger {
    /// The devices.
    pub devices: HashMap<DeviceId, Device>,
    /// The number of acknowledged events.
    pub acknowledged: u64,
    /// The number of requests without a response.
    pub unanswered: u64,
    /// The number of events that were rejected with a temporary error.
    pub failed: u64,
    /// By producer, the number of responses that acknowledged something.
    pub progress: Vec<u64>,
    /// Responses that the gateway must never give.
    pub violations: Vec<String>,
}

impl Ledger {
    /// Records an acknowledgement. An event may be acknowledged more than once, but always at the same position.
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

    /// Counts a response that acknowledged something.
    pub fn advance(&mut self, producer: usize) {
        if let Some(count) = self.progress.get_mut(producer) {
            *count += 1;
        }
    }
}
