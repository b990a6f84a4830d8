//! Usage of a meter per period.

use crate::{
    contract::{evaluate::Rounding, state::ProvenPoint, CarryOver, UsageClause},
    Decimal,
};

/// What a party used in a period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageResult {
    /// The difference of the readings.
    pub used: Decimal,
    /// The allowance with what was carried over.
    pub allowance: Decimal,
    /// What was used beyond the allowance.
    pub over: Decimal,
    /// What is carried over to the next period.
    pub carried: Decimal,
}

/// Returns the period of a time, counted from 0, or `None` for a time before the contract. Times are in milliseconds.
pub fn period_at(starts: u64, period: u64, time: u64) -> Option<u32> {
    u32::try_from(time.checked_sub(starts)?.checked_div(period)?).ok()
}

/// Returns the start (inclusive) and the end (exclusive) of a period, or `None` if they do not fit.
pub fn period_range(starts: u64, period: u64, number: u32) -> Option<(u64, u64)> {
    let from = period.checked_mul(number.into())?.checked_add(starts)?;
    Some((from, from.checked_add(period)?))
}

/// Returns what is carried over into a period if a number of periods before it were not claimed: as much as if nothing had
/// been used in them, because the claimant alone decides which periods it claims.
pub fn carried_over(clause: &UsageClause, carried: Decimal, skipped: u32) -> Decimal {
    match clause.carry_over {
        CarryOver::None => Decimal::ZERO,
        CarryOver::UpTo(_) if skipped == 0 => carried,
        CarryOver::UpTo(most) => {
            let saved = clause.allowance.mul_div(&skipped.into(), &Decimal::from(1), 9, Rounding::Up);
            let total = saved.and_then(|saved| saved.checked_add(&carried));
            // A sum that does not fit into a decimal is above the limit.
            total.map_or(most, |total| total.min(most))
        }
    }
}

/// Returns what the readings at both ends of a period come to, with what is carried over from the period before.
pub fn usage(
    clause: &UsageClause,
    carried: Decimal,
    first: &ProvenPoint,
    last: &ProvenPoint,
) -> Option<UsageResult> {
    let used = last.value.checked_sub(&first.value)?;
    let allowance = clause.allowance.checked_add(&carried)?;
    let left = allowance.checked_sub(&used)?;
    let over = if left < Decimal::ZERO { used.checked_sub(&allowance)? } else { Decimal::ZERO };
    let carried = match clause.carry_over {
        CarryOver::None => Decimal::ZERO,
        CarryOver::UpTo(most) => left.min(most).max(Decimal::ZERO),
    };
    Some(UsageResult { used, allowance, over, carried })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::Meter, DeviceId, PartyId};

    fn clause(carry_over: CarryOver) -> UsageClause {
        UsageClause {
            device: DeviceId([3; 32]),
            meter: Meter {
                name: "Vehicle.TraveledDistance".parse().unwrap(),
                unit: "km".parse().unwrap(),
                max_per_day: 2_000.into(),
            },
            period: 100,
            allowance: 1_000.into(),
            carry_over,
            user: PartyId([1; 32]),
            claimant: PartyId([2; 32]),
        }
    }

    fn result(carry_over: CarryOver, carried: u32, used: u32) -> (Decimal, Decimal, Decimal) {
        let point = |value: u32| ProvenPoint { sequence: 0, time: 0, value: value.into() };
        let result = usage(&clause(carry_over), carried.into(), &point(5_000), &point(5_000 + used)).unwrap();
        assert_eq!(result.used, Decimal::from(used));
        (result.allowance, result.over, result.carried)
    }

    #[test]
    fn the_allowance_is_carried_over_up_to_a_limit() {
        let carry = CarryOver::UpTo(300.into());
        assert_eq!(result(carry, 0, 600), (1_000.into(), 0.into(), 300.into()));
        assert_eq!(result(carry, 300, 1_250), (1_300.into(), 0.into(), 50.into()));
        assert_eq!(result(carry, 300, 1_500), (1_300.into(), 200.into(), 0.into()));
        assert_eq!(result(CarryOver::None, 0, 600), (1_000.into(), 0.into(), 0.into()));
    }

    #[test]
    fn periods_that_are_not_claimed_carry_over_as_if_unused() {
        let carry =
            |most: u32, skipped| carried_over(&clause(CarryOver::UpTo(most.into())), 200.into(), skipped);
        assert_eq!((carry(300, 0), carry(300, 1)), (200.into(), 300.into()));
        assert_eq!((carry(5_000, 2), carry(5_000, u32::MAX)), (2_200.into(), 5_000.into()));
        assert_eq!(carried_over(&clause(CarryOver::None), Decimal::ZERO, 2), Decimal::ZERO);
    }

    #[test]
    fn periods_follow_each_other() {
        assert_eq!(period_at(50, 100, 49), None);
        assert_eq!((period_at(50, 100, 149), period_at(50, 100, 150)), (Some(0), Some(1)));
        assert_eq!(period_range(50, 100, 1), Some((150, 250)));
        assert_eq!((period_range(50, u64::MAX, 1), period_at(0, 0, 1)), (None, None));
    }
}
