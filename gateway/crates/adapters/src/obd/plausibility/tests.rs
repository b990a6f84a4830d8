use super::*;
use proptest::prelude::*;
use Corrections::{Accepted, Refused};

fn km(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A check with the time of its last cycle, one second per cycle.
struct Cycles {
    check: OdometerCheck,
    now: i64,
}

impl Cycles {
    fn new(last: Option<&str>) -> Self {
        let last = last.map(|value| Mark { value: km(value), at: 0 });
        Self { check: OdometerCheck::new(300, last), now: 0 }
    }

    /// A check with the confirmed value 100 km.
    fn at_100() -> Self {
        let mut cycles = Self::new(None);
        assert_eq!(cycles.judge("100"), Plausibility::AskAgain);
        assert_eq!(cycles.confirm("100", Some("100")), Plausibility::Plausible(km("100")));
        cycles
    }

    fn judge(&mut self, value: &str) -> Plausibility {
        self.judge_with(value, Accepted)
    }

    fn judge_with(&mut self, value: &str, corrections: Corrections) -> Plausibility {
        self.now += 1_000;
        self.check.judge(Mark { value: km(value), at: self.now }, corrections)
    }

    fn confirm(&mut self, first: &str, second: Option<&str>) -> Plausibility {
        self.check.confirm(km(first), second.map(km), self.now)
    }

    /// Reads a value, and confirms it with the same value if asked to.
    fn read(&mut self, value: &str) -> Plausibility {
        match self.judge(value) {
            Plausibility::AskAgain => self.confirm(value, Some(value)),
            other => other,
        }
    }
}

fn withheld(judgement: Plausibility) -> String {
    match judgement {
        Plausibility::Withheld(Some(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rising_values_are_plausible() {
    let mut odometer = Cycles::at_100();
    for value in ["100", "100.1", "101.1"] {
        assert_eq!(odometer.judge(value), Plausibility::Plausible(km(value)));
    }
}

#[test]
fn zero_is_never_believed_and_said_once() {
    let mut new = Cycles::new(None);
    assert!(withheld(new.judge("0")).contains("ignition"));
    for _ in 0..20 {
        assert_eq!(new.judge("0"), Plausibility::Withheld(None));
    }
    assert!(withheld(Cycles::at_100().judge("0")).contains("previously 100 km"));
    assert!(withheld(Cycles::new(Some("7")).judge("0")).contains("previously 7 km"));
}

#[test]
fn a_fall_is_reported_once_and_a_fall_by_a_tenth_never() {
    let mut odometer = Cycles::at_100();
    assert_eq!(odometer.judge("99.9"), Plausibility::Withheld(None));
    assert!(!odometer.check.is_withholding());
    assert!(withheld(odometer.judge("99.8")).contains("less than the previous 100 km"));
    assert_eq!(odometer.judge("99.8"), Plausibility::Withheld(None));
    assert!(odometer.check.is_withholding());
    assert_eq!(odometer.judge("100.2"), Plausibility::Plausible(km("100.2")));
    assert!(!odometer.check.is_withholding());
    // After a plausible value the same reason is reported again.
    withheld(odometer.judge("99.8"));
}

#[test]
fn one_damaged_answer_does_not_affect_later_values() {
    let mut odometer = Cycles::at_100();
    assert_eq!(odometer.judge("150"), Plausibility::AskAgain);
    withheld(odometer.confirm("150", Some("100.1")));
    assert_eq!(odometer.judge("100.1"), Plausibility::Plausible(km("100.1")));
    withheld(odometer.confirm("150", None));
    withheld(odometer.judge("429496729.5"));
    assert_eq!(odometer.check.last(), Some(km("100.1")));
}

#[test]
fn what_was_driven_while_nobody_read_is_plausible() {
    // Ten hours at up to 300 km/h.
    for (value, is_plausible) in [("3100", true), ("3201", false)] {
        let mut odometer = Cycles::at_100();
        odometer.check.connected();
        odometer.now += 36_000_000;
        assert_eq!(odometer.read(value) == Plausibility::Plausible(km(value)), is_plausible, "{value}");
    }
}

#[test]
fn an_outlier_loses_against_the_truth() {
    let mut odometer = Cycles::new(None);
    odometer.read("230000");
    assert!(withheld(odometer.read("345000")).contains("more than the vehicle can have driven"));
    assert_eq!(odometer.read("345000"), Plausibility::Withheld(None));
    assert_eq!(odometer.read("230012"), Plausibility::Plausible(km("230012")));
    // The count begins anew.
    for _ in 1..CONSISTENT_CYCLES {
        assert!(matches!(odometer.read("345000"), Plausibility::Withheld(_)));
    }
    assert_eq!(odometer.read("230012.5"), Plausibility::Plausible(km("230012.5")));
}

#[test]
fn what_several_cycles_agree_on_is_a_correction_in_both_directions() {
    let mut odometer = Cycles::new(None);
    odometer.read("230000");
    for (wrong, right) in [("345000", "230000"), ("230012", "345000")] {
        withheld(odometer.read(wrong));
        for _ in 2..CONSISTENT_CYCLES {
            assert_eq!(odometer.read(wrong), Plausibility::Withheld(None));
        }
        match odometer.read(wrong) {
            Plausibility::Corrected(value, text) => {
                assert_eq!(value, km(wrong));
                assert!(text.starts_with("odometer corrected: ") && text.contains(right), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(odometer.read(wrong), Plausibility::Plausible(km(wrong)), "it goes on");
    }
}

#[test]
fn values_that_disagree_are_no_correction() {
    let mut odometer = Cycles::at_100();
    for n in 0..50 {
        let value = ["345000", "20", "900000"][n % 3];
        assert!(matches!(odometer.read(value), Plausibility::Withheld(_)), "{n}");
    }
    assert_eq!(odometer.read("100.3"), Plausibility::Plausible(km("100.3")));
}

#[test]
fn nothing_is_corrected_while_it_may_be_another_vehicle() {
    let mut odometer = Cycles::new(Some("54001"));
    withheld(odometer.judge_with("123456", Refused));
    for _ in 0..50 {
        assert_eq!(odometer.judge_with("123456", Refused), Plausibility::Withheld(None));
    }
    assert_eq!(odometer.judge_with("54002", Refused), Plausibility::AskAgain);
}

#[test]
fn the_operator_can_reset_the_baseline() {
    let mut odometer = Cycles::new(Some("345000"));
    withheld(odometer.read("230012"));
    odometer.check.reset(Some(Mark { value: km("230000"), at: odometer.now }));
    assert_eq!(odometer.read("230012"), Plausibility::Plausible(km("230012")));
}

proptest! {
    #[test]
    fn plausible_values_are_possible_and_fall_only_by_a_correction(
        values in proptest::collection::vec((any::<u32>(), 0u32..200, any::<bool>()), 0..60)
    ) {
        let mut odometer = OdometerCheck::new(300, None);
        let mut last = None;
        for (n, (wild, small, is_small)) in (0i64..).zip(values) {
            let value = tenths(if is_small { small } else { wild });
            let judgement = match odometer.judge(Mark { value, at: n * 1_000 }, Accepted) {
                Plausibility::AskAgain => odometer.confirm(value, Some(value), n * 1_000),
                other => other,
            };
            match judgement {
                Plausibility::Plausible(value) => {
                    prop_assert!(Some(value) >= last && is_possible(&value));
                    last = Some(value);
                }
                Plausibility::Corrected(value, text) => {
                    prop_assert!(is_possible(&value) && text.len() <= 256);
                    last = Some(value);
                }
                Plausibility::Withheld(text) => prop_assert!(text.unwrap_or_default().len() <= 256),
                Plausibility::AskAgain => prop_assert!(false, "asked twice"),
            }
        }
    }
}
