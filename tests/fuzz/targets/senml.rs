//! SenML packs: writing and reading parsed readings again gives the same readings.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streembit_adapters::senml::{self, Clock};

/// A clock that takes every time, because a relative time may be far in the future and is written as an absolute one.
const CLOCK: Clock = Clock { now: 1_767_225_600_000, max_future: u64::MAX };

fuzz_target!(|text: &str| {
    let Ok(pack) = senml::read(text, CLOCK) else { return };
    let readings = pack.readings;
    assert!(!readings.is_empty());
    // Writing fails for times that SenML would interpret as relative.
    let Ok(written) = senml::write(&readings) else { return };
    let again = senml::read(&written, CLOCK).map(|pack| pack.readings);
    assert_eq!(again.as_deref(), Ok(readings.as_slice()), "{written}");
});
