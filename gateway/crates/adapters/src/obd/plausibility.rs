//! Whether an odometer's value can be true. Pure: no I/O, no clock.
//!
//! Contracts run on this value, so one that cannot be true is withheld and said to be, never passed on as a reading:
//!
//! - **0 km** where more was read before, or while neither engine nor wheels turn: some cars answer 0 with the
//!   ignition off. A new car at 0 km is believed once it runs.
//! - **Less than before**: a meter does not go back. By one tenth, the resolution of the answer, it is withheld
//!   without a word: two control units may round differently.
//! - **More than ten million kilometres**: a damaged answer, or the all-ones of a unit that has no value.
//! - **A rise of more than 1 km at once, and the first value of a connection**, is asked again: both answers must
//!   agree within 10 km. One damaged answer would otherwise make every true one after it look like a fall.

use streembit_primitives::Decimal;

/// Judges the values of one vehicle's odometer, in kilometres.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct OdometerCheck {
    last: Option<Decimal>,
    confirmed: bool,
    complaint: Option<Complaint>,
}

/// What to do with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plausibility {
    /// A reading.
    Plausible(Decimal),
    /// Ask once more, then [`OdometerCheck::confirm`].
    AskAgain,
    /// Not a reading. With a text where this is news.
    Withheld(Option<String>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Complaint {
    Zero,
    Fell,
    Beyond,
    Unsteady,
}

fn tenths(value: u32) -> Decimal {
    Decimal::new(i64::from(value), -1).unwrap_or_default()
}

/// `a - b`; a difference that does not fit counts as none.
fn rise(from: &Decimal, to: &Decimal) -> Decimal {
    to.checked_sub(from).unwrap_or_default()
}

impl OdometerCheck {
    /// An odometer last read at `last` kilometres, where it ever was.
    pub fn new(last: Option<Decimal>) -> Self {
        Self { last, ..Self::default() }
    }

    /// The last plausible value, in kilometres.
    pub fn last(&self) -> Option<Decimal> {
        self.last
    }

    /// A connection begins: its first value has to be confirmed.
    pub fn connected(&mut self) {
        self.confirmed = false;
    }

    /// Whether values are being withheld.
    pub fn withholds(&self) -> bool {
        self.complaint.is_some()
    }

    /// Judges a value. `running` says whether engine or wheels turn.
    pub fn judge(&mut self, value: Decimal, running: bool) -> Plausibility {
        if value > Decimal::from(10_000_000) {
            return self.complain(Complaint::Beyond, format!("{value} km is more than any vehicle drives"));
        }
        let last = self.last.unwrap_or_default();
        if value == Decimal::ZERO && (!running || last > value) {
            return self.complain(Complaint::Zero, format!("0 km, last {last} km: is the ignition off?"));
        }
        if value < last {
            if rise(&value, &last) <= tenths(1) {
                return Plausibility::Withheld(None);
            }
            return self.complain(Complaint::Fell, format!("{value} km, less than the {last} km before"));
        }
        if !self.confirmed || rise(&last, &value) > tenths(10) {
            return Plausibility::AskAgain;
        }
        self.accept(value)
    }

    /// Judges a value that had to be asked again by the second answer.
    pub fn confirm(&mut self, first: Decimal, second: Option<Decimal>) -> Plausibility {
        match second {
            Some(second) if second >= first && rise(&first, &second) <= tenths(100) => self.accept(second),
            Some(second) => {
                self.complain(Complaint::Unsteady, format!("{first} km, and {second} km when asked again"))
            }
            None => self.complain(Complaint::Unsteady, format!("{first} km, and nothing when asked again")),
        }
    }

    fn accept(&mut self, value: Decimal) -> Plausibility {
        self.last = Some(value);
        self.confirmed = true;
        self.complaint = None;
        Plausibility::Plausible(value)
    }

    /// Says each kind of complaint once, until a plausible value ends it.
    fn complain(&mut self, complaint: Complaint, what: String) -> Plausibility {
        let news = self.complaint != Some(complaint);
        self.complaint = Some(complaint);
        Plausibility::Withheld(news.then(|| format!("odometer withheld: it reads {what}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn km(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    /// An odometer at 100 km, confirmed.
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
    fn rises_are_readings() {
        let mut odometer = at_100();
        for value in ["100", "100.1", "101.1"] {
            assert_eq!(odometer.judge(km(value), false), Plausibility::Plausible(km(value)));
        }
    }

    #[test]
    fn zero_is_believed_only_of_a_new_and_running_vehicle() {
        let mut odometer = OdometerCheck::default();
        assert!(withheld(odometer.judge(Decimal::ZERO, false)).contains("ignition"));
        assert_eq!(odometer.judge(Decimal::ZERO, true), Plausibility::AskAgain);
        assert!(withheld(at_100().judge(Decimal::ZERO, true)).contains("last 100 km"));
        assert!(withheld(OdometerCheck::new(Some(km("7"))).judge(Decimal::ZERO, true)).contains("last 7 km"));
    }

    #[test]
    fn a_fall_is_said_once_and_by_a_tenth_not_at_all() {
        let mut odometer = at_100();
        assert_eq!(odometer.judge(km("99.9"), true), Plausibility::Withheld(None));
        assert!(!odometer.withholds());
        assert!(withheld(odometer.judge(km("99.8"), true)).contains("less than the 100 km"));
        assert_eq!(odometer.judge(km("99.8"), true), Plausibility::Withheld(None));
        assert!(odometer.withholds());
        assert_eq!(odometer.judge(km("100.2"), true), Plausibility::Plausible(km("100.2")));
        assert!(!odometer.withholds());
        // A new episode is news again.
        withheld(odometer.judge(km("99.8"), true));
    }

    #[test]
    fn one_damaged_answer_poisons_nothing() {
        let mut odometer = at_100();
        assert_eq!(odometer.judge(km("5000"), true), Plausibility::AskAgain);
        withheld(odometer.confirm(km("5000"), Some(km("100.1"))));
        assert_eq!(odometer.judge(km("100.1"), true), Plausibility::Plausible(km("100.1")));
        withheld(odometer.confirm(km("5000"), None));
        withheld(odometer.judge(km("429496729.5"), true));
        assert_eq!(odometer.last(), Some(km("100.1")));
        // Driven while disconnected: both answers say so.
        assert_eq!(odometer.judge(km("5000"), true), Plausibility::AskAgain);
        assert_eq!(odometer.confirm(km("5000"), Some(km("5000.1"))), Plausibility::Plausible(km("5000.1")));
    }

    proptest! {
        #[test]
        fn readings_never_fall(values in proptest::collection::vec((any::<u32>(), 0u32..200, any::<bool>()), 0..60)) {
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
