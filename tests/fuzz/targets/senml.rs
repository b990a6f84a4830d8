//! SenML packs: writing and reading parsed readings again gives the same readings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streembit_adapters::senml;

/// The time of the gateway's clock.
const NOW: u64 = 1_767_225_600_000;

fuzz_target!(|text: &str| {
    let Ok(readings) = senml::read(text, NOW) else { return };
    assert!(!readings.is_empty());
    // Writing fails for times that SenML would interpret as relative.
    let Ok(written) = senml::write(&readings) else { return };
    assert_eq!(senml::read(&written, NOW).as_deref(), Ok(readings.as_slice()), "{written}");
});
