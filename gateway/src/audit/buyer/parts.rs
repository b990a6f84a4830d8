//! The parts of the page.

use super::{
    chart,
    contracts::{measured_by, ContractRecord, ContractRecords},
    history::{Listed, Ownership, Silence, VerifiedHistory},
    html::{paragraph, table, Element, Html},
    meter::{MeterIrregularityKind, MeterPoint},
    page::{thousands, Page},
};
use crate::contracts::show_number;
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_primitives::{
    contract::state::{ClaimState, ClaimSubject, Decision, IrregularityKind},
    device::{DecidedChange, DeviceState, KeyChange},
    evidence::VerifiedEvidence,
    DeviceKey, PublicKey,
};

/// The number of readings in the table below the picture.
const TABLE_ROWS: usize = 12;

/// Returns a part with its heading.
fn part(heading: &str, content: Html) -> Html {
    Element::new("section").with(Element::new("h2").text(heading)).with(content).into()
}

/// Returns a sentence about entries that are not listed, or nothing.
fn rest<T>(list: &Listed<T>) -> Html {
    match list.unlisted() {
        0 => Html::new(),
        more => paragraph(Html::text(format_args!("{} more are not listed.", thousands(more)))),
    }
}

/// Returns a mark with a word in it, so that the colour is not needed to understand it.
fn mark(class: &'static str, word: &str) -> Html {
    Element::new("span").class(class).text(word).into()
}

/// Returns a day, which is not broken into two lines.
fn day(time: u64) -> Html {
    Element::new("span").class("day").text(clock::show_day(time)).into()
}

fn proven_mark(is_proven: bool) -> Html {
    if is_proven {
        mark("mark good", "proven")
    } else {
        mark("mark said", "only said")
    }
}

/// The readings of the meter in the course of time.
pub fn meter(page: &Page<'_>) -> Html {
    let meter = &page.history.meter;
    let heading = if meter.is_distance() { "Kilometres over time" } else { "Meter readings over time" };
    let Some((first, last)) = meter.ends() else {
        let text = format!(
            "The file shows no reading with the name {}. Ask the seller for a file that discloses it.",
            meter.name
        );
        return part(heading, paragraph(text));
    };
    let description = format!(
        "From {} to {}, {} readings of {}.",
        page.reading(Some(first)),
        page.reading(Some(last)),
        thousands(meter.count),
        meter.name
    );
    let mut content = paragraph(description.as_str());
    content.push(Element::new("figure").with(chart::draw(page.history, &description)).with(
        Element::new("figcaption").text(
            "Circles with a cross are readings that do not fit. Grey areas are long times without any event. Dashed lines \
             are changes of the owner.",
        ),
    ));
    let rows = selection(&meter.points).map(|point| {
        [day(point.time), Html::text(page.meter_value(&point.value)), Html::text(thousands(point.sequence))]
    });
    content.push(table("Some of the readings", ["Day", "Reading", "Event number"], rows));
    if meter.unreadable > 0 {
        content.push(paragraph(format!(
            "{} readings are in a unit that cannot be converted, and are not shown.",
            thousands(meter.unreadable)
        )));
    }
    part(heading, content)
}

/// Returns an even selection of the readings, with the first and the last.
fn selection(points: &[MeterPoint]) -> impl Iterator<Item = &MeterPoint> {
    let step = points.len().div_ceil(TABLE_ROWS).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .filter(move |(at, _)| at.is_multiple_of(step) || *at == last)
        .map(|(_, point)| point)
}

/// The owners of the device.
pub fn owners(page: &Page<'_>) -> Html {
    let rows = (1u32..).zip(page.history.ownerships()).map(|(number, owner)| {
        let Ownership { party, since, until, first, last } = owner;
        [
            Html::text(number),
            page.name(party),
            day(since),
            until.map_or_else(|| "still the owner".into(), day),
            Html::text(page.reading(first.as_ref())),
            Html::text(page.reading(last.as_ref())),
        ]
    });
    let header = ["No.", "Owner", "Since", "Until", "First reading", "Last reading"];
    let mut content = table("Owners, as recorded on the chain", header, rows);
    let block = page.evidence().last.block.number;
    content.push(paragraph(format!(
        "Owners are parties of the consortium; a party can be a company with many drivers. A sale after block {block} is not \
         in this file. Names in this report are from the address book of the person who made it."
    )));
    part("Owners", content)
}

/// The records of contracts about the device with whether they are services.
fn records<'a>(page: &'a Page<'_>) -> impl Iterator<Item = (&'a ContractRecords, &'a ContractRecord)> {
    let device = page.evidence().device;
    page.contracts
        .iter()
        .flat_map(move |contract| contract.about(device).map(move |record| (contract, record)))
}

fn is_service(record: &ContractRecord) -> bool {
    matches!(record.claim.subject, ClaimSubject::Service { .. })
}

/// Returns the number of services in the contracts.
pub fn service_count(page: &Page<'_>) -> usize {
    records(page).filter(|(_, record)| is_service(record)).count()
}

/// The services that contracts record.
pub fn services(page: &Page<'_>) -> Html {
    if page.contracts.is_empty() {
        let text = "Evidence about a device has its events, and no contracts. If the seller has a service book under a \
                    contract, ask for its records (`streembit contract show CONTRACT --json`) and make this report with \
                    them (`--contract FILE`).";
        return part("Services", paragraph(text));
    }
    let mut services: Vec<_> = records(page).filter(|(_, record)| is_service(record)).collect();
    services.sort_by_key(|(_, record)| record.claim.made.time);
    let rows = services.into_iter().map(|(contract, record)| {
        let time = match record.claim.subject {
            ClaimSubject::Service { time, .. } => time,
            _ => record.claim.made.time,
        };
        [
            day(time),
            page.name(record.claim.claimant),
            title(page, contract),
            Html::text(state(&record.claim.state)),
            Html::text(value(record)),
            proven_mark(record.is_proven_by(page.history)),
        ]
    });
    let header = ["Day", "Workshop", "Contract", "State", "Reading", "Reading is"];
    let mut content = table("Services that contracts record", header, rows);
    if content.is_empty() {
        content = paragraph("The contracts record no service of this device.");
    }
    content.push(paragraph(
        "These records come from files beside the evidence, so that a service was done is only said. A reading that is \
         marked as proven is in an event of the evidence. Records that were pruned from the chain are not in the files.",
    ));
    part("Services", content)
}

fn title(page: &Page<'_>, contract: &ContractRecords) -> Html {
    contract.title().map_or_else(|| page.name(contract.id()), Html::foreign)
}

/// Returns the reading of a record with the unit of its clause.
fn value(record: &ContractRecord) -> String {
    let unit = record.clause.as_ref().and_then(measured_by).map(|(_, unit)| unit.as_str());
    match (record.reading(), unit) {
        (None, _) => "–".into(),
        (Some(point), None | Some("")) => show_number(&point.value),
        (Some(point), Some(unit)) => format!("{} {unit}", show_number(&point.value)),
    }
}

fn state(state: &ClaimState) -> String {
    let (verdict, decision) = match state {
        ClaimState::Claimed => return "not confirmed yet".into(),
        ClaimState::Disputed => return "in dispute".into(),
        ClaimState::Stands(decision) => ("stands", decision),
        ClaimState::Void(decision) => ("void", decision),
    };
    let by = match decision {
        Decision::Confirmed => "confirmed by the other side",
        Decision::Silence => "the other side was silent",
        Decision::Refuted => "refuted by a reading",
        Decision::Settled => "settled by both sides",
        Decision::Ruled => "ruled by the arbiter",
        Decision::Unruled => "nobody ruled in time",
    };
    format!("{verdict}: {by}")
}

/// What does not fit: readings, clocks, and what contracts record.
pub fn irregularities(page: &Page<'_>) -> Html {
    let mut content = Html::new();
    let history = page.history;
    content.push(meter_irregularities(page));
    let rows = history.setbacks.iter().map(|setback| {
        [thousands(setback.sequence), clock::show(setback.from), clock::show(setback.to)].map(Html::text)
    });
    content.push(table("Clocks that went back", ["Event number", "From", "To"], rows));
    content.push(rest(&history.setbacks));
    content.push(contract_irregularities(page));
    if content.is_empty() {
        content = paragraph("None: each reading fits to the one before, and the clock did not go back.");
    }
    part("Irregularities", content)
}

fn meter_irregularities(page: &Page<'_>) -> Html {
    let list = &page.history.meter.irregularities;
    let rows = list.iter().map(|found| {
        let what = match found.kind {
            MeterIrregularityKind::Fell => "lower than before",
            MeterIrregularityKind::Leapt => "higher than can be driven in that time",
        };
        [
            day(found.found.time),
            mark("mark bad", what),
            Html::text(page.reading(Some(&found.before))),
            Html::text(page.reading(Some(&found.found))),
        ]
    });
    let mut content = table("Readings that do not fit", ["Day", "What", "Before", "Then"], rows);
    if !content.is_empty() {
        content.push(rest(list));
        content.push(paragraph(
            "A lower reading can be a replaced instrument cluster, or a manipulated odometer. Ask the seller for the invoice \
             of the workshop.",
        ));
    }
    content
}

fn contract_irregularities(page: &Page<'_>) -> Html {
    let rows = records(page).filter_map(|(contract, record)| {
        let what = match &record.claim.subject {
            ClaimSubject::Breach { .. } => "a reading outside of the agreed limits",
            ClaimSubject::Gap { .. } => "no reading for longer than agreed",
            ClaimSubject::Irregularity { kind: IrregularityKind::Fell, .. } => "the meter fell",
            ClaimSubject::Irregularity { kind: IrregularityKind::Leapt, .. } => "the meter leapt",
            ClaimSubject::Irregularity { kind: IrregularityKind::TimeWentBack, .. } => "the clock went back",
            ClaimSubject::Service { .. } | ClaimSubject::Usage { .. } | ClaimSubject::Charge { .. } => {
                return None
            }
        };
        Some([
            day(record.claim.made.time),
            Html::text(what),
            title(page, contract),
            Html::text(state(&record.claim.state)),
            Html::text(value(record)),
            proven_mark(record.is_proven_by(page.history)),
        ])
    });
    let header = ["Day", "What", "Contract", "State", "Reading", "Reading is"];
    table("Irregularities and breaches that contracts record", header, rows)
}

/// What is missing: long times without events, lost ranges, and contents that are not shown.
pub fn gaps(page: &Page<'_>) -> Html {
    let (history, evidence) = (page.history, page.evidence());
    let mut content = Html::new();
    let rows = history.silences.iter().map(|silence| silence_row(page, silence));
    let header = ["From", "Until", "Days", "Reading before", "Reading after"];
    content.push(table("Times of more than 30 days without any event", header, rows));
    content.push(rest(&history.silences));
    let rows = evidence.record.lost().iter().map(|range| {
        let count = thousands(range.until.saturating_sub(range.from));
        let events = format!("{} to {}", thousands(range.from), thousands(range.until.saturating_sub(1)));
        [events, count, thousands(range.block.into())].map(Html::text)
    });
    content.push(table(
        "Events that the owner declared lost",
        ["Events", "Number", "Declared in block"],
        rows,
    ));
    let bodies = &evidence.bodies;
    let hidden = [
        (
            bodies.withheld,
            "events are proven to exist, but the author of the file does not show what they say",
        ),
        (
            bodies.erased,
            "events are proven to exist, but their content was erased, says the author of the file",
        ),
        (bodies.parts, "events show only a part of what they say"),
    ];
    for (count, what) in hidden.into_iter().filter(|(count, _)| *count > 0) {
        content.push(paragraph(format!("{} {what}.", thousands(count))));
    }
    if content.is_empty() {
        content = paragraph("None: there is no time of more than 30 days without an event, nothing is lost, and all is shown.");
    }
    part("Gaps", content)
}

fn silence_row(page: &Page<'_>, silence: &Silence) -> [Html; 5] {
    let days = silence.until.saturating_sub(silence.from) / (24 * 3_600 * 1_000);
    [
        day(silence.from),
        day(silence.until),
        Html::text(thousands(days)),
        Html::text(page.reading(silence.before.as_ref())),
        Html::text(page.reading(silence.after.as_ref())),
    ]
}

/// The keys of the device, the logs that its events are in, and what the council decided.
pub fn keys(page: &Page<'_>) -> Html {
    let record = &page.evidence().record;
    let rows = record.keys().iter().map(|period| {
        let (class, how) = match period.change {
            KeyChange::Registered => ("mark good", "registered with the device"),
            KeyChange::Rotated => ("mark good", "the key before agreed"),
            KeyChange::Recovered => ("mark warning", "the owner alone decided"),
            KeyChange::Rehosted => ("mark good", "another gateway signs for it"),
        };
        [
            Html::text(thousands(period.from)),
            Html::text(key_kind(&period.key)),
            mark(class, how),
            Html::text(thousands(period.block.into())),
        ]
    });
    let mut content = table("Keys", ["From event", "Key", "How", "In block"], rows);
    let rows = record.logs().iter().map(|period| {
        let log = format!("{}, log {}", account::show(&period.log.gateway), period.log.epoch);
        [
            Html::text(thousands(period.from)),
            Html::foreign(page.names.label(&log)),
            Html::text(thousands(period.block.into())),
        ]
    });
    content.push(table("Gateways that kept the log", ["From event", "Gateway", "Since block"], rows));
    let rows = record.decisions().iter().map(|decision| {
        let what = match decision.change {
            DecidedChange::Key => "another key",
            DecidedChange::Log => "another log",
            DecidedChange::Lost => "events are lost",
        };
        [what.to_owned(), thousands(decision.from), thousands(decision.block.into())].map(Html::text)
    });
    let header = ["What", "From event", "In block"];
    content.push(table("Changes that the council allowed without a proof of the last event", header, rows));
    part("Keys and gateways", content)
}

fn key_kind(key: &DeviceKey) -> &'static str {
    match key {
        DeviceKey::Own(PublicKey::Sr25519(_)) => "the device’s own (sr25519)",
        DeviceKey::Own(PublicKey::Ed25519(_)) => "the device’s own (Ed25519)",
        DeviceKey::Own(PublicKey::P256(_)) => "the device’s own (P-256)",
        DeviceKey::Hosted { .. } => "none: the gateway signs for the device",
    }
}

/// The newest messages about the condition of the device.
pub fn messages(page: &Page<'_>) -> Html {
    let history = page.history;
    if history.messages.is_empty() {
        return Html::new();
    }
    let rows = history.messages.iter().rev();
    let rows = rows.map(|message| [Html::text(clock::show(message.time)), Html::foreign(&message.text)]);
    let mut content = table("The newest messages about the condition", ["Time", "Message"], rows);
    let shown = history.messages.len() as u64;
    if let Some(more) = history.message_count.checked_sub(shown).filter(|more| *more > 0) {
        content.push(paragraph(format!("{} older messages are not listed.", thousands(more))));
    }
    part("Messages", content)
}

fn list(items: impl IntoIterator<Item = String>) -> Html {
    items.into_iter().fold(Element::new("ul"), |list, item| list.with(Element::new("li").text(item))).into()
}

/// What is proven, and by whom.
pub fn proven(page: &Page<'_>) -> Html {
    let evidence = page.evidence();
    let VerifiedEvidence { last, segments, record, .. } = evidence;
    let voters = format!("{} of the {} validators of the chain", last.signers.len(), last.voters);
    let anchored: Vec<_> = segments.iter().map(|segment| segment.anchored.to_string()).collect();
    let proven = [
        format!("By the signature on each event: {}.", signers(evidence)),
        format!(
            "By the log and the chain: that these events existed, in this order and with this content, when the chain \
             accepted the state of the log (block {}).",
            anchored.join(", ")
        ),
        format!("By {voters}, who signed block {}: that this block is final and has this state.", last.block.number),
        format!(
            "By the state of the chain in that block: {} owners, {} keys, {} logs, {} lost ranges, and the state of the \
             device ({}).",
            record.owners().count(),
            record.keys().count(),
            record.logs().count(),
            record.lost().len(),
            state_text(record.state())
        ),
    ];
    part("What is proven, and by whom", list(proven))
}

fn signers(evidence: &VerifiedEvidence) -> String {
    match (evidence.device_signed, evidence.gateway_signed) {
        (_, 0) => "the device itself signed all of them".into(),
        (0, _) => "the gateway signed all of them, for a device that cannot sign".into(),
        (device, gateway) => format!(
            "the device itself signed {} of them, and the gateway {}",
            thousands(device),
            thousands(gateway)
        ),
    }
}

/// What is only said.
pub fn said(page: &Page<'_>) -> Html {
    let VerifiedHistory { meter, .. } = page.history;
    let mut said = vec![
        "The values: a signature says who said something, and not that it is true. A sensor can be wrong, and a gateway \
         can be fed with wrong values."
            .to_owned(),
        "The time of each event, by the clock of its signer. It was before the block that anchored it.".to_owned(),
        "Which owner an event falls to: it follows from when the gateway says that it received the event.".to_owned(),
    ];
    if !meter.sources.is_empty() {
        let sources: Vec<_> =
            meter.sources.iter().map(|(source, count)| format!("{source} ({})", thousands(*count))).collect();
        said.push(format!(
            "Where the readings of the meter come from, says the gateway: {}. A source that begins with obd: was read from \
             the vehicle’s electronics.",
            sources.join(", ")
        ));
    }
    if evidence_hides(page.evidence()) {
        said.push("Why contents are not shown: withheld or erased.".to_owned());
    }
    if !page.contracts.is_empty() {
        said.push("The records of contracts, which are not part of the evidence.".to_owned());
    }
    said.push("Names, from the address book of the person who made this report.".to_owned());
    part("What is only said", list(said))
}

fn evidence_hides(evidence: &VerifiedEvidence) -> bool {
    evidence.bodies.withheld > 0 || evidence.bodies.erased > 0
}

/// Returns what the owner says about the device.
pub fn state_text(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Active => "in use",
        DeviceState::Lost => "LOST, says the owner",
        DeviceState::Stolen => "STOLEN, says the owner",
        DeviceState::Retired => "out of use",
    }
}
