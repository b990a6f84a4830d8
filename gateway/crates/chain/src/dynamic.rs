//! Values whose types are known only from a runtime's metadata, as JSON for people.

use super::connect::causes;
use scale_info::{form::PortableForm, PortableRegistry, TypeDef, TypeDefPrimitive, Variant as VariantType};
use serde_json::{json, Map, Value as Json};
use streembit_primitives::Decimal;
use subxt::{
    ext::{
        scale_decode::Field,
        scale_value::{scale::decode_as_fields, Composite, Primitive, Value, ValueDef, Variant},
    },
    metadata::Metadata,
};

/// Decodes the arguments of an encoded call. Returns the problem if it is invalid.
pub(super) fn call_arguments(metadata: &Metadata, call: &[u8]) -> Result<Json, String> {
    let [pallet, index, arguments @ ..] = call else { return Err("it is too short".into()) };
    let variant =
        metadata.pallet_by_call_index(*pallet).and_then(|pallet| pallet.call_variant_by_index(*index));
    decode(metadata, variant.ok_or("there is no such call")?, arguments)
}

/// Decodes the fields of an event. Returns the problem if they are invalid.
pub(super) fn event_fields(
    metadata: &Metadata,
    pallet: u8,
    index: u8,
    fields: &[u8],
) -> Result<Json, String> {
    let variant =
        metadata.pallet_by_event_index(pallet).and_then(|pallet| pallet.event_variant_by_index(index));
    decode(metadata, variant.ok_or("there is no such event")?, fields)
}

fn decode(
    metadata: &Metadata,
    variant: &VariantType<PortableForm>,
    mut bytes: &[u8],
) -> Result<Json, String> {
    let mut fields = variant.fields.iter().map(|field| Field::new(field.ty.id, field.name.as_deref()));
    let types = metadata.types();
    let decoded = decode_as_fields(&mut bytes, &mut fields, types).map_err(|error| causes(&error))?;
    Ok(Shape { types }.fields(&decoded))
}

/// Converts values into JSON. The id of its type belongs to each value.
///
/// A list of bytes becomes hexadecimal digits, or text if it is printable. Wrappers around one value disappear.
struct Shape<'a> {
    types: &'a PortableRegistry,
}

impl Shape<'_> {
    fn value(&self, value: &Value<u32>) -> Json {
        match &value.value {
            ValueDef::Composite(Composite::Unnamed(items)) if self.is_bytes(value.context) => bytes(items),
            ValueDef::Composite(fields) => self.fields(fields),
            ValueDef::Variant(variant) => self.variant(variant),
            ValueDef::BitSequence(bits) => json!(format!("{bits:?}")),
            ValueDef::Primitive(primitive) => primitive_to_json(primitive),
        }
    }

    /// Converts the fields of a struct, a variant, a call or an event, or the items of a list.
    fn fields(&self, fields: &Composite<u32>) -> Json {
        match fields {
            Composite::Named(fields) => {
                let map: Map<_, _> =
                    fields.iter().map(|(name, value)| (name.clone(), self.value(value))).collect();
                decimal(&map).unwrap_or(Json::Object(map))
            }
            Composite::Unnamed(items) => match items.as_slice() {
                [single] => self.value(single),
                items => items.iter().map(|item| self.value(item)).collect(),
            },
        }
    }

    fn variant(&self, variant: &Variant<u32>) -> Json {
        let is_empty = variant.values.is_empty();
        match variant.name.as_str() {
            "None" if is_empty => Json::Null,
            "Some" => self.fields(&variant.values),
            name if is_empty => json!(name),
            name => json!({ name: self.fields(&variant.values) }),
        }
    }

    /// Returns true if a type is a list or an array of bytes. Other small numbers are no bytes.
    fn is_bytes(&self, id: u32) -> bool {
        let item = match self.types.resolve(id).map(|found| &found.type_def) {
            Some(TypeDef::Sequence(list)) => list.type_param.id,
            Some(TypeDef::Array(array)) => array.type_param.id,
            _ => return false,
        };
        let item = self.types.resolve(item).map(|found| &found.type_def);
        matches!(item, Some(TypeDef::Primitive(TypeDefPrimitive::U8)))
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

/// Returns the text or the digits of a list of bytes. An empty list stays a list.
fn bytes(items: &[Value<u32>]) -> Json {
    let byte = |item: &Value<u32>| match &item.value {
        ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(*byte).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = items.iter().filter_map(byte).collect();
    if bytes.is_empty() {
        return json!([]);
    }
    // Ids and hashes are never shown as text, whatever their bytes are.
    let is_id = matches!(bytes.len(), 32 | 64);
    match String::from_utf8(bytes) {
        Ok(text) if !is_id && text.bytes().all(|byte| byte.is_ascii_graphic()) => json!(text),
        Ok(text) => json!(format!("0x{}", hex::encode(text))),
        Err(error) => json!(format!("0x{}", hex::encode(error.as_bytes()))),
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
    use codec::Encode;
    use scale_info::{MetaType, Registry, TypeInfo};
    use streembit_primitives::{
        contract::{
            state::{ContractState, EndReason},
            CommandRule,
        },
        reading::Name,
        Hash,
    };
    use subxt::ext::scale_value::scale::decode_as_type;

    fn shown<T: TypeInfo + Encode + 'static>(value: &T) -> Json {
        let mut registry = Registry::new();
        let id = registry.register_type(&MetaType::new::<T>()).id;
        let types: PortableRegistry = registry.into();
        let value = decode_as_type(&mut &value.encode()[..], id, &types).unwrap();
        Shape { types: &types }.value(&value)
    }

    #[test]
    fn bytes_are_text_or_digits_and_wrappers_disappear() {
        assert_eq!(shown(&b"Vehicle.Speed".to_vec()), json!("Vehicle.Speed"));
        assert_eq!(shown(&b"two words".to_vec()), json!("0x74776f20776f726473"));
        assert_eq!(shown(&[0xffu8]), json!("0xff"));
        assert_eq!(shown(&Hash([b'a'; 32])), json!(format!("0x{}", "61".repeat(32))));
        assert_eq!(shown(&Vec::<u8>::new()), json!([]));
    }

    #[test]
    fn small_numbers_are_no_bytes() {
        assert_eq!(shown(&Some(50u32)), json!(50));
        assert_eq!(shown(&Some(20u8)), json!(20));
        assert_eq!(shown(&vec![50u32, 51]), json!([50, 51]));
        assert_eq!(shown(&(50u8, 51u8)), json!([50, 51]));
        let rule = CommandRule {
            name: Name::try_from("Unlock").unwrap(),
            per_hour: Some(50),
            limits: Default::default(),
        };
        assert_eq!(shown(&rule), json!({ "name": "Unlock", "per_hour": 50, "limits": [] }));
    }

    #[test]
    fn decimals_options_and_variants_read_well() {
        let km: Decimal = "15000.4".parse().unwrap();
        assert_eq!(shown(&Some(km)), json!("15000.4"));
        assert_eq!(shown(&None::<u32>), Json::Null);
        assert_eq!(shown(&ContractState::Active), json!("Active"));
        assert_eq!(shown(&ContractState::Ended(EndReason::Expired)), json!({ "Ended": "Expired" }));
    }
}
