//! The crash campaigns: they break a program in every way that is known to lose data, and check after each fault what
//! must still be true.
//!
//! - [`gateway`]: a gateway under load. Nothing acknowledged may be lost.
//! - [`node`]: a validator's database. The validator must come back, and must never contradict itself.
//!
//! Both share the disk and the damage to files. The faults of a campaign follow from its seed.

mod deck;
mod disk;
mod file_damage;
pub mod gateway;
pub mod node;
mod output;

pub use disk::{Disk, DiskFiller};
pub use file_damage::{DamageKind, DamagedFile};

use crate::TestEnv;
use std::sync::{
    atomic::{AtomicBool, Ordering},
    Arc,
};

/// The options of a campaign.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The number of cycles.
    pub cycles: u64,
    /// The seed of the plan.
    pub seed: u64,
    /// Runs only cycles with a fault whose kind contains this text.
    pub only: Option<&'static str>,
}

impl Options {
    /// Returns the command that repeats the campaign. `target` is its target in the Makefile.
    pub fn command(&self, target: &str) -> String {
        let only = self.only.map_or_else(String::new, |only| format!(" ONLY='{only}'"));
        format!("make {target} CYCLES={} SEED={}{only}", self.cycles, self.seed)
    }
}

/// Makes Ctrl-C end the campaign after the current cycle, so that everything is cleaned up.
fn stop_on_interrupt(env: &TestEnv) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let requested = stop.clone();
    env.handle().spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            requested.store(true, Ordering::Relaxed);
        }
    });
    stop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_the_campaign() {
        let options = Options { cycles: 20, seed: 7, only: None };
        assert_eq!(options.command("crash"), "make crash CYCLES=20 SEED=7");
        let options = Options { only: Some("torn file"), ..options };
        assert_eq!(options.command("crash-node"), "make crash-node CYCLES=20 SEED=7 ONLY='torn file'");
    }
}
