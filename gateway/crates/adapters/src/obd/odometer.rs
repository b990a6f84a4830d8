//! Reading the odometer. Whether its value is plausible is decided in [`super::plausibility`].

use super::{
    answer::Message,
    elm327::Session,
    error::ObdError,
    pids::{self, Signal, SignalValue, CURRENT},
};
use crate::History;
use streembit_primitives::{Decimal, Value};

/// Returns the odometer's value in the answers to `01 A6`.
///
/// As with every signal ([`pids::value`]), the first answer with the service byte 41 counts. If there is none, an
/// answer with another positive service byte counts, such as `61 A6 ...`, which some control units send.
pub fn value(messages: &[Message]) -> Option<SignalValue> {
    pids::value(Signal::Odometer, messages)
}

/// Returns true if the vehicle reports its odometer.
///
/// A vehicle that does not list `01 A6` as supported is asked anyway, because some such vehicles answer. From them only
/// an answer with the standard service byte counts.
pub(super) async fn is_available(session: &mut Session) -> Result<bool, ObdError> {
    let pid = Signal::Odometer.pid();
    if session.supported().contains(pid) {
        return Ok(true);
    }
    let answer = session.ask(CURRENT, Some(pid)).await?;
    Ok(matches!(value(&answer.messages), Some(SignalValue::Standard(_))))
}

/// Returns the last value of earlier runs in kilometres, or `None` if there is none.
pub(super) async fn last_value(history: &dyn History) -> Option<Decimal> {
    match history.last_reading(Signal::Odometer.name()).await {
        Some(Value::Decimal(value)) => Some(value),
        _ => None,
    }
}
