//! Invalid input of every kind is rejected with a message that names the location and the remedy, and the gateway keeps
//! running.

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

/// Invalid configurations, and what the error message must contain besides the file's name.
const CONFIGURATIONS: [(&str, &[&str]); 12] = [
    ("[anchor]\nevery_event = 5\n", &[":2:", "every_event", "every_events"]),
    ("[anchors]\n", &[":1:", "anchors", "anchor"]),
    ("[anchor]\nevery_events = \"many\"\n", &[":2:", "many"]),
    ("[anchor]\nevery_seconds = 0\n", &[":2:", "above 0"]),
    ("[node]\nurl = \"example.org\"\n", &[":2:", "example.org", "ws://"]),
    ("[api]\ntcp = \"0.0.0.0:8080\"\n", &["0.0.0.0:8080", "127.0.0.1", "allow_remote"]),
    ("[[device]]\nname = \"my car\"\n", &[":1:", "my car", "letters"]),
    ("[[device]]\nname = \"a\"\n[[device]]\nname = \"a\"\n", &["\"a\"", "different name"]),
    ("[[device]]\nname = \"a\"\nkey = \"sr25519:abc\"\n", &["\"a\"", "sr25519:", "64 hexadecimal digits"]),
    ("[[device]]\nname = \"a\"\n[device.obd]\nport = \"ttyUSB0\"\n", &["ttyUSB0", "/dev/ttyUSB0"]),
    ("[[device]]\nname = \"a\"\n[device.obd]\nport = \"/dev/x\"\nbaud = 7\n", &["7", "38400"]),
    ("[delivery\n", &[":1:"]),
];

#[test]
fn an_invalid_configuration_is_rejected_with_its_line_and_the_remedy() {
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
fn keys_are_not_overwritten_and_open_only_with_their_passphrase() {
    run_test("keys", |env| {
        let alice = env.dev_keystore("alice")?;
        let before = fs::read(&alice)?;
        env.streembit(["key", "new", "--out"]).arg(&alice).run()?.ensure_refused(&["alice.key", "exists"])?;
        ensure!(fs::read(&alice)? == before, "the key was changed");
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
fn invalid_arguments_are_rejected_by_name() {
    run_test("arguments", |env| {
        let (alice, bob) = (env.dev_account("alice")?, env.dev_account("bob")?);
        let key = env.dev_keystore("alice")?.to_string_lossy().into_owned();
        let device = format!("0x{}", "ab".repeat(32));
        let book = env.dir().join("car.contract");
        // A valid command, except for one answer.
        let new = |changed: &str, value: &str| {
            let valid = [
                ("device", device.as_str()),
                ("owner", &alice),
                ("workshop", &bob),
                ("every", "15000"),
                ("until", "2040-01-01"),
            ];
            let command =
                env.streembit(["contract", "new", "--template", "vehicle-service", "-o"]).arg(&book);
            let answers = valid
                .map(|(name, valid)| format!("--set={name}={}", if name == changed { value } else { valid }));
            command.args(answers).run()
        };
        new("workshop", "5GrwvaEF")?.ensure_refused(&["workshop", "5GrwvaEF", "SS58"])?;
        new("device", "0x12")?.ensure_refused(&["device", "0x12", "64"])?;
        new("device", "car")?.ensure_refused(&["device", "name add device car", "names.toml"])?;
        new("every", "often")?.ensure_refused(&["every", "often", "number"])?;
        new("every", "0")?.ensure_refused(&["above zero"])?;
        new("until", "tomorrow")?.ensure_refused(&["until", "tomorrow"])?;
        new("until", "2020-01-01")?.ensure_refused(&["until", "is over"])?;
        let barter = env.streembit(["contract", "new", "--template", "barter", "-o"]).arg(&book).run()?;
        barter.ensure_refused(&["barter", "vehicle-service"])?;
        // The same party cannot be on both sides of a contract.
        new("workshop", &alice)?.ensure_refused(&["part"])?;
        ensure!(!book.exists(), "a rejected command wrote a contract");

        env.streembit(["contract", "show", "0x12"]).run()?.ensure_refused(&["0x12", "64"])?;
        env.streembit(["name", "add", "device", "2cv", &device])
            .run()?
            .ensure_refused(&["2cv", "begin with a letter"])?;
        env.streembit(["name", "remove", "car"]).run()?.ensure_refused(&["car", "name list"])?;
        env.streembit(["frobnicate"]).run()?.ensure_refused(&["frobnicate"])?;
        env.streembit(["event", "add"]).run()?.ensure_refused(&["--device"])?;
        env.streembit(["contract", "propose", "absent.toml", "--key", &key])
            .run()?
            .ensure_refused(&["absent.toml"])
    });
}

#[test]
fn an_unusable_rpc_address_is_reported_with_the_remedy() {
    run_test("rpc-address", |env| {
        let gateway = Gateway::init(env, "gateway", GatewaySettings::default())?;
        let alice = env.dev_keystore("alice")?;
        let register = |url: &str| {
            let command = env.streembit(["gateway", "register", "--node", url, "--config"]);
            command.arg(gateway.config()).arg("--key").arg(&alice).run()
        };
        register("telnet://127.0.0.1")?.ensure_refused(&["--node", "telnet://127.0.0.1", "ws://"])?;
        register("ws://127.0.0.1:1")?.ensure_refused(&["ws://127.0.0.1:1", "node"])?;

        // A web server that does not support JSON-RPC.
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

/// Invalid lines of SenML, each with a word that the error message must contain.
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
fn an_invalid_senml_line_is_reported_by_number_and_the_others_are_added() {
    run_test("senml", |env| {
        let gateway = start_without_node(env, GatewaySettings::default().hosted("shed"))?;
        let add = |device: &str, lines: &[u8]| gateway.add_senml(env, device, lines).run();
        let mut lines = String::new();
        for (number, (bad, _)) in LINES.iter().enumerate() {
            lines += &format!("{bad}\n[{{\"n\":\"good\",\"u\":\"Cel\",\"v\":{number}.5}}]\n");
        }
        let output = add("shed", lines.as_bytes())?;
        ensure!(output.code == 1, "expected exit code 1 because some lines are invalid: {output:#?}");
        for (at, (bad, word)) in LINES.iter().enumerate() {
            let number = format!("line {}: ", 2 * at + 1);
            let said = output.stderr.lines().find(|line| line.contains(&number));
            let said = said.is_some_and(|line| line.contains(word));
            ensure!(said, "no message for {number:?} ({bad}) contains {word:?}:\n{}", output.stderr);
        }
        ensure!(!output.stderr.contains("line 2: "), "a valid line is reported:\n{}", output.stderr);
        let count = gateway.events("shed")?.len();
        ensure!(count == LINES.len(), "{count} events of {} valid lines", LINES.len());

        let output =
            add("shed", b"[{\"n\":\"x\",\"v\":1,\"u\":\"\xff\xfe\"}]\n[{\"n\":\"good\",\"v\":2}]\n")?;
        ensure!(output.code == 1 && output.stderr.contains("line 1: "), "{output:#?}");
        ensure!(gateway.events("shed")?.len() == count + 1, "the valid line after invalid bytes is missing");

        let output = add("shed", b"[{\"n\":\"good\",\"v\":3}]\n")?;
        ensure!(output.code == 0 && !output.stderr.contains("line"), "only a valid line: {output:#?}");
        add("ghost", b"[{\"n\":\"x\",\"v\":1}]\n")?.ensure_refused(&["ghost", "shed"])
    });
}

/// How a broken adapter behaves.
#[derive(Clone, Copy)]
enum Adapter {
    Noise,
    Silence,
    HangsUp,
    WrongFrames,
}

#[test]
fn broken_adapters_and_peers_do_not_stop_the_gateway() {
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
        let gateway = start_without_node(env, settings)?;
        for name in ["noise", "silence", "hangsup"] {
            let component = gateway.wait_for_component(&format!("device/{name}"), "retrying", 60)?;
            for key in ["problem", "remedy"] {
                let said = component.get(key).and_then(|said| said.as_str()).unwrap_or_default();
                ensure!(said.len() > 10, "no {key}: {component}");
            }
        }
        send_noise_to(&gateway)?;
        for (name, _) in adapters {
            for event in gateway.events(name)? {
                ensure!(
                    !event.to_string().contains("TraveledDistance"),
                    "a reading from invalid frames: {event}"
                );
            }
        }
        gateway.add_senml(env, "shed", "[{\"n\":\"good\",\"v\":3}]\n").ok()?;
        gateway.wait_for_component("chain", "retrying", 30)?;
        Ok(())
    });
}

/// Sends random bytes and incomplete requests to every port of the gateway.
fn send_noise_to(gateway: &Gateway) -> Result<()> {
    for port in gateway.ports() {
        let mut noise = [0u8; 4096];
        rand::thread_rng().fill_bytes(&mut noise);
        let request = b"POST /v1/events HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
        for bytes in [&noise[..], &[0xff; 4], request] {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            // The gateway may close the connection early.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
    let bad = gateway.post("/v1/events", &serde_json::json!({"event": "0x00", "body": "0x00"}));
    ensure!(bad.is_err(), "an invalid event was accepted");
    let said = match gateway.post("/v1/devices/shed/readings", &serde_json::json!({"readings": "many"})) {
        Ok(receipt) => anyhow::bail!("invalid readings were accepted: {receipt}"),
        Err(error) => format!("{error:#}"),
    };
    ensure!(said.contains("readings"), "the message does not name the field: {said}");
    wait_until("the gateway still responds", 10, || gateway.get("/v1/status"))?;
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

/// Starts a gateway whose node does not exist.
fn start_without_node(env: &TestEnv, settings: GatewaySettings) -> Result<Gateway> {
    let mut gateway = Gateway::init(env, "gateway", settings)?;
    gateway.start_at("ws://127.0.0.1:1")?;
    Ok(gateway)
}
