//! Why something was not admitted, and what to do.

use streembit_log::{LogError, Refusal};
use streembit_primitives::{body::MAX_PARTS, event::EventError, text::TextLengthError, DeviceId};

/// Why an event or a reading was not admitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IngestError {
    /// The gateway has no such device.
    #[error("device {device} is none of this gateway's: add it to the configuration as [[device]], with its key if it signs itself")]
    UnknownDevice {
        /// The device.
        device: DeviceId,
    },
    /// The device signs its own events; the gateway will not speak for it.
    #[error("device {device} signs its own events: send signed events, or configure a device without `key` for readings that the gateway signs")]
    NotHosted {
        /// The device.
        device: DeviceId,
    },
    /// The signature is bad.
    #[error("event {sequence} of device {device}: {error}. Check that the device signs with the key in the configuration")]
    NotVerified {
        /// The device.
        device: DeviceId,
        /// The event's sequence.
        sequence: u64,
        /// What is wrong with it.
        error: EventError,
    },
    /// No readings.
    #[error("an event without readings says nothing: give at least one")]
    Empty,
    /// More readings than one event holds.
    #[error("{count} readings where one event holds {MAX_PARTS}: send them in several")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// A text beyond its bound.
    #[error("the status: {0}")]
    TooLong(#[from] TextLengthError),
    /// The event does not follow its device's last, is too large, or its device is not trusted any more.
    #[error("{}", remedy(.0))]
    Refused(#[from] Refusal),
    /// The log could not take it.
    #[error("the event was not written: {0}")]
    Log(LogError),
    /// The gateway is shutting down.
    #[error("the gateway takes no more events, it is shutting down: send the event again when it runs")]
    Closed,
}

impl IngestError {
    /// Whether the same event may be admitted when it is brought again later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Closed | Self::Log(LogError::Storage { .. } | LogError::Closed))
    }
}

impl From<LogError> for IngestError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Refused(refusal) => Self::Refused(refusal),
            LogError::Closed => Self::Closed,
            error => Self::Log(error),
        }
    }
}

fn remedy(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Event(error @ EventError::Sequence { expected, .. }) => {
            format!("{error}. Send event {expected} first, and each device's events in order")
        }
        Refusal::Event(error @ EventError::Previous) => {
            format!("{error}. The device lost or changed part of its history; its next event must name the last one admitted here")
        }
        refusal => refusal.to_string(),
    }
}
