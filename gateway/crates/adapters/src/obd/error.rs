//! What can go wrong between the gateway and the car, and what to do about it.

use super::answer::ElmError;
use crate::serial::Endpoint;
use std::io;

/// Why readings cannot be had now. None of these ends the adapter: it tries again.
#[derive(Debug, thiserror::Error)]
pub enum ObdError {
    /// The port or address cannot be opened.
    #[error("cannot open {endpoint}: {source}")]
    Open {
        /// Which.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// It opened, but nothing that answers like an ELM327 is there.
    #[error("no ELM327 answers on {endpoint}{tried}")]
    NoAdapter {
        /// Where.
        endpoint: Endpoint,
        /// The baud rates tried, as words; empty over TCP.
        tried: String,
    },
    /// It was open and is gone, or fails.
    #[error("the connection to the adapter broke: {0}")]
    Lost(#[from] io::Error),
    /// The adapter is there and does not answer any more.
    #[error("the adapter does not answer")]
    Silent,
    /// Bytes without an end: no ELM327.
    #[error("the adapter sends bytes without an end")]
    Flood,
    /// The adapter restarted and forgot its settings.
    #[error("the adapter restarted by itself")]
    Restarted,
    /// The adapter works, the vehicle does not answer.
    #[error("the vehicle does not answer: {0}")]
    NoVehicle(ElmError),
    /// The receiver of the readings is gone: there is nobody to read for.
    #[error("nobody takes the readings any more")]
    NobodyListens,
}

impl ObdError {
    /// What somebody can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Open { endpoint: Endpoint::Serial(_), .. } => {
                "plug the adapter in, see that `port` names it and that the gateway's user may open it (on Debian: group dialout)"
            }
            Self::Open { endpoint: Endpoint::Tcp(_), .. } => {
                "see that the adapter is on this network and that `port` has its address"
            }
            Self::NoAdapter { .. } => {
                "see that `port` names the OBD-II adapter and no other device; if its speed is known, set `baud`"
            }
            Self::Lost(_) => "plug the adapter in again; reading goes on by itself",
            Self::Silent | Self::Flood => "unplug the adapter and plug it in again",
            Self::Restarted => "if this repeats, look at the adapter's plug and the vehicle's battery",
            Self::NoVehicle(_) => "switch the ignition on; reading goes on by itself",
            Self::NobodyListens => "restart the gateway",
        }
    }
}
