//! A simulated ELM327 v1.5 adapter, which maps commands to answers. It does no I/O; the caller passes in the time.
//!
//! It follows the data sheet: echo is on until `ATE0`, lines end with carriage returns, spaces are on and headers are
//! off by default, the first request answers `SEARCHING...`, long answers are split into lines `0:`, `1:` and so on, an
//! empty line repeats the last command, and the answer to an unknown command is `?`. One control unit (7E8) answers
//! over CAN with 11-bit ids at 500 kbit/s.

use super::vehicle::Vehicle;
use std::{fmt::Write, time::Duration};

/// The longest command line in bytes. The rest is cut off, as in the buffer of the real adapter.
const LINE_LIMIT: usize = 254;
const NAME: &str = "ELM327 v1.5";
const PIDS: [u8; 10] = [0x01, 0x05, 0x0c, 0x0d, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xa6];

/// The simulated adapter, with its settings and its input buffer.
#[derive(Clone, PartialEq, Debug)]
pub struct Elm327 {
    vehicle: Vehicle,
    settings: Settings,
    line: Vec<u8>,
    last: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Settings {
    echo: bool,
    linefeeds: bool,
    spaces: bool,
    headers: bool,
    /// Whether the search for the protocol has succeeded.
    protocol_found: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { echo: true, linefeeds: false, spaces: true, headers: false, protocol_found: false }
    }
}

impl Elm327 {
    /// Returns an adapter that is plugged into `vehicle`.
    pub fn new(vehicle: Vehicle) -> Self {
        Self { vehicle, settings: Settings::default(), line: Vec::new(), last: String::new() }
    }

    /// Processes received bytes, which may be split anywhere. `driven` is the time that the vehicle has been driving.
    /// Returns the bytes to send back, which may be none.
    pub fn receive(&mut self, bytes: &[u8], driven: Duration) -> String {
        let mut out = String::new();
        for byte in bytes {
            if self.settings.echo && byte.is_ascii() {
                out.push(char::from(*byte));
            }
            match byte {
                b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    let command = String::from_utf8_lossy(&line).to_uppercase();
                    out.push_str(&self.answer(command, driven));
                }
                b' ' | b'\n' | b'\t' | 0 => {}
                _ if self.line.len() < LINE_LIMIT => self.line.push(*byte),
                _ => {}
            }
        }
        out
    }

    fn answer(&mut self, command: String, driven: Duration) -> String {
        let command = if command.is_empty() { self.last.clone() } else { command };
        self.last.clone_from(&command);
        let lines = match command.strip_prefix("AT") {
            Some(setting) => vec![self.setting(setting)],
            None => self.request(&command, driven),
        };
        let end = if self.settings.linefeeds { "\r\n" } else { "\r" };
        let mut out = if command == "ATZ" { end.repeat(2) } else { String::new() };
        for line in lines {
            out += &line;
            out += end;
        }
        out + end + ">"
    }

    fn setting(&mut self, setting: &str) -> String {
        let settings = &mut self.settings;
        match setting {
            "Z" | "WS" => {
                *settings = Settings::default();
                return NAME.into();
            }
            "I" => return NAME.into(),
            "@1" => return "OBDII to RS232 Interpreter".into(),
            "RV" => return "13.8V".into(),
            "DP" => {
                return if settings.protocol_found { "AUTO, ISO 15765-4 (CAN 11/500)" } else { "AUTO" }.into()
            }
            "DPN" => return if settings.protocol_found { "A6" } else { "A0" }.into(),
            "D" => *settings = Settings { protocol_found: settings.protocol_found, ..Settings::default() },
            "E0" | "E1" => settings.echo = setting == "E1",
            "L0" | "L1" => settings.linefeeds = setting == "L1",
            "S0" | "S1" => settings.spaces = setting == "S1",
            "H0" | "H1" => settings.headers = setting == "H1",
            "SP0" | "SPA0" | "SPA6" | "PC" => settings.protocol_found = false,
            "AT0" | "AT1" | "AT2" | "M0" | "M1" | "CAF1" | "SP6" => {}
            _ => return "?".into(),
        }
        "OK".into()
    }

    fn request(&mut self, command: &str, driven: Duration) -> Vec<String> {
        // An odd digit at the end is the number of answers to wait for, which the simulator ignores.
        let digits = if command.len() % 2 == 1 { command.get(..command.len() - 1) } else { Some(command) };
        let Some(request) =
            digits.and_then(|digits| hex::decode(digits).ok()).filter(|request| !request.is_empty())
        else {
            return vec!["?".into()];
        };
        let mut lines = Vec::new();
        if !std::mem::replace(&mut self.settings.protocol_found, true) {
            lines.push("SEARCHING...".into());
        }
        match self.message(&request, driven) {
            Some(message) => lines.extend(self.frame(&message)),
            None => lines.push("NO DATA".into()),
        }
        lines
    }

    /// Returns the answer of the control unit, starting with the service byte, or `None` if the request is not
    /// supported.
    fn message(&mut self, request: &[u8], driven: Duration) -> Option<Vec<u8>> {
        let vehicle = &mut self.vehicle;
        let faults = u8::try_from(vehicle.faults.len()).unwrap_or(u8::MAX);
        let values = match request {
            [0x01, range] if range % 0x20 == 0 && (*range == 0 || PIDS.contains(range)) => {
                supported(*range).to_vec()
            }
            // The malfunction lamp is on if there are faults. No readiness tests are listed.
            [0x01, 0x01] => vec![if faults > 0 { 0x80 | faults } else { 0 }, 0x07, 0, 0],
            [0x01, 0x05] => vec![vehicle.coolant_celsius(driven).saturating_add(40)],
            [0x01, 0x0c] => vehicle.engine_quarters().to_be_bytes().to_vec(),
            [0x01, 0x0d] => vec![vehicle.speed_kmh],
            [0x01, 0xa6] => vehicle.odometer_tenths(driven).to_be_bytes().to_vec(),
            [0x03] => std::iter::once(faults).chain(vehicle.faults.iter().flatten().copied()).collect(),
            [0x04] => {
                vehicle.faults.clear();
                Vec::new()
            }
            [0x09, 0x00] => vec![0x40, 0, 0, 0],
            [0x09, 0x02] => std::iter::once(1).chain(vehicle.vin.bytes()).collect(),
            _ => return None,
        };
        let (service, parameter) = request.split_first()?;
        Some(std::iter::once(service | 0x40).chain(parameter.iter().copied()).chain(values).collect())
    }

    /// Returns the lines of a message: one if it fits into a single CAN frame (ISO 15765-2), otherwise several.
    fn frame(&self, message: &[u8]) -> Vec<String> {
        let id = if !self.settings.headers {
            ""
        } else if self.settings.spaces {
            "7E8 "
        } else {
            "7E8"
        };
        if message.len() <= 7 {
            if !self.settings.headers {
                return vec![self.hex(message)];
            }
            let mut frame = vec![u8::try_from(message.len()).unwrap_or_default()];
            frame.extend_from_slice(message);
            frame.resize(8, 0xaa);
            return vec![format!("{id}{}", self.hex(&frame))];
        }
        let (first, rest) = message.split_at(6);
        let mut lines = if self.settings.headers {
            let length = u16::try_from(message.len()).unwrap_or_default() | 0x1000;
            vec![format!("{id}{}", self.hex(&[&length.to_be_bytes(), first].concat()))]
        } else {
            vec![format!("{:03X}", message.len()), format!("0: {}", self.hex(first))]
        };
        for (number, piece) in (1u8..).zip(rest.chunks(7)) {
            let mut piece = piece.to_vec();
            piece.resize(7, 0xaa);
            lines.push(if self.settings.headers {
                format!("{id}{}", self.hex(&[&[0x20 | (number % 16)], piece.as_slice()].concat()))
            } else {
                format!("{:X}: {}", number % 16, self.hex(&piece))
            });
        }
        lines
    }

    /// Formats bytes in hexadecimal, each followed by a space unless spaces are off.
    fn hex(&self, bytes: &[u8]) -> String {
        let mut text = String::new();
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}{}", if self.settings.spaces { " " } else { "" });
        }
        text
    }
}

/// Returns the bit mask of the supported parameters among the 32 after `range`. The first one is the highest bit.
fn supported(range: u8) -> [u8; 4] {
    let mut bits = 0u32;
    for pid in PIDS {
        if let Some(place @ 1..=32) = pid.checked_sub(range) {
            bits |= 1 << (32 - u32::from(place));
        }
    }
    bits.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn elm() -> Elm327 {
        Elm327::new(Vehicle { odometer_km: 5_999.6, ..Vehicle::default() })
    }

    fn ask(elm: &mut Elm327, command: &str) -> String {
        elm.receive(format!("{command}\r").as_bytes(), Duration::ZERO)
    }

    #[test]
    fn answers_follow_the_data_sheet() {
        let mut elm = elm();
        for (command, answer) in [
            ("ATZ", "ATZ\r\r\rELM327 v1.5\r\r>"),
            ("AT E0", "AT E0\rOK\r\r>"),
            ("ATDPN", "A0\r\r>"),
            ("0100", "SEARCHING...\r41 00 88 18 00 01 \r\r>"),
            ("ATDPN", "A6\r\r>"),
            ("0120", "41 20 00 00 00 01 \r\r>"),
            ("01A0", "41 A0 04 00 00 00 \r\r>"),
            ("01A6", "41 A6 00 00 EA 5C \r\r>"),
            ("01 0d", "41 0D 3C \r\r>"),
            ("010D1", "41 0D 3C \r\r>"),
            ("", "41 0D 3C \r\r>"),
            ("03", "43 01 01 33 \r\r>"),
            ("012F", "NO DATA\r\r>"),
            ("0902", "014\r0: 49 02 01 57 56 57 \r1: 5A 5A 5A 31 4A 5A 33 \r2: 57 33 38 36 37 35 32 \r\r>"),
            ("ATXYZ", "?\r\r>"),
            ("HELLO", "?\r\r>"),
            ("1", "?\r\r>"),
            ("ATL1", "OK\r\n\r\n>"),
            ("ATL0", "OK\r\r>"),
            ("ATH1", "OK\r\r>"),
            ("010D", "7E8 03 41 0D 3C AA AA AA AA \r\r>"),
            ("ATS0", "OK\r\r>"),
            ("0902", "7E81014490201575657\r7E8215A5A5A314A5A33\r7E82257333836373532\r\r>"),
            ("04", "7E80144AAAAAAAAAAAA\r\r>"),
            ("03", "7E8024300AAAAAAAAAA\r\r>"),
            ("ATD", "OK\r\r>"),
            ("010D", "010D\r41 0D 3C \r\r>"),
        ] {
            assert_eq!(ask(&mut elm, command), answer, "{command}");
        }
    }

    #[test]
    fn the_obd_adapter_parses_its_answers() {
        use streembit_adapters::obd::{
            answer,
            vin::{self, VinAnswer},
        };
        for (headers, framing) in [("ATH0", answer::Framing::Bare), ("ATH1", answer::Framing::Can11)] {
            let mut elm = elm();
            ask(&mut elm, headers);
            let said = ask(&mut elm, "0902");
            let lines = answer::lines(said.trim_end_matches('>').as_bytes(), "0902");
            let read = answer::read(&lines, framing);
            let VinAnswer::Valid(vin) = vin::read(&read.messages) else { panic!("{read:?}") };
            assert_eq!(vin.as_str(), Vehicle::default().vin);
            assert_eq!((read.garbled, read.trouble), (0, None));
        }
    }

    proptest! {
        #[test]
        fn answers_do_not_depend_on_how_the_input_is_split(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let (mut whole, mut split) = (elm(), elm());
            let expected = whole.receive(&bytes, Duration::ZERO);
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let got = split.receive(left, Duration::ZERO) + &split.receive(right, Duration::ZERO);
            prop_assert_eq!(got, expected);
        }
    }
}
