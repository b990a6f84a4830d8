//! Whether a vehicle reports its odometer. Whether its value is plausible is decided in [`super::plausibility`].

use super::{
    elm327::{Patience, Session},
    error::ObdError,
    pids::{self, Signal, SignalValue},
    question::Question,
};

/// The request for the odometer.
pub const ODOMETER: Question = Question::current(Signal::Odometer.pid());

/// Whether a vehicle reports its odometer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The vehicle lists the odometer as supported, or answers the request for it.
    Reported,
    /// The vehicle does not list the odometer, and does not answer the request for it.
    Absent,
    /// The vehicle has not told all that it supports yet.
    Undecided,
}

/// Finds out whether the vehicle reports its odometer.
///
/// A vehicle that does not list `01 A6` as supported is asked anyway, because some such vehicles answer. From them only
/// an answer with the standard service byte counts.
pub async fn access(session: &mut Session) -> Result<Access, ObdError> {
    if session.supported().contains(Signal::Odometer.pid()) {
        return Ok(Access::Reported);
    }
    let answer = session.ask(ODOMETER, Patience::Insist).await?;
    Ok(match pids::value(Signal::Odometer, &answer.messages) {
        Some(SignalValue::Standard(_)) => Access::Reported,
        _ if session.knows_supported() => Access::Absent,
        _ => Access::Undecided,
    })
}
