//! Calls that a node's pool refuses because they would fail.

use std::fmt;
use streembit_primitives::consortium::invalid_transaction;

/// Why the pool refuses a call that would fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PoolRefusal {
    /// Only the council may make the call.
    NotInCouncil,
    /// There is no such motion, or it is closed.
    NoSuchMotion,
    /// The account has cast the same vote already.
    VotedAlready,
    /// The council has not decided on the code, or it was brought in already.
    NotDecided,
}

impl PoolRefusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NotInCouncil, Self::NoSuchMotion, Self::VotedAlready, Self::NotDecided];

    /// The refusal with this code, or `None` if the code is about something else.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            invalid_transaction::NOT_IN_COUNCIL => Self::NotInCouncil,
            invalid_transaction::NO_SUCH_MOTION => Self::NoSuchMotion,
            invalid_transaction::ALREADY_VOTED => Self::VotedAlready,
            invalid_transaction::NOT_AUTHORIZED => Self::NotDecided,
            _ => return None,
        })
    }
}

impl fmt::Display for PoolRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInCouncil => "the account is not in the council",
            Self::NoSuchMotion => "there is no such motion, or it is closed",
            Self::VotedAlready => "the account has voted so already",
            Self::NotDecided => "the council has not decided on this code, or it was brought in already",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_that_is_about_the_council_is_known() {
        let known = (invalid_transaction::NOT_IN_COUNCIL..=invalid_transaction::NOT_AUTHORIZED)
            .map(PoolRefusal::from_code);
        assert_eq!(known.collect::<Option<Vec<_>>>().unwrap(), PoolRefusal::ALL);
        // The codes of the quota come with what is left of it.
        assert_eq!(
            [invalid_transaction::QUOTA_TIME, invalid_transaction::QUOTA_BYTES, u8::MAX]
                .map(PoolRefusal::from_code),
            [None; 3]
        );
    }
}
