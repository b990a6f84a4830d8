//! The accounts that submit calls, with or without their keys.

use streembit_keystore::KeyPair;
use streembit_primitives::AccountId;

/// An account that submits calls.
pub trait TransactionSigner: Sync {
    /// The account.
    fn account(&self) -> AccountId;

    /// The account's keys, or `None` if another machine has them.
    fn keys(&self) -> Option<&KeyPair>;
}

impl TransactionSigner for KeyPair {
    fn account(&self) -> AccountId {
        KeyPair::account(self)
    }

    fn keys(&self) -> Option<&KeyPair> {
        Some(self)
    }
}

/// An account whose keys this machine may not have.
#[derive(Clone, Debug)]
pub enum Signer {
    /// This machine signs.
    Keys(Box<KeyPair>),
    /// Another machine signs for this account.
    Elsewhere(AccountId),
}

impl Signer {
    /// The account.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Keys(keys) => keys.account(),
            Self::Elsewhere(account) => *account,
        }
    }
}

impl TransactionSigner for Signer {
    fn account(&self) -> AccountId {
        Signer::account(self)
    }

    fn keys(&self) -> Option<&KeyPair> {
        match self {
            Self::Keys(keys) => Some(keys),
            Self::Elsewhere(_) => None,
        }
    }
}

impl From<KeyPair> for Signer {
    fn from(keys: KeyPair) -> Self {
        Self::Keys(Box::new(keys))
    }
}
