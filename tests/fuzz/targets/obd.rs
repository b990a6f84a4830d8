//! Bytes from a serial port: split into answers at the prompt, parsed with each framing, and decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streembit_adapters::obd::{
    answer::{self, Framing},
    dtc, pids,
    vin::{self, VinAnswer},
};

fuzz_target!(|bytes: &[u8]| {
    let Some((split, bytes)) = bytes.split_first() else { return };
    // The answers must not depend on how the bytes are split.
    let whole = answers([bytes]);
    let at = usize::from(*split).min(bytes.len());
    let (first, second) = bytes.split_at(at);
    assert_eq!(whole, answers([first, second]));
    for answer in whole {
        let lines = answer::lines(&answer, "01A6");
        for framing in [Framing::Bare, Framing::Can11, Framing::Can29, Framing::J1850, Framing::KLine] {
            let read = answer::read(&lines, framing);
            assert!(read.garbled <= lines.len());
            for signal in pids::Signal::ALL {
                let _ = pids::value(signal, &read.messages);
            }
            let mut supported = pids::Supported::default();
            for range in pids::RANGES {
                let _ = supported.add(range, &read.messages);
            }
            let _ = (0..=255).filter(|pid| supported.contains(*pid)).count();
            if let VinAnswer::Valid(vin) = vin::read(&read.messages) {
                assert_eq!(vin.as_str().len(), 17);
            }
            for framing in [Framing::Can11, Framing::KLine] {
                if let Ok(codes) = dtc::stored_codes(&read, framing, &Default::default()) {
                    let _ = dtc::list(&codes.codes);
                }
            }
        }
    }
});

fn answers<const N: usize>(pieces: [&[u8]; N]) -> Vec<Vec<u8>> {
    let (mut buffer, mut answers) = (answer::PromptBuffer::default(), Vec::new());
    for piece in pieces {
        if buffer.push(piece).is_err() {
            break;
        }
        while let Some(answer) = buffer.take() {
            answers.push(answer);
        }
    }
    answers
}
