//! What is asked of the car (SAE J1979), and what the answers mean.

use super::answer::Message;
use streembit_primitives::{Decimal, Text};

/// The service of current values.
pub const CURRENT: u8 = 0x01;
/// The service of stored fault codes.
pub const FAULTS: u8 = 0x03;
/// The service of the vehicle's description; its parameter 02 is the VIN.
pub const VEHICLE: u8 = 0x09;
/// The parameter of [`VEHICLE`] that is the VIN.
pub const VIN: u8 = 0x02;
/// The first parameters of each range: asked, they say which of the 32 after them are supported.
pub const RANGES: [u8; 6] = [0x00, 0x20, 0x40, 0x60, 0x80, 0xa0];

/// A numeric value of service 01.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Kilometres driven, in tenths.
    Odometer,
    /// Kilometres an hour.
    Speed,
    /// Turns of the engine a minute.
    EngineSpeed,
    /// Degrees Celsius of the engine's coolant.
    Coolant,
}

impl Signal {
    /// All, in the order in which a cycle asks them. The odometer is last: speed and engine speed tell whether to
    /// believe it.
    pub const ALL: [Self; 4] = [Self::Speed, Self::EngineSpeed, Self::Coolant, Self::Odometer];

    /// The parameter.
    pub fn pid(self) -> u8 {
        match self {
            Self::Odometer => 0xa6,
            Self::Speed => 0x0d,
            Self::EngineSpeed => 0x0c,
            Self::Coolant => 0x05,
        }
    }

    /// The name in the COVESA Vehicle Signal Specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Odometer => "Vehicle.TraveledDistance",
            Self::Speed => "Vehicle.Speed",
            Self::EngineSpeed => "Vehicle.Powertrain.CombustionEngine.Speed",
            Self::Coolant => "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
        }
    }

    /// The unit, as VSS spells it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Odometer => "km",
            Self::Speed => "km/h",
            Self::EngineSpeed => "rpm",
            Self::Coolant => "celsius",
        }
    }

    /// The value in the bytes after service and parameter; `None` where there are too few or too many.
    pub fn decode(self, payload: &[u8]) -> Option<Decimal> {
        let (mantissa, exponent) = match (self, payload) {
            (Self::Odometer, &[a, b, c, d]) => (i64::from(u32::from_be_bytes([a, b, c, d])), -1),
            (Self::Speed, &[a]) => (i64::from(a), 0),
            (Self::EngineSpeed, &[a, b]) => (i64::from(u16::from_be_bytes([a, b])) * 25, -2),
            (Self::Coolant, &[a]) => (i64::from(a) - 40, 0),
            _ => return None,
        };
        Decimal::new(mantissa, exponent).ok()
    }
}

/// How a value was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered {
    /// As SAE J1979 says.
    Right(Decimal),
    /// With this service byte instead of 41.
    WrongService(Decimal, u8),
}

/// The value in the answers to a question for one signal.
///
/// The first right answer counts. Only where there is none, one with another *positive* service byte (bit 6 set, and
/// not 7F, a refusal) counts, provided that it names exactly the parameter asked and has exactly its length.
pub fn value(signal: Signal, messages: &[Message]) -> Option<Answered> {
    let candidates = || {
        messages.iter().filter_map(|message| match message.data.as_slice() {
            [service, pid, payload @ ..] if *pid == signal.pid() => Some((*service, signal.decode(payload)?)),
            _ => None,
        })
    };
    let right = candidates().find(|(service, _)| *service == (CURRENT | 0x40));
    right.map(|(_, value)| Answered::Right(value)).or_else(|| {
        candidates()
            .find(|(service, _)| (0x41..0x7f).contains(service))
            .map(|(service, value)| Answered::WrongService(value, service))
    })
}

/// Which parameters of service 01 some control unit supports.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Supported([u8; 32]);

impl Supported {
    /// Adds the answers to the question for one range. Says whether any was one.
    pub fn add(&mut self, range: u8, messages: &[Message]) -> bool {
        let mut answered = false;
        for message in messages {
            if let [0x41, pid, bits @ ..] = message.data.as_slice() {
                if *pid == range && bits.len() == 4 {
                    answered = true;
                    for (mine, theirs) in self.0.iter_mut().skip(usize::from(range / 8)).zip(bits) {
                        *mine |= theirs;
                    }
                }
            }
        }
        answered
    }

    /// Whether a parameter is supported. Bit 7 of the first byte of range 00 is parameter 01.
    pub fn contains(&self, pid: u8) -> bool {
        let Some(bit) = pid.checked_sub(1) else { return false };
        self.0.get(usize::from(bit / 8)).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
    }
}

/// The vehicle identification number in the answers to 09 02: 17 digits and letters (ISO 3779: no I, O or Q).
///
/// Over CAN one message has all of it after its count. Older protocols send five messages of four characters, each
/// with its number, the first padded with zeros in front.
pub fn vin(messages: &[Message]) -> Option<Text<256>> {
    let answers: Vec<(Option<u32>, u8, &[u8])> = messages
        .iter()
        .filter_map(|message| match message.data.as_slice() {
            [0x49, VIN, number, payload @ ..] => Some((message.ecu, *number, payload)),
            _ => None,
        })
        .collect();
    answers.iter().find_map(|(_, _, payload)| valid_vin(payload)).or_else(|| {
        answers.iter().filter(|(_, number, _)| *number == 1).find_map(|(ecu, _, _)| {
            let mut joined = Vec::new();
            for wanted in 1..=5 {
                let (_, _, piece) = answers.iter().find(|(e, n, _)| e == ecu && *n == wanted)?;
                joined.extend_from_slice(piece);
            }
            valid_vin(&joined)
        })
    })
}

fn valid_vin(payload: &[u8]) -> Option<Text<256>> {
    let text = std::str::from_utf8(payload).ok()?.trim_matches(['\0', ' ']);
    let valid = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"IOQ".contains(c));
    (text.len() == 17 && text.chars().all(valid)).then(|| Text::try_from(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn messages(datas: &[&str]) -> Vec<Message> {
        datas
            .iter()
            .map(|data| Message { ecu: None, data: hex::decode(data.replace(' ', "")).unwrap() })
            .collect()
    }

    fn right(signal: Signal, data: &str) -> String {
        match value(signal, &messages(&[data])) {
            Some(Answered::Right(value)) => value.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_and_their_units() {
        assert_eq!(right(Signal::Odometer, "41 A6 00 00 EA 5C"), "5999.6");
        assert_eq!(right(Signal::Odometer, "41 A6 FF FF FF FF"), "429496729.5");
        assert_eq!(right(Signal::Speed, "41 0D FF"), "255");
        assert_eq!(right(Signal::EngineSpeed, "41 0C 14 5F"), "1303.75");
        assert_eq!(right(Signal::Coolant, "41 05 00"), "-40");
        assert_eq!(right(Signal::Coolant, "41 05 5F"), "55");
    }

    #[test]
    fn only_what_was_asked_is_an_answer() {
        for data in
            ["41 0C 14", "41 0C 14 5F 00", "41 0D 14 5F", "41", "", "7F 01 12", "01 0C 00 00", "7F 0C 00 00"]
        {
            assert_eq!(value(Signal::EngineSpeed, &messages(&[data])), None, "{data}");
        }
        assert_eq!(value(Signal::EngineSpeed, &[]), None);
    }

    #[test]
    fn a_wrong_service_byte_counts_only_without_a_right_answer() {
        let wrong = value(Signal::Odometer, &messages(&["61 A6 00 00 EA 5C"]));
        assert_eq!(wrong, Some(Answered::WrongService("5999.6".parse().unwrap(), 0x61)));
        let both = value(Signal::Odometer, &messages(&["61 A6 00 00 EA 5C", "41 A6 00 00 EA 5D"]));
        assert_eq!(both, Some(Answered::Right("5999.7".parse().unwrap())));
        assert_eq!(value(Signal::Odometer, &messages(&["61 A6 00 00 EA"])), None);
        assert_eq!(value(Signal::Odometer, &messages(&["61 A5 00 00 EA 5C"])), None);
    }

    #[test]
    fn supported_is_what_any_control_unit_supports() {
        let mut supported = Supported::default();
        assert!(supported.add(0, &messages(&["41 00 BE 3F A8 13", "41 00 00 00 00 40"])));
        assert!(!supported.add(0x20, &messages(&["41 00 FF FF FF FF", "41 20 FF", ""])));
        assert!(supported.add(0xa0, &messages(&["41 A0 04 20 00 00"])));
        let found: Vec<u8> = (0..=255).filter(|pid| supported.contains(*pid)).collect();
        assert_eq!(found, [1, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 19, 21, 26, 28, 31, 32, 0xa6, 0xab]);
    }

    #[test]
    fn a_vin_in_one_message_and_in_five() {
        let can = messages(&["49 02 01 57 50 30 5A 5A 5A 39 39 5A 54 53 33 39 30 30 30 30"]);
        assert_eq!(vin(&can).unwrap().as_str(), "WP0ZZZ99ZTS390000");
        let mut legacy = messages(&[
            "49 02 02 44 34 47 50",
            "49 02 01 00 00 00 31",
            "49 02 03 30 30 52 35",
            "49 02 04 35 42 31 32",
            "49 02 05 33 34 35 36",
        ]);
        assert_eq!(vin(&legacy).unwrap().as_str(), "1D4GP00R55B123456");
        legacy.remove(2);
        assert_eq!(vin(&legacy), None);
        assert_eq!(vin(&messages(&["49 02 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"])), None);
        // An O is no letter of a VIN: damaged.
        assert_eq!(vin(&messages(&["49 02 01 57 50 4F 5A 5A 5A 39 39 5A 54 53 33 39 30 30 30 30"])), None);
    }

    proptest! {
        #[test]
        fn never_panics(datas in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 0..8)) {
            let messages: Vec<Message> = datas.into_iter().map(|data| Message { ecu: None, data }).collect();
            let mut supported = Supported::default();
            for range in 0..=255 {
                supported.add(range, &messages);
            }
            for signal in Signal::ALL {
                value(signal, &messages);
            }
            vin(&messages);
        }

        #[test]
        fn every_odometer_is_exact(raw in any::<u32>()) {
            let text = format!("41A6{raw:08X}");
            let expected = Decimal::new(i64::from(raw), -1).unwrap();
            prop_assert_eq!(value(Signal::Odometer, &messages(&[&text])), Some(Answered::Right(expected)));
        }
    }
}
