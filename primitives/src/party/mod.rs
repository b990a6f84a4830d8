//! Parties: their ids, their accounts, and what each account may do.
//!
//! A party is an organisation or a person. Accounts are the keys that act for it: of its owners, its employees, or cold
//! keys. Each has a scope, and may have an end. The id of a party survives a change of its accounts.

mod consent;
mod encryption_key;

pub use consent::AccountConsent;
pub use encryption_key::{EncryptionKey, WeakEncryptionKeyError};

use crate::{hash::Domain, AccountId, BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// The maximum number of accounts of a party. Gateways do not count.
pub const MAX_ACCOUNTS: u32 = 16;

/// The id of a party: the hash of its first account, so that the id survives a change of accounts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct PartyId(pub [u8; 32]);

crate::hex_id::impl_hex_text!(PartyId, 32);

impl PartyId {
    /// Returns the id of the party whose first account this is.
    pub fn of_first_account(account: &AccountId) -> Self {
        Self(Domain::PartyId.hash_of(account).0)
    }
}

/// What an account may do for its party.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Scope {
    /// Everything. Only such an account manages the party's accounts, votes in the council and validates.
    All,
    /// Proposes and accepts contracts, and reports, records and confirms under them.
    Contracts,
    /// Registers the party's devices, changes their keys, logs and states, and sells and buys devices.
    Devices,
    /// Signs commands to devices.
    Commands,
    /// Adds and removes the party's gateways, and closes and opens their logs.
    Gateway,
}

impl Scope {
    /// All scopes.
    pub const LIST: [Self; 5] = [Self::All, Self::Contracts, Self::Devices, Self::Commands, Self::Gateway];

    /// Returns the name of the scope, as in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Contracts => "contracts",
            Self::Devices => "devices",
            Self::Commands => "commands",
            Self::Gateway => "gateway",
        }
    }

    /// Returns true if an account with this scope may do what needs the scope `needed`.
    pub fn includes(self, needed: Self) -> bool {
        self == Self::All || self == needed
    }

    /// Returns true if an account with this scope may receive what its party may read.
    ///
    /// Accounts that only sign contracts or manage gateways have no use for readings.
    pub const fn may_read(self) -> bool {
        match self {
            Self::All | Self::Devices | Self::Commands => true,
            Self::Contracts | Self::Gateway => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text is not the name of a scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseScopeError;

impl fmt::Display for ParseScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a scope: use all, contracts, devices, commands or gateway")
    }
}

impl core::error::Error for ParseScopeError {}

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        Self::LIST.into_iter().find(|scope| scope.name() == text).ok_or(ParseScopeError)
    }
}

/// An account of a party.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PartyAccount {
    /// The account.
    pub account: AccountId,
    /// What it may do.
    pub scope: Scope,
    /// The number of the block in which it was added, 0 for the genesis.
    pub since: u32,
    /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
    pub until: Option<u64>,
}

impl PartyAccount {
    /// Returns true if the account may do everything and does not end. A party always has such an account.
    pub fn is_permanent(&self) -> bool {
        self.scope == Scope::All && self.until.is_none()
    }

    /// Returns the role of the account.
    pub fn role(&self) -> Role {
        Role::Account { scope: self.scope, until: self.until }
    }
}

/// A party, as the chain records it.
#[derive(
    Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PartyRecord {
    /// The number of the block in which it became a party, 0 for a founder. `None` if it became one on the chain that
    /// this chain continues.
    pub since: Option<u32>,
    /// The key that keys for the party are encrypted to, or `None` if the party has not set one.
    pub encryption_key: Option<EncryptionKey>,
    /// Its accounts, in the order in which they were added.
    pub accounts: BoundedVec<PartyAccount, ConstU32<MAX_ACCOUNTS>>,
}

impl PartyRecord {
    /// Returns the entry of an account, or `None` if the account is not the party's.
    pub fn account(&self, account: &AccountId) -> Option<&PartyAccount> {
        self.accounts.iter().find(|entry| entry.account == *account)
    }
}

/// How an account acts for its party.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Role {
    /// It is one of the party's accounts.
    Account {
        /// What it may do.
        scope: Scope,
        /// When it ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
        until: Option<u64>,
    },
    /// It is one of the party's gateways.
    Gateway,
}

impl Role {
    /// Returns when the role ends (exclusive), in milliseconds since 1970-01-01 UTC, or `None` if it does not end.
    pub const fn until(&self) -> Option<u64> {
        match self {
            Self::Account { until, .. } => *until,
            Self::Gateway => None,
        }
    }

    /// Returns true if the role has ended at `now`, in milliseconds since 1970-01-01 UTC.
    pub fn has_ended(&self, now: u64) -> bool {
        self.until().is_some_and(|until| until <= now)
    }

    /// Returns true if the role includes a scope. A gateway has none of the scopes.
    pub fn includes(&self, needed: Scope) -> bool {
        matches!(self, Self::Account { scope, .. } if scope.includes(needed))
    }

    /// Returns true if the account may receive what its party may read. A party's gateway may not: it keeps logs, and
    /// is not a reader of other logs.
    pub const fn may_read(&self) -> bool {
        match self {
            Self::Account { scope, .. } => scope.may_read(),
            Self::Gateway => false,
        }
    }

    /// Returns true if the account may validate. It must not end, because a validator does not stop by the mere
    /// passing of time.
    pub fn may_validate(&self) -> bool {
        matches!(self, Self::Account { scope: Scope::All, until: None } | Self::Gateway)
    }
}

/// The party that an account acts for, and how.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccountRole {
    /// The party.
    pub party: PartyId,
    /// How the account acts for it.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId([1; 32]);

    #[test]
    fn a_party_id_is_in_its_own_domain() {
        let id = PartyId::of_first_account(&ACCOUNT);
        assert_eq!(id.0, blake3::derive_key("streembit v1 party id", &ACCOUNT.0));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn only_all_includes_other_scopes() {
        for scope in Scope::LIST {
            assert_eq!(scope.to_string().parse(), Ok(scope));
            for needed in Scope::LIST {
                assert_eq!(scope.includes(needed), scope == Scope::All || scope == needed);
                let role = Role::Account { scope, until: None };
                assert_eq!(role.includes(needed), scope.includes(needed));
                assert!(!Role::Gateway.includes(needed));
            }
        }
        for text in ["", "All", "contract", "al"] {
            assert_eq!(text.parse::<Scope>(), Err(ParseScopeError), "{text}");
        }
    }

    #[test]
    fn an_end_is_exclusive() {
        let role = |until| Role::Account { scope: Scope::All, until };
        assert!(!role(Some(10)).has_ended(9) && role(Some(10)).has_ended(10));
        assert!(!role(None).has_ended(u64::MAX) && !Role::Gateway.has_ended(u64::MAX));
    }

    #[test]
    fn who_reads_and_who_validates() {
        let with = |scope, until| Role::Account { scope, until };
        let readers = Scope::LIST.map(|scope| with(scope, None).may_read());
        assert_eq!(readers, [true, false, true, true, false]);
        let validators = Scope::LIST.map(|scope| with(scope, None).may_validate());
        assert_eq!(validators, [true, false, false, false, false]);
        assert!(!with(Scope::All, Some(1)).may_validate(), "an account that ends");
        assert!(Role::Gateway.may_validate() && !Role::Gateway.may_read());
    }

    #[test]
    fn a_record_finds_its_accounts() {
        let entry = PartyAccount { account: ACCOUNT, scope: Scope::All, since: 3, until: None };
        let mut record = PartyRecord::default();
        assert_eq!(record.account(&ACCOUNT), None);
        record.accounts.try_push(entry).unwrap();
        assert_eq!(record.account(&ACCOUNT), Some(&entry));
        assert!(entry.is_permanent());
        assert!(!PartyAccount { until: Some(1), ..entry }.is_permanent());
        assert!(!PartyAccount { scope: Scope::Devices, ..entry }.is_permanent());
    }
}
