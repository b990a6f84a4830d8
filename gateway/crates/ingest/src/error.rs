//! The errors of ingest.

use streembit_keystore::account;
use streembit_log::{AppendError, Refusal};
use streembit_primitives::{body::MAX_PARTS, event::EventError, text::TextLengthError, DeviceId, DeviceKey};

/// An event or a reading was not admitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IngestError {
    /// The gateway has no such device.
    #[error("device {device} is not a device of this gateway: add it to the gateway's configuration, with its public key if it signs its own events")]
    UnknownDevice {
        /// The device.
        device: DeviceId,
    },
    /// The device had another key before, so only its record on the chain says where its history continues.
    #[error("the record of device {device} on the chain is not known yet, so its history cannot be continued: it is read as soon as a node answers")]
    UnknownRecord {
        /// The device.
        device: DeviceId,
    },
    /// The key of the device is being changed.
    #[error("the key of device {device} is being changed, and an event that its old key signs meanwhile would not count: send it again in a few seconds, signed with the key that counts then")]
    Paused {
        /// The device.
        device: DeviceId,
    },
    /// The device signs its own events, so the gateway does not sign readings for it.
    #[error("device {device} signs its own events: send signed events, or configure a device without a key of its own for readings that the gateway signs")]
    NotHosted {
        /// The device.
        device: DeviceId,
    },
    /// The event is not signed by its device, or is malformed.
    #[error(
        "event {sequence} of device {device}: {error}. Check that the device signs with the configured key"
    )]
    NotVerified {
        /// The device.
        device: DeviceId,
        /// The sequence of the event.
        sequence: u64,
        /// The result of the verification.
        #[source]
        error: EventError,
    },
    /// The event is signed with a key of the device that does not count for its sequence.
    #[error(
        "event {sequence} of device {device} is signed with {}, but from event {from} on the device signs with {}: \
         sign it with that key",
        key_text(.found), key_text(.expected)
    )]
    OtherKey {
        /// The device.
        device: DeviceId,
        /// The sequence of the event.
        sequence: u64,
        /// The key that signed the event.
        found: Box<DeviceKey>,
        /// The key that counts for the sequence.
        expected: Box<DeviceKey>,
        /// The sequence from which that key counts.
        from: u64,
    },
    /// The event has no readings.
    #[error("an event without readings is not admitted: send at least one reading")]
    Empty,
    /// The event has more readings than fit.
    #[error("{count} readings do not fit in one event, which holds at most {MAX_PARTS}: send them in several events")]
    TooMany {
        /// The number of readings.
        count: usize,
    },
    /// A text has a character that acts on a terminal, changes the direction of the text, or cannot be seen.
    #[error(
        "a text of the event has the hidden character {}: leave out control characters such as line breaks, \
         bidirectional and zero-width characters",
        code_point(.0)
    )]
    Hidden(char),
    /// The status text is too long.
    #[error("the status: {0}")]
    TooLong(#[from] TextLengthError),
    /// The log refused the event: it does not follow its device's last event or belongs to another log, its body is too
    /// large, or the device's key was copied.
    #[error("{}", refusal_text(.0))]
    Refused(#[from] Refusal),
    /// The log could not store the event.
    #[error("the event was not written: {0}")]
    Log(#[source] AppendError),
    /// The gateway is shutting down.
    #[error("the gateway is shutting down and accepts no more events: send the event again when it runs")]
    Closed,
}

impl IngestError {
    /// Returns true if the same event may be admitted when it is sent again later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Closed | Self::UnknownRecord { .. } | Self::Paused { .. } => true,
            Self::Log(error) => error.is_temporary(),
            // Until the device is assigned to the epoch that the gateway has opened, and until the gateway is told the
            // device's last event in the log before.
            Self::Refused(Refusal::OtherEpoch { .. } | Refusal::UnknownPrevious { .. }) => true,
            _ => false,
        }
    }
}

impl From<AppendError> for IngestError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(refusal) => Self::Refused(refusal),
            AppendError::Closed => Self::Closed,
            error => Self::Log(error),
        }
    }
}

fn code_point(character: &char) -> String {
    format!("U+{:04X}", u32::from(*character))
}

fn key_text(key: &DeviceKey) -> String {
    match key {
        DeviceKey::Own(key) => format!("the key {key}"),
        DeviceKey::Hosted { gateway, .. } => format!("the key of gateway {}", account::show(gateway)),
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Event(error @ EventError::Sequence { expected, .. }) => {
            format!("{error}. Send event {expected} first, and the events of a device in order")
        }
        Refusal::Event(error @ EventError::Previous) => {
            format!("{error}. The device has lost or changed part of its history: its next event must name the hash of the last event admitted here")
        }
        refusal => refusal.to_string(),
    }
}
