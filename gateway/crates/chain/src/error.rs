//! What goes wrong between this program and the chain, and what to do about it.

use super::refusal::PoolRefusal;
use streembit_keystore::account;
use streembit_primitives::{AccountId, Hash};

/// What went wrong, with what, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChainError {
    /// The node does not answer.
    #[error("the node at {node} does not answer: {problem}")]
    Away {
        /// Which node.
        node: String,
        /// What was met.
        problem: String,
    },
    /// After a break, the node at the same address serves another chain.
    #[error("the node at {node} now serves another chain (genesis {now}, before {before})")]
    OtherChain {
        /// Which node.
        node: String,
        /// The genesis hash that this client was connected to.
        before: Hash,
        /// The genesis hash met now.
        now: Hash,
    },
    /// The node runs a runtime that this program does not fit to.
    #[error("the chain's runtime (version {version}) is not the one that this program was built for: {difference}")]
    Runtime {
        /// The runtime's version.
        version: u32,
        /// The first difference.
        difference: String,
    },
    /// An answer that makes no sense.
    #[error("the node's answer to {question} cannot be understood: {problem}")]
    Answer {
        /// What was asked.
        question: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The node says no to a question.
    #[error("the node refuses {question}: {message}")]
    Question {
        /// What was asked.
        question: String,
        /// What the node says.
        message: String,
    },
    /// The account has no right to submit anything.
    #[error("the account {} may not submit to this chain", account::show(.account))]
    Stranger {
        /// Which account.
        account: AccountId,
    },
    /// The account's party has spent its quota.
    #[error("the quota of {} is spent, {call} is more than is left: {}", account::show(.payer), .left)]
    OverQuota {
        /// The call.
        call: String,
        /// The party that spends for the account.
        payer: AccountId,
        /// What is left of what, and until when.
        left: String,
    },
    /// The node's pool does not take a call that would fail.
    #[error("the node does not take {call}: {reason}")]
    WouldFail {
        /// The call.
        call: String,
        /// Why it would fail.
        reason: PoolRefusal,
    },
    /// The node's pool does not take the transaction.
    #[error("the node does not take {call}: {message}")]
    Refused {
        /// The call.
        call: String,
        /// What the node says.
        message: String,
    },
    /// The chain ran the call, and it failed.
    #[error("the chain refused {call}: {words} ({error})")]
    Dispatch {
        /// The call.
        call: String,
        /// The error: `Pallet::Error`, or the runtime's own.
        error: String,
        /// What the pallet's documentation says of it.
        words: String,
    },
    /// The transaction was lost on its way, again and again.
    #[error("{call} did not get into a block: {problem}")]
    Lost {
        /// The call.
        call: String,
        /// What became of it.
        problem: String,
    },
    /// The transaction is out, but nothing is finalized.
    #[error("{call} was sent, but not finalized within {seconds} s")]
    Unfinalized {
        /// The call.
        call: String,
        /// How long was waited.
        seconds: u64,
    },
}

impl ChainError {
    /// Whether the same may succeed later without anybody doing anything to the request.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Away { .. } | Self::Lost { .. } | Self::Unfinalized { .. } | Self::OverQuota { .. }
        )
    }

    /// The `Pallet::Error` that the chain answered with, where it did. What it means is in the error's own words.
    pub fn dispatch_error(&self) -> Option<&str> {
        match self {
            Self::Dispatch { error, .. } => Some(error),
            _ => None,
        }
    }
}
