//! Whether enough voters are online: asked when nothing becomes final for a while.

use super::{rpc::Rpc, ChainError};
use serde::Deserialize;
use std::fmt;

/// Why nothing becomes final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// The node reaches no other one, and so hears of no block and of no vote.
    Alone,
    /// Blocks wait for voters.
    Voters(Voters),
}

/// How a vote stands that does not come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voters {
    /// How many have voted.
    pub online: u32,
    /// How many there are.
    pub total: u32,
    /// How many have to vote.
    pub needed: u32,
}

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

impl From<Voters> for SeenVoters {
    fn from(Voters { online, total, needed }: Voters) -> Self {
        Self { total, needed, online: Some(online) }
    }
}

impl Stall {
    /// What somebody can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Alone => {
                "check the node's network: its cable, the firewall, the addresses of the others; everything then goes on by \
                 itself"
            }
            Self::Voters(_) => {
                "start the nodes of the other validators, and check that they reach each other: everything then goes on by \
                 itself"
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

impl fmt::Display for Voters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} voters online, {} needed", self.online, self.total, self.needed)
    }
}

/// What keeps the best block from becoming final, or any other one from coming; `None` where all is final and the node is
/// not alone, where enough have voted, and where the node does not follow the votes.
pub(super) async fn stalled(rpc: &Rpc, finalized: u32) -> Result<Option<Stall>, ChainError> {
    let votes = match rpc.round_state().await {
        Ok(state) => Some(state.best),
        Err(ChainError::Question { .. }) => None,
        Err(error) => return Err(error),
    };
    if rpc.is_alone(votes.as_ref().is_some_and(|votes| votes.total_weight > 1)).await? {
        return Ok(Some(Stall::Alone));
    }
    if rpc.best_number().await? <= finalized {
        return Ok(None);
    }
    Ok(votes.and_then(|votes| votes.stalled()).map(Stall::Voters))
}

/// What `grandpa_roundState` answers, as far as it is used. Weights are numbers of voters: each has one vote.
#[derive(Deserialize)]
pub(super) struct RoundStates {
    best: RoundState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoundState {
    total_weight: u32,
    threshold_weight: u32,
    prevotes: Votes,
    precommits: Votes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Votes {
    current_weight: u32,
}

impl RoundState {
    /// Voters that are online have voted as far as the round has come: first all prevote, then all precommit.
    fn stalled(&self) -> Option<Voters> {
        let needed = self.threshold_weight;
        let prevoted = self.prevotes.current_weight;
        let online = if prevoted < needed { prevoted } else { self.precommits.current_weight };
        (online < needed).then_some(Voters { online, total: self.total_weight, needed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        states.best.stalled().map(|voters| voters.to_string())
    }

    #[test]
    fn the_node_s_answer_is_read() {
        let read = |answer| serde_json::from_value::<Option<SeenVoters>>(answer).unwrap();
        let answer = serde_json::json!({ "set": 7, "total": 4, "needed": 3, "online": null });
        assert_eq!(read(answer), Some(SeenVoters { total: 4, needed: 3, online: None }));
        assert_eq!(read(serde_json::Value::Null), None);
        let stalled = Voters { online: 2, total: 4, needed: 3 };
        assert_eq!(SeenVoters::from(stalled), SeenVoters { total: 4, needed: 3, online: Some(2) });
    }

    #[test]
    fn who_has_not_voted_is_not_online() {
        assert_eq!(state(2, 0).as_deref(), Some("2 of 4 voters online, 3 needed"));
        assert_eq!(state(4, 2).as_deref(), Some("2 of 4 voters online, 3 needed"));
        assert_eq!(state(0, 0).as_deref(), Some("0 of 4 voters online, 3 needed"));
        assert_eq!(state(3, 3), None);
    }
}
