//! Accounts in the JSON of commands: an SS58 address, and the same account in hexadecimal beside it.

use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use streembit_keystore::account;
use streembit_primitives::AccountId;

/// The fields that hold an account, or a list of accounts, whatever they are a part of.
const FIELDS: [&str; 4] = ["account", "accounts", "gateway", "gateways"];

/// The possible lengths of the address of an account, so that other texts are not decoded.
const LENGTHS: RangeInclusive<usize> = 46..=48;

/// Shows all accounts in a value as SS58 addresses, and adds a field `NAME_hex` with the hexadecimal form beside each
/// field `NAME`.
pub(super) fn show_both(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(show_both),
        Value::Object(fields) => {
            fields.values_mut().for_each(show_both_within);
            show_fields(fields);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Like [`show_both`] for a value within another. An object with one field may be a variant of an enum there, whose
/// readers expect this field alone.
fn show_both_within(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(show_both_within),
        Value::Object(fields) => {
            fields.values_mut().for_each(show_both_within);
            if fields.len() > 1 {
                show_fields(fields);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn show_fields(fields: &mut Map<String, Value>) {
    let mut found = Vec::new();
    for (key, field) in fields.iter_mut().filter(|(key, _)| !key.ends_with("_hex")) {
        let is_account = FIELDS.contains(&key.as_str());
        found.extend(show_field(field, is_account).map(|hex| (format!("{key}_hex"), hex)));
    }
    for (key, hex) in found {
        fields.entry(key).or_insert(hex);
    }
}

/// Shows the accounts in a field as SS58 addresses, and returns them in hexadecimal, or `None` if the field holds none.
fn show_field(field: &mut Value, is_account: bool) -> Option<Value> {
    match field {
        Value::String(text) => {
            let found = account_in(text, is_account)?;
            *text = account::show(&found);
            Some(found.to_string().into())
        }
        Value::Array(items) if !items.is_empty() => {
            let accounts: Option<Vec<_>> =
                items.iter().map(|item| account_in(item.as_str()?, is_account)).collect();
            let accounts = accounts?;
            *items = accounts.iter().map(|found| account::show(found).into()).collect();
            Some(accounts.iter().map(|found| Value::from(found.to_string())).collect())
        }
        _ => None,
    }
}

/// Returns the account that a text is. Hexadecimal digits may be anything, unless the field holds accounts.
fn account_in(text: &str, is_account: bool) -> Option<AccountId> {
    let is_address = text.starts_with('5') && LENGTHS.contains(&text.len());
    let is_digits = is_account && text.starts_with("0x");
    (is_address || is_digits).then(|| account::parse(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use streembit_primitives::{DeviceId, LogId};

    const BOX: AccountId = AccountId([0xb2; 32]);

    #[test]
    fn accounts_are_shown_in_both_forms() {
        let (address, hex) = (account::show(&BOX), BOX.to_string());
        let device = DeviceId([0xb2; 32]);
        let mut value = json!({
            "account": address, "owner_account": address, "device": device, "accounts": [hex, hex],
            "log": LogId::first(BOX), "key": { "hosted": { "gateway": BOX, "label": "x" } },
            "signer": { "gateway": hex }, "names": ["a", "b"], "none": [],
        });
        show_both(&mut value);
        assert_eq!((&value["account"], &value["account_hex"]), (&json!(address), &json!(hex)));
        assert_eq!(value["owner_account_hex"], hex);
        assert_eq!((&value["device"], value.get("device_hex")), (&json!(device), None));
        assert_eq!(value["accounts"], json!([address, address]));
        assert_eq!(value["accounts_hex"], json!([hex, hex]));
        assert_eq!(value["log"], json!({ "gateway": address, "gateway_hex": hex, "epoch": 0 }));
        assert_eq!(value["key"]["hosted"]["gateway_hex"], hex);
        assert_eq!(value["signer"], json!({ "gateway": hex }), "a variant of an enum");
        assert!(value.get("names_hex").is_none() && value.get("none_hex").is_none(), "{value}");
        let before = value.clone();
        show_both(&mut value);
        assert_eq!(value, before);
        // An answer with one field is not a variant.
        let mut alone = json!({ "account": address });
        show_both(&mut alone);
        assert_eq!(alone["account_hex"], hex);
    }
}
