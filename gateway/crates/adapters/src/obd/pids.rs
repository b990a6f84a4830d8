//! The services and parameters of SAE J1979 that the adapter requests, and the decoding of their answers.

use super::answer::Message;
use streembit_primitives::Decimal;

/// The service that returns current values.
pub const CURRENT: u8 = 0x01;
/// The service that returns stored fault codes.
pub const FAULTS: u8 = 0x03;
/// The service that returns information about the vehicle.
pub const VEHICLE: u8 = 0x09;
/// The parameter of [`VEHICLE`] for the VIN.
pub const VIN: u8 = 0x02;
/// The parameters that return which of the 32 parameters after them are supported.
pub const RANGES: [u8; 6] = [0x00, 0x20, 0x40, 0x60, 0x80, 0xa0];

/// A numeric parameter of service 01.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// The distance driven, in km with a resolution of 0.1 km.
    Odometer,
    /// The vehicle's speed, in km/h.
    Speed,
    /// The engine's speed, in revolutions per minute.
    EngineSpeed,
    /// The temperature of the engine's coolant, in degrees Celsius.
    Coolant,
}

impl Signal {
    /// All signals, in the order in which a cycle requests them. The odometer is last, because its plausibility depends
    /// on the vehicle's and the engine's speed.
    pub const ALL: [Self; 4] = [Self::Speed, Self::EngineSpeed, Self::Coolant, Self::Odometer];

    /// Returns the parameter's number.
    pub const fn pid(self) -> u8 {
        match self {
            Self::Odometer => 0xa6,
            Self::Speed => 0x0d,
            Self::EngineSpeed => 0x0c,
            Self::Coolant => 0x05,
        }
    }

    /// Returns the signal's name in the COVESA Vehicle Signal Specification (VSS).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Odometer => "Vehicle.TraveledDistance",
            Self::Speed => "Vehicle.Speed",
            Self::EngineSpeed => "Vehicle.Powertrain.CombustionEngine.Speed",
            Self::Coolant => "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
        }
    }

    /// Returns the signal's unit as VSS spells it.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Odometer => "km",
            Self::Speed => "km/h",
            Self::EngineSpeed => "rpm",
            Self::Coolant => "celsius",
        }
    }

    /// Decodes the bytes after service and parameter, or returns `None` if their number is wrong.
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

/// A signal's value, with the form of the answer that had it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignalValue {
    /// The answer conforms to SAE J1979.
    Standard(Decimal),
    /// The answer has this service byte instead of 41.
    WrongService(Decimal, u8),
}

/// Returns the value in the answers to a request for one signal, or `None` if no answer has one.
///
/// The first answer that conforms to SAE J1979 counts. If there is none, an answer with another *positive* service
/// byte counts (bit 6 set, and not 7F, which is a refusal). It must name exactly the requested parameter and have
/// exactly the parameter's length.
pub fn value(signal: Signal, messages: &[Message]) -> Option<SignalValue> {
    let candidates = || {
        messages.iter().filter_map(|message| match message.data.as_slice() {
            [service, pid, payload @ ..] if *pid == signal.pid() => Some((*service, signal.decode(payload)?)),
            _ => None,
        })
    };
    let standard = candidates().find(|(service, _)| *service == (CURRENT | 0x40));
    standard.map(|(_, value)| SignalValue::Standard(value)).or_else(|| {
        candidates()
            .find(|(service, _)| (0x41..0x7f).contains(service))
            .map(|(service, value)| SignalValue::WrongService(value, service))
    })
}

/// The set of parameters of service 01 that at least one control unit supports, as far as the vehicle has told it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Supported {
    pids: [u8; 32],
    /// The ranges that the vehicle has told, one bit each.
    told: u8,
}

impl Supported {
    /// Adds the parameters in the answers to a request for one range. Returns true if there was such an answer.
    pub fn add(&mut self, range: u8, messages: &[Message]) -> bool {
        let mut answered = false;
        for message in messages {
            if let [0x41, pid, bits @ ..] = message.data.as_slice() {
                if *pid == range && bits.len() == 4 {
                    answered = true;
                    self.told |= 1 << (range / 32);
                    for (known, answered) in self.pids.iter_mut().skip(usize::from(range / 8)).zip(bits) {
                        *known |= answered;
                    }
                }
            }
        }
        answered
    }

    /// Returns true if a parameter is supported. The highest bit of the first byte of range 00 stands for parameter 01.
    pub fn contains(&self, pid: u8) -> bool {
        let Some(bit) = pid.checked_sub(1) else { return false };
        self.pids.get(usize::from(bit / 8)).is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
    }

    /// Returns true if the vehicle has told which parameters of a range it supports.
    pub fn was_told(&self, range: u8) -> bool {
        self.told & (1 << (range / 32)) != 0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::obd) fn messages(datas: &[&str]) -> Vec<Message> {
        datas
            .iter()
            .map(|data| Message { ecu: None, data: hex::decode(data.replace(' ', "")).unwrap() })
            .collect()
    }

    fn standard(signal: Signal, data: &str) -> String {
        match value(signal, &messages(&[data])) {
            Some(SignalValue::Standard(value)) => value.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_decoded_as_the_standard_says() {
        assert_eq!(standard(Signal::Odometer, "41 A6 00 00 EA 5C"), "5999.6");
        assert_eq!(standard(Signal::Odometer, "41 A6 FF FF FF FF"), "429496729.5");
        assert_eq!(standard(Signal::Speed, "41 0D FF"), "255");
        assert_eq!(standard(Signal::EngineSpeed, "41 0C 14 5F"), "1303.75");
        assert_eq!(standard(Signal::Coolant, "41 05 00"), "-40");
        assert_eq!(standard(Signal::Coolant, "41 05 5F"), "55");
    }

    #[test]
    fn only_complete_answers_to_the_request_count() {
        for data in
            ["41 0C 14", "41 0C 14 5F 00", "41 0D 14 5F", "41", "", "7F 01 12", "01 0C 00 00", "7F 0C 00 00"]
        {
            assert_eq!(value(Signal::EngineSpeed, &messages(&[data])), None, "{data}");
        }
        assert_eq!(value(Signal::EngineSpeed, &[]), None);
    }

    #[test]
    fn a_wrong_service_byte_counts_only_without_a_standard_answer() {
        let wrong = value(Signal::Odometer, &messages(&["61 A6 00 00 EA 5C"]));
        assert_eq!(wrong, Some(SignalValue::WrongService("5999.6".parse().unwrap(), 0x61)));
        let both = value(Signal::Odometer, &messages(&["61 A6 00 00 EA 5C", "41 A6 00 00 EA 5D"]));
        assert_eq!(both, Some(SignalValue::Standard("5999.7".parse().unwrap())));
        assert_eq!(value(Signal::Odometer, &messages(&["61 A6 00 00 EA"])), None);
        assert_eq!(value(Signal::Odometer, &messages(&["61 A5 00 00 EA 5C"])), None);
    }

    #[test]
    fn the_supported_parameters_of_all_control_units_are_merged() {
        let mut supported = Supported::default();
        assert!(supported.add(0, &messages(&["41 00 BE 3F A8 13", "41 00 00 00 00 40"])));
        assert!(!supported.add(0x20, &messages(&["41 00 FF FF FF FF", "41 20 FF", ""])));
        assert!(supported.add(0xa0, &messages(&["41 A0 04 20 00 00"])));
        assert!(supported.was_told(0) && supported.was_told(0xa0) && !supported.was_told(0x20));
        let found: Vec<u8> = (0..=255).filter(|pid| supported.contains(*pid)).collect();
        assert_eq!(found, [1, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 19, 21, 26, 28, 31, 32, 0xa6, 0xab]);
    }

    proptest! {
        #[test]
        fn any_messages_are_handled_without_a_panic(datas in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 0..8)) {
            let messages: Vec<Message> = datas.into_iter().map(|data| Message { ecu: None, data }).collect();
            let mut supported = Supported::default();
            for range in 0..=255 {
                supported.add(range, &messages);
            }
            for signal in Signal::ALL {
                value(signal, &messages);
            }
            crate::obd::vin::read(&messages);
        }

        #[test]
        fn every_odometer_value_is_exact(raw in any::<u32>()) {
            let text = format!("41A6{raw:08X}");
            let expected = Decimal::new(i64::from(raw), -1).unwrap();
            prop_assert_eq!(value(Signal::Odometer, &messages(&[&text])), Some(SignalValue::Standard(expected)));
        }
    }
}
