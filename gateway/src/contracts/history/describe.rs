//! The events of contracts as sentences, as in a bank statement.

use super::{Contents, Entry};
use crate::contracts::plain::short;
use serde_json::Value;
use streembit_clock as clock;
use streembit_primitives::contract::{Clause, ClauseKind, ClauseNumber, ContentHash};

/// Returns what happened, and the evidence: hashes of contents and documents, and proven readings. `contents` has the units
/// and currencies.
pub fn describe(entry: &Entry, contents: &Contents) -> (String, String) {
    let fields = &entry.fields;
    let text = |name: &str| show(fields.get(name));
    let what = match entry.event.as_str() {
        "Proposed" => format!("proposed by party {}", text("proposer")),
        "Accepted" => format!("accepted by party {}", text("party")),
        "Activated" => format!("in force, version {}", text("version")),
        "AmendmentProposed" => format!("amendment proposed by party {}", text("proposer")),
        "Rejected" => format!("rejected by party {}", text("party")),
        "Withdrawn" => "withdrawn".into(),
        "NoticeGiven" => format!("notice of termination by party {}", text("party")),
        "Waits" => "waits for a successor".into(),
        "Ended" => format!("ended: {}", text("reason")),
        "Pruned" => "removed from the state of the chain".into(),
        "MeterProven" => format!("clause {}: meter proven", text("clause")),
        "Claimed" => claimed(fields.get("claim"), contents),
        "Confirmed" => format!("record {} confirmed", text("number")),
        "Contested" => format!("record {} contested", text("number")),
        "Retracted" => format!("record {} taken back", text("number")),
        "Refuted" => format!("record {} refuted by a contrary reading", text("number")),
        "Answered" => format!("dispute about record {} answered", text("number")),
        "Offered" => {
            format!("record {}: party {} would settle for {}", text("number"), text("party"), text("outcome"))
        }
        "ReadingOffered" => format!("record {}: a later reading offered", text("number")),
        "Decided" => format!("record {} decided: {} ({})", text("number"), text("outcome"), text("decision")),
        "PaymentClaimed" => format!("record {} said to be paid", text("number")),
        "PaymentConfirmed" => format!("payment of record {} confirmed", text("number")),
        "HandoverConfirmed" => {
            format!("clause {}: handover confirmed by party {}", text("clause"), text("party"))
        }
        "HandedOver" => format!(
            "clause {}: device {} passed from party {} to party {}",
            text("clause"),
            text("device"),
            text("from"),
            text("to")
        ),
        "Revoked" => {
            let what = match number(fields.get("clause")).and_then(|clause| contents.kind(clause)) {
                Some(ClauseKind::Handover) => "confirmation of the handover taken back",
                Some(_) => "right revoked",
                None => "right revoked, or confirmation of a handover taken back,",
            };
            format!("clause {}: {what} by party {}", text("clause"), text("party"))
        }
        "ClaimPruned" => format!("record {} removed from the state of the chain", text("number")),
        other => format!("{other} {}", show(Some(fields))),
    };
    (what, evidence(fields))
}

/// Returns the number of a clause.
fn number(value: Option<&Value>) -> Option<ClauseNumber> {
    ClauseNumber::try_from(value?.as_u64()?).ok()
}

fn claimed(claim: Option<&Value>, contents: &Contents) -> String {
    let get = |name: &str| claim.and_then(|claim| claim.get(name));
    let content = get("content").and_then(Value::as_str).and_then(|hash| hash.parse::<ContentHash>().ok());
    let clause = content.zip(number(get("clause"))).and_then(|(hash, number)| contents.clause(&hash, number));
    let with_unit = |value: String| match unit(clause) {
        Some(unit) => format!("{value} {unit}"),
        None => value,
    };
    let (kind, details) = match get("subject") {
        Some(Value::Object(subject)) => match subject.iter().next() {
            Some((kind, details)) => (kind.to_lowercase(), Some(details)),
            None => ("claim".into(), None),
        },
        other => (show(other).to_lowercase(), None),
    };
    let detail = |name: &str| show(details.and_then(|details| details.get(name)));
    let value = match kind.as_str() {
        "usage" => format!(
            " of {} with an allowance of {}, {} over",
            with_unit(detail("used")),
            with_unit(detail("allowance")),
            with_unit(detail("over"))
        ),
        "charge" => format!(" of {}", with_unit(detail("amount"))),
        "irregularity" => format!(" ({})", detail("kind")),
        _ => String::new(),
    };
    format!("record {}: {kind}{value} under clause {}", show(get("number")), show(get("clause")))
}

/// Returns the currency of a charge, or the unit of the meter of another clause.
fn unit(clause: Option<&Clause>) -> Option<String> {
    match clause? {
        Clause::Charge(charge) => Some(charge.currency.to_string()),
        other => other.meter().map(|meter| meter.unit.as_str().to_owned()).filter(|unit| !unit.is_empty()),
    }
}

/// Returns the hashes and readings among the fields of an event.
fn evidence(fields: &Value) -> String {
    let mut found = Vec::new();
    collect(None, fields, &mut found);
    found.join(", ")
}

fn collect(name: Option<&str>, value: &Value, found: &mut Vec<String>) {
    match (name, value) {
        (Some("hash" | "content"), Value::String(hash)) => found.push(format!("content {}", short(hash))),
        (Some("documents"), Value::String(hash)) => found.push(format!("document {}", short(hash))),
        (Some("documents"), Value::Array(hashes)) => {
            found.extend(
                hashes.iter().filter_map(Value::as_str).map(|hash| format!("document {}", short(&hash))),
            );
        }
        (_, Value::Object(fields)) => match reading(fields) {
            Some(reading) => found.push(reading),
            None => fields.iter().for_each(|(name, value)| collect(Some(name), value, found)),
        },
        (name, Value::Array(items)) => items.iter().for_each(|item| collect(name, item, found)),
        _ => {}
    }
}

/// Returns a proven reading, which has a sequence, a time and a value.
fn reading(fields: &serde_json::Map<String, Value>) -> Option<String> {
    let (sequence, time) = (fields.get("sequence")?.as_u64()?, fields.get("time")?.as_u64()?);
    let value = show(Some(fields.get("value")?));
    Some(format!("{value} in event {sequence} of {}", clock::show(time)))
}

/// Formats a value: ids by their first digits, anything else as it is.
fn show(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if text.starts_with("0x") && text.len() > 12 => short(text),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) => {
            let parts = fields.iter().map(|(name, value)| format!("{name} {}", show(Some(value))));
            parts.collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::{history::Line, testing::service_book_with, ContractFile};
    use serde_json::json;
    use streembit_primitives::{contract::ContractId, Hash};

    fn entry(event: &str, fields: Value) -> Entry {
        let (contract, hash) = (ContractId([1; 32]), Hash([2; 32]));
        Entry { contract, block: 7, hash, time: 0, account: None, event: event.into(), fields }
    }

    #[test]
    fn events_read_like_a_bank_statement() {
        let id = format!("0x{}", "ab".repeat(32));
        let claim = json!({ "claim": {
            "number": 3, "clause": 1, "content": id, "documents": id,
            "subject": { "Service": { "at": { "sequence": 9, "time": 0, "value": "15000.4" }, "time": 0 } },
        }});
        let (what, evidence) = describe(&entry("Claimed", claim), &Contents::default());
        assert_eq!(what, "record 3: service under clause 1");
        assert!(evidence.contains("document 0xabababab…"), "{evidence}");
        assert!(evidence.contains("15000.4 in event 9 of 1970-01-01"), "{evidence}");
        let (what, _) = describe(
            &entry("Decided", json!({ "number": 3, "outcome": "Void", "decision": "Ruled" })),
            &Contents::default(),
        );
        assert_eq!(what, "record 3 decided: Void (Ruled)");
        let (what, _) = describe(&entry("Novel", json!({ "number": 3 })), &Contents::default());
        assert_eq!(what, "Novel number 3");
    }

    /// Returns the content of a contract with a handover and a charge.
    fn sale() -> ContractFile {
        let clauses = "[[clause]]\nnumber = 3\nkind = \"handover\"\nfrom = \"owner\"\nto = \"workshop\"\n\n[[clause]]\n\
                       number = 4\nkind = \"charge\"\nbasis = \"once\"\nrate = 9\ncurrency = \"CHF\"\n\
                       rounding = \"half-up\"\ncreditor = \"workshop\"\ndebtor = \"owner\"\n";
        let until = "until = \"2030-12-31\"\n";
        service_book_with(until, &format!("{until}\n{clauses}"))
    }

    #[test]
    fn an_amount_has_its_currency() {
        let file = sale();
        let line = Line::Content {
            contract: ContractId([1; 32]),
            hash: file.hash(),
            content: format!("0x{}", hex::encode(file.encoded_content())),
        };
        let contents = Contents::of(ContractId([1; 32]), &[line]);
        let claim = json!({ "claim": {
            "number": 3, "clause": 4, "content": file.hash(), "subject": { "Charge": { "amount": "1000" } },
        }});
        assert_eq!(
            describe(&entry("Claimed", claim), &contents).0,
            "record 3: charge of 1000 CHF under clause 4"
        );
    }

    #[test]
    fn a_confirmation_that_is_taken_back_is_no_revoked_right() {
        let mut contents = Contents::default();
        let revoked = |clause: u16, contents: &Contents| {
            describe(&entry("Revoked", json!({ "clause": clause, "party": "0x01" })), contents).0
        };
        assert!(revoked(3, &contents).contains("right revoked, or confirmation"));
        contents.insert(sale().content().clone());
        assert_eq!(revoked(3, &contents), "clause 3: confirmation of the handover taken back by party 0x01");
        assert_eq!(revoked(2, &contents), "clause 2: right revoked by party 0x01");
    }
}
