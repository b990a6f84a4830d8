//! What an adapter is given, and what it tells.

use std::{fmt, sync::Arc};
use streembit_primitives::{Reading, Value};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What an adapter observed of its device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// Readings taken together: one event's worth.
    Readings(Vec<Reading>),
    /// A word on the device's condition, of at most 256 bytes: connected, lost, a value that cannot be true.
    Status(String),
}

/// The condition of a running adapter.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum AdapterState {
    /// Not yet at work.
    #[default]
    Starting,
    /// Reading.
    Running {
        /// What it is connected to, in a few words.
        detail: String,
    },
    /// Cannot read now, tries again by itself.
    Retrying {
        /// What is wrong.
        problem: String,
        /// What somebody can do about it.
        remedy: String,
    },
    /// Ended, as asked.
    Stopped,
}

/// What is known of a device from earlier runs.
#[async_trait::async_trait]
pub trait History: Send + Sync {
    /// The value of the newest reading with this name, or `None` if none is known.
    async fn last_reading(&self, name: &str) -> Option<Value>;
}

/// What an adapter runs with.
#[derive(Clone)]
pub struct AdapterContext {
    /// Where its observations go. A full channel makes the adapter wait.
    pub observed: mpsc::Sender<Observed>,
    /// Where it reports its condition.
    pub state: watch::Sender<AdapterState>,
    /// What its device said earlier.
    pub history: Arc<dyn History>,
    /// Tells it to stop.
    pub stop: CancellationToken,
}

impl fmt::Debug for AdapterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterContext").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
