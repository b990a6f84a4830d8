//! Configuration files and overrides: errors have a message, and in an accepted configuration each name and id
//! identifies exactly one device.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use streembit::config::Config;
use streembit_primitives::AccountId;

fuzz_target!(|text: &str| {
    // Lines of the form STREEMBIT_NAME=value are also used as environment variables.
    let variables = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.starts_with("STREEMBIT_"));
    let variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let path = Path::new("/etc/streembit/gateway.toml");
    for variables in [Vec::new(), variables] {
        match Config::parse(text, path, variables) {
            Ok(config) => check(&config),
            Err(error) => assert!(error.to_string().len() > 10, "an error without a message: {error:?}"),
        }
    }
});

fn check(config: &Config) {
    assert!(config.gateway.data_dir.is_absolute() && config.api.socket.is_absolute());
    assert!(config.anchor.every_events > 0 && config.anchor.every_seconds > 0);
    let gateway = AccountId([1; 32]);
    for device in &config.devices {
        let id = device.id(gateway);
        // Name and id identify the same device, and no other.
        assert_eq!(config.device(&device.name, gateway).map(|found| found.id(gateway)).ok(), Some(id));
        assert_eq!(config.device(&id.to_string(), gateway).map(|found| found.id(gateway)).ok(), Some(id));
    }
}
