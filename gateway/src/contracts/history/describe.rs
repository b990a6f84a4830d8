//! The events of contracts as sentences, as in a bank statement.

use super::Entry;
use crate::contracts::plain::short;
use serde_json::Value;
use streembit_clock as clock;

/// Returns what happened, and the evidence: hashes of contents and documents, and proven readings.
pub fn describe(entry: &Entry) -> (String, String) {
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
        "Claimed" => claimed(fields.get("claim")),
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
        "Revoked" => format!("clause {}: right revoked by party {}", text("clause"), text("party")),
        "ClaimPruned" => format!("record {} removed from the state of the chain", text("number")),
        other => format!("{other} {}", show(Some(fields))),
    };
    (what, evidence(fields))
}

fn claimed(claim: Option<&Value>) -> String {
    let get = |name: &str| claim.and_then(|claim| claim.get(name));
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
            detail("used"),
            detail("allowance"),
            detail("over")
        ),
        "charge" => format!(" of {}", detail("amount")),
        "irregularity" => format!(" ({})", detail("kind")),
        _ => String::new(),
    };
    format!("record {}: {kind}{value} under clause {}", show(get("number")), show(get("clause")))
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
        let (what, evidence) = describe(&entry("Claimed", claim));
        assert_eq!(what, "record 3: service under clause 1");
        assert!(evidence.contains("document 0xabababab…"), "{evidence}");
        assert!(evidence.contains("15000.4 in event 9 of 1970-01-01"), "{evidence}");
        let (what, _) =
            describe(&entry("Decided", json!({ "number": 3, "outcome": "Void", "decision": "Ruled" })));
        assert_eq!(what, "record 3 decided: Void (Ruled)");
        let (what, _) = describe(&entry("Novel", json!({ "number": 3 })));
        assert_eq!(what, "Novel number 3");
    }
}
