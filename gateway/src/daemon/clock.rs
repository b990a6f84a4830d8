//! Compares the gateway's clock with the chain's time: raises an alarm and has events marked while it is wrong.

use crate::status::{ComponentState, StatusBoard};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};
use streembit_chain::ChainClient;
use streembit_clock::{now_ms, ClockCheck, ClockState};
use streembit_ingest::Ingest;
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
    check: ClockCheck,
    ingest: Ingest,
    status: StatusBoard,
}

impl ClockWatch {
    /// Begins with what is known without the chain.
    pub fn new(ingest: Ingest, status: StatusBoard) -> Self {
        let watch = Self { check: ClockCheck::new(now_ms()), ingest, status };
        watch.report();
        watch
    }

    /// Looks at the clock again and again while there is no chain to compare it with. Never ends.
    pub async fn watch_offline(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(RECHECK).await;
            self.recheck();
        }
    }

    /// Compares the clock with each block that becomes final, and looks at it in between, until `stop` is cancelled.
    pub async fn run(mut self, chain: ChainClient, stop: CancellationToken) {
        let mut blocks = chain.finalized_heads();
        loop {
            let block = *blocks.borrow_and_update();
            // Block 0 has no time.
            if block.time > 0 {
                self.check.observe(block.time, now_ms(), Instant::now());
                self.report();
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => return self.status.report(COMPONENT, ComponentState::Stopped),
                    changed = blocks.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return self.status.report(COMPONENT, ComponentState::Stopped),
                    },
                    () = tokio::time::sleep(RECHECK) => self.recheck(),
                }
            }
        }
    }

    fn recheck(&mut self) {
        self.check.recheck(now_ms(), Instant::now());
        self.report();
    }

    fn report(&self) {
        let state = self.check.state();
        self.ingest.set_clock(state);
        self.status.report(COMPONENT, component_state(state));
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
