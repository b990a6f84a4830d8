//! Diagnostic trouble codes (SAE J2012), which encode a letter and four digits in two bytes.

use super::{
    answer::{Answer, Framing, Message},
    pids::FAULTS,
    question::is_temporary,
};
use std::{collections::BTreeSet, fmt};
use streembit_primitives::Text;

/// The stored fault codes of a vehicle: a statement of all control units that have to make one.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StoredCodes {
    /// The distinct codes, in order of appearance.
    pub codes: Vec<String>,
    /// The addresses of the control units that answered or refused the service; empty without headers.
    pub units: BTreeSet<u32>,
}

/// Why an answer says nothing about the fault codes of the vehicle. "No faults" follows only from a complete answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incomplete {
    /// No control unit answers.
    NoAnswer,
    /// A part of the answer was lost or damaged.
    Damaged,
    /// A control unit announces another number of codes than it lists.
    Count,
    /// The control unit with this address does not answer, but has to.
    Unit(u32),
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no control unit answers"),
            Self::Damaged => f.write_str("the answer is incomplete or damaged"),
            Self::Count => f.write_str("a control unit announces other codes than it lists"),
            Self::Unit(address) => write!(f, "control unit {address:X} does not answer"),
        }
    }
}

/// Returns the fault codes in an answer to service 03. The control units in `expected` must have answered or refused it.
///
/// CAN messages have a count before the codes, so the bytes after the service byte are odd in number. Messages of older
/// protocols have no count and are padded with zeros. Without headers, only the number of bytes tells which it is.
pub fn stored_codes(
    answer: &Answer,
    framing: Framing,
    expected: &BTreeSet<u32>,
) -> Result<StoredCodes, Incomplete> {
    let is_answer = |message: &Message| message.data.first() == Some(&(FAULTS | 0x40));
    if !answer.messages.iter().any(is_answer) && answer.garbled == 0 {
        return Err(Incomplete::NoAnswer);
    }
    if !answer.is_intact() {
        return Err(Incomplete::Damaged);
    }
    let mut stored = StoredCodes::default();
    for message in &answer.messages {
        match message.data.as_slice() {
            [0x43, payload @ ..] => stored.add(codes(payload, framing).ok_or(Incomplete::Count)?),
            [0x7f, FAULTS, reason] if !is_temporary(*reason) => {}
            _ => continue,
        }
        stored.units.extend(message.ecu);
    }
    match expected.difference(&stored.units).next() {
        Some(unit) => Err(Incomplete::Unit(*unit)),
        None => Ok(stored),
    }
}

impl StoredCodes {
    fn add(&mut self, codes: Vec<String>) {
        for code in codes {
            if !self.codes.contains(&code) {
                self.codes.push(code);
            }
        }
    }
}

/// Returns the codes of one message, or `None` if it has another number of them than it announces.
fn codes(payload: &[u8], framing: Framing) -> Option<Vec<String>> {
    let has_count = match framing {
        Framing::Can11 | Framing::Can29 => true,
        Framing::J1850 | Framing::KLine => false,
        Framing::Bare => payload.len() % 2 == 1,
    };
    let (announced, pairs) = match payload.split_first() {
        Some((count, pairs)) if has_count => (Some(usize::from(*count)), pairs),
        Some(_) if !has_count => (None, payload),
        _ => return None,
    };
    if pairs.len() % 2 == 1 {
        return None;
    }
    let listed: Vec<String> = pairs
        .chunks_exact(2)
        .filter(|pair| *pair != [0, 0])
        .filter_map(|pair| pair.first_chunk::<2>().map(|[high, low]| code(*high, *low)))
        .collect();
    (announced.is_none_or(|announced| announced == listed.len())).then_some(listed)
}

/// Formats one code, such as `P0133`. The letters mean: `P` powertrain, `C` chassis, `B` body, `U` network.
pub fn code(high: u8, low: u8) -> String {
    let letter = match high >> 6 {
        0 => 'P',
        1 => 'C',
        2 => 'B',
        _ => 'U',
    };
    format!("{letter}{:X}{:X}{low:02X}", (high >> 4) & 0x03, high & 0x0f)
}

/// Joins the codes with commas. If they do not all fit, the text ends with the number of codes left out:
/// `P0133,...,+12`.
pub fn list(codes: &[String]) -> Text<256> {
    (0..=codes.len())
        .rev()
        .find_map(|shown| {
            let mut parts: Vec<String> = codes.iter().take(shown).cloned().collect();
            if shown < codes.len() {
                parts.push(format!("+{}", codes.len() - shown));
            }
            Text::try_from(parts.join(",")).ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obd::answer;
    use proptest::prelude::*;

    fn stored(text: &str, framing: Framing, expected: &[u32]) -> Result<String, Incomplete> {
        let answer = answer::read(&answer::lines(text.as_bytes(), "03"), framing);
        let expected = expected.iter().copied().collect();
        stored_codes(&answer, framing, &expected).map(|stored| list(&stored.codes).to_string())
    }

    #[test]
    fn codes_are_formatted_as_a_letter_and_four_digits() {
        for (bytes, text) in [
            ([0x01, 0x33], "P0133"),
            ([0x04, 0x20], "P0420"),
            ([0x44, 0xab], "C04AB"),
            ([0x92, 0x34], "B1234"),
            ([0xc1, 0x00], "U0100"),
            ([0x3f, 0xff], "P3FFF"),
        ] {
            assert_eq!(code(bytes[0], bytes[1]), text);
        }
    }

    #[test]
    fn codes_are_read_with_and_without_a_count() {
        let can = stored("7E8 06 43 02 01 33 C1 00\r7E9 02 43 00\r", Framing::Can11, &[0x7e8, 0x7e9]);
        assert_eq!(can.unwrap(), "P0133,U0100");
        let old = "48 6B 10 43 01 33 00 00 00 00 3A\r48 6B 11 43 01 33 04 20 00 00 5F\r";
        assert_eq!(stored(old, Framing::KLine, &[]).unwrap(), "P0133,P0420");
        assert_eq!(stored("43 00\r43 01 01 33\r", Framing::Bare, &[]).unwrap(), "P0133");
        assert_eq!(stored("43 01 33 00 00 00 00\r", Framing::Bare, &[]).unwrap(), "P0133");
        assert_eq!(stored("7E8 02 43 00\r7E9 03 7F 03 11\r", Framing::Can11, &[0x7e8, 0x7e9]).unwrap(), "");
    }

    #[test]
    fn an_incomplete_answer_does_not_say_that_there_are_no_faults() {
        let units = [0x7e8, 0x7e9];
        for (text, expected) in [
            ("NO DATA\r", Incomplete::NoAnswer),
            ("", Incomplete::NoAnswer),
            ("7E8 03 41 0D 00\r", Incomplete::NoAnswer),
            ("7E8 10 08 43 03 01 33 04 20\r7E9 02 43 00\r", Incomplete::Damaged),
            ("7E8 10 08 43 03 01 33 04 20\r", Incomplete::Damaged),
            ("7E8 02 43 00\rBUFFER FULL\r7E9 02 43 00\r", Incomplete::Damaged),
            ("7E8 02 43 00\r7E9 02 43 <DATA ERROR\r", Incomplete::Damaged),
            ("7E9 02 43 00\r", Incomplete::Unit(0x7e8)),
            ("7E8 02 43 00\r7E9 03 7F 03 78\r", Incomplete::Unit(0x7e9)),
            ("7E8 02 43 01\r7E9 02 43 00\r", Incomplete::Count),
            ("7E8 03 43 01 01\r7E9 02 43 00\r", Incomplete::Count),
            ("7E8 01 43\r7E9 02 43 00\r", Incomplete::Count),
            ("7E8 04 43 02 01 33\r7E9 02 43 00\r", Incomplete::Count),
        ] {
            assert_eq!(stored(text, Framing::Can11, &units), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_long_list_ends_with_the_number_of_codes_left_out() {
        let codes: Vec<String> = (0..60).map(|n| code(0, n + 1)).collect();
        let text = list(&codes).to_string();
        let shown = text.split(',').filter(|part| part.starts_with('P')).count();
        assert!(text.len() <= 256 && text.ends_with(&format!(",+{}", 60 - shown)), "{text}");
        assert_eq!(list(&codes[..2]).as_str(), "P0001,P0002");
        assert_eq!(list(&[]).as_str(), "");
    }

    proptest! {
        #[test]
        fn any_answer_gives_a_list_that_fits(data in proptest::collection::vec(any::<u8>(), 0..600), framing in 0usize..3) {
            let framing = [Framing::Bare, Framing::Can11, Framing::KLine][framing];
            let data = [&[0x43], &data[..]].concat();
            let answer = Answer { messages: vec![Message { ecu: None, data }], ..Answer::default() };
            if let Ok(stored) = stored_codes(&answer, framing, &BTreeSet::new()) {
                prop_assert!(list(&stored.codes).as_str().len() <= 256);
            }
        }
    }
}
