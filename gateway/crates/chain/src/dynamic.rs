//! Values whose types are known only from a runtime's metadata, as JSON for people.

use serde_json::{json, Map, Value as Json};
use streembit_primitives::Decimal;
use subxt::ext::scale_value::{Composite, Primitive, Value, ValueDef, Variant};

/// Converts a value into JSON.
///
/// Bytes become hexadecimal digits, or text in quotes if they are printable. Wrappers around one value disappear.
pub(super) fn to_json<T>(value: &Value<T>) -> Json {
    match &value.value {
        ValueDef::Composite(fields) => fields_to_json(fields),
        ValueDef::Variant(variant) => variant_to_json(variant),
        ValueDef::BitSequence(bits) => json!(format!("{bits:?}")),
        ValueDef::Primitive(primitive) => primitive_to_json(primitive),
    }
}

/// Converts the fields of a struct, a call or an event into JSON.
pub(super) fn fields_to_json<T>(fields: &Composite<T>) -> Json {
    match fields {
        Composite::Named(fields) => {
            let map: Map<_, _> = fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect();
            decimal(&map).unwrap_or(Json::Object(map))
        }
        Composite::Unnamed(items) => bytes(items).unwrap_or_else(|| match items.as_slice() {
            [single] => to_json(single),
            items => items.iter().map(to_json).collect(),
        }),
    }
}

fn variant_to_json<T>(variant: &Variant<T>) -> Json {
    let is_empty = variant.values.is_empty();
    match variant.name.as_str() {
        "None" if is_empty => Json::Null,
        "Some" => fields_to_json(&variant.values),
        name if is_empty => json!(name),
        name => json!({ name: fields_to_json(&variant.values) }),
    }
}

/// Returns the text of a [`Decimal`], which its mantissa and exponent do not show well.
fn decimal(fields: &Map<String, Json>) -> Option<Json> {
    let (mantissa, exponent) = (fields.get("mantissa")?.as_i64()?, fields.get("exponent")?.as_i64()?);
    if fields.len() != 2 {
        return None;
    }
    let decimal = Decimal::new(mantissa, i8::try_from(exponent).ok()?).ok()?;
    Some(json!(decimal.to_string()))
}

/// Returns the text or the digits of a list of bytes, or `None` if the list holds anything else.
fn bytes<T>(items: &[Value<T>]) -> Option<Json> {
    let byte = |item: &Value<T>| match &item.value {
        ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(*byte).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = items.iter().map(byte).collect::<Option<_>>()?;
    if bytes.is_empty() {
        return None;
    }
    // Ids and hashes are never shown as text, whatever their bytes are.
    let is_id = matches!(bytes.len(), 32 | 64);
    match String::from_utf8(bytes) {
        Ok(text) if !is_id && text.bytes().all(|byte| byte.is_ascii_graphic()) => Some(json!(text)),
        Ok(text) => Some(json!(format!("0x{}", hex::encode(text)))),
        Err(error) => Some(json!(format!("0x{}", hex::encode(error.as_bytes())))),
    }
}

fn primitive_to_json(primitive: &Primitive) -> Json {
    match primitive {
        Primitive::Bool(value) => json!(value),
        Primitive::Char(value) => json!(value),
        Primitive::String(value) => json!(value),
        Primitive::U128(value) => u64::try_from(*value).map_or_else(|_| json!(value.to_string()), Json::from),
        Primitive::I128(value) => i64::try_from(*value).map_or_else(|_| json!(value.to_string()), Json::from),
        Primitive::U256(bytes) | Primitive::I256(bytes) => json!(format!("0x{}", hex::encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> Value<()> {
        Value::unnamed_composite(bytes.iter().map(|byte| Value::u128(u128::from(*byte))))
    }

    #[test]
    fn bytes_are_text_or_digits_and_wrappers_disappear() {
        assert_eq!(to_json(&list(b"Vehicle.Speed")), json!("Vehicle.Speed"));
        assert_eq!(to_json(&list(b"two words")), json!("0x74776f20776f726473"));
        assert_eq!(to_json(&list(&[0xff])), json!("0xff"));
        let id = Value::unnamed_composite([list(&[b'a'; 32])]);
        assert_eq!(to_json(&id), json!(format!("0x{}", "61".repeat(32))));
    }

    #[test]
    fn decimals_options_and_variants_read_well() {
        let km = Value::named_composite([("mantissa", Value::i128(150_004)), ("exponent", Value::i128(-1))]);
        assert_eq!(to_json(&Value::unnamed_variant("Some", [km])), json!("15000.4"));
        assert_eq!(to_json(&Value::<()>::unnamed_variant("None", [])), Json::Null);
        assert_eq!(to_json(&Value::<()>::unnamed_variant("Active", [])), json!("Active"));
        let ended = Value::named_variant("Ended", [("block", Value::u128(7))]);
        assert_eq!(to_json(&ended), json!({ "Ended": { "block": 7 } }));
    }
}
