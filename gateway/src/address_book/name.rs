//! The names in an address book.

use serde::Serialize;
use std::{borrow::Borrow, fmt, str::FromStr};

/// The maximum length of a name.
pub const MAX_NAME_LENGTH: usize = 32;

/// A name in an address book: 1 to 32 letters, digits, `-` and `_`, beginning with a letter.
///
/// No id is such a text: ids in hexadecimal begin with `0x` or have 64 digits, and SS58 addresses are longer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct EntryName(String);

/// A text is not a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a name: use 1 to {MAX_NAME_LENGTH} letters (a to z), digits, - and _, and begin with a letter")]
pub struct InvalidNameError(String);

impl EntryName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntryName {
    type Err = InvalidNameError;

    fn from_str(text: &str) -> Result<Self, InvalidNameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let begins_with_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins_with_letter && text.len() <= MAX_NAME_LENGTH && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for EntryName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_grammar() {
        for name in ["a", "anna", "Anna-2", "x_y", &"n".repeat(32)] {
            assert_eq!(name.parse::<EntryName>().unwrap().as_str(), name);
        }
        for text in
            ["", "2cv", "-a", "0xab", "anna b", "anna.b", "größe", "a\n", "\u{202e}anna", &"n".repeat(33)]
        {
            let error = text.parse::<EntryName>().unwrap_err().to_string();
            assert!(error.contains("begin with a letter"), "{error}");
            assert!(!error.contains(['\n', '\u{202e}']), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_never_reads_as_an_id(name in "[A-Za-z][A-Za-z0-9_-]{0,31}") {
            let name: EntryName = name.parse().unwrap();
            prop_assert!(name.as_str().parse::<streembit_primitives::Hash>().is_err());
            prop_assert!(streembit_keystore::account::parse(name.as_str()).is_err());
        }
    }
}
