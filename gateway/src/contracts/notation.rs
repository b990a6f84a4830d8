//! How values are written in a contract file.

use serde::{de::Error as _, Deserialize, Deserializer, Serialize, Serializer};
use streembit_clock::PeriodEnd;
use streembit_keystore::party::PartyName;
use streembit_primitives::{BoundedVec, ConstU32, Decimal};

/// A bounded list whose error for too many items names the bound.
#[derive(Clone)]
pub(super) struct List<T, const N: u32>(pub BoundedVec<T, ConstU32<N>>);

impl<T: Serialize, const N: u32> Serialize for List<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>, const N: u32> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        let count = items.len();
        BoundedVec::try_from(items).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "the list has {count} items, but at most {N} are allowed: split the contract"
            ))
        })
    }
}

/// A party: its id, or one of its accounts in SS58 or hexadecimal notation.
#[derive(Clone, Copy)]
pub(super) struct Party(pub PartyName);

impl Serialize for Party {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Party {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A decimal: a TOML integer, or a TOML string if it has a fraction, because TOML floats are not exact.
#[derive(Clone, Copy)]
pub(super) struct Number(pub Decimal);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_string().parse::<i64>() {
            Ok(whole) => serializer.serialize_i64(whole),
            Err(_) => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(whole) => whole.to_string(),
            toml::Value::String(text) => text,
            toml::Value::Float(float) => {
                return Err(D::Error::custom(format!(
                    "a number with a fraction must be in quotes to be exact: \"{float}\""
                )))
            }
            other => return Err(D::Error::custom(format!("expected a number, not a {}", other.type_str()))),
        };
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
    }
}

/// The end of a period: a day, or an exact time.
#[derive(Clone, Copy)]
pub(super) struct EndText(pub PeriodEnd);

impl Serialize for EndText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EndText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Maps each item of a bounded list.
pub(super) fn map<A, B, const N: u32>(
    items: BoundedVec<A, ConstU32<N>>,
    change: impl Fn(A) -> B,
) -> BoundedVec<B, ConstU32<N>> {
    BoundedVec::truncate_from(items.into_iter().map(change).collect())
}
