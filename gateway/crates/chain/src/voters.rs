//! Finds out why blocks do not become final: a node without peers, or too few voters online.

use super::{
    rpc::{RoundState, Rpc, VoterStatus},
    ChainError,
};
use std::fmt;

/// The reason why finality has stalled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// The node has no peers, so it receives neither blocks nor votes.
    Alone,
    /// Too few voters are online.
    Voters(VoteCount),
}

/// The votes in a round that does not complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteCount {
    /// The number of voters that have voted.
    pub online: u32,
    /// The number of voters.
    pub total: u32,
    /// The number of votes needed.
    pub needed: u32,
}

impl From<VoteCount> for VoterStatus {
    fn from(VoteCount { online, total, needed }: VoteCount) -> Self {
        Self { total, needed, online: Some(online) }
    }
}

impl Stall {
    /// Returns what an operator can do about the stall.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Alone => {
                "check the node's network: the cable, the firewall and the addresses of the other nodes; the chain then \
                 continues by itself"
            }
            Self::Voters(_) => {
                "start the nodes of the other validators and check that they can reach each other; the chain then \
                 continues by itself"
            }
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => f.write_str("the node is connected to no other node"),
            Self::Voters(voters) => fmt::Display::fmt(voters, f),
        }
    }
}

impl fmt::Display for VoteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} voters online, {} needed", self.online, self.total, self.needed)
    }
}

/// Returns the reason why finality has stalled.
///
/// Returns `None` if all blocks are final and the node has peers, if enough voters have voted, or if the node does not
/// follow the votes.
pub(super) async fn stalled(rpc: &Rpc, finalized: u32) -> Result<Option<Stall>, ChainError> {
    let votes = match rpc.round_state().await {
        Ok(state) => Some(state.best),
        Err(ChainError::RequestFailed { .. }) => None,
        Err(error) => return Err(error),
    };
    if rpc.is_alone(votes.as_ref().is_some_and(|votes| votes.total_weight > 1)).await? {
        return Ok(Some(Stall::Alone));
    }
    if rpc.best_number().await? <= finalized {
        return Ok(None);
    }
    Ok(votes.as_ref().and_then(missing_votes).map(Stall::Voters))
}

/// Returns the votes of a round if it lacks votes, or `None` if it has enough.
///
/// A round has two phases: all voters prevote, then all precommit. Voters that are online have voted in the current
/// phase.
fn missing_votes(round: &RoundState) -> Option<VoteCount> {
    let needed = round.threshold_weight;
    let prevoted = round.prevotes.current_weight;
    let online = if prevoted < needed { prevoted } else { round.precommits.current_weight };
    (online < needed).then_some(VoteCount { online, total: round.total_weight, needed })
}

#[cfg(test)]
mod tests {
    use super::{super::rpc::RoundStates, *};

    fn state(prevotes: u32, precommits: u32) -> Option<String> {
        let missing = ["5FA9nQDVg267DEd8m1ZypXLBnvN7SFxYwV7ndqSYGiN9TTpu"];
        let votes = |weight| serde_json::json!({ "currentWeight": weight, "missing": missing });
        let answer = serde_json::json!({
            "setId": 3,
            "best": {
                "round": 17,
                "totalWeight": 4,
                "thresholdWeight": 3,
                "prevotes": votes(prevotes),
                "precommits": votes(precommits),
            },
            "background": [],
        });
        let states: RoundStates = serde_json::from_value(answer).unwrap();
        missing_votes(&states.best).map(|voters| voters.to_string())
    }

    #[test]
    fn the_nodes_response_is_decoded() {
        let read = |answer| serde_json::from_value::<Option<VoterStatus>>(answer).unwrap();
        let answer = serde_json::json!({ "set": 7, "total": 4, "needed": 3, "online": null });
        assert_eq!(read(answer), Some(VoterStatus { total: 4, needed: 3, online: None }));
        assert_eq!(read(serde_json::Value::Null), None);
        let stalled = VoteCount { online: 2, total: 4, needed: 3 };
        assert_eq!(VoterStatus::from(stalled), VoterStatus { total: 4, needed: 3, online: Some(2) });
    }

    #[test]
    fn a_voter_that_has_not_voted_counts_as_offline() {
        assert_eq!(state(2, 0).as_deref(), Some("2 of 4 voters online, 3 needed"));
        assert_eq!(state(4, 2).as_deref(), Some("2 of 4 voters online, 3 needed"));
        assert_eq!(state(0, 0).as_deref(), Some("0 of 4 voters online, 3 needed"));
        assert_eq!(state(3, 3), None);
    }
}
