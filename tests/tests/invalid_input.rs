//! Bad input of every kind gets a message that names the place and the remedy, and the gateway stays up.

use anyhow::{ensure, Result};
use rand::RngCore as _;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::Duration,
};
use streembit_tests::{run_test, wait_until, Gateway, GatewaySettings, TestEnv};

/// What a configuration says, and what its refusal says beside the file's name.
const CONFIGURATIONS: [(&str, &[&str]); 12] = [
    ("[anchor]\nevery_event = 5\n", &[":2:", "every_event", "every_events"]),
    ("[anchors]\n", &[":1:", "anchors", "anchor"]),
    ("[anchor]\nevery_events = \"many\"\n", &[":2:", "many"]),
    ("[anchor]\nevery_seconds = 0\n", &[":2:", "above 0"]),
    ("[node]\nurl = \"example.org\"\n", &[":2:", "example.org", "ws://"]),
    ("[api]\ntcp = \"0.0.0.0:8080\"\n", &["0.0.0.0:8080", "127.0.0.1", "allow_remote"]),
    ("[[device]]\nname = \"my car\"\n", &[":1:", "my car", "letters"]),
    ("[[device]]\nname = \"a\"\n[[device]]\nname = \"a\"\n", &["\"a\"", "own name"]),
    ("[[device]]\nname = \"a\"\nkey = \"sr25519:abc\"\n", &["\"a\"", "sr25519:", "64 hexadecimal digits"]),
    ("[[device]]\nname = \"a\"\n[device.obd]\nport = \"ttyUSB0\"\n", &["ttyUSB0", "/dev/ttyUSB0"]),
    ("[[device]]\nname = \"a\"\n[device.obd]\nport = \"/dev/x\"\nbaud = 7\n", &["7", "38400"]),
    ("[delivery\n", &[":1:"]),
];

#[test]
fn a_configuration_is_refused_with_its_line_and_what_would_be_right() {
    run_test("configuration", |env| {
        let file = env.dir().join("gateway.toml");
        let run = || env.streembit(["gateway", "run", "--config"]).arg(&file);
        for (text, words) in CONFIGURATIONS {
            fs::write(&file, text)?;
            run().run()?.ensure_refused(&[&[file.to_string_lossy().as_ref()], words].concat())?;
        }
        fs::write(&file, "")?;
        run()
            .variable("STREEMBIT_ANCHOR_EVERY_EVENTS", "none")
            .run()?
            .ensure_refused(&["STREEMBIT_ANCHOR_EVERY_EVENTS", "none"])?;
        fs::remove_file(&file)?;
        run().run()?.ensure_refused(&["gateway.toml", "gateway init"])
    });
}

#[test]
fn keys_are_not_overwritten_and_open_with_their_passphrase_alone() {
    run_test("keys", |env| {
        let alice = env.dev_keystore("alice")?;
        let before = fs::read(&alice)?;
        env.streembit(["key", "new", "--out"]).arg(&alice).run()?.ensure_refused(&["alice.key", "exists"])?;
        ensure!(fs::read(&alice)? == before, "the key was touched");
        let mallory = env.dir().join("mallory.key");
        env.streembit(["key", "dev", "mallory", "--out"])
            .arg(mallory)
            .run()?
            .ensure_refused(&["mallory", "alice"])?;

        let gateway = Gateway::init(env, "gateway", GatewaySettings::default())?;
        let init = env.streembit(["gateway", "init", "--dir"]).arg(gateway.dir());
        init.run()?.ensure_refused(&["gateway.toml", "exists"])?;
        let wrong = env.dir().join("wrong");
        fs::write(&wrong, "another passphrase\n")?;
        fs::set_permissions(&wrong, fs::Permissions::from_mode(0o600))?;
        let (right, text) = (env.passphrase_file(), fs::read_to_string(gateway.config())?);
        fs::write(
            gateway.config(),
            text.replace(right.to_string_lossy().as_ref(), wrong.to_string_lossy().as_ref()),
        )?;
        let run = env.streembit(["gateway", "run", "--config"]).arg(gateway.config());
        run.run()?.ensure_refused(&["gateway.key", "passphrase"])
    });
}

#[test]
fn arguments_are_refused_by_name() {
    run_test("arguments", |env| {
        let (alice, bob) = (env.dev_account("alice")?, env.dev_account("bob")?);
        let key = env.dev_keystore("alice")?.to_string_lossy().into_owned();
        let device = format!("0x{}", "ab".repeat(32));
        let book = env.dir().join("book.toml").to_string_lossy().into_owned();
        // A sound command, but for one option.
        let new = |changed: &str, value: &str| {
            let sound = [
                ("--template", "vehicle-service"),
                ("--device", &device),
                ("--owner", &alice),
                ("--workshop", &bob),
                ("--every", "15000"),
                ("--from", "0"),
                ("--until", "2030-01-01"),
                ("-o", &book),
            ];
            let options =
                sound.map(|(option, sound)| [option, if option == changed { value } else { sound }]);
            env.streembit(["contract", "new"]).args(options.as_flattened()).run()
        };
        new("--workshop", "5GrwvaEF")?.ensure_refused(&["--workshop", "5GrwvaEF", "SS58"])?;
        new("--device", "0x12")?.ensure_refused(&["--device", "0x12", "64"])?;
        new("--every", "often")?.ensure_refused(&["--every", "often", "number"])?;
        new("--every", "0")?.ensure_refused(&["above zero"])?;
        new("--until", "tomorrow")?.ensure_refused(&["--until", "tomorrow"])?;
        new("--template", "barter")?.ensure_refused(&["barter", "vehicle-service"])?;
        // One account on both sides is no contract.
        new("--workshop", &alice)?.ensure_refused(&["part"])?;
        ensure!(!env.dir().join("book.toml").exists(), "a contract was written after all");

        env.streembit(["contract", "show", "0x12"]).run()?.ensure_refused(&["0x12", "64"])?;
        env.streembit(["frobnicate"]).run()?.ensure_refused(&["frobnicate"])?;
        env.streembit(["event", "add"]).run()?.ensure_refused(&["--device"])?;
        env.streembit(["contract", "propose", "absent.toml", "--key", &key])
            .run()?
            .ensure_refused(&["absent.toml"])
    });
}

#[test]
fn an_rpc_address_where_no_node_is_is_named_with_the_remedy() {
    run_test("rpc-address", |env| {
        let gateway = Gateway::init(env, "gateway", GatewaySettings::default())?;
        let alice = env.dev_keystore("alice")?;
        let register = |url: &str| {
            let command = env.streembit(["gateway", "register", "--node", url, "--config"]);
            command.arg(gateway.config()).arg("--key").arg(&alice).run()
        };
        register("telnet://127.0.0.1")?.ensure_refused(&["--node", "telnet://127.0.0.1", "ws://"])?;
        register("ws://127.0.0.1:1")?.ensure_refused(&["ws://127.0.0.1:1", "node"])?;

        // A web server that knows nothing of JSON-RPC.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("ws://{}", listener.local_addr()?);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            }
        });
        register(&url)?.ensure_refused(&[&url, "node"])
    });
}

/// SenML lines that are refused, each with a word of its refusal.
const LINES: [(&str, &str); 10] = [
    ("not json", "JSON"),
    (r#"{"n":"x","v":1}"#, "array"),
    ("[]", "no reading"),
    (r#"[{"n":"x"}]"#, "value"),
    (r#"[{"n":"x","v":"1"}]"#, "v"),
    (r#"[{"n":"x","v":1e400}]"#, "18"),
    (r#"[{"v":1}]"#, "name"),
    (r#"[{"n":"no spaces","v":1}]"#, "no spaces"),
    (r#"[{"bver":11,"n":"x","v":1}]"#, "version"),
    (r#"[{"n":"x","v":1,"must_":true}]"#, "must_"),
];

#[test]
fn a_bad_senml_line_is_named_by_number_and_the_others_go_in() {
    run_test("senml", |env| {
        let gateway = without_a_node(env, GatewaySettings::default().hosted("shed"))?;
        let add = |device: &str, lines: &[u8]| {
            let command = env.streembit(["event", "add", "--device", device, "--config"]);
            command.arg(gateway.config()).input(lines).run()
        };
        let mut lines = String::new();
        for (number, (bad, _)) in LINES.iter().enumerate() {
            lines += &format!("{bad}\n[{{\"n\":\"good\",\"u\":\"Cel\",\"v\":{number}.5}}]\n");
        }
        let output = add("shed", lines.as_bytes())?;
        ensure!(output.code == 1, "some lines refused is exit code 1: {output:#?}");
        for (at, (bad, word)) in LINES.iter().enumerate() {
            let number = format!("line {}: ", 2 * at + 1);
            let said = output.stderr.lines().find(|line| line.contains(&number));
            let said = said.is_some_and(|line| line.contains(word));
            ensure!(said, "nothing names {number:?} ({bad}) with {word:?}:\n{}", output.stderr);
        }
        ensure!(!output.stderr.contains("line 2: "), "a good line is named:\n{}", output.stderr);
        let count = gateway.events("shed")?.len();
        ensure!(count == LINES.len(), "{count} events of {} good lines", LINES.len());

        let output =
            add("shed", b"[{\"n\":\"x\",\"v\":1,\"u\":\"\xff\xfe\"}]\n[{\"n\":\"good\",\"v\":2}]\n")?;
        ensure!(output.code == 1 && output.stderr.contains("line 1: "), "{output:#?}");
        ensure!(gateway.events("shed")?.len() == count + 1, "the good line after bad bytes is missing");

        let output = add("shed", b"[{\"n\":\"good\",\"v\":3}]\n")?;
        ensure!(output.code == 0 && !output.stderr.contains("line"), "a good line alone: {output:#?}");
        add("ghost", b"[{\"n\":\"x\",\"v\":1}]\n")?.ensure_refused(&["ghost", "shed"])
    });
}

/// How a broken adapter treats whoever connects.
#[derive(Clone, Copy)]
enum Adapter {
    Noise,
    Silence,
    HangsUp,
    WrongFrames,
}

#[test]
fn broken_adapters_and_peers_do_not_bring_the_gateway_down() {
    run_test("frames", |env| {
        let adapters = [
            ("noise", Adapter::Noise),
            ("silence", Adapter::Silence),
            ("hangsup", Adapter::HangsUp),
            ("wrong", Adapter::WrongFrames),
        ];
        let mut settings = GatewaySettings::default().hosted("shed");
        for (name, adapter) in adapters {
            settings = settings.car(name, &format!("tcp://127.0.0.1:{}", listen(adapter)?));
        }
        let gateway = without_a_node(env, settings)?;
        for name in ["noise", "silence", "hangsup"] {
            let component = gateway.wait_for_component(&format!("device/{name}"), "retrying", 60)?;
            for key in ["problem", "remedy"] {
                let said = component.get(key).and_then(|said| said.as_str()).unwrap_or_default();
                ensure!(said.len() > 10, "no {key}: {component}");
            }
        }
        throw_noise_at(&gateway)?;
        for (name, _) in adapters {
            for event in gateway.events(name)? {
                ensure!(!event.to_string().contains("TraveledDistance"), "a reading out of nothing: {event}");
            }
        }
        let add = env.streembit(["event", "add", "--device", "shed", "--config"]).arg(gateway.config());
        add.input("[{\"n\":\"good\",\"v\":3}]\n").ok()?;
        gateway.wait_for_component("chain", "retrying", 30)?;
        Ok(())
    });
}

/// Noise and half-sent requests at every port of the gateway.
fn throw_noise_at(gateway: &Gateway) -> Result<()> {
    for port in gateway.ports() {
        let mut noise = [0u8; 4096];
        rand::thread_rng().fill_bytes(&mut noise);
        let request = b"POST /v1/events HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
        for bytes in [&noise[..], &[0xff; 4], request] {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            // The gateway may hang up in the middle of it.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
    let bad = gateway.post("/v1/events", &serde_json::json!({"event": "0x00", "body": "0x00"}));
    ensure!(bad.is_err(), "an event out of nothing");
    let said = match gateway.post("/v1/devices/shed/readings", &serde_json::json!({"readings": "many"})) {
        Ok(receipt) => anyhow::bail!("readings out of nothing: {receipt}"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("readings"), "it does not name the place: {said}");
    wait_until("the gateway still answers", 10, || gateway.get("/v1/status"))?;
    Ok(())
}

fn listen(adapter: Adapter) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || misbehave(adapter, stream));
        }
    });
    Ok(port)
}

fn misbehave(adapter: Adapter, mut stream: TcpStream) {
    let mut buffer = [0u8; 256];
    match adapter {
        Adapter::HangsUp => (),
        Adapter::Silence => while stream.read(&mut buffer).is_ok_and(|length| length > 0) {},
        Adapter::Noise => loop {
            rand::thread_rng().fill_bytes(&mut buffer);
            if stream.write_all(&buffer).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        },
        Adapter::WrongFrames => {
            let answers =
                ["41\r>", "7F 01 12\r>", "48 6B 10 41 A6\r\r>", "41A6FF\r>", "BUS ERROR\r>", "0:\r1:\r2:\r>"];
            for answer in answers.iter().cycle() {
                let asked = stream.read(&mut buffer).is_ok_and(|length| length > 0);
                if !asked || stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

/// A running gateway whose node is not there.
fn without_a_node(env: &TestEnv, settings: GatewaySettings) -> Result<Gateway> {
    let mut gateway = Gateway::init(env, "gateway", settings)?;
    gateway.start_at("ws://127.0.0.1:1")?;
    Ok(gateway)
}
