//! The odometer: what it is called, which answer is its value, and whether the vehicle tells it.
//!
//! Whether a value can be true is decided in [`super::plausibility`].

use super::{
    answer::Message,
    elm327::Session,
    error::ObdError,
    pids::{self, Answered, Signal, CURRENT},
};
use crate::History;
use streembit_primitives::{Decimal, Value};

/// The odometer's value in the answers to `01 A6`.
///
/// As with every signal ([`pids::value`]), the first answer with the service byte 41 counts. Only if there is none does
/// one with another positive service byte count, such as `61 A6 ...`, which some control units send.
pub fn value(messages: &[Message]) -> Option<Answered> {
    pids::value(Signal::Odometer, messages)
}

/// Returns true if the vehicle tells its odometer.
///
/// A vehicle that does not list `01 A6` as supported is asked all the same: some answer it. There, only an answer with
/// the right service byte counts.
pub(super) async fn is_told(session: &mut Session) -> Result<bool, ObdError> {
    let pid = Signal::Odometer.pid();
    if session.supported().contains(pid) {
        return Ok(true);
    }
    let answer = session.ask(CURRENT, Some(pid)).await?;
    Ok(matches!(value(&answer.messages), Some(Answered::Right(_))))
}

/// The last value in kilometres that is known from earlier runs.
pub(super) async fn last_value(history: &dyn History) -> Option<Decimal> {
    match history.last_reading(Signal::Odometer.name()).await {
        Some(Value::Decimal(value)) => Some(value),
        _ => None,
    }
}
