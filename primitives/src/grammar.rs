//! Texts with a fixed grammar: the names, units and sources of readings.
//!
//! They reach the chain's state, so they hold no free text: no spaces, no control characters, nothing but ASCII.

use crate::Text;
use alloc::{
    format,
    string::{String, ToString as _},
};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Why a text does not fit a grammar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrammarError {
    /// The text is empty.
    Empty,
    /// The text is longer than allowed.
    TooLong {
        /// The length of the text, in bytes.
        length: usize,
        /// The maximum length, in bytes.
        limit: u32,
    },
    /// A character is not allowed, or not at its position.
    Character {
        /// The character.
        character: char,
        /// The characters that are allowed.
        allowed: &'static str,
    },
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { length, limit } => {
                write!(f, "it has {length} bytes, but at most {limit} are allowed: shorten it")
            }
            Self::Character { character, allowed } => {
                write!(f, "it contains {character:?}, but only {allowed} are allowed")
            }
        }
    }
}

impl core::error::Error for GrammarError {}

/// Defines a text type whose content `$check` has accepted.
macro_rules! grammar_text {
    ($(#[$doc:meta])* $name:ident, $limit:literal, $check:path) => {
        $(#[$doc])*
        #[derive(
            Clone,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Debug,
            Encode,
            DecodeWithMemTracking,
            MaxEncodedLen,
            TypeInfo,
        )]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $name(Text<$limit>);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = GrammarError;

            fn try_from(text: &str) -> Result<Self, GrammarError> {
                let too_long = GrammarError::TooLong { length: text.len(), limit: $limit };
                let bounded = Text::try_from(text).map_err(|_| too_long)?;
                $check(text)?;
                Ok(Self(bounded))
            }
        }

        impl TryFrom<String> for $name {
            type Error = GrammarError;

            fn try_from(text: String) -> Result<Self, GrammarError> {
                Self::try_from(text.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = GrammarError;

            fn from_str(text: &str) -> Result<Self, GrammarError> {
                Self::try_from(text)
            }
        }

        impl Decode for $name {
            fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
                let text = Text::<$limit>::decode(input)?;
                $check(text.as_str()).map_err(|_| Error::from("the text does not fit its grammar"))?;
                Ok(Self(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::try_from(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

grammar_text! {
    /// The name of a reading: a COVESA VSS path for vehicles (`Vehicle.TraveledDistance`), otherwise a SenML name.
    ///
    /// 1 to 96 letters, digits and `-:./_`, of which the first is a letter or a digit (RFC 8428, section 4.5.1).
    Name, 96, check_name
}

grammar_text! {
    /// A unit: a VSS unit for vehicle signals (`km`, `rpm`), otherwise one of the SenML registries (RFC 8428, RFC 8798).
    ///
    /// Up to 16 letters, digits and `%/*^._-`; empty if the value has no unit.
    #[derive(Default)]
    Unit, 16, check_unit
}

grammar_text! {
    /// The source of a reading: the adapter that read it and, if it is known, what the adapter asked for (`obd:01A6`,
    /// `senml`, `sensor`). An odometer value read from the car is more trustworthy than one typed in.
    ///
    /// 1 to 32 characters: lower-case letters and digits, then optionally a colon and letters, digits and `:./_-`.
    Source, 32, check_source
}

impl Source {
    /// Returns the source of what a device measured and signed itself.
    pub fn sensor() -> Self {
        Self::of_adapter("sensor", "")
    }

    /// Returns the source of an adapter's reading, with what the adapter asked for unless it is empty.
    ///
    /// Characters that the grammar does not allow are left out, and a text that is too long is cut.
    pub fn of_adapter(adapter: &str, detail: &str) -> Self {
        let adapter: String = adapter.chars().filter(|c| is_adapter(*c)).take(15).collect();
        let detail: String = detail.chars().filter(|c| is_detail(*c)).take(16).collect();
        let adapter = if adapter.is_empty() { "unknown".to_string() } else { adapter };
        let text = if detail.is_empty() { adapter } else { format!("{adapter}:{detail}") };
        Self(Text::try_from(text).unwrap_or_default())
    }
}

fn is_adapter(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}

fn is_detail(character: char) -> bool {
    character.is_ascii_alphanumeric() || ":./_-".contains(character)
}

fn check_name(text: &str) -> Result<(), GrammarError> {
    let first = text.chars().next().ok_or(GrammarError::Empty)?;
    if !first.is_ascii_alphanumeric() {
        return Err(GrammarError::Character {
            character: first,
            allowed: "letters and digits at the beginning",
        });
    }
    all(text, "letters, digits and -:./_", |c| c.is_ascii_alphanumeric() || "-:./_".contains(c))
}

fn check_unit(text: &str) -> Result<(), GrammarError> {
    all(text, "letters, digits and %/*^._-", |c| c.is_ascii_alphanumeric() || "%/*^._-".contains(c))
}

fn check_source(text: &str) -> Result<(), GrammarError> {
    let (adapter, detail) = match text.split_once(':') {
        Some((adapter, detail)) => (adapter, Some(detail)),
        None => (text, None),
    };
    if adapter.is_empty() || detail == Some("") {
        return Err(GrammarError::Empty);
    }
    all(adapter, "lower-case letters and digits before the colon", is_adapter)?;
    all(detail.unwrap_or_default(), "letters, digits and :./_- after the colon", is_detail)
}

fn all(text: &str, allowed: &'static str, is_allowed: impl Fn(char) -> bool) -> Result<(), GrammarError> {
    match text.chars().find(|character| !is_allowed(*character)) {
        Some(character) => Err(GrammarError::Character { character, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_units_and_sources_of_the_field_are_accepted() {
        for name in ["Vehicle.TraveledDistance", "urn:dev:ow:10e2073a01080063:temp", "0x00158d/state", "a"] {
            assert_eq!(Name::try_from(name).unwrap().as_str(), name);
        }
        for unit in ["", "km", "%RH", "m/s2", "m/s^2", "beat/min", "/1000", "l/100km", "Cel", "dBm"] {
            assert_eq!(Unit::try_from(unit).unwrap().as_str(), unit);
        }
        for source in ["sensor", "senml", "obd:01A6", "mqtt", "zigbee:0x0402", "modbus:40001"] {
            assert_eq!(Source::try_from(source).unwrap().as_str(), source);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let character = |character, allowed| Err(GrammarError::Character { character, allowed });
        assert_eq!(Name::try_from(""), Err(GrammarError::Empty));
        assert_eq!(
            Name::try_from("_a").unwrap_err().to_string(),
            "it contains '_', but only letters and digits at the beginning are allowed"
        );
        assert_eq!(Name::try_from("a b").map(|_| ()), character(' ', "letters, digits and -:./_"));
        assert_eq!(Name::try_from("é").map(|_| ()), character('é', "letters and digits at the beginning"));
        assert_eq!(
            Name::try_from("a".repeat(97)).map(|_| ()),
            Err(GrammarError::TooLong { length: 97, limit: 96 })
        );
        assert_eq!(Unit::try_from("°C").map(|_| ()), character('°', "letters, digits and %/*^._-"));
        for source in ["", ":", "obd:", ":01"] {
            assert_eq!(Source::try_from(source), Err(GrammarError::Empty), "{source}");
        }
        for source in ["OBD:01", "obd 01", "obd:0\u{202e}1"] {
            assert!(Source::try_from(source).is_err(), "{source}");
        }
    }

    proptest! {
        #[test]
        fn a_text_decodes_exactly_if_it_can_be_made(text in "\\PC{0,40}|[a-z0-9]{1,20}(:[A-F0-9]{1,20})?") {
            let bytes = text.encode();
            prop_assert_eq!(Name::decode(&mut &*bytes).is_ok(), Name::try_from(text.as_str()).is_ok());
            prop_assert_eq!(Unit::decode(&mut &*bytes).is_ok(), Unit::try_from(text.as_str()).is_ok());
            prop_assert_eq!(Source::decode(&mut &*bytes).is_ok(), Source::try_from(text.as_str()).is_ok());
        }

        #[test]
        fn every_source_of_an_adapter_fits_the_grammar(adapter in "\\PC{0,40}", detail in "\\PC{0,40}") {
            let source = Source::of_adapter(&adapter, &detail);
            prop_assert_eq!(Source::try_from(source.as_str()), Ok(source));
        }
    }
}
