use super::{
    contracts::{ContractRecords, ContractRecordsError},
    history::{HistoryCollector, VerifiedHistory},
    page::{Page, ODOMETER, STYLE},
};
use crate::address_book::AddressBook;
use serde_json::json;
use std::{collections::BTreeSet, path::Path};
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimState, ClaimSubject, Decision, IrregularityKind, Moment, Payment, ProvenPoint},
        Clause, ContentHash, Documents, Meter, ServiceClause,
    },
    event::{EventKind, VERSION},
    evidence::{file, Item, ShownBody, TrustRoot, VerifiedEvidence},
    reading::Reading,
    Body, Decimal, EventHeader, Hash, LogEntry, Part, PartyId, Signature, SignedEvent, Signer, Text, Value,
};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../primitives/vectors");
const DAY: u64 = 24 * 3_600_000;
/// The text of somebody who wants to change the page.
const HOSTILE: &str =
    "</td></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x\u{202e}";

/// Verifies one of the committed files.
fn verdict(vector: &str) -> VerifiedEvidence {
    let trust: TrustRoot =
        std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap().trim().parse().unwrap();
    let bytes = std::fs::read(format!("{VECTORS}/{vector}.evidence")).unwrap();
    file::verify(&mut bytes.as_slice(), &trust, |_| {}).unwrap()
}

/// An item with an event. Its signature is not valid: it stands for what a verified file would hold.
fn event(sequence: u64, time: u64, parts: Vec<Part>) -> Item {
    let body = Body { seed: [0; 32], parts: parts.try_into().unwrap() };
    let header = EventHeader {
        version: VERSION,
        device: verdict("whole-life").device,
        sequence,
        previous: Hash::ZERO,
        time,
        kind: EventKind::Readings,
        body_hash: body.hash(),
    };
    let key = streembit_keystore::KeyPair::from_seed([1; 32]);
    let signature: Signature = key.sign(streembit_primitives::hash::Domain::EventHeader, &header.hash());
    let event = SignedEvent { header, signer: Signer::Device, signature };
    Item::Event { entry: LogEntry { event, received: time }, body: ShownBody::Whole(body) }
}

fn odometer(km: &str) -> Part {
    Part::Reading(Reading {
        name: ODOMETER.parse().unwrap(),
        unit: "km".parse().unwrap(),
        value: Value::Decimal(km.parse().unwrap()),
        time: 0,
        source: "obd:01A6".parse().unwrap(),
    })
}

fn status(text: &str) -> Part {
    Part::Status(Text::try_from(text).unwrap())
}

fn history(items: &[Item]) -> VerifiedHistory {
    let mut collector = HistoryCollector::new(ODOMETER.parse().unwrap(), BTreeSet::from([2]));
    items.iter().for_each(|item| collector.add(item));
    collector.verified(verdict("whole-life"))
}

/// A car that is driven, stands for 50 days, is rolled back, and is sold.
fn used_car() -> VerifiedHistory {
    history(&[
        event(0, 0, vec![odometer("48000")]),
        event(1, DAY, vec![odometer("48200"), status(HOSTILE)]),
        event(2, 51 * DAY, vec![odometer("48210")]),
        event(3, 52 * DAY, vec![odometer("31000.5")]),
        event(4, 51 * DAY, vec![odometer("31010")]),
    ])
}

fn page_of(history: &VerifiedHistory, contracts: &[ContractRecords], names: &AddressBook) -> String {
    let page = Page { history, contracts, names, file: HOSTILE, made: 60 * DAY };
    let text = page.render();
    // For looking at it: STREEMBIT_TESTS_PAGE=/tmp/page.html
    if let Some(path) = std::env::var_os("STREEMBIT_TESTS_PAGE") {
        std::fs::write(path, &text).unwrap();
    }
    text
}

fn page(history: &VerifiedHistory, contracts: &[ContractRecords]) -> String {
    page_of(history, contracts, &AddressBook::new())
}

#[test]
fn the_page_says_what_a_buyer_asks() {
    let text = page(&used_car(), &[]);
    for words in [
        "Verified.",
        "The file proves 12 events",
        "5 events between the first and the last one are missing: the owner declared them lost.",
        "48,000 km to 31,010 km",
        "Readings that do not fit",
        "lower than before",
        "48,210 km on 1970-02-21",
        "Times of more than 30 days without any event",
        "Clocks that went back",
        "the owner alone decided",
        "What is only said",
        "obd:01A6 (5)",
        "This page proves nothing by itself",
        "3 of the 4 validators",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    // Two owners, three keys, two lost ranges with five events.
    for fact in [
        "<dt>Owners so far</dt><dd>2</dd>",
        "<dt>Irregularities</dt><dd>2</dd>",
        "<dt>Events declared lost</dt><dd>5</dd>",
        "<dt>Changes of the key</dt><dd>2</dd>",
        "<dt>Long silences</dt><dd>1</dd>",
    ] {
        assert!(text.contains(fact), "no {fact:?} in {text}");
    }
}

#[test]
fn a_file_without_readings_says_so_and_has_no_picture() {
    let text = page(&history(&[]), &[]);
    assert!(text.contains("shows no reading with the name Vehicle.TraveledDistance"), "{text}");
    assert!(!text.contains("<svg"), "{text}");
    assert!(text.contains("not part of this file"), "{text}");
}

#[test]
fn hostile_text_stays_text() {
    let records = vec![records(HOSTILE, vec![service_claim(2, "48210")])];
    let text = page(&used_car(), &records);
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{text}");
    assert!(text.contains("\\u{202e}") && !text.contains('\u{202e}'), "{text}");
    for markup in ["<script", "<img", "<link", "<iframe", "<a ", "<svg onload", "url(", "@import"] {
        assert!(!text.contains(markup), "{markup} in {text}");
    }
    // No attribute runs or loads anything, and the style ends where it should.
    let tags = text.split('<').skip(1).map(|tag| tag.split('>').next().unwrap());
    for attribute in [" on", " src=", " href=", " style="] {
        assert!(tags.clone().all(|tag| !tag.contains(attribute)), "{attribute} in {text}");
    }
    assert_eq!(tags.filter(|tag| *tag == "/style").count(), 1);
}

#[test]
fn the_page_allows_its_own_style_and_nothing_else() {
    use base64ct::Encoding as _;
    let text = page(&used_car(), &[]);
    let hash = base64ct::Base64::encode_string(&sp_crypto_hashing::sha2_256(STYLE.as_bytes()));
    assert!(
        text.contains(&format!("default-src &#39;none&#39;; style-src &#39;sha256-{hash}&#39;;")),
        "{text}"
    );
    assert!(text.contains(&format!("<style>{STYLE}</style>")));
    let policy = text.find("Content-Security-Policy").unwrap();
    assert!(policy < text.find("<style>").unwrap() && policy < text.find("<title>").unwrap());
    // Namespaces and links would name another place.
    assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
}

#[test]
fn tags_are_closed_in_their_order() {
    let records = vec![records("book", vec![service_claim(2, "48210")])];
    let text = page(&used_car(), &records);
    let mut open = Vec::new();
    for tag in text.split('<').skip(2).map(|tag| tag.split(['>', ' ']).next().unwrap()) {
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{text}"),
            None if tag != "meta" => open.push(tag),
            None => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_service_is_said_and_its_reading_is_proven_by_the_event() {
    let device = verdict("whole-life").device;
    let book = records(
        "Service book",
        vec![service_claim(2, "48210"), service_claim(2, "48211"), service_claim(9, "1")],
    );
    book.ensure_about(device).unwrap();
    assert_eq!(book.sequences(), BTreeSet::from([2, 9]));
    let history = used_car();
    let proven: Vec<_> = book.about(device).map(|record| record.is_proven_by(&history)).collect();
    // Another value than the event has, and an event that is not in the file.
    assert_eq!(proven, [true, false, false]);
    let text = page(&history, &[book]);
    assert!(text.contains("<bdi>Service book</bdi>"), "{text}");
    assert!(text.contains("3 in the contracts given"), "{text}");
    assert!(text.contains("stands: confirmed by the other side"), "{text}");
    assert_eq!(text.matches("<span class=\"mark good\">proven</span>").count(), 1, "{text}");
}

#[test]
fn a_contract_about_another_device_is_refused() {
    let mut other = raw_records("book", Vec::new());
    other["contract"]["content"]["v1"]["devices"] = json!([Hash([5; 32])]);
    let other = ContractRecords::parse(Path::new("book.json"), &other.to_string()).unwrap();
    let error = other.ensure_about(verdict("whole-life").device).unwrap_err();
    assert!(matches!(error, ContractRecordsError::OtherDevice { .. }), "{error}");
}

#[test]
fn an_irregularity_of_a_contract_is_listed() {
    let mut claim = service_claim(2, "48210");
    let found = ProvenPoint { sequence: 3, time: 52 * DAY, value: "31000.5".parse().unwrap() };
    let last = ProvenPoint { sequence: 2, time: 51 * DAY, value: "48210".parse().unwrap() };
    claim.subject = ClaimSubject::Irregularity { last, found, kind: IrregularityKind::Fell };
    claim.state = ClaimState::Disputed;
    let text = page(&used_car(), &[records("book", vec![claim])]);
    assert!(text.contains("the meter fell") && text.contains("in dispute"), "{text}");
    assert!(text.contains("record no service of this device"), "{text}");
}

#[test]
fn files_that_are_no_records_are_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("book.json");
    std::fs::write(&path, "{}").unwrap();
    let error = ContractRecords::read(&path).unwrap_err().to_string();
    assert!(error.contains("book.json") && error.contains("streembit contract show"), "{error}");
    let error = ContractRecords::read(Path::new("none.json")).unwrap_err().to_string();
    assert!(error.contains("none.json"), "{error}");
}

#[test]
fn colours_have_enough_contrast_in_light_and_dark() {
    let schemes: Vec<_> =
        STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colour = |name: &str| {
            let start = scheme.find(&format!("--{name}: #")).unwrap() + name.len() + 5;
            luminance(&scheme[start..start + 6])
        };
        for (front, back) in [
            ("text", "page"),
            ("muted", "page"),
            ("text", "panel"),
            ("muted", "panel"),
            ("good", "good-panel"),
            ("warning", "warning-panel"),
            ("bad", "bad-panel"),
            ("bad", "page"),
            ("meter", "page"),
        ] {
            let (a, b) = (colour(front), colour(back));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            // WCAG 2.2, 1.4.3: AA.
            assert!(contrast >= 4.5, "{front} on {back}: {contrast}");
        }
    }
}

/// Returns the relative luminance of a colour (WCAG 2.2).
fn luminance(digits: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn service_claim(sequence: u64, km: &str) -> Claim {
    let at = ProvenPoint { sequence, time: 51 * DAY, value: km.parse().unwrap() };
    Claim {
        number: 0,
        clause: 1,
        content: ContentHash([1; 32]),
        claimant: PartyId([3; 32]),
        respondent: PartyId([7; 32]),
        subject: ClaimSubject::Service { at: Some(at), time: at.time },
        documents: Documents::default(),
        made: Moment { block: 5, time: 51 * DAY },
        contest_until: 0,
        state: ClaimState::Stands(Decision::Confirmed),
        payment: Payment::Open,
    }
}

fn raw_records(title: &str, claims: Vec<Claim>) -> serde_json::Value {
    let clause = Clause::Service(ServiceClause {
        subject: Hash([4; 32]),
        device: verdict("whole-life").device,
        meter: Some(Meter {
            name: ODOMETER.parse().unwrap(),
            unit: "km".parse().unwrap(),
            max_per_day: Decimal::from(2_000),
        }),
        by_meter: None,
        by_time: None,
        provider: PartyId([3; 32]),
        customer: PartyId([7; 32]),
    });
    let claims: Vec<_> = claims.into_iter().map(|claim| json!({ "claim": claim, "dispute": null })).collect();
    json!({
        "id": Hash([6; 32]),
        "title": title,
        "state": "active",
        "contract": { "version": 0, "content": { "v1": {
            "devices": [verdict("whole-life").device],
            "clauses": [
                { "number": 1, "clause": clause },
                // As written with an address book.
                { "number": 2, "clause": { "access": { "grantee": { "party": Hash([8; 32]), "party_name": "x" } } } },
            ],
        } } },
        "claims": claims,
    })
}

fn records(title: &str, claims: Vec<Claim>) -> ContractRecords {
    ContractRecords::parse(Path::new("book.json"), &raw_records(title, claims).to_string()).unwrap()
}
