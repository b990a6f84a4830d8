//! Formats and parses accounts as SS58 addresses with the generic Substrate prefix.

use sp_core::crypto::{AccountId32, Ss58AddressFormat, Ss58Codec};
use streembit_primitives::AccountId;

/// The SS58 prefix of the chain's addresses.
pub const PREFIX: u16 = 42;

/// The text is not an account.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not an account: {problem}; expected an SS58 address such as 5Grwva… or 0x and 64 hexadecimal digits")]
pub struct ParseAccountError {
    text: String,
    problem: String,
}

/// Returns the SS58 address of an account.
pub fn show(account: &AccountId) -> String {
    AccountId32::new(account.0).to_ss58check_with_version(Ss58AddressFormat::custom(PREFIX))
}

/// Parses an SS58 address with this chain's prefix, or `0x` and 64 hexadecimal digits.
pub fn parse(text: &str) -> Result<AccountId, ParseAccountError> {
    let refuse = |problem: String| ParseAccountError { text: text.to_owned(), problem };
    if text.starts_with("0x") {
        return text
            .parse()
            .map_err(|error: streembit_primitives::hex_id::ParseIdError| refuse(error.to_string()));
    }
    let (account, format) =
        AccountId32::from_ss58check_with_version(text).map_err(|error| refuse(error.to_string()))?;
    let prefix = u16::from(format);
    if prefix != PREFIX {
        return Err(refuse(format!(
            "its SS58 prefix {prefix} belongs to another chain; this chain has the prefix {PREFIX}"
        )));
    }
    Ok(AccountId(account.into()))
}

/// Serializes an account as its SS58 address: `#[serde(with = "account::ss58")]`.
pub mod ss58 {
    use super::AccountId;
    use serde::{de::Error as _, Deserialize as _, Deserializer, Serializer};

    /// Serializes the account as its SS58 address.
    pub fn serialize<S: Serializer>(account: &AccountId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::show(account))
    }

    /// Deserializes an SS58 address or hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccountId, D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    #[test]
    fn both_forms_are_parsed_and_formatted_as_ss58() {
        let alice = parse(ALICE).unwrap();
        assert_eq!(alice.to_string(), "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d");
        assert_eq!(parse(&alice.to_string()).unwrap(), alice);
        assert_eq!(show(&alice), ALICE);
    }

    #[test]
    fn invalid_accounts_and_those_of_other_chains_are_rejected() {
        // Alice's key with another chain's prefix (0), a mistyped letter, too few digits, and an empty text.
        for (text, problem) in [
            ("15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5", "belongs to another chain"),
            ("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ", "checksum"),
            ("0xd43593", "hexadecimal"),
            ("", "not an account"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
