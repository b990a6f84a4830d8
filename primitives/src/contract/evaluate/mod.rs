//! What the clauses of a contract come to: what is due, used or owed, and what contradicts a claim.
//!
//! The chain, the gateway and every program that checks a contract compute with these functions. They use decimals
//! only. `None` means that a result does not fit into a decimal.

mod amount;
mod meter;
mod usage;

pub use amount::{amount, Rounding};
pub use meter::{irregularity, irregularity_in_window, leaps, next_window, service_due};
pub use usage::{carried_over, period_at, period_range, usage, UsageResult};

use super::{
    state::{ClaimSubject, ProvenPoint},
    BoundClause, ReportClause,
};

/// Returns true if the readings prove a breach of a bound, unless one in between refutes it.
///
/// If no duration is tolerated, one reading outside is enough. Otherwise both are outside, and longer apart than is
/// tolerated.
pub fn is_breach(clause: &BoundClause, first: &ProvenPoint, last: Option<&ProvenPoint>) -> bool {
    if clause.contains(first.value) {
        return false;
    }
    match last {
        None => clause.tolerated == 0,
        Some(last) => {
            !clause.contains(last.value)
                && last.sequence > first.sequence
                && last.time.saturating_sub(first.time) > clause.tolerated
        }
    }
}

/// Returns true if the time between two readings is a gap, unless one in between refutes it.
pub fn is_gap(clause: &ReportClause, before: &ProvenPoint, after: &ProvenPoint) -> bool {
    after.sequence > before.sequence && after.time.saturating_sub(before.time) > clause.every
}

/// Returns true if a reading contradicts a claim: its event is between the readings of the claim, or it came before them and
/// has a time between theirs, and
///
/// - within the limits, for a breach;
/// - any reading, for a gap;
/// - below the reading at the start or above the reading at the end, for a usage or a charge by a meter.
///
/// Nothing refutes other claims. They are contested.
pub fn refutes(subject: &ClaimSubject, bound: Option<&BoundClause>, contrary: &ProvenPoint) -> bool {
    let is_between = |first: &ProvenPoint, last: &ProvenPoint| {
        let by_sequence = first.sequence < contrary.sequence && contrary.sequence < last.sequence;
        // The first reading was then logged late with an early time. A reading that was logged after the claim's could be
        // backdated itself.
        let by_time =
            contrary.sequence < first.sequence && first.time < contrary.time && contrary.time < last.time;
        by_sequence || by_time
    };
    let is_off =
        |first: &ProvenPoint, last: &ProvenPoint| contrary.value < first.value || contrary.value > last.value;
    match subject {
        ClaimSubject::Breach { first, last: Some(last) } => {
            is_between(first, last) && bound.is_some_and(|clause| clause.contains(contrary.value))
        }
        ClaimSubject::Gap { before, after } => is_between(before, after),
        ClaimSubject::Usage { first, last, .. } => is_between(first, last) && is_off(first, last),
        ClaimSubject::Charge { range: super::state::ChargedRange::Meter(first, last), .. } => {
            is_between(first, last) && is_off(first, last)
        }
        ClaimSubject::Breach { last: None, .. }
        | ClaimSubject::Service { .. }
        | ClaimSubject::Charge { .. }
        | ClaimSubject::Irregularity { .. } => false,
    }
}
