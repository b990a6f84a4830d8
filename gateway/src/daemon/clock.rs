//! Compares the gateway's clock with the chain's time: raises an alarm and has events marked while it is wrong.

use crate::status::{ComponentState, StatusBoard};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};
use streembit_chain::ChainClient;
use streembit_clock::{now_ms, ClockState};
use streembit_ingest::Ingest;
use streembit_log::Log;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The component's name on the status board.
pub(super) const COMPONENT: &str = "clock";

/// The time between two looks at the clock while no block becomes final.
const RECHECK: Duration = Duration::from_secs(10);

const REMEDY: &str = "set the machine's clock, best with NTP (`timedatectl set-ntp true`), and give it a real-time clock if it \
    is often without a network; until then the gateway marks the events that it signs with `Gateway.ClockError`, the error \
    in seconds";

/// Watches the clock.
pub(super) struct ClockWatch {
    ingest: Ingest,
    status: StatusBoard,
}

impl ClockWatch {
    /// Begins with what is known without the chain.
    pub fn new(ingest: Ingest, status: StatusBoard) -> Self {
        let watch = Self { ingest, status };
        watch.report();
        watch
    }

    /// Looks at the clock again and again while there is no chain to compare it with. Never ends.
    pub async fn watch_offline(&self) -> Infallible {
        loop {
            tokio::time::sleep(RECHECK).await;
            self.report();
        }
    }

    /// Compares the clock with each block that becomes final, and with each anchor of the log, and looks at it in between,
    /// until `stop` is cancelled. `anchored` is the size of the last anchor.
    pub async fn run(
        self,
        chain: ChainClient,
        log: Log,
        mut anchored: watch::Receiver<u64>,
        stop: CancellationToken,
    ) {
        let mut blocks = chain.finalized_heads();
        // The anchors before this run say nothing about the clock now.
        let signed_before = log.last_checkpoint().ok().flatten().map_or(0, |signed| signed.checkpoint.size);
        loop {
            let block = *blocks.borrow_and_update();
            // Block 0 has no time.
            if block.time > 0 {
                self.ingest.compare_clock(|check| check.observe(block.time, now_ms(), Instant::now()));
                self.report();
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => return self.status.report(COMPONENT, ComponentState::Stopped),
                    changed = blocks.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return self.status.report(COMPONENT, ComponentState::Stopped),
                    },
                    // Fails when anchoring has ended, which disables the branch.
                    Ok(()) = anchored.changed() => {
                        let size = *anchored.borrow_and_update();
                        if size > signed_before {
                            self.observe_anchor(&chain, &log, size).await;
                        }
                    }
                    () = tokio::time::sleep(RECHECK) => self.report(),
                }
            }
        }
    }

    /// Compares the time at which a checkpoint was signed with the time at which the chain accepted it.
    async fn observe_anchor(&self, chain: &ChainClient, log: &Log, size: u64) {
        let signed = log.last_checkpoint().ok().flatten().map(|signed| signed.checkpoint);
        let Some(checkpoint) = signed.filter(|checkpoint| checkpoint.size == size) else { return };
        // If the node does not answer, the blocks tell it later.
        let Ok(view) = chain.view().await else { return };
        if let Ok(Some(root)) = view.anchored_root(log.id(), size).await {
            let (signed, accepted) = (checkpoint.time, root.time);
            self.ingest.compare_clock(|check| check.observe_signed(signed, accepted, Instant::now()));
            self.report();
        }
    }

    /// Shows the state of the clock, which may have been set since the last block.
    fn report(&self) {
        self.status.report(COMPONENT, component_state(self.ingest.clock()));
    }
}

fn component_state(clock: ClockState) -> ComponentState {
    if clock.is_wrong() {
        ComponentState::alarm(clock, REMEDY)
    } else {
        ComponentState::running(clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_raises_an_alarm() {
        let hours = Duration::from_secs(2 * 3_600);
        for wrong in [ClockState::Unset(hours), ClockState::Behind(hours), ClockState::Ahead(hours)] {
            let ComponentState::Alarm { problem, remedy } = component_state(wrong) else { panic!("{wrong}") };
            assert!(problem.contains("clock") && remedy.contains("NTP"), "{problem}; {remedy}");
        }
        for right in [ClockState::Unknown, ClockState::Right] {
            assert!(component_state(right).is_running());
        }
    }
}
