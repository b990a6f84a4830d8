//! An event as it is stored in a log. Readers of a log, such as exports and deliveries, get events in this form.

use crate::{Body, LogEntry};

/// An entry of the log as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEvent {
    /// Its place in the log.
    pub index: u64,
    /// The entry.
    pub entry: LogEntry,
    /// Its body, if it is stored.
    pub body: StoredBody,
}

/// An event's body, or the reason why it is not stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoredBody {
    /// The body is stored.
    Present(Body),
    /// The body was erased for good on request. The log's proofs do not need it.
    Erased {
        /// When, by the gateway's clock, in milliseconds since 1970-01-01 UTC.
        at: u64,
    },
    /// The body is missing although nobody erased it: the log is damaged here.
    Missing,
}

impl StoredBody {
    /// Returns the body if it is stored here.
    pub fn present(&self) -> Option<&Body> {
        match self {
            Self::Present(body) => Some(body),
            Self::Erased { .. } | Self::Missing => None,
        }
    }

    /// Returns the body if it is stored here.
    pub fn into_present(self) -> Option<Body> {
        match self {
            Self::Present(body) => Some(body),
            Self::Erased { .. } | Self::Missing => None,
        }
    }

    /// Returns when it was erased, in milliseconds since 1970-01-01 UTC, or `None` if it was not.
    pub fn erased(&self) -> Option<u64> {
        match self {
            Self::Erased { at } => Some(*at),
            Self::Present(_) | Self::Missing => None,
        }
    }
}
