use super::{overrides::OVERRIDES, *};
use std::{collections::BTreeSet, time::Duration};
use streembit_adapters::{serial::Endpoint, AdapterConfig};
use streembit_primitives::{DeviceId, DeviceKey};

const PATH: &str = "/etc/streembit/gateway.toml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new(PATH), [])
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Config::parse(text, Path::new(PATH), variables)
}

fn gateway() -> AccountId {
    AccountId([1; 32])
}

/// Returns the template with its commented-out keys and tables uncommented.
fn template_with_examples() -> String {
    let example = |line: &&str| {
        let key = line
            .split_once(" = ")
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        key || line.starts_with('[')
    };
    let lines = template::TEXT.lines();
    let text: Vec<_> = lines.map(|line| line.strip_prefix("# ").filter(example).unwrap_or(line)).collect();
    text.join("\n")
}

fn keys_of(table: &toml::Table, prefix: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            toml::Value::Table(table) => keys_of(table, &format!("{path}."), keys),
            toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                for item in items.iter().filter_map(toml::Value::as_table) {
                    keys_of(item, &format!("{path}."), keys);
                }
            }
            _ => {
                keys.insert(path);
            }
        }
    }
}

/// Returns the keys of a section, taken from serde's error for the file `unknown`, which sets an unknown key there.
fn keys_known_to(section: &str, unknown: &str) -> BTreeSet<String> {
    let error = parse(unknown).unwrap_err().to_string();
    let (_, known) = error.split_once("expected").unwrap();
    known.split('`').skip(1).step_by(2).map(|key| format!("{section}{key}")).collect()
}

#[test]
fn the_template_shows_exactly_the_known_keys() {
    let text = template_with_examples();
    let mut shown = BTreeSet::new();
    keys_of(&text.parse().unwrap(), "", &mut shown);
    let sections = [
        ("gateway.", "[gateway]\nzz = 1"),
        ("node.", "[node]\nzz = 1"),
        ("api.", "[api]\nzz = 1"),
        ("anchor.", "[anchor]\nzz = 1"),
        ("delivery.", "[delivery]\nzz = 1"),
        ("device.", "[[device]]\nzz = 1"),
    ];
    let mut known: BTreeSet<_> =
        sections.iter().flat_map(|(section, unknown)| keys_known_to(section, unknown)).collect();
    for kind in AdapterConfig::KINDS {
        assert!(known.remove(&format!("device.{kind}")), "an adapter is a table, not a key: {known:?}");
        let unknown = format!("[[device]]\nname = \"x\"\n[device.{kind}]\nzz = 1");
        known.extend(keys_known_to(&format!("device.{kind}."), &unknown));
    }
    assert_eq!(shown, known);
    parse(&text).unwrap();
}

#[test]
fn the_template_shows_the_defaults() {
    assert_eq!(parse(template::TEXT).unwrap(), parse("").unwrap());
    let rendered = template("Anna's \"car\"", 30_345, Some(Path::new("/run/secrets/pass")));
    let config = parse(&rendered).unwrap();
    assert_eq!(config.gateway.name, "Anna's \"car\"");
    assert_eq!(config.gateway.passphrase_file.as_deref(), Some(Path::new("/run/secrets/pass")));
    assert_eq!(config.gateway.data_dir, Path::new("/etc/streembit/data"));
    let listen: Vec<_> = config.delivery.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["/ip4/127.0.0.1/udp/30345/quic-v1", "/ip4/127.0.0.1/tcp/30345"]);
}

#[test]
fn the_default_delivery_port_is_fixed() {
    let config = parse("").unwrap();
    let listen: Vec<_> = config.delivery.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["/ip4/127.0.0.1/udp/30340/quic-v1", "/ip4/127.0.0.1/tcp/30340"]);
}

#[test]
fn every_key_outside_of_devices_can_be_overridden() {
    let mut shown = BTreeSet::new();
    keys_of(&template_with_examples().parse().unwrap(), "", &mut shown);
    let expected: BTreeSet<_> = shown
        .iter()
        .filter(|key| !key.starts_with("device."))
        .map(|key| format!("STREEMBIT_{}", key.replace('.', "_").to_uppercase()))
        .collect();
    let names: BTreeSet<_> = OVERRIDES.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, expected);
}

#[test]
fn overrides_take_precedence_over_the_file() {
    let config = parse_with(
        "[node]\nurl = \"ws://a:1\"\n[anchor]\nevery_events = 5\nevery_seconds = 7",
        &[
            ("STREEMBIT_NODE_URL", "wss://node.example:443"),
            ("STREEMBIT_ANCHOR_EVERY_EVENTS", "9"),
            ("STREEMBIT_API_TCP", "127.0.0.1:8080"),
            ("STREEMBIT_DELIVERY_LISTEN", "/ip4/127.0.0.1/tcp/1, /ip6/::1/udp/2/quic-v1"),
            ("STREEMBIT_DELIVERY_MDNS", "true"),
            ("STREEMBIT_GATEWAY_PASSPHRASE_FILE", "/run/pass"),
            // These are not part of the configuration.
            ("STREEMBIT_PASSPHRASE_FILE", "x"),
            ("STREEMBIT_CONFIG", "x"),
            ("STREEMBIT_NODE", "x"),
            ("STREEMBIT_TEST_NODE", "x"),
            ("STREEMBIT_TESTS_KEEP", "1"),
            ("STREEMBIT_SETUP_YES", "1"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.node.url.as_str(), "wss://node.example:443");
    assert_eq!((config.anchor.every_events, config.anchor.every_seconds), (9, 7));
    assert_eq!(config.api.tcp, Some("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(config.delivery.listen.len(), 2);
    assert!(config.delivery.mdns);
    assert_eq!(config.gateway.passphrase_file.as_deref(), Some(Path::new("/run/pass")));
}

#[test]
fn errors_in_overrides_name_the_variable() {
    for (name, value, problem) in [
        ("STREEMBIT_NODE_ULR", "ws://a:1", "STREEMBIT_NODE_URL"),
        ("STREEMBIT_NODE_URL", "http://a:1", "WebSocket"),
        ("STREEMBIT_ANCHOR_EVERY_EVENTS", "0", "above 0"),
        ("STREEMBIT_ANCHOR_EVERY_SECONDS", "soon", "whole number"),
        ("STREEMBIT_API_TCP", "8080", "127.0.0.1:8080"),
        ("STREEMBIT_API_ALLOW_REMOTE", "yes", "neither true nor false"),
        ("STREEMBIT_DELIVERY_LISTEN", "127.0.0.1:1", "multiaddress"),
        ("STREEMBIT_NODE_ULR", "", "STREEMBIT_NODE_URL"),
    ] {
        let error = parse_with("", &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(problem), "{error}");
    }
}

#[test]
fn an_empty_variable_is_like_one_that_is_not_set() {
    let variables: Vec<_> = OVERRIDES.iter().map(|(name, _)| (*name, "")).collect();
    assert_eq!(parse_with("", &variables).unwrap(), parse("").unwrap());
}

#[test]
fn errors_name_the_file_the_line_and_the_remedy() {
    let key = "sr25519:".to_owned() + &"00".repeat(32);
    for (line, text, problem) in [
        (1, "[gateway", "expected"),
        (3, "[gateway]\nname = \"x\"\nnome = \"y\"", "expected one of `name`"),
        (1, "[gatway]", "expected one of `gateway`"),
        (2, "[anchor]\nevery_events = 0", "above 0"),
        (2, "[anchor]\nevery_events = -1", "invalid value"),
        (2, "[anchor]\nevery_seconds = \"six\"", "expected u64"),
        (2, "[node]\nurl = \"http://127.0.0.1:9944\"", "ws://127.0.0.1:9944"),
        (2, "[node]\nurl = \"127.0.0.1:9944\"", "ws://127.0.0.1:9944"),
        (2, "[node]\nurl = \"ws://me:secret@host:1\"", "before the @"),
        (2, "[api]\ntcp = \"localhost\"", "socket address"),
        (2, "[delivery]\nlisten = [\"127.0.0.1\"]", "multiaddr"),
        (1, "[[device]]\nlabel = \"x\"", "missing field `name`"),
        (3, "[[device]]\nname = \"car\"\nport = 1", "unknown field `port`, expected one of `name`"),
        (1, "[[device]]\nname = \"my car\"", "letters, digits"),
        (1, "[[device]]\nname = \"0xcar\"", "letters, digits"),
        (1, "[[device]]\nname = \"car\"\nkey = \"00\"", "expected sr25519:"),
        (1, "[[device]]\nname = \"car\"\nid = \"00\"", "64 hexadecimal digits"),
        (1, &format!("[[device]]\nname = \"car\"\nkey = \"p256:04{}\"", "00".repeat(64)), "uncompressed"),
        (1, &format!("[[device]]\nname = \"car\"\nkey = \"p256:02{}\"", "ff".repeat(32)), "not a point"),
        (1, &format!("[[device]]\nname = \"car\"\nkey = \"p256:02{}\"", "00".repeat(31)), "32 bytes"),
        (1, &format!("[[device]]\nname = \"car\"\nkey = \"{key}\"\nlabel = \"x\""), "no label"),
        (4, "[[device]]\nname = \"car\"\n[device.obd]\nport = \"ttyUSB0\"", "/dev/ttyUSB0"),
        (4, "[[device]]\nname = \"car\"\n[device.obd]\nport = \"tcp://host\"", "lacks a host or a port"),
        (3, "[[device]]\nname = \"car\"\n[device.obd]\nport = \"/dev/x\"\nbaud = 1", "38400"),
        (3, "[[device]]\nname = \"car\"\n[device.obd]\nport = \"/dev/x\"\nevery_seconds = 0", "0.05"),
        (
            5,
            "[[device]]\nname = \"car\"\n[device.obd]\nport = \"/dev/x\"\nprotocol = 12",
            "12 is not a protocol",
        ),
        (2, "[api]\nmax_future_seconds = 0", "above 0"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{PATH}:{line}: ")), "{text}\n{error}");
        assert!(error.contains(problem), "{text}\n{error}");
    }
}

#[test]
fn errors_name_the_values_that_contradict_each_other() {
    let key = "ed25519:".to_owned() + &"11".repeat(32);
    for (text, problem) in [
        ("[[device]]\nname = \"a\"\n[[device]]\nname = \"a\"", "two devices are named \"a\""),
        ("[[device]]\nname = \"a\"\nlabel = \"b\"\n[[device]]\nname = \"b\"", "same key or label"),
        (
            &format!("[[device]]\nname = \"a\"\nkey = \"{key}\"\n[[device]]\nname = \"b\"\nkey = \"{key}\""),
            "same key or label",
        ),
        ("[api]\ntcp = \"0.0.0.0:80\"", "allow_remote"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(PATH) && error.contains(problem), "{error}");
    }
    assert!(parse("[api]\ntcp = \"0.0.0.0:80\"\nallow_remote = true").is_ok());
    assert!(parse("[api]\ntcp = \"[::1]:80\"").is_ok());
}

#[test]
fn a_device_is_found_by_name_and_by_id() {
    let key = "ed25519:".to_owned() + &"11".repeat(32);
    let text = format!(
        "[[device]]\nname = \"car\"\nlabel = \"VIN\"\n[device.obd]\nport = \"tcp://127.0.0.1:35000\"\n\
         [[device]]\nname = \"meter\"\nkey = \"{key}\"\n[[device]]\nname = \"shed\""
    );
    let config = parse(&text).unwrap();
    let car = config.device("car", gateway()).unwrap();
    let AdapterConfig::Obd(obd) = car.adapter.as_ref().unwrap();
    assert_eq!(obd.port, Endpoint::Tcp("127.0.0.1:35000".into()));
    assert_eq!(obd.every, Duration::from_secs(1));
    let by_id = config.device(&car.id(gateway()).to_string(), gateway()).unwrap();
    assert_eq!(by_id.name, "car");
    let meter = config.device("meter", gateway()).unwrap();
    assert_eq!(meter.device_key(gateway()), DeviceKey::Own(key.parse().unwrap()));
    assert_eq!(config.device("shed", gateway()).unwrap().label.as_str(), "shed");
    // An id that is given counts, whatever the label.
    let id = DeviceId([5; 32]);
    let moved = parse(&format!("[[device]]\nname = \"car\"\nid = \"{id}\"")).unwrap();
    assert_eq!(moved.device("car", gateway()).unwrap().id(gateway()), id);
    assert_eq!(moved.device(&id.to_string(), gateway()).unwrap().name, "car");
    // The same label at another gateway gives another id.
    assert!(config.device(&car.id(AccountId([2; 32])).to_string(), gateway()).is_err());
    let error = config.device("boat", gateway()).unwrap_err().to_string();
    assert!(error.contains("boat") && error.contains("car, meter, shed"), "{error}");
}

#[test]
fn the_error_for_a_missing_file_says_how_to_create_one() {
    let error = Config::load(Path::new("/nonexistent/gateway.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/gateway.toml") && error.contains("gateway init"), "{error}");
}
