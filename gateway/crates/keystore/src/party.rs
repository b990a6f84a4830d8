//! How people name a party: by its id, or by one of its accounts.

use crate::account::{self, ParseAccountError};
use std::{fmt, str::FromStr};
use streembit_primitives::{AccountId, PartyId};

/// The name of a party, as a person writes it. Only the chain knows the party of an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PartyName {
    /// One of its accounts, as an SS58 address.
    Account(AccountId),
    /// 64 hexadecimal digits: the id of the party, or one of its accounts.
    Digits([u8; 32]),
}

impl PartyName {
    /// Returns the id that the name most likely stands for, without asking the chain: the id itself, or that of the
    /// party that the account founded. It is wrong for a party's further accounts.
    pub fn likely_id(&self) -> PartyId {
        match self {
            Self::Account(account) => PartyId::of_first_account(account),
            Self::Digits(digits) => PartyId(*digits),
        }
    }
}

impl From<PartyId> for PartyName {
    fn from(party: PartyId) -> Self {
        Self::Digits(party.0)
    }
}

impl FromStr for PartyName {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, ParseAccountError> {
        let account = account::parse(text)?;
        Ok(if text.starts_with("0x") { Self::Digits(account.0) } else { Self::Account(account) })
    }
}

impl fmt::Display for PartyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => f.pad(&account::show(account)),
            Self::Digits(digits) => PartyId(*digits).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_address_or_digits_and_is_shown_as_it_was_given() {
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        let account = account::parse(alice).unwrap();
        let (address, digits): (PartyName, PartyName) =
            (alice.parse().unwrap(), account.to_string().parse().unwrap());
        assert_eq!((address, digits), (PartyName::Account(account), PartyName::Digits(account.0)));
        assert_eq!((address.to_string(), digits.to_string()), (alice.to_owned(), account.to_string()));
        assert_eq!(address.likely_id(), PartyId::of_first_account(&account));
        assert_eq!(digits.likely_id(), PartyId(account.0));
        assert!("alice".parse::<PartyName>().is_err());
    }
}
