//! When the fault codes are asked for, and which answers become a reading.

use super::{
    answer::{Answer, Framing},
    dtc::{self, Incomplete},
};
use std::{collections::BTreeSet, time::Duration};
use streembit_primitives::Text;
use tokio::time::Instant;

/// The interval between requests. Fault codes rarely change, and requesting them is slow on old buses.
const EVERY: Duration = Duration::from_secs(30);
/// The interval while control units that have never answered the request are waited for.
const EVERY_WHILE_WAITING: Duration = Duration::from_secs(2);
/// The number of requests after which a control unit that has never answered one is not waited for any more: it does not
/// have the service. CAN requires an answer even without faults, but not every control unit knows the service.
const PATIENCE: u32 = 3;

/// The fault codes of one connection.
pub struct FaultCodes {
    framing: Framing,
    /// The control units that have answered the request on this connection.
    answering: BTreeSet<u32>,
    /// The control units that have answered other requests, and how many more requests for fault codes they get.
    waiting: (BTreeSet<u32>, u32),
    /// The codes that were sent last.
    sent: Option<Text<256>>,
    /// Why the last answer said nothing.
    doubt: Option<Incomplete>,
    due: Instant,
}

/// The conclusion from an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Statement {
    /// The codes are new or have changed.
    Codes(Text<256>),
    /// The codes are unknown for a reason that has not been said yet.
    Unknown(Incomplete),
    /// Nothing new.
    Nothing,
}

impl FaultCodes {
    /// Starts a connection with the control units that answer on it.
    pub fn new(framing: Framing, units: BTreeSet<u32>) -> Self {
        Self {
            framing,
            answering: BTreeSet::new(),
            waiting: (units, PATIENCE),
            sent: None,
            doubt: None,
            due: Instant::now(),
        }
    }

    /// Returns true if the codes have to be asked for.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Returns true if asking again at once cannot tell more: the answer is complete, or the vehicle never answers.
    pub fn is_conclusive(&self, answer: &Answer) -> bool {
        match self.read(answer) {
            Ok(_) => true,
            Err(Incomplete::NoAnswer) => self.sent.is_none(),
            Err(_) => false,
        }
    }

    fn read(&self, answer: &Answer) -> Result<dtc::StoredCodes, Incomplete> {
        let expected = self.answering.union(&self.waiting.0).copied().collect();
        dtc::stored_codes(answer, self.framing, &expected)
    }

    /// Takes the last answer to the request, and decides when to ask again.
    pub fn take(&mut self, answer: &Answer) -> Statement {
        let read = self.read(answer);
        let is_waiting = matches!(read, Err(Incomplete::Unit(unit)) if !self.answering.contains(&unit));
        if is_waiting && self.waiting.1 <= 1 {
            self.waiting.0.clear();
            return self.take(answer);
        }
        if is_waiting {
            self.waiting.1 -= 1;
        }
        self.due = Instant::now() + if is_waiting { EVERY_WHILE_WAITING } else { EVERY };
        match read {
            Ok(stored) => {
                self.answering.extend(stored.units);
                self.doubt = None;
                self.state(dtc::list(&stored.codes))
            }
            // A vehicle that never answers has no fault codes to tell.
            Err(Incomplete::NoAnswer) if self.sent.is_none() => Statement::Nothing,
            Err(_) if is_waiting => Statement::Nothing,
            Err(reason) if self.doubt == Some(reason) => Statement::Nothing,
            Err(reason) => {
                self.doubt = Some(reason);
                Statement::Unknown(reason)
            }
        }
    }

    fn state(&mut self, codes: Text<256>) -> Statement {
        if self.sent.as_ref() == Some(&codes) {
            return Statement::Nothing;
        }
        self.sent = Some(codes.clone());
        Statement::Codes(codes)
    }

    /// Returns why the fault codes are unknown now, or `None` if they are known or were never told.
    pub fn doubt(&self) -> Option<Incomplete> {
        self.doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obd::answer;

    fn told(text: &str) -> Answer {
        answer::read(&answer::lines(text.as_bytes(), "03"), Framing::Can11)
    }

    fn codes(text: &str) -> Statement {
        Statement::Codes(Text::try_from(text).unwrap())
    }

    const BOTH: &str = "7E8 06 43 02 01 33 C1 00\r7E9 02 43 00\r";

    #[test]
    fn codes_are_stated_when_they_change() {
        let mut faults = FaultCodes::new(Framing::Can11, [0x7e8, 0x7e9].into());
        assert_eq!(faults.take(&told(BOTH)), codes("P0133,U0100"));
        assert_eq!(faults.take(&told(BOTH)), Statement::Nothing);
        assert_eq!(faults.take(&told("7E8 02 43 00\r7E9 02 43 00\r")), codes(""));
    }

    #[test]
    fn a_unit_that_has_answered_must_answer_again() {
        let mut faults = FaultCodes::new(Framing::Can11, BTreeSet::new());
        faults.take(&told(BOTH));
        let alone = told("7E9 02 43 00\r");
        for _ in 0..5 {
            assert!(!faults.is_conclusive(&alone));
            faults.take(&alone);
        }
        assert_eq!(faults.doubt(), Some(Incomplete::Unit(0x7e8)));
        assert_eq!(faults.take(&told("NO DATA\r")), Statement::Unknown(Incomplete::NoAnswer));
        assert_eq!(faults.take(&told(BOTH)), Statement::Nothing);
        assert_eq!(faults.doubt(), None);
    }

    #[test]
    fn a_unit_that_never_answers_is_waited_for_and_then_taken_to_lack_the_service() {
        let mut faults = FaultCodes::new(Framing::Can11, [0x7e8, 0x7e9].into());
        let alone = told("7E8 02 43 00\r");
        for _ in 1..PATIENCE {
            assert_eq!(faults.take(&alone), Statement::Nothing);
        }
        assert_eq!(faults.take(&alone), codes(""));
    }

    #[test]
    fn a_vehicle_without_the_service_says_nothing() {
        let mut faults = FaultCodes::new(Framing::Can11, [0x7e8].into());
        for _ in 0..5 {
            assert_eq!(faults.take(&told("NO DATA\r")), Statement::Nothing);
        }
        assert_eq!(faults.doubt(), None);
    }
}
