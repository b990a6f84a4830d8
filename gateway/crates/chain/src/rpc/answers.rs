//! What the node answers to methods of its own, as far as it is used.

use serde::Deserialize;
use streembit_primitives::consortium::SessionKey;

/// The voters as the node sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct SeenVoters {
    /// How many there are.
    pub total: u32,
    /// How many have to vote.
    pub needed: u32,
    /// How many were seen voting lately; `None` before the first.
    pub online: Option<u32>,
}

/// Two blocks of one author in one slot, as the node answers.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct DoubleBlock {
    pub author: SessionKey,
    pub slot: u64,
}

/// What `grandpa_roundState` answers, as far as it is used. Weights are numbers of voters: each has one vote.
#[derive(Deserialize)]
pub(crate) struct RoundStates {
    pub best: RoundState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoundState {
    pub total_weight: u32,
    pub threshold_weight: u32,
    pub prevotes: Votes,
    pub precommits: Votes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Votes {
    pub current_weight: u32,
}
