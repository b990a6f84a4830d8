//! Ids of all kinds, as the address book and the command line handle them.

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use std::fmt;
use streembit_keystore::account::{self, ParseAccountError};
use streembit_primitives::{contract::ContractId, AccountId, DeviceId, Hash, PartyId};

/// The number of hexadecimal digits of a short id.
const SHORT_DIGITS: usize = 8;

/// What an id stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    /// A party.
    Party,
    /// An account of a party.
    Account,
    /// A gateway of a party.
    Gateway,
    /// A device.
    Device,
    /// A contract.
    Contract,
}

impl IdKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Party, Self::Account, Self::Gateway, Self::Device, Self::Contract];

    /// Returns the word for the kind.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Party => "party",
            Self::Account => "account",
            Self::Gateway => "gateway",
            Self::Device => "device",
            Self::Contract => "contract",
        }
    }

    /// Returns the word for the kind with its article.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Party => "a party",
            Self::Account => "an account",
            Self::Gateway => "a gateway",
            Self::Device => "a device",
            Self::Contract => "a contract",
        }
    }

    /// Returns true if the ids of this kind are accounts of the chain.
    pub const fn is_account(self) -> bool {
        matches!(self, Self::Account | Self::Gateway)
    }

    /// Returns true if an id of this kind can be given where `wanted` is needed. A party is also given by one of its
    /// accounts or gateways.
    pub fn serves_as(self, wanted: Self) -> bool {
        match wanted {
            Self::Party => self == Self::Party || self.is_account(),
            Self::Account | Self::Gateway => self.is_account(),
            Self::Device | Self::Contract => self == wanted,
        }
    }
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A text is not an id of the expected kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseKnownIdError {
    /// It is not an account.
    #[error(transparent)]
    Account(#[from] ParseAccountError),
    /// It is not an id in hexadecimal.
    #[error("{text:?} is not the id of {}: expected 0x and 64 hexadecimal digits", .kind.with_article())]
    Hexadecimal {
        /// The expected kind.
        kind: IdKind,
        /// The text.
        text: String,
    },
}

/// An id whose kind is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct KnownId {
    /// What the id stands for.
    pub kind: IdKind,
    /// The bytes of the id.
    pub bytes: [u8; 32],
}

impl KnownId {
    /// Parses a whole id: an account in SS58 or hexadecimal, any other id in hexadecimal.
    pub fn parse(kind: IdKind, text: &str) -> Result<Self, ParseKnownIdError> {
        if kind.is_account() {
            return Ok(Self { kind, bytes: account::parse(text)?.0 });
        }
        let refuse = |_| ParseKnownIdError::Hexadecimal { kind, text: text.to_owned() };
        let Hash(bytes) = text.parse::<Hash>().map_err(refuse)?;
        Ok(Self { kind, bytes })
    }

    /// Returns the hexadecimal digits of the id, without `0x`.
    pub fn digits(&self) -> String {
        hex::encode(self.bytes)
    }

    /// Returns the first digits of the id. Where the id is known, commands accept them instead of the whole id.
    pub fn short(&self) -> String {
        let digits: String = self.digits().chars().take(SHORT_DIGITS).collect();
        format!("0x{digits}…")
    }

    /// Returns the texts in which commands write the whole id.
    pub fn whole_texts(&self) -> Vec<String> {
        let mut texts = vec![format!("0x{}", self.digits())];
        if self.kind.is_account() {
            texts.push(account::show(&AccountId(self.bytes)));
        }
        texts
    }
}

impl fmt::Display for KnownId {
    /// Writes an account in SS58, and any other id in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind.is_account() {
            true => f.pad(&account::show(&AccountId(self.bytes))),
            false => f.pad(&format!("0x{}", self.digits())),
        }
    }
}

impl Serialize for KnownId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<PartyId> for KnownId {
    fn from(party: PartyId) -> Self {
        Self { kind: IdKind::Party, bytes: party.0 }
    }
}

impl From<DeviceId> for KnownId {
    fn from(device: DeviceId) -> Self {
        Self { kind: IdKind::Device, bytes: device.0 }
    }
}

impl From<ContractId> for KnownId {
    fn from(contract: ContractId) -> Self {
        Self { kind: IdKind::Contract, bytes: contract.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    #[test]
    fn an_id_is_read_back_and_has_a_short_form() {
        for kind in IdKind::ALL {
            let id = KnownId { kind, bytes: [0xab; 32] };
            assert_eq!(KnownId::parse(kind, &id.to_string()).unwrap(), id);
            assert_eq!(KnownId::parse(kind, &format!("0x{}", "ab".repeat(32))).unwrap(), id);
            assert_eq!(id.short(), "0xabababab…");
            assert!(id.whole_texts().contains(&id.to_string()));
        }
        let alice = KnownId::parse(IdKind::Gateway, ALICE).unwrap();
        assert_eq!((alice.to_string().as_str(), alice.short().as_str()), (ALICE, "0xd43593c7…"));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let error = KnownId::parse(IdKind::Party, ALICE).unwrap_err().to_string();
        assert!(error.contains("a party") && error.contains("64"), "{error}");
        let error = KnownId::parse(IdKind::Account, "0x12\u{1b}").unwrap_err().to_string();
        assert!(error.contains("SS58") && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_party_is_also_given_by_an_account() {
        let serving = |wanted: IdKind| IdKind::ALL.map(|kind| kind.serves_as(wanted));
        assert_eq!(serving(IdKind::Party), [true, true, true, false, false]);
        assert_eq!(serving(IdKind::Account), [false, true, true, false, false]);
        assert_eq!(serving(IdKind::Gateway), [false, true, true, false, false]);
        assert_eq!(serving(IdKind::Device), [false, false, false, true, false]);
        assert_eq!(serving(IdKind::Contract), [false, false, false, false, true]);
    }
}
