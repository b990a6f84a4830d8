//! Fault codes (SAE J2012): two bytes are a letter and four digits.

use super::answer::Message;
use streembit_primitives::Text;

/// The fault codes in the answers to service 03 of every control unit, each once, in the order met.
///
/// Over CAN a count stands before the codes, so that what follows the service byte has an odd length; older
/// protocols have no count and fill up with zeros. Where neither answers, the result is `None`.
pub fn stored_codes(messages: &[Message]) -> Option<Vec<String>> {
    let mut answered = false;
    let mut codes = Vec::new();
    for message in messages {
        let Some((0x43, payload)) = message.data.split_first().map(|(service, rest)| (*service, rest)) else {
            continue;
        };
        answered = true;
        let pairs = if payload.len() % 2 == 1 { payload.get(1..).unwrap_or_default() } else { payload };
        for pair in pairs.chunks_exact(2) {
            if let [high, low] = *pair {
                if (high, low) != (0, 0) {
                    let code = code(high, low);
                    if !codes.contains(&code) {
                        codes.push(code);
                    }
                }
            }
        }
    }
    answered.then_some(codes)
}

/// One code: `P0133` for powertrain, `C` chassis, `B` body, `U` network.
pub fn code(high: u8, low: u8) -> String {
    let letter = match high >> 6 {
        0 => 'P',
        1 => 'C',
        2 => 'B',
        _ => 'U',
    };
    format!("{letter}{:X}{:X}{low:02X}", (high >> 4) & 0x03, high & 0x0f)
}

/// The codes as one text, separated by commas. What does not fit is counted: `P0133,...,+12`.
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
    use proptest::prelude::*;

    fn message(data: &[u8]) -> Message {
        Message { ecu: None, data: data.to_vec() }
    }

    #[test]
    fn letters_and_digits() {
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
    fn with_and_without_a_count() {
        let can = [message(&[0x43, 0x02, 0x01, 0x33, 0xc1, 0x00])];
        assert_eq!(stored_codes(&can).unwrap(), ["P0133", "U0100"]);
        let legacy =
            [message(&[0x43, 0x01, 0x33, 0, 0, 0, 0]), message(&[0x43, 0x01, 0x33, 0x04, 0x20, 0, 0])];
        assert_eq!(stored_codes(&legacy).unwrap(), ["P0133", "P0420"]);
        assert_eq!(stored_codes(&[message(&[0x43, 0x00])]).unwrap(), Vec::<String>::new());
        assert_eq!(stored_codes(&[message(&[0x41, 0x0d, 0x00])]), None);
        assert_eq!(stored_codes(&[message(&[])]), None);
    }

    #[test]
    fn a_long_list_says_how_much_it_leaves_out() {
        let codes: Vec<String> = (0..60).map(|n| code(0, n + 1)).collect();
        let text = list(&codes).to_string();
        let shown = text.split(',').filter(|part| part.starts_with('P')).count();
        assert!(text.len() <= 256 && text.ends_with(&format!(",+{}", 60 - shown)), "{text}");
        assert_eq!(list(&codes[..2]).as_str(), "P0001,P0002");
        assert_eq!(list(&[]).as_str(), "");
    }

    proptest! {
        #[test]
        fn never_panics(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut data = data;
            data.insert(0, 0x43);
            prop_assert!(list(&stored_codes(&[message(&data)]).unwrap()).as_str().len() <= 256);
        }
    }
}
