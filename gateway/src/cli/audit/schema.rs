//! Tests that commands and the API print events as `docs/schema/event.schema.json` describes them.

use super::evidence::{UnverifiedView, VerifyOutput};
use crate::{
    address_book::AddressBookFile,
    api::types::StoredEventView,
    audit::{AnchorState, AuditedEvent, ChainState, Report, Subject},
    cli::{common::Context, subscribe::DeliveredView},
    event_view,
};
use anyhow::{bail, ensure, Context as _};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use streembit_evidence::{show, verify};
use streembit_primitives::{evidence::TrustRoot, AccountId, DeviceId, Hash, LogId};

const SCHEMA: &str = include_str!("../../../../docs/schema/event.schema.json");
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../primitives/vectors");

fn definition(name: &str) -> anyhow::Result<(Value, Value)> {
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let found = schema.pointer(&format!("/$defs/{name}")).cloned().with_context(|| format!("no {name}"))?;
    Ok((schema, found))
}

/// Checks a value by a definition of the schema. A field that the schema does not describe is an error.
fn ensure_valid(name: &str, value: &Value) -> anyhow::Result<()> {
    let (root, schema) = definition(name)?;
    check(&root, &schema, value).with_context(|| format!("{name}: {value}"))
}

/// The part of JSON Schema that the schema uses.
fn check(root: &Value, schema: &Value, value: &Value) -> anyhow::Result<()> {
    if let Some(name) = schema["$ref"].as_str() {
        check(root, resolve(root, name)?, value).with_context(|| name.to_owned())?;
    }
    for all in schema["allOf"].as_array().into_iter().flatten() {
        check_within(root, all, value, &fields(root, schema)?)?;
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        let matching = variants.iter().filter(|variant| check(root, variant, value).is_ok()).count();
        ensure!(matching == 1, "{matching} of the variants match {value}");
    }
    if let Some(known) = schema["enum"].as_array() {
        ensure!(known.contains(value), "{value} is none of {known:?}");
    }
    if let Some(only) = schema.get("const") {
        ensure!(only == value, "{value} is not {only}");
    }
    check_type(schema, value)?;
    for item in value.as_array().into_iter().flatten().filter(|_| schema.get("items").is_some()) {
        check(root, &schema["items"], item)?;
    }
    check_within(root, schema, value, &fields(root, schema)?)
}

/// Checks the fields of an object, which may have the fields `known`.
fn check_within(root: &Value, schema: &Value, value: &Value, known: &[String]) -> anyhow::Result<()> {
    if let Some(name) = schema["$ref"].as_str() {
        return check_within(root, resolve(root, name)?, value, known);
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        ensure!(value.get(required).is_some(), "there is no {required}");
    }
    let Some(properties) = schema["properties"].as_object() else { return Ok(()) };
    for (key, field) in value.as_object().context("not an object")? {
        match properties.get(key) {
            Some(property) => check(root, property, field).with_context(|| key.clone())?,
            None if known.contains(key) || schema["additionalProperties"] == true => {}
            None => bail!("{key} is not described"),
        }
    }
    Ok(())
}

/// Returns the names of the fields that an object may have.
fn fields(root: &Value, schema: &Value) -> anyhow::Result<Vec<String>> {
    let schema = schema["$ref"].as_str().map_or(Ok(schema), |name| resolve(root, name))?;
    let own = schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let mut all: Vec<_> = own.collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(fields(root, part)?);
    }
    Ok(all)
}

fn resolve<'a>(root: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    root.pointer(name.trim_start_matches('#')).with_context(|| format!("no {name}"))
}

fn check_type(schema: &Value, value: &Value) -> anyhow::Result<()> {
    let is = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64(),
        Some("null") => value.is_null(),
        Some(other) => bail!("unknown type {other}"),
    };
    ensure!(is, "{value} is not of type {}", schema["type"]);
    let matches = match (schema["pattern"].as_str(), value.as_str()) {
        (Some("^0x[0-9a-f]{64}$"), Some(text)) => text.len() == 66 && is_hex(text),
        (Some("^0x[0-9a-f]*$"), Some(text)) => is_hex(text),
        (Some(pattern), Some(text)) if pattern.starts_with("^5") => {
            text.starts_with('5') && streembit_keystore::account::parse(text).is_ok()
        }
        (Some(pattern), Some(text)) if pattern.starts_with("^-?[0-9]+") => {
            text.parse::<streembit_primitives::Decimal>().is_ok()
        }
        (Some(pattern), _) => bail!("unknown pattern {pattern}"),
        (None, _) => true,
    };
    ensure!(matches, "{value} does not match {}", schema["pattern"]);
    Ok(())
}

fn is_hex(text: &str) -> bool {
    let digits = text.strip_prefix("0x");
    digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Returns the JSON that commands print of a value.
fn printed(value: &impl Serialize) -> Value {
    let address_book = AddressBookFile::none().into();
    let context = Context { json: true, passphrase_file: None, offline: None, address_book };
    serde_json::from_str(&context.to_json(value).unwrap()).unwrap()
}

fn vectors() -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(VECTORS).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "evidence")).collect()
}

#[test]
fn verified_and_unverified_events_of_evidence_have_the_described_shape() {
    let text = std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap();
    let trust: TrustRoot = text.trim().parse().unwrap();
    let mut events = 0;
    for path in vectors() {
        let verified = verify::verify_and_keep(&path, &trust, 1_000, |_, _, _| {}).unwrap();
        let verdict = printed(&VerifyOutput::of(&verified));
        ensure_valid("verdict", &verdict).unwrap();
        let history = verdict["history"].as_array().unwrap();
        assert_eq!(verdict["event_count"], history.len() as u64, "{}", path.display());
        let mut shown = Vec::new();
        let each = |event| {
            shown.push(printed(&UnverifiedView::of(&event)));
            anyhow::Ok(())
        };
        show::show(&path, |_| anyhow::Ok(()), each).unwrap();
        // What is verified and what is shown without verification are the same events.
        for (shown, verified) in shown.iter_mut().zip(history) {
            ensure_valid("unverified_event", shown).unwrap();
            shown.as_object_mut().unwrap().remove("verified");
            assert_eq!(shown, verified);
            events += 1;
        }
    }
    assert!(events >= 4, "{events}");
}

#[test]
fn only_the_newest_events_are_kept() {
    let text = std::fs::read_to_string(format!("{VECTORS}/trust-root.txt")).unwrap();
    let trust: TrustRoot = text.trim().parse().unwrap();
    let keep = |path: &Path, count| verify::verify_and_keep(path, &trust, count, |_, _, _| {}).unwrap();
    for path in vectors() {
        let all = keep(&path, usize::MAX);
        assert_eq!(all.newest.len() as u64, all.verdict.events);
        assert_eq!(all.newest.last().unwrap().event().sequence, all.verdict.last_event.sequence);
        assert_eq!(keep(&path, 1).newest, all.newest[all.newest.len() - 1..]);
        assert!(keep(&path, 0).newest.is_empty());
    }
}

#[test]
fn events_of_audits_deliveries_and_the_api_have_the_described_shape() {
    let event = event_view::example();
    ensure_valid("event", &printed(&event)).unwrap();
    let stored = StoredEventView { event: event.clone(), entry: "0x00".into(), body: None };
    // The API prints it without a command.
    ensure_valid("stored_event", &serde_json::to_value(&stored).unwrap()).unwrap();
    ensure_valid("delivered_event", &printed(&DeliveredView::example())).unwrap();
    let audited = AuditedEvent { event, anchor: AnchorState::Pending, key: Some(0), lost: false, ok: true };
    let state = ChainState {
        genesis: Hash([1; 32]),
        block: 2,
        hash: Hash([2; 32]),
        time: 3,
        device: None,
        anchor: None,
        roots: Vec::new(),
    };
    let subject = Subject { device: DeviceId([4; 32]), name: None };
    let log = LogId::first(AccountId([5; 32]));
    let mut report = Report::for_unreadable_log(subject, &state, log, "damaged".into());
    report.history.push(audited);
    ensure_valid("report", &printed(&report)).unwrap();
}

#[test]
fn other_shapes_are_found() {
    let valid = printed(&event_view::example());
    let with = |key: &str, value: Value| {
        let mut other = valid.clone();
        other[key] = value;
        ensure_valid("event", &other).is_err()
    };
    assert!(with("extra", 1.into()) && with("device", "0x00".into()) && with("time", (-1).into()));
    assert!(with("disclosed", "all".into()) && with("parts", serde_json::json!([{ "reading": {} }])));
    assert!(with("log", serde_json::json!({ "gateway": valid["log"]["gateway_hex"], "epoch": 0 })));
    let mut without = valid.clone();
    without.as_object_mut().unwrap().remove("signer");
    assert!(ensure_valid("event", &without).is_err());
}
