//! The text of a device's record: which keys, owners and logs count for its events, since when, and what was lost; and of
//! the events that a key, a gateway and an owner stand behind.

use crate::{
    address_book::{AddressBook, IdKind, KnownId},
    event_view::SignerView,
};
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_primitives::{
    device::{CouncilDecision, DecidedChange, DeviceRecord, DeviceState, KeyChange, LogPeriod},
    evidence::EventSpan,
    AccountId, DeviceKey, LogId, PublicKey,
};

/// Returns one line for each key, owner, log, lost range and decision of the council, each with what it counts from.
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
    lines.extend(record.logs().iter().map(log_line));
    for range in record.lost() {
        let last = range.until.saturating_sub(1);
        lines.push(format!("lost     events {} to {last}, declared in block {}", range.from, range.block));
    }
    lines.extend(record.decisions().iter().map(decision_line));
    lines.extend(state(record.state()).map(|state| format!("state    {state}")));
    lines
}

/// Describes consecutive events: with which key they were signed, which gateway kept them, and for whom.
pub fn span_line(span: &EventSpan) -> String {
    let EventSpan { first, last, events, key, log, owner } = span;
    let plural = if *events == 1 { "" } else { "s" };
    format!(
        "  {first} to {last} ({events} event{plural}): key {key}, gateway {}, owner {owner}",
        log_name(log)
    )
}

/// Returns the name of a log.
pub fn log_name(log: &LogId) -> String {
    format!("{}, log {}", account::show(&log.gateway), log.epoch)
}

/// Describes the signer of an event in short: the device, or a gateway with its name in the address book.
pub fn signer(signer: &SignerView, names: &AddressBook) -> String {
    match signer {
        SignerView::Device => "device".to_owned(),
        SignerView::Gateway { account, .. } => match account::parse(account) {
            Ok(gateway) => short_gateway(gateway, names),
            Err(_) => format!("gateway {account}"),
        },
    }
}

/// Returns a gateway with its name in the address book and its short id.
pub fn short_gateway(gateway: AccountId, names: &AddressBook) -> String {
    let id = KnownId { kind: IdKind::Gateway, bytes: gateway.0 };
    format!("gateway {}", names.short(id))
}

fn log_line(period: &LogPeriod) -> String {
    let LogPeriod { log, from, until_size, block } = period;
    let left = until_size.map_or_else(String::new, |size| format!(", left at {size} anchored entries"));
    format!("gateway  {}, from event {from} on, since block {block}{left}", log_name(log))
}

fn decision_line(decision: &CouncilDecision) -> String {
    let CouncilDecision { change, from, block } = decision;
    let change = decided(*change);
    format!("council  allowed {change} from event {from} on without a proof, used in block {block}")
}

/// Describes a change that the council allows.
pub fn decided(change: DecidedChange) -> &'static str {
    match change {
        DecidedChange::Key => "another key",
        DecidedChange::Log => "another log",
        DecidedChange::Lost => "lost events",
    }
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

/// A record for tests of the commands that show it, and the names of those in it.
#[cfg(test)]
pub mod fixtures {
    use super::*;
    use streembit_primitives::{
        device::{ChangeTime, LabelHash},
        DeviceId, PartyId,
    };

    /// The party that registered the device, and the one that bought it.
    pub const OWNERS: [PartyId; 2] = [PartyId([0xa1; 32]), PartyId([0xb2; 32])];

    /// The gateway that kept the device first, and the next one.
    pub const GATEWAYS: [AccountId; 2] = [AccountId([0xc3; 32]), AccountId([0xd4; 32])];

    /// The times of the registration and of the sale.
    pub const TIMES: [u64; 2] = [1_700_000_000_000, 1_700_000_100_000];

    /// Returns the record of a hosted device. It moves to another gateway, which signs from event 5 on. The event before is
    /// lost, as the council allows. Then it is sold, and gets a key of its own from event 9 on by its new owner alone.
    pub fn record() -> DeviceRecord {
        let hosted = |gateway| DeviceKey::Hosted { gateway, label: LabelHash([7; 32]) };
        let at = |block, time| ChangeTime { block, time };
        let [first, next] = GATEWAYS.map(LogId::first);
        let mut record = DeviceRecord::new(hosted(GATEWAYS[0]), OWNERS[0], first, at(1, TIMES[0]));
        record.assign(next, Some(hosted(GATEWAYS[1])), 5, 4, 14, at(2, TIMES[0])).unwrap();
        record.record_decision(DecidedChange::Log, 4, at(2, TIMES[0])).unwrap();
        record.set_owner(OWNERS[1], at(3, TIMES[1])).unwrap();
        let own = DeviceKey::Own(PublicKey::Ed25519([0xe5; 32]));
        record.set_key(own, 9, KeyChange::Recovered, 9, at(4, TIMES[1])).unwrap();
        record
    }

    /// Returns an address book with names of the owners, the gateways and the device.
    pub fn names() -> AddressBook {
        let mut names = AddressBook::new();
        let gateway = |account: AccountId| KnownId { kind: IdKind::Gateway, bytes: account.0 };
        let device: DeviceId = record().device_id();
        for (name, id) in [
            ("anna", OWNERS[0].into()),
            ("bob", OWNERS[1].into()),
            ("garage", gateway(GATEWAYS[0])),
            ("shop", gateway(GATEWAYS[1])),
            ("car", device.into()),
        ] {
            names.add(name.parse().unwrap(), id).unwrap();
        }
        names
    }

    /// The lines of the record with these names.
    pub const LINES: [&str; 9] = [
        "key 0    no key of its own; gateway garage (0xc3c3c3c3…) signs for it, from event 0 on, registered in block 1",
        "key 1    no key of its own; gateway shop (0xd4d4d4d4…) signs for it, from event 5 on, taken over by another \
         gateway in block 2",
        "key 2    Ed25519 0xe5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5, from event 9 on, decided \
         by the owner alone in block 4",
        "owner    anna (0xa1a1a1a1…), since 2023-11-14 22:13:20Z (block 1)",
        "owner    bob (0xb2b2b2b2…), since 2023-11-14 22:15:00Z (block 3)",
        "gateway  garage (0xc3c3c3c3…), log 0, from event 0 on, since block 1, left at 14 anchored entries",
        "gateway  shop (0xd4d4d4d4…), log 0, from event 5 on, since block 2",
        "lost     events 4 to 4, declared in block 2",
        "council  allowed another log from event 4 on without a proof, used in block 2",
    ];
}

#[cfg(test)]
mod tests {
    use super::{fixtures::*, *};
    use streembit_primitives::Signer;

    #[test]
    fn the_record_says_who_acted_since_when_and_for_whom() {
        let shown = names().label(&lines(&record()).join("\n"));
        assert_eq!(shown, LINES.join("\n"));
        let mut stolen = record();
        stolen.set_state(DeviceState::Stolen).unwrap();
        assert_eq!(lines(&stolen).last().unwrap(), "state    stolen, according to its owner");
    }

    #[test]
    fn a_signer_is_shown_with_its_name() {
        let gateway = SignerView::from(Signer::Gateway(GATEWAYS[1]));
        assert_eq!(signer(&gateway, &names()), "gateway shop (0xd4d4d4d4…)");
        assert_eq!(signer(&gateway, AddressBook::empty()), "gateway 0xd4d4d4d4…");
        assert_eq!(signer(&Signer::Device.into(), &names()), "device");
    }

    #[test]
    fn events_are_shown_with_key_gateway_and_owner() {
        let log = LogId { gateway: GATEWAYS[1], epoch: 0 };
        let span = EventSpan { first: 5, last: 8, events: 4, key: 1, log, owner: OWNERS[1] };
        assert_eq!(
            names().label(&span_line(&span)),
            "  5 to 8 (4 events): key 1, gateway shop (0xd4d4d4d4…), log 0, owner bob (0xb2b2b2b2…)"
        );
    }
}
