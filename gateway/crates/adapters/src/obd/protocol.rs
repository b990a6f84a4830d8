//! The protocols of the vehicle's bus, by the numbers of the ELM327.

use super::answer::Framing;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The order in which protocols are tried if the adapter's own search finds none: CAN first, which all cars since 2008
/// have, then the K-line, then J1850.
pub const ORDER: [Protocol; 9] = [
    Protocol(6),
    Protocol(8),
    Protocol(7),
    Protocol(9),
    Protocol(5),
    Protocol(4),
    Protocol(3),
    Protocol(2),
    Protocol(1),
];

/// A protocol of SAE J1979, numbered 1 to 9 as in the commands `ATSP` and `ATTP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Protocol(u8);

/// The number is not one of a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0} is not a protocol of an OBD-II vehicle: use 1 (J1850 PWM), 2 (J1850 VPW), 3 (ISO 9141-2), 4 or 5 (ISO 14230-4, \
     slow or fast), 6 or 8 (CAN, 11 bit, 500 or 250 kbit/s), 7 or 9 (CAN, 29 bit, 500 or 250 kbit/s), or leave \
     `protocol` out to detect it"
)]
pub struct ParseProtocolError(u8);

impl TryFrom<u8> for Protocol {
    type Error = ParseProtocolError;

    fn try_from(number: u8) -> Result<Self, ParseProtocolError> {
        if (1..=9).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ParseProtocolError(number))
        }
    }
}

impl From<Protocol> for u8 {
    fn from(protocol: Protocol) -> Self {
        protocol.0
    }
}

impl Protocol {
    /// Reads the answer to `ATDPN`: a digit, after an `A` if the adapter found the protocol by itself. Returns `None` for
    /// another text, and for the protocols of trucks and those that a user defines.
    pub fn from_answer(line: &str) -> Option<Self> {
        let digit = line.strip_prefix('A').unwrap_or(line);
        let number = digit.parse::<u8>().ok().filter(|_| digit.len() == 1)?;
        Self::try_from(number).ok()
    }

    /// Returns the command that tries this protocol without storing it in the adapter.
    pub fn command(self) -> String {
        format!("ATTP{}", self.0)
    }

    /// Returns the form of a line with headers.
    pub fn framing(self) -> Framing {
        match self.0 {
            1 | 2 => Framing::J1850,
            3..=5 => Framing::KLine,
            7 | 9 => Framing::Can29,
            _ => Framing::Can11,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "SAE J1850 PWM",
            2 => "SAE J1850 VPW",
            3 => "ISO 9141-2",
            4 => "ISO 14230-4 KWP, slow init",
            5 => "ISO 14230-4 KWP, fast init",
            7 => "ISO 15765-4 CAN 29 bit 500 kbit/s",
            8 => "ISO 15765-4 CAN 11 bit 250 kbit/s",
            9 => "ISO 15765-4 CAN 29 bit 250 kbit/s",
            _ => "ISO 15765-4 CAN 11 bit 500 kbit/s",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_a_name_and_a_framing_and_is_tried() {
        let mut names: Vec<String> = (1..=9).map(|n| Protocol::try_from(n).unwrap().to_string()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 9);
        let mut tried: Vec<u8> = ORDER.into_iter().map(u8::from).collect();
        tried.sort_unstable();
        assert_eq!(tried, (1..=9).collect::<Vec<_>>());
        assert!(ORDER.iter().all(|protocol| protocol.framing() != Framing::Bare));
    }

    #[test]
    fn only_an_answer_with_a_number_names_a_protocol() {
        for (line, number) in [("A6", 6), ("6", 6), ("A3", 3), ("9", 9)] {
            assert_eq!(Protocol::from_answer(line), Some(Protocol(number)), "{line}");
        }
        for line in ["", "?", "A", "A0", "0", "AA", "OK", "41 0D 37", "NO DATA", "66", "+6"] {
            assert_eq!(Protocol::from_answer(line), None, "{line}");
        }
    }
}
