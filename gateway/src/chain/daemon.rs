//! The chain in a daemon: connected to with patience, its condition on the status board.

use super::{ChainClient, ChainError, NodeConnection};
use crate::status::{ComponentState, StatusBoard};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The name on the status board.
const COMPONENT: &str = "chain";

/// The pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

impl ChainClient {
    /// Connects, trying again as long as it takes; the status board says why it takes so long.
    pub async fn connect_with_patience(node: NodeConnection, board: &StatusBoard) -> Self {
        board.report(COMPONENT, ComponentState::Starting);
        let mut pause = PAUSES.0;
        loop {
            match Self::connect(node.clone()).await {
                Ok(client) => {
                    client.report_to(board);
                    return client;
                }
                Err(error) => report(board, &error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Keeps the status board up to date on the node and its finalized blocks, until it is told to stop.
    pub async fn report_changes(&self, board: StatusBoard, stop: CancellationToken) {
        let (mut finalized, mut problem, mut stalled) =
            (self.finalized_heads(), self.problem(), self.stalled());
        loop {
            self.report_to(&board);
            let ended = tokio::select! {
                () = stop.cancelled() => true,
                change = finalized.changed() => change.is_err(),
                change = problem.changed() => change.is_err(),
                change = stalled.changed() => change.is_err(),
            };
            if ended {
                board.report(COMPONENT, ComponentState::Stopped);
                return;
            }
        }
    }

    fn report_to(&self, board: &StatusBoard) {
        let problem = self.inner.reports.problem.borrow().clone();
        let stalled = *self.inner.reports.stalled.borrow();
        match (problem, stalled) {
            (Some(error), _) => report(board, &error),
            (None, Some(voters)) => {
                board.report(COMPONENT, ComponentState::retrying(&voters, voters.remedy()));
            }
            (None, None) => {
                let number = self.inner.reports.finalized.borrow().number;
                let detail = format!("{}, block {number} finalized", self.node());
                board.report(COMPONENT, ComponentState::running(detail));
            }
        }
    }
}

fn report(board: &StatusBoard, error: &ChainError) {
    board.report(COMPONENT, ComponentState::retrying(error, error.remedy()));
}
