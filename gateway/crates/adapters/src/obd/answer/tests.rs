use super::*;
use proptest::prelude::*;

const FRAMINGS: [Framing; 5] =
    [Framing::Bare, Framing::Can11, Framing::Can29, Framing::J1850, Framing::KLine];

fn answer(text: &str, framing: Framing) -> Answer {
    read(&lines(text.as_bytes(), "0100"), framing)
}

fn hex_messages(answer: &Answer) -> Vec<String> {
    answer.messages.iter().map(|message| hex::encode_upper(&message.data)).collect()
}

#[test]
fn the_echo_and_blank_lines_are_removed() {
    assert_eq!(lines(b"ATZ\r\r\rELM327 v1.5\r\r", "ATZ"), ["ELM327 v1.5"]);
    assert_eq!(lines(b"at z\r\nELM327 v1.5\r\n\r\n", "ATZ"), ["ELM327 v1.5"]);
    assert_eq!(lines(b"\0O\0K\r", "ATE0"), ["OK"]);
    // Only the first line can be an echo.
    assert_eq!(lines(b"OK\rATE0\r", "ATE0"), ["OK", "ATE0"]);
}

#[test]
fn lines_without_headers_are_messages() {
    assert_eq!(
        hex_messages(&answer("0100\rSEARCHING...\r41 00 BE 3F A8 13 \r\r", Framing::Bare)),
        ["4100BE3FA813"]
    );
    assert_eq!(hex_messages(&answer("SEARCHING...4100BE3FA813\r", Framing::Bare)), ["4100BE3FA813"]);
    assert_eq!(
        hex_messages(&answer("BUS INIT: ...OK\r41 00 BE 3F A8 13\r", Framing::Bare)),
        ["4100BE3FA813"]
    );
    assert_eq!(hex_messages(&answer("BUS INIT: OK41 0D 00\r", Framing::Bare)), ["410D00"]);
    let two = answer("41 00 BE 3F A8 13 \r41 00 80 00 00 01 \r", Framing::Bare);
    assert_eq!(hex_messages(&two), ["4100BE3FA813", "410080000001"]);
}

#[test]
fn pieces_without_headers_are_joined_and_truncated_to_the_length() {
    let vin = answer(
        "014 \r0: 49 02 01 57 50 30 \r1: 5A 5A 5A 39 39 5A 54 \r2: 53 33 39 30 30 30 30 \r",
        Framing::Bare,
    );
    assert_eq!(hex_messages(&vin), [format!("490201{}", hex::encode_upper("WP0ZZZ99ZTS390000"))]);
    let padded = answer("008\r0:430301330420\r1:C10000000000AA\r", Framing::Bare);
    assert_eq!(hex_messages(&padded), ["430301330420C100"]);
    let cut = answer("014\r0: 49 02 01 57 50 30\r2: 53 33 39 30 30 30 30\r", Framing::Bare);
    assert!(cut.messages.is_empty());
    assert_eq!(cut.garbled, 2, "the piece out of order and the incomplete message");
}

#[test]
fn interleaved_can_frames_of_several_control_units_are_separated() {
    let interleaved = answer(
        "7E8 10 14 49 02 01 57 50 30 \r7E9 03 7F 09 78 AA AA AA AA\r7EA 10 08 43 03 01 33 04 20\r\
         7E8 21 5A 5A 5A 39 39 5A 54 \r7EA 21 C1 00 55 55 55 55 55\r7E8 22 53 33 39 30 30 30 30 \r",
        Framing::Can11,
    );
    assert_eq!(interleaved.garbled, 0);
    let found: Vec<_> = interleaved.messages.iter().map(|m| (m.ecu.unwrap(), m.data.len())).collect();
    assert_eq!(found, [(0x7e9, 3), (0x7ea, 8), (0x7e8, 20)]);
    assert_eq!(hex_messages(&interleaved)[1], "430301330420C100");
    let tight = answer("7E803410D37\r", Framing::Can11);
    assert_eq!(tight.messages, [Message { ecu: Some(0x7e8), data: vec![0x41, 0x0d, 0x37] }]);
    let long = answer("18 DA F1 10 06 41 00 BE 3F A8 13\r", Framing::Can29);
    assert_eq!(
        long.messages,
        [Message { ecu: Some(0x18da_f110), data: hex::decode("4100be3fa813").unwrap() }]
    );
}

#[test]
fn the_frame_number_of_a_long_can_message_wraps_around() {
    let data: Vec<u8> = (0..200).map(|n| n as u8).collect();
    let mut text = format!("7E8 10 C8 {}\r", hex::encode(&data[..6]));
    for (n, piece) in data[6..].chunks(7).enumerate() {
        text += &format!("7E8 2{:X} {}\r", (n + 1) % 16, hex::encode(piece));
    }
    assert_eq!(answer(&text, Framing::Can11).messages[0].data, data);
}

#[test]
fn the_header_and_checksum_of_older_lines_are_removed() {
    let vin = answer("87 F1 10 49 02 01 00 00 00 31 05\r87 F1 10 49 02 02 44 34 47 50 E4\r", Framing::KLine);
    assert_eq!(hex_messages(&vin), ["49020100000031", "49020244344750"]);
    assert_eq!(vin.messages[0].ecu, Some(0x10));
    assert_eq!(answer("48 6B 10 C3\r", Framing::KLine).garbled, 1, "no data");
    let j1850 = answer("48 6B 10 41 00 BE 3E B8 11 FA\r", Framing::J1850);
    assert_eq!((hex_messages(&j1850), j1850.garbled), (vec!["4100BE3EB811".to_owned()], 0));
}

#[test]
fn a_frame_with_a_wrong_checksum_is_refused() {
    for framing in [Framing::KLine, Framing::J1850] {
        let right = match framing {
            Framing::KLine => "48 6B 10 41 0D 32 43",
            _ => "48 6B 10 41 00 BE 3E B8 11 FA",
        };
        let frame = hex::decode(right.replace(' ', "")).unwrap();
        assert_eq!(answer(right, framing).messages.len(), 1);
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                let found = answer(&hex::encode_upper(damaged), framing);
                assert_eq!((found.messages.len(), found.garbled), (0, 1), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn an_answer_is_intact_if_nothing_of_it_was_lost() {
    for (text, is_intact) in [
        ("7E8 02 43 00\r", true),
        ("7E8 10 08 43 03 01 33 04 20\r7E8 21 C1 00\r", true),
        ("7E8 10 08 43 03 01 33 04 20\r", false),
        ("7E8 21 C1 00\r", false),
        ("7E8 02 43 00\rBUFFER FULL\r", false),
        ("7E8 02 43 00 <DATA ERROR\r", false),
        ("7E8 02 43\r", false),
    ] {
        assert_eq!(answer(text, Framing::Can11).is_intact(), is_intact, "{text}");
    }
}

#[test]
fn a_refusal_names_its_reason() {
    let refused = answer("7E8 03 7F 09 78\r7E9 03 7F 01 12\r", Framing::Can11);
    assert_eq!((refused.refusal(9), refused.refusal(1), refused.refusal(3)), (Some(0x78), Some(0x12), None));
}

#[test]
fn errors_in_words_are_recognized() {
    for (text, trouble) in [
        ("NO DATA\r", ElmError::NoData),
        ("SEARCHING...\rUNABLE TO CONNECT\r", ElmError::UnableToConnect),
        ("?\r", ElmError::NotUnderstood),
        ("STOPPED\r", ElmError::Stopped),
        ("CAN ERROR\r", ElmError::Bus),
        ("BUS INIT: ...ERROR\r", ElmError::Bus),
        ("BUS INIT: ERROR\r", ElmError::Bus),
        ("41 0D 37 <DATA ERROR\r", ElmError::Damaged),
        ("BUFFER FULL\r", ElmError::BufferFull),
        ("LV RESET\r", ElmError::Restarted),
        ("ELM327 v1.5\r", ElmError::Restarted),
    ] {
        let answer = answer(text, Framing::Bare);
        assert_eq!((answer.trouble, answer.messages.len(), answer.garbled), (Some(trouble), 0, 0), "{text}");
    }
    let both = answer("41 00 BE 3F A8 13\rBUFFER FULL\r", Framing::Bare);
    assert_eq!((both.messages.len(), both.trouble), (1, Some(ElmError::BufferFull)));
}

#[test]
fn damaged_bytes_affect_only_their_own_line() {
    let found = read(&lines(b"41 0D \xff37\r41 0C 14 5F\r4\r", "010D"), Framing::Bare);
    assert_eq!((hex_messages(&found), found.garbled), (vec!["410C145F".to_owned()], 2));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_with_any_framing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for framing in FRAMINGS {
            let found = lines(&bytes, "0100");
            let count = found.len();
            let answer = read(&found, framing);
            prop_assert!(answer.messages.len() <= count);
        }
    }

    #[test]
    fn almost_valid_lines_give_no_empty_messages(text in "([0-9A-F]{0,3}[:<> ]?[0-9A-F ]{0,24}(\\r|\\n|\\.|SEARCHING|BUS INIT:|OK){0,2}){0,12}") {
        for framing in FRAMINGS {
            for message in answer(&text, framing).messages {
                prop_assert!(!message.data.is_empty());
            }
        }
    }

    #[test]
    fn answers_do_not_depend_on_how_bytes_are_split(
        answers in proptest::collection::vec("[0-9A-Z \r\n.:?]{0,40}", 1..6),
        cuts in proptest::collection::vec(1usize..9, 1..40),
    ) {
        let stream: String = answers.iter().map(|answer| format!("{answer}>")).collect();
        let (mut buffer, mut found, mut rest) = (PromptBuffer::default(), Vec::new(), stream.as_bytes());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
            buffer.push(chunk).unwrap();
            while let Some(answer) = buffer.take() {
                found.push(String::from_utf8(answer).unwrap());
            }
            rest = tail;
        }
        prop_assert_eq!(found, answers);
    }
}

#[test]
fn too_many_bytes_without_a_prompt_are_rejected_and_discarded() {
    let mut buffer = PromptBuffer::default();
    let mut pushed = 0;
    while buffer.push(&[b'x'; 1000]).is_ok() {
        pushed += 1;
        assert!(pushed < 1000);
    }
    buffer.push(b"OK>").unwrap();
    assert_eq!(buffer.take().unwrap(), b"OK");
}
