//! Plausibility checks of the odometer's value. They use neither I/O nor a clock.
//!
//! Contracts depend on the odometer, so an implausible value never becomes a reading. It is withheld and
//! reported in a status text:
//!
//! - **0 km** is implausible after a higher value, and while neither the engine nor the wheels turn, because some
//!   vehicles answer 0 with the ignition off. A new vehicle at 0 km is believed when it runs.
//! - **A lower value than before** is implausible. If it is lower by only 0.1 km, the resolution of the answer, it is
//!   withheld without a status text: two control units may round differently.
//! - **More than ten million kilometres** come from a damaged answer, or from a control unit that answers all ones
//!   because it has no value.
//! - **A rise of more than 1 km**, and the first value of a connection, must be confirmed by a second request. The
//!   second value must be at least the first and at most 10 km higher. Without this check, one damaged answer would
//!   make every correct value after it look like a fall.

use streembit_primitives::Decimal;

/// Checks the values of one vehicle's odometer, in kilometres.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OdometerCheck {
    last: Option<Decimal>,
    confirmed: bool,
    /// The reason why values are being withheld, or `None` if they are not.
    withheld: Option<Reason>,
}

/// The result of checking a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plausibility {
    /// The value is plausible.
    Plausible(Decimal),
    /// The value must be requested once more and passed to [`OdometerCheck::confirm`].
    AskAgain,
    /// The value is implausible. The text explains why; it is `None` if it would repeat the previous text.
    Withheld(Option<String>),
}

/// The reason why a value is withheld.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reason {
    Zero,
    Fell,
    TooLarge,
    NotConfirmed,
}

fn tenths(value: u32) -> Decimal {
    Decimal::new(i64::from(value), -1).unwrap_or_default()
}

/// Returns `to - from`, or zero if the difference is out of range.
fn rise(from: &Decimal, to: &Decimal) -> Decimal {
    to.checked_sub(from).unwrap_or_default()
}

impl OdometerCheck {
    /// Creates a check that continues from `last`, the last plausible value of earlier runs, if there is one.
    pub fn new(last: Option<Decimal>) -> Self {
        Self { last, ..Self::default() }
    }

    /// Returns the last plausible value, in kilometres.
    pub fn last(&self) -> Option<Decimal> {
        self.last
    }

    /// Starts a connection: its first value has to be confirmed.
    pub fn connected(&mut self) {
        self.confirmed = false;
    }

    /// Returns true if values are being withheld.
    pub fn is_withholding(&self) -> bool {
        self.withheld.is_some()
    }

    /// Checks a value. `running` is true if the engine or the wheels turn.
    pub fn judge(&mut self, value: Decimal, running: bool) -> Plausibility {
        if value > Decimal::from(10_000_000) {
            return self.withhold(Reason::TooLarge, format!("{value} km, more than any vehicle drives"));
        }
        let last = self.last.unwrap_or_default();
        if value == Decimal::ZERO && (!running || last > value) {
            return self.withhold(Reason::Zero, format!("0 km, previously {last} km: is the ignition off?"));
        }
        if value < last {
            if rise(&value, &last) <= tenths(1) {
                return Plausibility::Withheld(None);
            }
            return self.withhold(Reason::Fell, format!("{value} km, less than the previous {last} km"));
        }
        if !self.confirmed || rise(&last, &value) > tenths(10) {
            return Plausibility::AskAgain;
        }
        self.accept(value)
    }

    /// Checks `first` against `second`, the answer to the second request, or `None` if there was no answer.
    pub fn confirm(&mut self, first: Decimal, second: Option<Decimal>) -> Plausibility {
        match second {
            Some(second) if second >= first && rise(&first, &second) <= tenths(100) => self.accept(second),
            Some(second) => {
                self.withhold(Reason::NotConfirmed, format!("{first} km, and {second} km when asked again"))
            }
            None => self.withhold(Reason::NotConfirmed, format!("{first} km, and nothing when asked again")),
        }
    }

    fn accept(&mut self, value: Decimal) -> Plausibility {
        self.last = Some(value);
        self.confirmed = true;
        self.withheld = None;
        Plausibility::Plausible(value)
    }

    /// Withholds a value. Returns a text only if the reason differs from the one in force; a plausible value ends it.
    fn withhold(&mut self, reason: Reason, what: String) -> Plausibility {
        let is_new = self.withheld != Some(reason);
        self.withheld = Some(reason);
        Plausibility::Withheld(is_new.then(|| format!("odometer withheld: it reads {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn km(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// A check with the confirmed value 100 km.
    fn at_100() -> OdometerCheck {
        let mut odometer = OdometerCheck::default();
        assert_eq!(odometer.judge(km("100"), true), Plausibility::AskAgain);
        assert_eq!(odometer.confirm(km("100"), Some(km("100"))), Plausibility::Plausible(km("100")));
        odometer
    }

    fn withheld(judgement: Plausibility) -> String {
        match judgement {
            Plausibility::Withheld(Some(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rising_values_are_plausible() {
        let mut odometer = at_100();
        for value in ["100", "100.1", "101.1"] {
            assert_eq!(odometer.judge(km(value), false), Plausibility::Plausible(km(value)));
        }
    }

    #[test]
    fn zero_is_plausible_only_for_a_new_vehicle_that_runs() {
        let mut odometer = OdometerCheck::default();
        assert!(withheld(odometer.judge(Decimal::ZERO, false)).contains("ignition"));
        assert_eq!(odometer.judge(Decimal::ZERO, true), Plausibility::AskAgain);
        assert!(withheld(at_100().judge(Decimal::ZERO, true)).contains("previously 100 km"));
        assert!(withheld(OdometerCheck::new(Some(km("7"))).judge(Decimal::ZERO, true))
            .contains("previously 7 km"));
    }

    #[test]
    fn a_fall_is_reported_once_and_a_fall_by_a_tenth_never() {
        let mut odometer = at_100();
        assert_eq!(odometer.judge(km("99.9"), true), Plausibility::Withheld(None));
        assert!(!odometer.is_withholding());
        assert!(withheld(odometer.judge(km("99.8"), true)).contains("less than the previous 100 km"));
        assert_eq!(odometer.judge(km("99.8"), true), Plausibility::Withheld(None));
        assert!(odometer.is_withholding());
        assert_eq!(odometer.judge(km("100.2"), true), Plausibility::Plausible(km("100.2")));
        assert!(!odometer.is_withholding());
        // After a plausible value the same reason is reported again.
        withheld(odometer.judge(km("99.8"), true));
    }

    #[test]
    fn one_damaged_answer_does_not_affect_later_values() {
        let mut odometer = at_100();
        assert_eq!(odometer.judge(km("5000"), true), Plausibility::AskAgain);
        withheld(odometer.confirm(km("5000"), Some(km("100.1"))));
        assert_eq!(odometer.judge(km("100.1"), true), Plausibility::Plausible(km("100.1")));
        withheld(odometer.confirm(km("5000"), None));
        withheld(odometer.judge(km("429496729.5"), true));
        assert_eq!(odometer.last(), Some(km("100.1")));
        // The vehicle was driven while it was disconnected: both answers agree.
        assert_eq!(odometer.judge(km("5000"), true), Plausibility::AskAgain);
        assert_eq!(odometer.confirm(km("5000"), Some(km("5000.1"))), Plausibility::Plausible(km("5000.1")));
    }

    proptest! {
        #[test]
        fn plausible_values_never_fall(values in proptest::collection::vec((any::<u32>(), 0u32..200, any::<bool>()), 0..60)) {
            let mut odometer = OdometerCheck::default();
            let mut last = None;
            for (n, (wild, small, running)) in values.into_iter().enumerate() {
                let raw = if n % 3 == 0 { wild } else { small };
                let judgement = match odometer.judge(tenths(raw), running) {
                    Plausibility::AskAgain => odometer.confirm(tenths(raw), Some(tenths(raw))),
                    other => other,
                };
                if let Plausibility::Plausible(value) = judgement {
                    prop_assert!(Some(value) >= last && value <= Decimal::from(10_000_000));
                    last = Some(value);
                }
            }
        }
    }
}
