//! An event as every command and the local API show it. [`docs/json.md`](../../docs/json.md) describes the JSON.

use serde::{Deserialize, Serialize};
use streembit_clock as clock;
use streembit_delivery::Received;
use streembit_evidence::show::{self, UnverifiedEvent};
use streembit_keystore::account;
use streembit_primitives::{EventHeader, EventKind, LogId, Part, Reading, Signer, StoredBody, StoredEvent};
use utoipa::ToSchema;

/// The difference of two times, in milliseconds, from which on both are shown. Texts show times to the second.
const SHOWN_DIFFERENCE: u64 = 1_000;

/// An event of a device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// The device's id.
    pub device: String,
    /// The event's sequence number, which counts the device's events from 0.
    pub sequence: u64,
    /// The log that the event is in.
    pub log: LogIdView,
    /// The event's index in the log.
    pub index: u64,
    /// The hash of the event's header.
    pub hash: String,
    /// The time of the event, by the signer's clock.
    pub time: u64,
    /// The time when the gateway received the event, by the gateway's clock.
    pub received: u64,
    /// The kind of the event: `readings`, `status`, `command` or `result`.
    pub kind: String,
    /// The signer.
    pub signer: SignerView,
    /// How much of the body is in `parts`.
    pub disclosed: Disclosed,
    /// The parts of the body, in their order: `{"reading": ...}` or `{"status": "..."}`.
    #[schema(value_type = Vec<Object>)]
    pub parts: Vec<Part>,
    /// The time when the body was erased, or null if it was not, or if the time is not known.
    pub erased: Option<u64>,
}

/// A log of a gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = LogId)]
pub struct LogIdView {
    /// The gateway's account, in SS58.
    pub gateway: String,
    /// The gateway's account, in hexadecimal.
    pub gateway_hex: String,
    /// The number of the log among the gateway's logs, counted from 0.
    pub epoch: u32,
}

/// The signer of an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = Signer)]
pub enum SignerView {
    /// The device itself.
    Device,
    /// The gateway, for a device that cannot sign.
    Gateway {
        /// The gateway's account, in SS58.
        account: String,
        /// The gateway's account, in hexadecimal.
        account_hex: String,
    },
}

/// How much of the body of an event is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disclosed {
    /// All of it.
    Whole,
    /// Some parts; the others are withheld or not granted.
    Parts,
    /// Nothing: the body is withheld, or nothing of it is granted.
    Withheld,
    /// Nothing: the body was erased.
    Erased,
    /// Nothing: the body is missing although nobody erased it.
    Missing,
}

impl From<LogId> for LogIdView {
    fn from(LogId { gateway, epoch }: LogId) -> Self {
        Self { gateway: account::show(&gateway), gateway_hex: gateway.to_string(), epoch }
    }
}

impl From<Signer> for SignerView {
    fn from(signer: Signer) -> Self {
        match signer {
            Signer::Device => Self::Device,
            Signer::Gateway(account) => {
                Self::Gateway { account: account::show(&account), account_hex: account.to_string() }
            }
        }
    }
}

impl From<show::Disclosed> for Disclosed {
    fn from(disclosed: show::Disclosed) -> Self {
        match disclosed {
            show::Disclosed::Whole => Self::Whole,
            show::Disclosed::Parts => Self::Parts,
            show::Disclosed::Withheld => Self::Withheld,
            show::Disclosed::Erased => Self::Erased,
        }
    }
}

fn kind_name(kind: EventKind) -> String {
    match kind {
        EventKind::Readings => "readings",
        EventKind::Command => "command",
        EventKind::Result => "result",
        EventKind::Status => "status",
    }
    .into()
}

impl EventView {
    /// Returns the view of an event that is stored in `log`.
    pub fn of_stored(log: LogId, stored: StoredEvent) -> Self {
        let StoredEvent { index, entry, body } = stored;
        let erased = body.erased();
        let (disclosed, parts) = match body {
            StoredBody::Present(body) => (Disclosed::Whole, body.parts.into_inner()),
            StoredBody::Erased { .. } => (Disclosed::Erased, Vec::new()),
            StoredBody::Missing => (Disclosed::Missing, Vec::new()),
        };
        let view = Self::of_header(log, index, &entry.event.header, entry.event.signer, entry.received);
        Self { disclosed, parts, erased, ..view }
    }

    /// Returns the view of an event that a gateway has delivered.
    pub fn of_received(event: &Received) -> Self {
        let disclosed = match (event.complete, event.erased, event.parts.is_empty()) {
            (true, ..) => Disclosed::Whole,
            (false, true, _) => Disclosed::Erased,
            (false, false, false) => Disclosed::Parts,
            (false, false, true) => Disclosed::Withheld,
        };
        let parts = event.parts.iter().map(|(_, part)| part.clone()).collect();
        let signed = &event.entry.event;
        let view =
            Self::of_header(event.log, event.index, &signed.header, signed.signer, event.entry.received);
        Self { disclosed, parts, ..view }
    }

    fn of_header(log: LogId, index: u64, header: &EventHeader, signer: Signer, received: u64) -> Self {
        Self {
            device: header.device.to_string(),
            sequence: header.sequence,
            log: log.into(),
            index,
            hash: header.hash().to_string(),
            time: header.time,
            received,
            kind: kind_name(header.kind),
            signer: signer.into(),
            disclosed: Disclosed::Missing,
            parts: Vec::new(),
            erased: None,
        }
    }

    /// Returns the content in one line. A reading has its own time if it differs from the event's.
    pub fn content(&self) -> String {
        let parts = self.parts.iter().map(|part| self.part_text(part)).collect::<Vec<_>>().join(", ");
        match self.disclosed {
            Disclosed::Whole => parts,
            Disclosed::Parts => format!("{parts}, (the rest is withheld)"),
            Disclosed::Withheld => "(withheld)".into(),
            Disclosed::Erased => {
                self.erased.map_or("(erased)".into(), |at| format!("(erased {})", clock::show(at)))
            }
            Disclosed::Missing => "(no body)".into(),
        }
    }

    fn part_text(&self, part: &Part) -> String {
        match part {
            Part::Reading(Reading { time, .. }) if differ(*time, self.time) => {
                format!("{part} (read {})", clock::show(*time))
            }
            _ => part.to_string(),
        }
    }

    /// Returns the time by the signer's clock, and the time when the gateway received the event if it differs.
    pub fn times(&self) -> String {
        let time = clock::show(self.time);
        match differ(self.received, self.time) {
            true => format!("{time}, received {}", clock::show(self.received)),
            false => time,
        }
    }
}

impl From<&UnverifiedEvent> for EventView {
    fn from(event: &UnverifiedEvent) -> Self {
        Self {
            device: event.device.to_string(),
            sequence: event.sequence,
            log: event.log.into(),
            index: event.index,
            hash: event.hash.to_string(),
            time: event.time,
            received: event.received,
            kind: kind_name(event.kind),
            signer: event.signer.into(),
            disclosed: event.body.into(),
            parts: event.parts.clone(),
            erased: None,
        }
    }
}

fn differ(one: u64, other: u64) -> bool {
    one.abs_diff(other) >= SHOWN_DIFFERENCE
}

/// Returns an event for tests: of a hosted device, with one reading.
#[cfg(test)]
pub(crate) fn example() -> EventView {
    let gateway = streembit_primitives::AccountId([2; 32]);
    let reading = Reading {
        name: "Vehicle.TraveledDistance".try_into().unwrap(),
        unit: "km".try_into().unwrap(),
        value: streembit_primitives::Value::Decimal("12.5".parse().unwrap()),
        time: 1_700_000_000_000,
        source: streembit_primitives::Source::sensor(),
    };
    EventView {
        device: streembit_primitives::DeviceId([1; 32]).to_string(),
        sequence: 3,
        log: LogId { gateway, epoch: 1 }.into(),
        index: 7,
        hash: streembit_primitives::Hash([3; 32]).to_string(),
        time: 1_700_000_000_000,
        received: 1_700_000_000_400,
        kind: "readings".into(),
        signer: Signer::Gateway(gateway).into(),
        disclosed: Disclosed::Whole,
        parts: vec![Part::Reading(reading)],
        erased: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_have_their_full_names_and_times_are_shown_where_they_differ() {
        let mut event = example();
        assert_eq!(event.content(), "Vehicle.TraveledDistance 12.5 km");
        assert_eq!(event.times(), "2023-11-14 22:13:20Z");
        event.time += 60_000;
        assert_eq!(event.content(), "Vehicle.TraveledDistance 12.5 km (read 2023-11-14 22:13:20Z)");
        assert_eq!(event.times(), "2023-11-14 22:14:20Z, received 2023-11-14 22:13:20Z");
        event.disclosed = Disclosed::Parts;
        assert!(event.content().ends_with("(the rest is withheld)"), "{}", event.content());
        event.disclosed = Disclosed::Erased;
        assert_eq!(event.content(), "(erased)");
        event.erased = Some(0);
        assert_eq!(event.content(), "(erased 1970-01-01 00:00:00Z)");
    }

    #[test]
    fn an_event_is_read_back_from_its_json() {
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<EventView>(&text).unwrap(), example());
        let device = EventView { signer: Signer::Device.into(), ..example() };
        assert_eq!(serde_json::to_value(&device).unwrap()["signer"], serde_json::json!({ "kind": "device" }));
    }
}
