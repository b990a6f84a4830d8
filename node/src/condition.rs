//! What the log says at its default level while nothing is wrong: one line a minute, and only where something has changed.
//!
//! Substrate says more, a line every five seconds and one with each block. On an SD card that is most of what an idle node
//! writes, and what matters drowns in it. `--log substrate=info` brings it back.

use crate::{
    service::{Block, FullClient},
    voters::Voters,
};
use sc_network_sync::SyncingService;
use sp_blockchain::HeaderBackend as _;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often there may be a line.
const PERIOD: Duration = Duration::from_secs(60);

/// Logs for as long as the node runs.
pub async fn log(
    client: Arc<FullClient>,
    sync: Arc<SyncingService<Block>>,
    voters: watch::Receiver<Option<Voters>>,
) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(PERIOD).await;
        let chain = client.info();
        let blocks = (chain.best_number, chain.finalized_number);
        let line = line(blocks, sync.num_connected_peers(), *voters.borrow());
        if line != last {
            tracing::info!("{line}");
            last = line;
        }
    }
}

/// The last block, the last final one, and who is there.
fn line((best, finalized): (u32, u32), peers: usize, voters: Option<Voters>) -> String {
    let peers = if peers == 1 { "1 peer".into() } else { format!("{peers} peers") };
    let voters = voters.map_or_else(String::new, |voters| format!("; {voters}"));
    format!("block {best}, {finalized} is final; {peers}{voters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_the_chain_is_and_who_is_there() {
        let voters = Voters { set: 0, total: 4, needed: 3, online: Some(2) };
        let said = line((17, 15), 3, Some(voters));
        assert_eq!(said, "block 17, 15 is final; 3 peers; 2 of 4 voters online, 3 needed");
        let said = line((0, 0), 1, Some(Voters { online: None, ..voters }));
        assert_eq!(said, "block 0, 0 is final; 1 peer; 4 voters, none seen yet, 3 needed");
        assert_eq!(line((0, 0), 0, None), "block 0, 0 is final; 0 peers");
    }
}
