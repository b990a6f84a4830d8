//! Amounts of money.

use crate::{
    contract::{ChargeBasis, ChargeClause, Quantity},
    Decimal,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// How a number is rounded to a number of decimal places.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Rounding {
    /// To the nearest; halves to the even digit.
    HalfEven,
    /// To the nearest; halves away from zero.
    HalfUp,
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
}

impl Rounding {
    /// Returns the name, as in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfEven => "half-even",
            Self::HalfUp => "half-up",
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    /// Divides and rounds to an integer. `None` if the divisor is not above zero.
    pub(crate) fn divide(self, dividend: i128, divisor: i128) -> Option<i128> {
        if divisor <= 0 {
            return None;
        }
        let (quotient, remainder) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        // Both are below 2^127, so neither the difference nor the comparison overflows.
        let (rest, whole) = (remainder.unsigned_abs(), divisor.unsigned_abs());
        let is_away = match self {
            Self::Down => false,
            Self::Up => rest > 0,
            Self::HalfUp => rest >= whole.saturating_sub(rest),
            Self::HalfEven => match rest.cmp(&whole.saturating_sub(rest)) {
                core::cmp::Ordering::Less => false,
                core::cmp::Ordering::Greater => true,
                core::cmp::Ordering::Equal => quotient % 2 != 0,
            },
        };
        if !is_away {
            return Some(quotient);
        }
        quotient.checked_add(if dividend < 0 { -1 } else { 1 })
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Returns the amount that a quantity costs: the rate times the quantity, divided by what the rate is for, rounded once to
/// the minor unit of the currency.
pub fn amount(clause: &ChargeClause, quantity: &Quantity) -> Option<Decimal> {
    let (quantity, per) = match (&clause.basis, quantity) {
        (ChargeBasis::Once, Quantity::Once) => (Decimal::from(1), Decimal::from(1)),
        (ChargeBasis::Meter { per, .. }, Quantity::Meter(used)) => (*used, *per),
        (ChargeBasis::Time { per }, Quantity::Time(time)) => (milliseconds(*time)?, milliseconds(*per)?),
        _ => return None,
    };
    clause.rate.mul_div(&quantity, &per, clause.currency.places(), clause.rounding)
}

fn milliseconds(time: u64) -> Option<Decimal> {
    Decimal::new(i64::try_from(time).ok()?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartyId;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn by_the_hour(rate: &str, rounding: Rounding) -> ChargeClause {
        ChargeClause {
            subject: None,
            basis: ChargeBasis::Time { per: 60 * 60 * 1_000 },
            rate: decimal(rate),
            currency: "EUR".parse().unwrap(),
            rounding,
            creditor: PartyId([1; 32]),
            debtor: PartyId([2; 32]),
        }
    }

    #[test]
    fn time_costs_its_share_of_the_rate() {
        let clause = by_the_hour("7.50", Rounding::HalfEven);
        assert_eq!(amount(&clause, &Quantity::Time(90 * 60 * 1_000)), Some(decimal("11.25")));
        assert_eq!(amount(&clause, &Quantity::Time(0)), Some(Decimal::ZERO));
        assert_eq!(amount(&clause, &Quantity::Once), None, "another basis");
    }

    #[test]
    fn each_rounding_differs_where_it_should() {
        // A tenth of an hour costs 0.125 and 0.135.
        let cost =
            |rate, rounding| amount(&by_the_hour(rate, rounding), &Quantity::Time(6 * 60 * 1_000)).unwrap();
        let table = [
            (Rounding::HalfEven, "0.12", "0.14"),
            (Rounding::HalfUp, "0.13", "0.14"),
            (Rounding::Down, "0.12", "0.13"),
            (Rounding::Up, "0.13", "0.14"),
        ];
        for (rounding, first, second) in table {
            assert_eq!(cost("1.25", rounding), decimal(first), "{rounding}");
            assert_eq!(cost("1.35", rounding), decimal(second), "{rounding}");
        }
        assert_eq!(Rounding::HalfUp.divide(-5, 2), Some(-3));
        assert_eq!(Rounding::HalfEven.divide(-5, 2), Some(-2));
        assert_eq!(Rounding::Down.divide(5, 0), None);
    }

    #[test]
    fn an_amount_that_does_not_fit_is_none() {
        let clause = by_the_hour("999999999999999999", Rounding::Down);
        assert_eq!(amount(&clause, &Quantity::Time(u64::MAX)), None);
    }
}
