//! The node's responses to methods that subxt has no types for, with the fields that this crate uses.

use serde::Deserialize;
use streembit_primitives::consortium::SessionKey;

/// A node's view of the voters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct VoterStatus {
    /// The number of voters.
    pub total: u32,
    /// The number of voters needed for finality.
    pub needed: u32,
    /// The number of voters seen voting lately; `None` before the first vote.
    pub online: Option<u32>,
}

/// Two blocks of one author in one slot.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct BlockEquivocation {
    pub author: SessionKey,
    pub slot: u64,
}

/// The response of `grandpa_roundState`. A weight is a number of voters, because each voter has one vote.
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
