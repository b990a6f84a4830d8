//! Vehicle identification numbers (ISO 3779), and whose vehicle is on the port.

use super::{answer::Message, pids::VIN};
use std::fmt;
use streembit_primitives::Text;

/// The number of different characters that a VIN has at least. Control units without a VIN answer with one character
/// seventeen times.
const MIN_DIFFERENT: usize = 4;

/// A valid vehicle identification number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vin(Text<256>);

impl Vin {
    /// Returns the number if it is valid: 17 digits and letters without I, O and Q, of which the first is not 0 (no
    /// region of ISO 3780 has it), the last four are digits (ISO 3779), and not nearly all are the same.
    ///
    /// The check digit is not verified: only North America and China require it.
    pub fn new(text: &str) -> Option<Self> {
        let is_allowed = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"IOQ".contains(c));
        let serial = text.get(13..).is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
        let mut different: Vec<char> = text.chars().collect();
        different.sort_unstable();
        different.dedup();
        let is_valid = text.len() == 17
            && text.chars().all(is_allowed)
            && !text.starts_with('0')
            && serial
            && different.len() >= MIN_DIFFERENT;
        is_valid.then(|| Text::try_from(text).ok().map(Self))?
    }

    /// Returns the number as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Vin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Vin> for Text<256> {
    fn from(vin: Vin) -> Self {
        vin.0
    }
}

/// The vehicle's answer to the request for its VIN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VinAnswer {
    /// A valid VIN.
    Valid(Vin),
    /// Seventeen characters that are no VIN.
    Invalid,
    /// No complete answer.
    None,
}

/// Returns the VIN in the answers to `09 02`.
///
/// A CAN message has the whole VIN after a count. Older protocols send five numbered messages of four characters, the
/// first padded with leading zeros.
pub fn read(messages: &[Message]) -> VinAnswer {
    let answers: Vec<(Option<u32>, u8, &[u8])> = messages
        .iter()
        .filter_map(|message| match message.data.as_slice() {
            [0x49, VIN, number, payload @ ..] => Some((message.ecu, *number, payload)),
            _ => None,
        })
        .collect();
    let whole = answers.iter().filter_map(|(_, _, payload)| seventeen(payload));
    let joined = answers.iter().filter(|(_, number, _)| *number == 1).filter_map(|(ecu, _, _)| {
        let mut joined = Vec::new();
        for wanted in 1..=5 {
            let (_, _, piece) = answers.iter().find(|(e, n, _)| e == ecu && *n == wanted)?;
            joined.extend_from_slice(piece);
        }
        seventeen(&joined)
    });
    let found: Vec<String> = whole.chain(joined).collect();
    match found.iter().find_map(|text| Vin::new(text)) {
        Some(vin) => VinAnswer::Valid(vin),
        None if found.is_empty() => VinAnswer::None,
        None => VinAnswer::Invalid,
    }
}

/// Returns the seventeen printable characters of a VIN without its padding.
fn seventeen(payload: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(payload).ok()?.trim_matches(['\0', ' ']);
    (text.len() == 17 && text.chars().all(|c| c.is_ascii_graphic())).then(|| text.to_owned())
}

/// Whose vehicle is on the port, as far as it is known.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Identity {
    /// Neither the log nor the vehicle has told a VIN.
    #[default]
    Unknown,
    /// The device has this VIN. The vehicle on this connection has not told its VIN yet.
    Expected(Vin),
    /// The vehicle on this connection has told the VIN of the device.
    Confirmed(Vin),
    /// The vehicle on this connection reported a VIN that differs from the device's.
    Foreign {
        /// The VIN of the device.
        device: Vin,
        /// The VIN of the vehicle.
        found: Vin,
    },
}

impl Identity {
    /// Starts with the VIN that the log knows, if there is one.
    pub fn new(known: Option<Vin>) -> Self {
        known.map_or(Self::Unknown, Self::Expected)
    }

    /// Starts a connection: the vehicle may be another one.
    pub fn connected(&mut self) {
        *self = Self::new(self.device().cloned());
    }

    /// Takes the VIN that the vehicle has told.
    pub fn told(&mut self, vin: Vin) {
        *self = match self.device() {
            Some(device) if *device != vin => Self::Foreign { device: device.clone(), found: vin },
            _ => Self::Confirmed(vin),
        };
    }

    /// Takes the VIN that the device has from now on, by a decision of the operator.
    pub fn decided(&mut self, vin: Vin) {
        *self = match self {
            Self::Foreign { found, .. } | Self::Confirmed(found) if *found != vin => {
                Self::Foreign { device: vin, found: found.clone() }
            }
            Self::Foreign { .. } | Self::Confirmed(_) => Self::Confirmed(vin),
            Self::Unknown | Self::Expected(_) => Self::Expected(vin),
        };
    }

    /// Returns the VIN of the device.
    pub fn device(&self) -> Option<&Vin> {
        match self {
            Self::Unknown => None,
            Self::Expected(vin) | Self::Confirmed(vin) | Self::Foreign { device: vin, .. } => Some(vin),
        }
    }

    /// Returns true if the vehicle is known not to be the device's.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// Returns true if the vehicle has yet to tell its VIN.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unknown | Self::Expected(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obd::pids::tests::messages;
    use proptest::prelude::*;

    fn vin(text: &str) -> Vin {
        Vin::new(text).unwrap()
    }

    fn text(answer: &[&str]) -> Option<String> {
        match read(&messages(answer)) {
            VinAnswer::Valid(vin) => Some(vin.to_string()),
            VinAnswer::Invalid | VinAnswer::None => None,
        }
    }

    #[test]
    fn a_vin_is_read_from_one_message_or_from_five() {
        let can = ["49 02 01 57 50 30 5A 5A 5A 39 39 5A 54 53 33 39 30 30 30 30"];
        assert_eq!(text(&can).unwrap(), "WP0ZZZ99ZTS390000");
        let mut legacy = vec![
            "49 02 02 44 34 47 50",
            "49 02 01 00 00 00 31",
            "49 02 03 30 30 52 35",
            "49 02 04 35 42 31 32",
            "49 02 05 33 34 35 36",
        ];
        assert_eq!(text(&legacy).unwrap(), "1D4GP00R55B123456");
        legacy.remove(2);
        assert_eq!(read(&messages(&legacy)), VinAnswer::None);
    }

    #[test]
    fn an_answer_that_is_no_vin_is_refused() {
        let zeros = ["49 02 01 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30 30"];
        assert_eq!(read(&messages(&zeros)), VinAnswer::Invalid);
        // The letter O does not occur in a VIN, so this one is damaged.
        let damaged = ["49 02 01 57 50 4F 5A 5A 5A 39 39 5A 54 53 33 39 30 30 30 30"];
        assert_eq!(read(&messages(&damaged)), VinAnswer::Invalid);
        let empty = ["49 02 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"];
        assert_eq!(read(&messages(&empty)), VinAnswer::None);
        for invalid in ["", "11111111111111111", "WVWZZZ1JZ3W38675", "WVWZZZ1JZ3W38675A", "wvwzzz1jz3w386752"]
        {
            assert_eq!(Vin::new(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn another_vehicle_is_foreign_until_somebody_decides() {
        let (ours, other) = (vin("WVWZZZ1JZ3W386752"), vin("WP0ZZZ99ZTS390000"));
        let mut identity = Identity::new(Some(ours.clone()));
        identity.told(other.clone());
        assert!(identity.is_foreign());
        // The next connection asks again, and the device's VIN is still the one that the log knows.
        identity.connected();
        assert_eq!(identity, Identity::Expected(ours.clone()));
        identity.told(ours.clone());
        assert_eq!(identity, Identity::Confirmed(ours.clone()));
        identity.told(other.clone());
        identity.decided(other.clone());
        assert_eq!(identity, Identity::Confirmed(other.clone()));
        identity.decided(ours.clone());
        assert_eq!(identity, Identity::Foreign { device: ours, found: other });
    }

    #[test]
    fn the_first_vin_of_a_device_is_its_own() {
        let mut identity = Identity::default();
        assert!(identity.is_open());
        identity.told(vin("WVWZZZ1JZ3W386752"));
        assert_eq!(identity, Identity::Confirmed(vin("WVWZZZ1JZ3W386752")));
    }

    proptest! {
        #[test]
        fn any_text_is_a_vin_or_not(text in "\\PC{0,20}|[A-Z0-9]{17}") {
            if let Some(vin) = Vin::new(&text) {
                prop_assert_eq!(vin.as_str(), text);
            }
        }
    }
}
