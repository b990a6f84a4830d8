//! The node's responses to methods that subxt has no types for, with the fields that this crate uses.

use serde::Deserialize;
use streembit_primitives::{consortium::SessionKey, shown::is_hidden};

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

/// The most notices that are taken from a node.
const MAX_NOTICES: usize = 8;

/// The most characters of a notice.
const MAX_NOTICE_CHARS: usize = 1_000;

/// Bounds the notices of a node, and removes the characters that could change how a terminal shows them.
pub(crate) fn printable_notices(notices: Vec<String>) -> Vec<String> {
    let printable = |text: String| text.chars().filter(|c| !is_hidden(*c)).take(MAX_NOTICE_CHARS).collect();
    notices.into_iter().take(MAX_NOTICES).map(printable).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_a_node_cannot_forge_lines_or_fill_the_memory() {
        let notices = vec!["full\nAll is well.\x1b[8m\u{202e}".to_owned(), "x".repeat(5_000)];
        let shown = printable_notices(notices);
        assert_eq!(shown[0], "fullAll is well.[8m");
        assert_eq!(shown[1].len(), MAX_NOTICE_CHARS);
        assert_eq!(printable_notices(vec![String::new(); 99]).len(), MAX_NOTICES);
    }
}
