//! The interface between an adapter and the program that runs it.

use std::{fmt, sync::Arc};
use streembit_primitives::Reading;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// An observation that an adapter made of its device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// Readings that were taken together and belong into one event.
    Readings(Vec<Reading>),
    /// A status text of at most 256 bytes, for example that the device is connected or that a value is implausible.
    Status(String),
}

/// The state of an adapter.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum AdapterState {
    /// The adapter has not connected to its source yet.
    #[default]
    Starting,
    /// The adapter reads its source.
    Running {
        /// A short description of the connection.
        detail: String,
    },
    /// The adapter cannot read its source now. It retries without intervention.
    Retrying {
        /// The problem.
        problem: String,
        /// The action by which the user can solve it.
        remedy: String,
    },
    /// The adapter reads its source, but there is a problem that only a person can solve.
    Alarm {
        /// The problem.
        problem: String,
        /// The action by which the user can solve it.
        remedy: String,
    },
    /// The adapter has stopped because it was asked to.
    Stopped,
}

/// Says whether a reading of an earlier event is looked for.
pub type IsWanted = fn(&Reading) -> bool;

/// A reading of an earlier event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastReading {
    /// The reading.
    pub reading: Reading,
    /// The sequence of its event, which orders the events of the device.
    pub sequence: u64,
}

/// The result of a search in the earlier events of a device.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Past {
    /// The newest reading that each of the wanted ones accepts, in their order.
    pub newest: Vec<Option<PastReading>>,
    /// The sequence that the device's next event had at the time of the search.
    pub next: u64,
}

/// Access to the readings that a device produced earlier, also those that reached the log on another way.
#[async_trait::async_trait]
pub trait History: Send + Sync {
    /// Looks for the newest readings that `wanted` accepts, in the events from the sequence `since` on.
    async fn newest(&self, wanted: &[IsWanted], since: u64) -> Past;
}

/// The channels and handles that an adapter runs with.
#[derive(Clone)]
pub struct AdapterContext {
    /// The channel for observations. If it is full, the adapter waits.
    pub observed: mpsc::Sender<Observed>,
    /// The channel for the adapter's state.
    pub state: watch::Sender<AdapterState>,
    /// The device's earlier readings.
    pub history: Arc<dyn History>,
    /// Cancelled when the adapter has to stop.
    pub stop: CancellationToken,
}

impl fmt::Debug for AdapterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterContext").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
