//! The last anchor of a log as the chain has it, for commands without the files of a gateway.

use serde::Serialize;
use streembit_chain::{ChainError, ChainView};
use streembit_clock as clock;
use streembit_primitives::LogId;

/// The last anchor of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LogAnchor {
    /// The number of anchored entries, of all devices.
    pub size: u64,
    /// The number of the block that accepted the anchor.
    pub block: u32,
    /// The chain's time in that block, in milliseconds since 1970-01-01 UTC, or `None` if the chain has no time of it.
    pub time: Option<u64>,
}

impl LogAnchor {
    /// Fetches the last anchor of a log, or `None` if it has none.
    pub async fn fetch(view: &ChainView, log: LogId) -> Result<Option<Self>, ChainError> {
        let Some(anchor) = view.latest_anchor(log).await? else { return Ok(None) };
        let size = anchor.checkpoint.size;
        let time = view.anchored_root(log, size).await?.map(|root| root.time);
        Ok(Some(Self { size, block: anchor.block, time }))
    }

    /// Describes the last anchor of a log.
    pub fn describe(anchor: Option<&Self>) -> String {
        let Some(Self { size, block, time }) = anchor else { return "not anchored yet".into() };
        let entries = if *size == 1 { "entry" } else { "entries" };
        let time = time.map_or_else(String::new, |time| format!(", {}", clock::show(time)));
        format!("anchored at {size} {entries} in block {block}{time}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_described_with_its_size_block_and_time() {
        assert_eq!(LogAnchor::describe(None), "not anchored yet");
        let mut anchor = LogAnchor { size: 14, block: 7, time: Some(1_700_000_000_000) };
        assert_eq!(
            LogAnchor::describe(Some(&anchor)),
            "anchored at 14 entries in block 7, 2023-11-14 22:13:20Z"
        );
        (anchor.size, anchor.time) = (1, None);
        assert_eq!(LogAnchor::describe(Some(&anchor)), "anchored at 1 entry in block 7");
    }
}
