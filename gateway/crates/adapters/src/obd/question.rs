//! Requests to the vehicle, and how an answer fits its request.

use super::{
    answer::{Answer, ElmError},
    pids::{CURRENT, FAULTS, VEHICLE},
};
use std::fmt;

/// The reason of a refusal: the control unit is busy and wants to be asked again (ISO 14229, busyRepeatRequest).
const BUSY: u8 = 0x21;
/// The reason of a refusal: the control unit needs more time, and the answer follows (responsePending).
const PENDING: u8 = 0x78;

/// A request: a service of SAE J1979 and, if the service has parameters, one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    service: u8,
    pid: Option<u8>,
}

/// How an answer fits a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// A control unit has answered the request.
    Answered,
    /// The control unit is busy: the request must be repeated after a moment.
    Busy,
    /// The control unit needs more time: its answer follows.
    Pending,
    /// Nobody answers: `NO DATA`.
    NoData,
    /// The answer arrived damaged, or not at all.
    Damaged,
    /// The answer belongs to another command: prompts and commands are out of step.
    OfAnother,
    /// The request is refused, or the vehicle cannot be reached. Asking again at once does not help.
    Unavailable,
}

impl Question {
    /// A request for a parameter of service 01.
    pub const fn current(pid: u8) -> Self {
        Self { service: CURRENT, pid: Some(pid) }
    }

    /// A request for a parameter of service 09.
    pub const fn vehicle(pid: u8) -> Self {
        Self { service: VEHICLE, pid: Some(pid) }
    }

    /// The request for stored fault codes.
    pub const FAULTS: Self = Self { service: FAULTS, pid: None };

    /// Returns how `answer` fits this request.
    pub fn fit(&self, answer: &Answer) -> Fit {
        if answer.messages.iter().any(|message| self.is_answered_by(&message.data)) {
            return Fit::Answered;
        }
        match answer.refusal(self.service) {
            Some(BUSY) => return Fit::Busy,
            Some(PENDING) => return Fit::Pending,
            Some(_) => return Fit::Unavailable,
            None => {}
        }
        if answer.messages.iter().any(|message| answers_a_request(&message.data)) {
            return Fit::OfAnother;
        }
        match answer.trouble {
            Some(ElmError::NoData) => Fit::NoData,
            Some(ElmError::Stopped | ElmError::BufferFull | ElmError::Damaged | ElmError::NotUnderstood) => {
                Fit::Damaged
            }
            Some(_) => Fit::Unavailable,
            None if answer.messages.is_empty() || answer.garbled > 0 => Fit::Damaged,
            None => Fit::Unavailable,
        }
    }

    /// Returns true if a message answers this request. Service 01 may be answered with another positive service byte:
    /// see [`super::pids::value`].
    fn is_answered_by(&self, data: &[u8]) -> bool {
        match (self.pid, data) {
            (None, [service, ..]) => *service == (self.service | 0x40),
            (Some(pid), [service, answered, ..]) => {
                let expected = *service == (self.service | 0x40);
                let quirk = self.service == CURRENT && (0x41..0x7f).contains(service);
                *answered == pid && (expected || quirk)
            }
            _ => false,
        }
    }
}

/// Returns true if a control unit refuses a request only for the moment.
pub fn is_temporary(reason: u8) -> bool {
    matches!(reason, BUSY | PENDING)
}

/// Returns true if a message answers one of the services that the adapter requests.
fn answers_a_request(data: &[u8]) -> bool {
    let answers = [CURRENT, FAULTS, VEHICLE].map(|service| service | 0x40);
    data.first().is_some_and(|service| answers.contains(service))
}

/// Formats the command, such as `01A6` or `03`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.service)?;
        self.pid.map_or(Ok(()), |pid| write!(f, "{pid:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obd::{
        answer::{self, Framing},
        pids::VIN,
    };

    fn fit(question: Question, text: &str) -> Fit {
        question.fit(&answer::read(&answer::lines(text.as_bytes(), ""), Framing::Can11))
    }

    #[test]
    fn an_answer_is_matched_to_its_request() {
        let speed = Question::current(0x0d);
        for (text, expected) in [
            ("7E8 03 41 0D 32\r", Fit::Answered),
            ("7EA 04 47 00 00 00\r7E8 03 41 0D 32\r", Fit::Answered),
            ("7E8 03 7F 01 12\r7E9 03 41 0D 32\r", Fit::Answered),
            ("7E8 03 61 0D 32\r", Fit::Answered),
            ("7E8 04 41 0C 14 5F\r", Fit::OfAnother),
            ("7E8 02 43 00\r", Fit::OfAnother),
            ("7E8 03 7F 01 21\r", Fit::Busy),
            ("7E8 03 7F 01 78\r", Fit::Pending),
            ("7E8 03 7F 01 12\r", Fit::Unavailable),
            ("7E8 03 7F 09 78\r", Fit::Unavailable),
            ("NO DATA\r", Fit::NoData),
            ("?\r", Fit::Damaged),
            ("BUFFER FULL\r", Fit::Damaged),
            ("", Fit::Damaged),
            ("OK\r", Fit::Damaged),
            ("7E8 04 41 0C 1\r", Fit::Damaged),
            ("CAN ERROR\r", Fit::Unavailable),
            ("UNABLE TO CONNECT\r", Fit::Unavailable),
            ("7E8 03 00 00 00\r", Fit::Unavailable),
        ] {
            assert_eq!(fit(speed, text), expected, "{text}");
        }
        assert_eq!(fit(Question::FAULTS, "7E8 02 43 00\r"), Fit::Answered);
        assert_eq!(fit(Question::FAULTS, "7E8 03 41 0D 32\r"), Fit::OfAnother);
        assert_eq!(fit(Question::vehicle(VIN), "7E8 03 7F 09 78\r"), Fit::Pending);
        assert_eq!(fit(Question::vehicle(VIN), "7E8 03 41 02 00\r"), Fit::OfAnother);
    }

    #[test]
    fn a_request_is_shown_as_its_command() {
        for (question, command) in
            [(Question::current(0xa6), "01A6"), (Question::vehicle(VIN), "0902"), (Question::FAULTS, "03")]
        {
            assert_eq!(question.to_string(), command);
        }
    }
}
