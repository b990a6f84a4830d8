//! What a user writes for a party, account, gateway, device or contract.

use crate::address_book::{EntryName, MAX_NAME_LENGTH};
use std::{fmt, str::FromStr};
use streembit_keystore::account::{self, ParseAccountError};
use streembit_primitives::{AccountId, Hash};

/// The least number of hexadecimal digits of the beginning of an id.
pub const MIN_DIGITS: usize = 4;

/// The number of hexadecimal digits of a whole id.
const ALL_DIGITS: usize = 64;

/// A party, account, gateway, device or contract, as a user writes it. A [`super::Resolver`] finds its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference {
    /// A whole id in hexadecimal.
    Id([u8; 32]),
    /// A whole account in SS58.
    Account(AccountId),
    /// The first hexadecimal digits of an id, in lower case and without `0x`.
    Beginning(String),
    /// A name.
    Name(String),
}

/// A text refers to nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseReferenceError {
    /// The beginning of an id is too short.
    #[error(
        "{0:?} is too short: give at least {MIN_DIGITS} of the {ALL_DIGITS} hexadecimal digits after 0x"
    )]
    TooShort(String),
    /// It is too long for a name, and not an account either.
    #[error(transparent)]
    Account(#[from] ParseAccountError),
    /// It is neither an id, nor the beginning of one, nor a name.
    #[error("{0:?} is neither an id nor a name: expected 0x and the {ALL_DIGITS} hexadecimal digits of an id or at least {MIN_DIGITS} of them, an account as an SS58 address, or a name")]
    Malformed(String),
}

impl Reference {
    /// Parses a device on the machine of its gateway. Names in a gateway's configuration may begin with a digit.
    pub fn of_device(text: &str) -> Result<Self, ParseReferenceError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name =
            |text: &str| !text.is_empty() && text.len() <= MAX_NAME_LENGTH && text.chars().all(allowed);
        Self::parse(text, is_name)
    }

    fn parse(text: &str, is_name: impl Fn(&str) -> bool) -> Result<Self, ParseReferenceError> {
        if let Some(digits) = text.strip_prefix("0x") {
            // Short ids are shown with an ellipsis.
            return Self::from_digits(text, digits.trim_end_matches('…'));
        }
        if let Ok(Hash(bytes)) = text.parse::<Hash>() {
            return Ok(Self::Id(bytes));
        }
        match account::parse(text) {
            Ok(account) => Ok(Self::Account(account)),
            Err(_) if is_name(text) => Ok(Self::Name(text.to_owned())),
            Err(error) if text.len() > MAX_NAME_LENGTH => Err(error.into()),
            Err(_) => Err(ParseReferenceError::Malformed(text.to_owned())),
        }
    }

    fn from_digits(text: &str, digits: &str) -> Result<Self, ParseReferenceError> {
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !are_digits || digits.len() > ALL_DIGITS {
            return Err(ParseReferenceError::Malformed(text.to_owned()));
        }
        if digits.len() < MIN_DIGITS {
            return Err(ParseReferenceError::TooShort(text.to_owned()));
        }
        Ok(match digits.parse::<Hash>() {
            Ok(Hash(bytes)) => Self::Id(bytes),
            Err(_) => Self::Beginning(digits.to_ascii_lowercase()),
        })
    }

    /// Returns the name, or `None` if this is an id or the beginning of one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Id(_) | Self::Account(_) | Self::Beginning(_) => None,
        }
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        Self::parse(text, |text| text.parse::<EntryName>().is_ok())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(bytes) => Hash(*bytes).fmt(f),
            Self::Account(account) => f.pad(&account::show(account)),
            Self::Beginning(digits) => f.pad(&format!("0x{digits}")),
            Self::Name(name) => f.pad(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    fn parse(text: &str) -> Result<Reference, ParseReferenceError> {
        text.parse()
    }

    #[test]
    fn ids_beginnings_and_names_are_told_apart() {
        let id = [0xab; 32];
        let digits = "ab".repeat(32);
        for text in [format!("0x{digits}"), digits.clone(), format!("0x{}", digits.to_uppercase())] {
            assert_eq!(parse(&text), Ok(Reference::Id(id)), "{text}");
        }
        assert_eq!(parse(ALICE), Ok(Reference::Account(account::parse(ALICE).unwrap())));
        for text in ["0x12ab", "0x12AB", "0x12ab…"] {
            assert_eq!(parse(text), Ok(Reference::Beginning("12ab".into())), "{text}");
        }
        assert_eq!(parse("anna"), Ok(Reference::Name("anna".into())));
        // Only a gateway's configuration has names that begin with a digit.
        assert!(parse("2cv").is_err());
        assert_eq!(Reference::of_device("2cv"), Ok(Reference::Name("2cv".into())));
        assert_eq!(Reference::of_device("0x12ab"), Ok(Reference::Beginning("12ab".into())));
    }

    #[test]
    fn errors_say_what_is_expected() {
        let typo = ALICE.replace("QY", "QZ");
        for (text, problem) in [
            ("", "at least 4"),
            ("0x", "at least 4 of the 64"),
            ("0x12a", "at least 4 of the 64"),
            ("0x12ag", "SS58"),
            ("0xab…cd", "SS58"),
            ("5GrwvaEF", "SS58"),
            ("an na", "a name"),
            (&typo, "checksum"),
            (&format!("0x{}", "ab".repeat(33)), "64"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let error = Reference::of_device("\u{1b}[2J").unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "(0x[0-9a-f]{4,64}|[a-z][a-z0-9_-]{0,31}|[0-9a-f]{64})") {
            let reference = parse(&text).unwrap();
            prop_assert_eq!(parse(&reference.to_string()).unwrap(), reference);
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = (parse(&text), Reference::of_device(&text));
        }
    }
}
