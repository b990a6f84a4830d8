//! Watches the free disk space, because a node on a full disk stops in the middle of its work and may lose what it
//! relied on.
//!
//! The node warns while there is time, stops cleanly before the disk is full, and waits for space before it starts.

use crate::{notices::Notices, restart::RestartSender};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The time between two looks at the disk.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The number of polls between two lines in the log while the node waits for space.
const POLLS_PER_LINE: u32 = 30;

/// The topic of the notice.
const TOPIC: &str = "disk";

/// The free space that a node needs on the disk with its folder.
#[derive(Clone, Debug)]
pub struct DiskSpace {
    folder: PathBuf,
    /// The node stops below this number of bytes.
    minimum: u64,
}

/// How much space there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Enough,
    /// The operator should make space soon.
    Low,
    /// The node must stop.
    TooLow,
}

impl DiskSpace {
    /// Watches the disk with a folder. `minimum_mib` is in MiB.
    pub fn new(folder: &Path, minimum_mib: u64) -> Self {
        Self { folder: folder.to_owned(), minimum: minimum_mib.saturating_mul(1 << 20) }
    }

    /// Waits until there is enough space to start.
    pub async fn wait_until_enough(&self) {
        let mut polls = 0u32;
        // Start with a margin, so that the node does not stop again at once.
        let needed = self.minimum.saturating_add(self.minimum / 4);
        while let Ok(free) = self.free() {
            if free >= needed {
                return;
            }
            if polls.checked_rem(POLLS_PER_LINE) == Some(0) {
                tracing::error!("{}; the node starts as soon as there are {}", self.text(free), mib(needed));
            }
            polls = polls.wrapping_add(1);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Warns if the space gets low, and asks for a restart if it is too low. The restarted node waits for space.
    pub async fn watch(self, notices: Notices, restart: RestartSender) {
        loop {
            match self.free() {
                Ok(free) => match self.level(free) {
                    Level::TooLow => {
                        let reason = format!("{}; after it has stopped it waits for space", self.text(free));
                        restart.request(reason).await;
                        return;
                    }
                    Level::Low => {
                        let text = format!(
                            "the disk is nearly full: {} has less than {} free; the node stops below {}",
                            self.folder.display(),
                            mib(self.warning()),
                            mib(self.minimum)
                        );
                        if notices.set(TOPIC, Some(text.clone())) {
                            tracing::warn!("{text}");
                        }
                    }
                    Level::Enough => {
                        notices.set(TOPIC, None);
                    }
                },
                Err(error) => {
                    let text = format!("the free space of {} is unknown: {error}", self.folder.display());
                    if notices.set(TOPIC, Some(text.clone())) {
                        tracing::warn!("{text}");
                    }
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns true if there is too little space for the node to run.
    pub fn is_too_low(&self) -> bool {
        self.free().is_ok_and(|free| self.level(free) == Level::TooLow)
    }

    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn warning(&self) -> u64 {
        self.minimum.saturating_mul(4)
    }

    fn level(&self, free: u64) -> Level {
        if free < self.minimum {
            Level::TooLow
        } else if free < self.warning() {
            Level::Low
        } else {
            Level::Enough
        }
    }

    fn text(&self, free: u64) -> String {
        format!(
            "the disk with {} is full: {} are free, and the node needs {} (--min-free-disk); make space",
            self.folder.display(),
            mib(free),
            mib(self.minimum)
        )
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restart;

    #[test]
    fn the_node_warns_before_it_stops() {
        let space = DiskSpace::new(Path::new("/"), 128);
        let level = |mib: u64| space.level(mib << 20);
        assert_eq!([level(513), level(512), level(511)], [Level::Enough, Level::Enough, Level::Low]);
        assert_eq!([level(128), level(127), level(0)], [Level::Low, Level::TooLow, Level::TooLow]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_disk_restarts_the_node_which_then_waits() {
        let dir = tempfile::tempdir().unwrap();
        // No disk has so much free space.
        let full = DiskSpace::new(dir.path(), u64::MAX >> 20);
        let (sender, mut receiver) = restart::channel();
        tokio::spawn(full.clone().watch(Notices::default(), sender));
        let reason = receiver.recv().await.unwrap();
        assert!(
            reason.contains(dir.path().to_str().unwrap()) && reason.contains("--min-free-disk"),
            "{reason}"
        );
        assert!(full.is_too_low());
        let waiting = tokio::time::timeout(Duration::from_secs(600), full.wait_until_enough()).await;
        assert!(waiting.is_err());
        DiskSpace::new(dir.path(), 0).wait_until_enough().await;
    }
}
