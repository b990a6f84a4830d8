//! SenML packs from anywhere: what is read is written, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streembit_adapters::senml;

/// The gateway's clock.
const NOW: u64 = 1_767_225_600_000;

fuzz_target!(|text: &str| {
    let Ok(readings) = senml::read(text, NOW) else { return };
    assert!(!readings.is_empty());
    // Times that SenML would take as relative are not written.
    let Ok(written) = senml::write(&readings) else { return };
    assert_eq!(senml::read(&written, NOW).as_deref(), Ok(readings.as_slice()), "{written}");
});
