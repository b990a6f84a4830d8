//! The `STREEMBIT_SECTION_KEY` environment variables, which override the file.

use super::{error::ConfigError, sections::Config, values::ensure_above_zero};

/// Variables with the same prefix that do not belong to the configuration. They set options of the command line and of
/// the tests.
pub const NOT_CONFIGURATION: [&str; 9] = [
    "STREEMBIT_ADDRESS_BOOK",
    "STREEMBIT_ALLOW_PLAIN",
    "STREEMBIT_CHAIN_SPEC",
    "STREEMBIT_CONFIG",
    "STREEMBIT_CONTRACTS",
    "STREEMBIT_KEY",
    "STREEMBIT_NODE",
    "STREEMBIT_PASSPHRASE_FILE",
    "STREEMBIT_PYTHON",
];

/// The prefixes of the variables of the project's build, demo, set-up and tests. These do not belong to the
/// configuration either.
const RESERVED_PREFIXES: [&str; 5] =
    ["STREEMBIT_BUILD_", "STREEMBIT_DEMO_", "STREEMBIT_SETUP_", "STREEMBIT_TEST_", "STREEMBIT_TESTS_"];

type Set = fn(&mut Config, &str) -> Result<(), String>;

/// All overrides, each with a function that parses and sets the value. A name is the section and the key in upper case.
/// Devices are a list and cannot be overridden.
pub(super) const OVERRIDES: [(&str, Set); 16] = [
    ("STREEMBIT_GATEWAY_NAME", |c, v| set(&mut c.gateway.name, Ok(v.into()))),
    ("STREEMBIT_GATEWAY_DATA_DIR", |c, v| set(&mut c.gateway.data_dir, path(v))),
    ("STREEMBIT_GATEWAY_KEY_FILE", |c, v| set(&mut c.gateway.key_file, path(v))),
    ("STREEMBIT_GATEWAY_PASSPHRASE_FILE", |c, v| set(&mut c.gateway.passphrase_file, path(v).map(Some))),
    ("STREEMBIT_NODE_URL", |c, v| set(&mut c.node.url, v.parse())),
    ("STREEMBIT_NODE_ALLOW_PLAIN", |c, v| set(&mut c.node.allow_plain, boolean(v))),
    ("STREEMBIT_API_SOCKET", |c, v| set(&mut c.api.socket, path(v))),
    ("STREEMBIT_API_TCP", |c, v| {
        let expected =
            |_| format!("{v:?} is not an address with a port: expected a value such as 127.0.0.1:8080");
        set(&mut c.api.tcp, v.parse().map(Some).map_err(expected))
    }),
    ("STREEMBIT_API_TOKEN_FILE", |c, v| set(&mut c.api.token_file, path(v))),
    ("STREEMBIT_API_ALLOW_REMOTE", |c, v| set(&mut c.api.allow_remote, boolean(v))),
    ("STREEMBIT_API_TLOG", |c, v| set(&mut c.api.tlog, boolean(v))),
    ("STREEMBIT_API_MAX_FUTURE_SECONDS", |c, v| set(&mut c.api.max_future_seconds, number(v))),
    ("STREEMBIT_ANCHOR_EVERY_EVENTS", |c, v| set(&mut c.anchor.every_events, number(v))),
    ("STREEMBIT_ANCHOR_EVERY_SECONDS", |c, v| set(&mut c.anchor.every_seconds, number(v))),
    ("STREEMBIT_DELIVERY_LISTEN", |c, v| {
        let addresses = v.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parsed = addresses.map(|part| {
            part.parse().map_err(|error| {
                format!("{part:?} is not a multiaddress ({error}): expected addresses such as /ip4/127.0.0.1/tcp/0, separated by commas")
            })
        });
        set(&mut c.delivery.listen, parsed.collect())
    }),
    ("STREEMBIT_DELIVERY_MDNS", |c, v| set(&mut c.delivery.mdns, boolean(v))),
];

/// Applies all overrides in `variables`. Returns an error if a value is invalid or if a `STREEMBIT_*` variable is
/// unknown; ignores all other variables. An empty variable is like one that is not set: there is no other way to unset
/// one in some service managers and containers.
pub(super) fn apply(
    config: &mut Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, value) in variables {
        if !name.starts_with("STREEMBIT_")
            || NOT_CONFIGURATION.contains(&name.as_str())
            || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        {
            continue;
        }
        if value.is_empty() && OVERRIDES.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let result = match OVERRIDES.iter().find(|(known, _)| *known == name) {
            Some((_, set)) => set(config, &value),
            None => {
                let known: Vec<_> = OVERRIDES.iter().map(|(known, _)| *known).collect();
                Err(format!(
                    "does not override a key of the configuration: unset it, or use one of {}",
                    known.join(", ")
                ))
            }
        };
        result.map_err(|problem| ConfigError::Variable { name, problem })?;
    }
    Ok(())
}

fn set<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn path(text: &str) -> Result<std::path::PathBuf, String> {
    // A path in the file is relative to the file; a path in the environment is relative to the working folder.
    std::path::absolute(text).map_err(|error| format!("{text:?} is not a valid path: {error}"))
}

fn number(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is not a whole number above 0"))?;
    ensure_above_zero(number)
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false: use one of the two"))
}
