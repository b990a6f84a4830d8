//! Diagnostic trouble codes (SAE J2012), which encode a letter and four digits in two bytes.

use super::answer::Message;
use streembit_primitives::Text;

/// Returns the distinct fault codes in all answers to service 03, in order of appearance, or `None` if no message is
/// such an answer.
///
/// CAN messages have a count before the codes, so the bytes after the service byte are odd in number. Messages of older
/// protocols have no count and are padded with zeros.
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
    use proptest::prelude::*;

    fn message(data: &[u8]) -> Message {
        Message { ecu: None, data: data.to_vec() }
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
        fn any_answer_gives_a_list_that_fits(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut data = data;
            data.insert(0, 0x43);
            prop_assert!(list(&stored_codes(&[message(&data)]).unwrap()).as_str().len() <= 256);
        }
    }
}
