//! The text of a device's record: which keys, owners and logs count for its events, since when, and what was lost.

use streembit_clock as clock;
use streembit_keystore::account;
use streembit_primitives::{
    device::{DeviceRecord, DeviceState, KeyChange},
    DeviceKey, LogId, PublicKey,
};

/// Returns one line for each key, owner, log and lost range, each with what it counts from.
pub fn lines(record: &DeviceRecord) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, period) in record.keys().iter().enumerate() {
        lines.push(format!(
            "key {number}    {}, from event {} on, {} in block {}",
            key(&period.key),
            period.from,
            change(period.change),
            period.block
        ));
    }
    for period in record.owners().iter() {
        let since = clock::show(period.since);
        lines.push(format!("owner    {}, since {since} (block {})", period.party, period.block));
    }
    for period in record.logs().iter() {
        let (log, from, block) = (log_name(&period.log), period.from, period.block);
        lines.push(format!("gateway  {log}, from event {from} on, since block {block}"));
    }
    for range in record.lost() {
        let last = range.until.saturating_sub(1);
        lines.push(format!("lost     events {} to {last}, declared in block {}", range.from, range.block));
    }
    lines.extend(state(record.state()).map(|state| format!("state    {state}")));
    lines
}

/// Returns the name of a log.
pub fn log_name(log: &LogId) -> String {
    format!("{}, log {}", account::show(&log.gateway), log.epoch)
}

fn key(key: &DeviceKey) -> String {
    match key {
        DeviceKey::Own(PublicKey::Sr25519(bytes)) => format!("sr25519 0x{}", hex::encode(bytes)),
        DeviceKey::Own(PublicKey::Ed25519(bytes)) => format!("Ed25519 0x{}", hex::encode(bytes)),
        DeviceKey::Own(PublicKey::P256(bytes)) => format!("P-256 0x{}", hex::encode(bytes)),
        DeviceKey::Hosted { gateway, .. } => {
            format!("no key of its own; gateway {} signs for it", account::show(gateway))
        }
    }
}

fn change(change: KeyChange) -> &'static str {
    match change {
        KeyChange::Registered => "registered",
        KeyChange::Rotated => "agreed by the key before",
        KeyChange::Recovered => "decided by the owner alone",
        KeyChange::Rehosted => "taken over by another gateway",
    }
}

/// Returns the text of a state that needs attention.
fn state(state: DeviceState) -> Option<&'static str> {
    match state {
        DeviceState::Active => None,
        DeviceState::Lost => Some("lost, according to its owner"),
        DeviceState::Stolen => Some("stolen, according to its owner"),
        DeviceState::Retired => Some("out of use"),
    }
}
