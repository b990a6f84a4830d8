//! Logs the status of the node: at most one line a minute, and only if it has changed.
//!
//! By default Substrate logs a line every five seconds and one for each block. On an SD card, that would be most of
//! what an idle node writes, and it buries what matters. `--log substrate=info` shows these lines.

use crate::{
    consensus::voter_status::VoterStatus,
    notices::Notices,
    types::{Block, FullClient},
};
use sc_network_sync::SyncingService;
use sp_blockchain::HeaderBackend as _;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// The minimum time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Logs for as long as the node runs.
pub async fn run(
    client: Arc<FullClient>,
    sync: Arc<SyncingService<Block>>,
    voter_status: watch::Receiver<Option<VoterStatus>>,
    notices: Notices,
) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let chain = client.info();
        let peers = sync.num_connected_peers();
        let voters = voter_status.borrow().clone();
        let line = status_line(chain.best_number, chain.finalized_number, peers, voters, &notices.texts());
        if line != last {
            tracing::info!("{line}");
            last = line;
        }
    }
}

fn status_line(
    best: u32,
    finalized: u32,
    peers: usize,
    voters: Option<VoterStatus>,
    notices: &[String],
) -> String {
    let peers = if peers == 1 { "1 peer".into() } else { format!("{peers} peers") };
    let voters = voters.map_or_else(String::new, |voters| format!("; {voters}"));
    let notices = notices.iter().map(|text| format!("; NOTE: {text}")).collect::<String>();
    format!("best block {best}, finalized {finalized}; {peers}{voters}{notices}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_blocks_peers_and_voters() {
        let voters = VoterStatus { set: 0, total: 4, needed: 3, online: Some(2), missing: Vec::new() };
        let line = status_line(17, 15, 3, Some(voters.clone()), &[]);
        assert_eq!(line, "best block 17, finalized 15; 3 peers; 2 of 4 voters online, 3 needed");
        let line = status_line(0, 0, 1, Some(VoterStatus { online: None, ..voters }), &[]);
        assert_eq!(line, "best block 0, finalized 0; 1 peer; 4 voters, none seen yet, 3 needed");
        assert_eq!(status_line(0, 0, 0, None, &[]), "best block 0, finalized 0; 0 peers");
        let line = status_line(0, 0, 0, None, &["the disk is nearly full".into()]);
        assert_eq!(line, "best block 0, finalized 0; 0 peers; NOTE: the disk is nearly full");
    }
}
