//! How a dispute ends, as it is written on the command line.

use crate::contracts::show_number;
use std::str::FromStr;
use streembit_primitives::contract::state::Outcome;

/// An outcome in text form: `stands`, `void`, `amount=12.50` or `reading=42`.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeText(pub Outcome);

impl FromStr for OutcomeText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let outcome = match text.split_once('=') {
            None if text == "stands" => Some(Outcome::Stands),
            None if text == "void" => Some(Outcome::Void),
            Some(("amount", amount)) => amount.parse().ok().map(Outcome::Amount),
            Some(("reading", sequence)) => {
                sequence.parse().ok().map(|sequence| Outcome::Reading { sequence })
            }
            _ => None,
        };
        outcome
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not stands, void, amount=NUMBER or reading=SEQUENCE"))
    }
}

/// Formats an outcome for people.
pub(super) fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Stands => "it stands".into(),
        Outcome::Void => "it is void".into(),
        Outcome::Amount(amount) => format!("it stands with {}", show_number(amount)),
        Outcome::Reading { sequence } => format!("the meter is set to the reading in event {sequence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read() {
        for (text, shown) in [
            ("stands", "it stands"),
            ("void", "it is void"),
            ("amount=1250.5", "it stands with 1,250.5"),
            ("reading=42", "the meter is set to the reading in event 42"),
        ] {
            assert_eq!(show(&text.parse::<OutcomeText>().unwrap().0), shown);
        }
        for text in ["", "stand", "amount=", "amount=x", "reading=-1", "void="] {
            assert!(text.parse::<OutcomeText>().is_err(), "{text}");
        }
    }
}
