//! Errors of the OBD-II adapter, with a remedy for each.

use super::answer::ElmError;
use crate::serial::Endpoint;
use std::io;

/// The vehicle cannot be read. The adapter retries after every error but [`ObdError::ReceiverGone`].
#[derive(Debug, thiserror::Error)]
pub enum ObdError {
    /// The port or address cannot be opened.
    #[error("cannot open {endpoint}: {source}")]
    Open {
        /// The endpoint.
        endpoint: Endpoint,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The endpoint is open, but nothing on it answers like an ELM327.
    #[error("no ELM327 answers on {endpoint}{tried}")]
    NoAdapter {
        /// The endpoint.
        endpoint: Endpoint,
        /// The baud rates that were tried, as the end of a sentence; empty over TCP.
        tried: String,
    },
    /// The open connection broke.
    #[error("the connection to the adapter broke: {0}")]
    Lost(#[from] io::Error),
    /// The adapter has stopped answering.
    #[error("the adapter does not answer")]
    Silent,
    /// The port does not accept the bytes of a command.
    #[error("the adapter's port accepts no data")]
    Blocked,
    /// The adapter's answers do not fit the commands, although they were repeated.
    #[error("the adapter's answers do not fit the requests")]
    OutOfStep,
    /// The adapter sends data without a prompt, so it is not an ELM327.
    #[error("the adapter sends data without ever ending an answer")]
    Flood,
    /// The adapter restarted and lost its settings.
    #[error("the adapter restarted unexpectedly")]
    Restarted,
    /// The adapter answers, but the vehicle does not.
    #[error("the vehicle does not answer: {0}")]
    NoVehicle(ElmError),
    /// The receiver of the observations was dropped.
    #[error("the readings cannot be delivered: their receiver is gone")]
    ReceiverGone,
}

impl ObdError {
    /// Returns the action by which the user can solve the problem.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Open { endpoint: Endpoint::Serial(_), .. } => {
                "plug the adapter in; check that `port` names it and that the gateway's user may open it (on Debian: group dialout)"
            }
            Self::Open { endpoint: Endpoint::Tcp(_), .. } => {
                "check that the adapter is on this network and that `port` has its address"
            }
            Self::NoAdapter { .. } => {
                "check that `port` names the OBD-II adapter and not another device; if you know its speed, set `baud`"
            }
            Self::Lost(_) => "plug the adapter in again; reading then resumes by itself",
            Self::Silent | Self::Blocked | Self::Flood => "unplug the adapter and plug it in again",
            Self::OutOfStep => {
                "the gateway connects again by itself; make sure that no other program uses the adapter, and if it happens again, try another adapter"
            }
            Self::Restarted => "if this happens again, check the adapter's plug and the vehicle's battery",
            Self::NoVehicle(_) => "switch the ignition on; reading then resumes by itself; if it is on, set `protocol` to the one of the vehicle",
            Self::ReceiverGone => "restart the gateway",
        }
    }
}
