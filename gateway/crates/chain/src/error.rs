//! The errors of the chain client. What a node has said is shown escaped.

use super::{refusal::PoolRefusal, UnsignedTransaction};
use streembit_keystore::account;
use streembit_primitives::{AccountId, Hash, PartyId, Shown};

/// An error of the chain client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChainError {
    /// The node cannot be reached, or does not answer in time.
    #[error("the node at {node} does not answer: {}", Shown(.problem))]
    Unreachable {
        /// The node's address.
        node: String,
        /// The cause.
        problem: String,
    },
    /// The connection to a node on another machine would be unencrypted, and was not allowed.
    #[error(
        "the address {node} is on another machine and unencrypted: whoever is on the path could answer in the node's place"
    )]
    PlainRemote {
        /// The node's address.
        node: String,
    },
    /// After a reconnect, the node at the same address serves another chain.
    #[error(
        "the node at {node} now serves another chain: its genesis hash is {now}, before it was {before}"
    )]
    OtherChain {
        /// The node's address.
        node: String,
        /// The genesis hash when the client connected.
        before: Hash,
        /// The genesis hash now.
        now: Hash,
    },
    /// The chain's runtime is not compatible with this program.
    #[error("the chain's runtime (version {version}) is not compatible with this program: {difference}")]
    Runtime {
        /// The runtime version.
        version: u32,
        /// The first incompatibility.
        difference: String,
    },
    /// The node sent a response that could not be decoded or makes no sense.
    #[error("the node's response to the request for {request} is invalid: {}", Shown(.problem))]
    InvalidResponse {
        /// The requested data.
        request: String,
        /// The reason why the response is invalid.
        problem: String,
    },
    /// The node answered a request with an error.
    #[error("the node rejected the request for {request}: {}", Shown(.message))]
    RequestFailed {
        /// The requested data.
        request: String,
        /// The node's error message.
        message: String,
    },
    /// The account may not submit transactions: it belongs to no party.
    #[error("the account {} may not submit to this chain", account::show(.account))]
    NotPermitted {
        /// The account.
        account: AccountId,
    },
    /// The quota of the account's party has too little left for the call.
    #[error("the quota of {} has too little left for {call}: {}", .party, .left)]
    OverQuota {
        /// The call.
        call: String,
        /// The party whose quota is charged.
        party: PartyId,
        /// The rest of the quota, its size and the time of the next refill, as text.
        left: String,
    },
    /// The node's transaction pool rejects a call that would fail.
    #[error("the node rejected {call}: {reason}")]
    WouldFail {
        /// The call.
        call: String,
        /// The reason why it would fail.
        reason: PoolRefusal,
    },
    /// The node's transaction pool rejects the transaction for another reason.
    #[error("the node rejected {call}: {}", Shown(.message))]
    Refused {
        /// The call.
        call: String,
        /// The node's error message.
        message: String,
    },
    /// The call is in a finalized block, and its execution failed.
    #[error("{call} failed on the chain: {} ({})", Shown(.docs), Shown(.error))]
    Dispatch {
        /// The call.
        call: String,
        /// The error, as `Pallet::Error` or as the runtime names it.
        error: String,
        /// The documentation of the error in the runtime's metadata.
        docs: String,
    },
    /// The call is prepared, but this machine does not have the account's key.
    #[error("{call} is prepared, but not signed")]
    NotSigned {
        /// The call.
        call: String,
        /// The transaction, for another machine to sign.
        unsigned: Box<UnsignedTransaction>,
    },
    /// Every transaction that was signed for the call was dropped before a block included it.
    #[error("{call} was not included in a block: {problem}")]
    Lost {
        /// The call.
        call: String,
        /// The reason why the last transaction was dropped.
        problem: String,
    },
    /// The transaction was sent, but did not become final in time.
    #[error("{call} was sent, but was not finalized within {seconds} s")]
    Unfinalized {
        /// The call.
        call: String,
        /// The time limit, in seconds.
        seconds: u64,
    },
}

impl ChainError {
    /// Returns true if the same request may succeed later without any change to it.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Unfinalized { .. } | Self::OverQuota { .. }
        )
    }

    /// Returns true if the node has pruned the state of the block that the request is about.
    pub fn is_pruned(&self) -> bool {
        // The error of `sp_blockchain`. A node that has discarded a state answers `State already discarded for …` after it.
        matches!(self, Self::RequestFailed { message, .. } if message.contains("UnknownBlock"))
    }

    /// The `Pallet::Error` that the call failed with, or `None` for any other error.
    pub fn dispatch_error(&self) -> Option<&str> {
        match self {
            Self::Dispatch { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pruned_state_is_told_from_other_errors() {
        let failed =
            |message: &str| ChainError::RequestFailed { request: "x".into(), message: message.into() };
        assert!(failed("Client error: UnknownBlock: State already discarded for 0x01").is_pruned());
        assert!(!failed("Too many requests").is_pruned());
        assert!(!ChainError::Lost { call: "x".into(), problem: "UnknownBlock".into() }.is_pruned());
    }
}
