//! Calls that a node's transaction pool rejects because they would fail.

use std::fmt;
use streembit_primitives::consortium::invalid_transaction;

/// The reason why the pool rejects a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolRefusal {
    /// The account votes for no party in the council.
    NotInCouncil,
    /// There is no such motion, or it is closed, or its time is over.
    NoSuchMotion,
    /// The account's party has cast the same vote before.
    AlreadyVoted,
    /// The council has not authorized the code, or the code was applied before.
    NotAuthorized,
    /// The account has ended.
    AccountEnded,
    /// The account's scope does not include the call.
    OutOfScope,
}

impl PoolRefusal {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::NotInCouncil,
        Self::NoSuchMotion,
        Self::AlreadyVoted,
        Self::NotAuthorized,
        Self::AccountEnded,
        Self::OutOfScope,
    ];

    /// The reason with this code, or `None` if the code has another meaning.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            invalid_transaction::NOT_IN_COUNCIL => Self::NotInCouncil,
            invalid_transaction::NO_SUCH_MOTION => Self::NoSuchMotion,
            invalid_transaction::ALREADY_VOTED => Self::AlreadyVoted,
            invalid_transaction::NOT_AUTHORIZED => Self::NotAuthorized,
            invalid_transaction::ACCOUNT_ENDED => Self::AccountEnded,
            invalid_transaction::OUT_OF_SCOPE => Self::OutOfScope,
            _ => return None,
        })
    }
}

impl fmt::Display for PoolRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInCouncil => "the account votes for no party in the council",
            Self::NoSuchMotion => "there is no such motion, or it is closed, or its time is over",
            Self::AlreadyVoted => "the party has cast this vote already",
            Self::NotAuthorized => "the council has not authorized this code, or it was applied already",
            Self::AccountEnded => "the account has ended",
            Self::OutOfScope => "the account's scope does not include the call",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_but_those_of_the_quota_has_a_reason() {
        let known = (invalid_transaction::NOT_IN_COUNCIL..=invalid_transaction::OUT_OF_SCOPE)
            .map(PoolRefusal::from_code);
        assert_eq!(known.collect::<Option<Vec<_>>>().unwrap(), PoolRefusal::ALL);
        // The codes of the quota become `ChainError::OverQuota`.
        assert_eq!(
            [invalid_transaction::QUOTA_TIME, invalid_transaction::QUOTA_BYTES, u8::MAX]
                .map(PoolRefusal::from_code),
            [None; 3]
        );
    }
}
