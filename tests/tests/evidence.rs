//! One file proves a device's history to somebody who has nothing but the chain's specification: no network, no node, no
//! database.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use streembit_tests::{
    binary, event_request, run_test, str_at, u64_at, wait_until, Gateway, GatewayFixture, GatewaySettings,
    SigningDevice, TestEnv, ValidatorNetwork,
};

/// The events of each device; the meter's are six hours apart from 2026-01-01 on.
const EVENTS: usize = 12;
const DAY_ONE: u64 = 1_767_225_600_000;
const SIX_HOURS: u64 = 6 * 3_600_000;

#[test]
fn evidence_is_verified_with_the_network_the_node_and_the_database_removed() {
    scene("evidence", |env| {
        let mut meter = SigningDevice::new();
        let settings = GatewaySettings::default().hosted("shed").signing("meter", &meter.configured_key());
        let mut fixture = GatewayFixture::in_two_processes(env, settings)?;
        fixture.register_signing_device("meter", &meter)?;
        add_to_shed(&fixture)?;
        for n in 0..EVENTS as u32 {
            let (event, body) = meter.next(n, DAY_ONE + u64::from(n) * SIX_HOURS)?;
            fixture.gateway.post("/v1/events", &event_request(&event, &body))?;
        }
        provable(&fixture, 2 * EVENTS as u64)?;
        let genesis = fixture.node.block_hash(0)?;

        // While the gateway runs, and when it does not.
        let whole = export(&fixture, "shed", &[], "whole.evidence")?;
        fixture.gateway.stop()?;
        let offline = Offline::new(env)?;
        offline.take(&whole)?;
        for (device, options, name) in [
            ("meter", &[][..], "meter"),
            ("shed", &["--disclose", "none"], "withheld"),
            ("shed", &["--disclose", "temperature"], "partial"),
            ("meter", &["--from", "2026-01-02", "--to", "2026-01-02"], "day"),
        ] {
            let file = export(&fixture, device, options, &format!("{name}.evidence"))?;
            offline.take(&file)?;
        }
        refusals(&fixture, &whole)?;

        // Nothing of it is left but the files.
        fixture.node.kill()?;
        fs::rename(fixture.gateway.data(), env.dir().join("gone"))?;

        let verdict = offline.verified("whole.evidence")?;
        ensure!(str_at(&verdict, "/genesis")? == genesis, "of another chain than {genesis}: {verdict}");
        ensure!(u64_at(&verdict, "/events")? == EVENTS as u64, "{verdict}");
        ensure!(u64_at(&verdict, "/gateway_signed")? == EVENTS as u64, "{verdict}");
        ensure!(flag(&verdict, "/from_first") && flag(&verdict, "/to_last"), "not complete: {verdict}");
        let verdict = offline.verified("meter.evidence")?;
        ensure!(u64_at(&verdict, "/device_signed")? == EVENTS as u64, "{verdict}");
        let verdict = offline.verified("withheld.evidence")?;
        ensure!(u64_at(&verdict, "/bodies/withheld")? == EVENTS as u64, "{verdict}");
        let verdict = offline.verified("partial.evidence")?;
        ensure!(u64_at(&verdict, "/bodies/parts")? == EVENTS as u64, "{verdict}");
        let verdict = offline.verified("day.evidence")?;
        ensure!(u64_at(&verdict, "/events")? == 4, "four events a day: {verdict}");
        ensure!(!flag(&verdict, "/from_first") && !flag(&verdict, "/to_last"), "not a part: {verdict}");
        shown(&offline)?;
        tampered(&offline)
    });
}

/// The most that evidence of one event may have, in bytes: 4 validators, three changes of them.
const ONE_EVENT: u64 = 6 * 1024;

#[test]
fn evidence_after_three_changes_of_the_validators_needs_the_first_ones_alone() {
    scene("changes", |env| {
        let mut network = env.network()?;
        change_three_times(env, &mut network)?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start(network.node("alice")?)?;
        let fixture = GatewayFixture { env, node: network.nodes.remove(0), gateway };
        fixture.register()?;
        add_to_shed(&fixture)?;
        // One more, by a command of its own and so of another millisecond.
        fixture.add("shed", "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":21.5}]\n").ok()?;
        provable(&fixture, EVENTS as u64 + 1)?;
        let whole = export(&fixture, "shed", &[], "whole.evidence")?;
        let events = fixture.gateway.events("shed")?;
        let time = u64_at(events.last().context("no events")?, "/time")?;
        let last = export(&fixture, "shed", &["--from", &rfc3339(time)], "last.evidence")?;

        let offline = Offline::new(env)?;
        offline.specification("four", true, "four")?;
        for file in [&whole, &last] {
            offline.take(file)?;
        }
        drop((fixture, network));
        for name in ["whole.evidence", "last.evidence"] {
            let verdict = offline.verified_with(name, "four.json")?;
            ensure!(u64_at(&verdict, "/changes")? == 3, "not three changes: {verdict}");
            ensure!(u64_at(&verdict, "/last/set")? == 3, "not in set 3: {verdict}");
            ensure!(u64_at(&verdict, "/last/voters")? == 4, "not four voters: {verdict}");
        }
        let verdict = offline.verified_with("last.evidence", "four.json")?;
        ensure!(u64_at(&verdict, "/events")? == 1, "not one event: {verdict}");
        let bytes = fs::metadata(&last)?.len();
        println!("evidence of one event, 4 voters, 3 changes of them: {bytes} bytes");
        ensure!(bytes <= ONE_EVENT, "one event takes {bytes} bytes");
        Ok(())
    });
}

/// One validator is voted out, another in, a third changes its keys.
fn change_three_times(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<()> {
    let dave = env.dev_account("dave")?;
    let asked = network.consortium("alice", "alice", &["remove-validator", &dave])?;
    network.consortium("bob", "bob", &["vote", &str_at(&asked, "/motion/id")?, "yes"])?;
    in_set(network, 1)?;
    network.node("dave")?.kill()?;
    network.launch("eve", &["--validator"])?;
    network.node("eve")?.wait_until_ready()?;
    network.consortium("eve", "eve", &["join", "--no-wait"])?;
    let motion = str_at(&network.consortium_show("alice")?, "/motions/0/id")?;
    for member in ["alice", "charlie"] {
        network.consortium(member, member, &["vote", &motion, "yes"])?;
    }
    in_set(network, 2)?;
    network.consortium("bob", "bob", &["rotate-keys"])?;
    in_set(network, 3)
}

fn in_set(network: &mut ValidatorNetwork<'_>, set: u64) -> Result<()> {
    wait_until(&format!("authority set {set} votes"), 90, || {
        let round = network.node("alice")?.rpc("grandpa_roundState", json!([]))?;
        ensure!(u64_at(&round, "/setId")? == set, "{round}");
        Ok(())
    })
}

/// A time in milliseconds as `--from` takes it.
fn rfc3339(ms: u64) -> String {
    streembit::contracts::End(ms).to_string()
}

/// A file without positions says nothing of them; nothing that is shown passes for verified.
fn shown(offline: &Offline) -> Result<()> {
    let (code, said, _) = offline.run(&["audit", "show", "partial.evidence"])?;
    ensure!(code == 0 && said.contains("NOT VERIFIED"), "{said}");
    let (code, said, _) = offline.run(&["--json", "audit", "show", "partial.evidence"])?;
    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(code == 0 && lines.len() == 1 + EVENTS, "{said}");
    ensure!(said.contains("temperature") && !said.contains("position"), "{said}");
    let bytes = fs::read(offline.folder.join("partial.evidence"))?;
    ensure!(!bytes.windows(8).any(|window| window == b"position"), "the position is in the file");
    let (code, screen, _) =
        offline.run(&["audit", "verify", "whole.evidence", "--chain-spec", "raw.json"])?;
    ensure!(code == 0 && screen.starts_with("VERIFIED"), "{screen}");
    for word in ["owner", "all by the gateway", "from its first event to the last", "voters"] {
        ensure!(screen.contains(word), "no {word:?} in:\n{screen}");
    }
    Ok(())
}

/// Every changed byte is refused, with a message; another chain's specification too.
fn tampered(offline: &Offline) -> Result<()> {
    let path = offline.folder.join("bent.evidence");
    let whole = fs::read(offline.folder.join("whole.evidence"))?;
    for tenth in 0..10 {
        let mut bytes = whole.clone();
        let at = tenth * whole.len() / 10 + 5;
        *bytes.get_mut(at).context("a short file")? ^= 0x10;
        fs::write(&path, bytes)?;
        let (code, said, _) =
            offline.run(&["audit", "verify", "bent.evidence", "--chain-spec", "raw.json"])?;
        ensure!(code == 1 && said.starts_with("NOT VERIFIED: bent.evidence: "), "byte {at}: {code}: {said}");
    }
    let (code, said, _) =
        offline.run(&["audit", "verify", "whole.evidence", "--chain-spec", "local.json"])?;
    ensure!(code == 1 && said.contains("genesis"), "another chain's: {code}: {said}");
    let (code, _, error) =
        offline.run(&["audit", "verify", "whole.evidence", "--chain-spec", "plain.json"])?;
    ensure!(code == 2 && error.contains("--raw"), "a plain spec: {code}: {error}");
    let (code, _, error) = offline.run(&["audit", "verify", "none.evidence", "--chain-spec", "raw.json"])?;
    ensure!(code == 2 && error.contains("none.evidence"), "no file: {code}: {error}");
    Ok(())
}

/// What is never written: over another file, of what does not exist.
fn refusals(fixture: &GatewayFixture, whole: &Path) -> Result<()> {
    let command = |options: &[&str], file: &Path| {
        let command = fixture.env.streembit(["audit", "export", "--device", "shed", "--config"]);
        command.arg(fixture.gateway.config()).args(options).arg("-o").arg(file).run()
    };
    command(&[], whole)?.ensure_refused(&["--force"])?;
    let none = fixture.env.dir().join("none.evidence");
    command(&["--disclose", "odometer"], &none)?.ensure_refused(&["odometer", "temperature"])?;
    command(&["--to", "2020-01-01"], &none)?.ensure_refused(&["its events are from"])?;
    ensure!(!none.exists(), "half a file was left");
    ensure!(command(&["--force"], whole)?.code == 0, "--force does not replace");
    Ok(())
}

/// Events of two readings, a temperature and a position.
fn add_to_shed(fixture: &GatewayFixture) -> Result<()> {
    let event = |n| {
        format!("[{{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":{n}.5}},{{\"n\":\"position\",\"u\":\"m\",\"v\":{n}}}]\n")
    };
    let lines: String = (0..EVENTS).map(event).collect();
    fixture.add("shed", &lines).ok()?;
    Ok(())
}

/// Waits until so many entries of the log are anchored, and the gateway has collected what proves it.
fn provable(fixture: &GatewayFixture, size: u64) -> Result<()> {
    fixture.wait_until_anchored_to(size)?;
    wait_until("what proves the anchor is collected", 60, || {
        let part = fixture.gateway.component("evidence")?;
        let wanted = format!("{size} events provable");
        ensure!(str_at(&part, "/detail").is_ok_and(|detail| detail.starts_with(&wanted)), "{part}");
        Ok(())
    })
}

fn export(fixture: &GatewayFixture, device: &str, options: &[&str], name: &str) -> Result<PathBuf> {
    let file = fixture.env.dir().join(name);
    let command = fixture.env.streembit(["audit", "export", "--device", device, "--config"]);
    command.arg(fixture.gateway.config()).args(options).arg("-o").arg(&file).ok()?;
    Ok(file)
}

/// A folder with some files in it, and a process there that can reach nothing else.
struct Offline {
    folder: PathBuf,
}

impl Offline {
    /// With the chain's specification, raw and plain, and that of another chain.
    fn new(env: &TestEnv) -> Result<Self> {
        let folder = env.dir().join("offline");
        fs::create_dir(&folder)?;
        let offline = Self { folder };
        for (chain, raw, name) in [("dev", true, "raw"), ("dev", false, "plain"), ("local", true, "local")] {
            offline.specification(chain, raw, name)?;
        }
        Ok(offline)
    }

    /// Puts a chain's specification there, as a party of the chain writes it.
    fn specification(&self, chain: &str, raw: bool, name: &str) -> Result<()> {
        let mut command = Command::new(binary("streembit-node")?);
        command.args(["export-chain-spec", "--chain", chain]).args(raw.then_some("--raw"));
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(fs::write(self.folder.join(format!("{name}.json")), output.stdout)?)
    }

    /// Moves a file there, as a mail would.
    fn take(&self, file: &Path) -> Result<()> {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(file, self.folder.join(name))?;
        fs::set_permissions(self.folder.join(name), fs::Permissions::from_mode(0o644))?;
        Ok(())
    }

    /// Runs `streembit` there: without a network where this may take it away, and without any variable of ours.
    fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let program = binary("streembit")?;
        let apart =
            Command::new("unshare").args(["-n", "true"]).output().is_ok_and(|run| run.status.success());
        let mut command = match apart {
            true => {
                let mut command = Command::new("unshare");
                command.arg("-n").arg(program);
                command
            }
            false => Command::new(program),
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let output =
            command.args(arguments).current_dir(&self.folder).env_clear().env("PATH", path).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }

    /// The verdict on a file that holds.
    fn verified(&self, name: &str) -> Result<Value> {
        self.verified_with(name, "raw.json")
    }

    fn verified_with(&self, name: &str, spec: &str) -> Result<Value> {
        let (code, out, error) = self.run(&["--json", "audit", "verify", name, "--chain-spec", spec])?;
        ensure!(code == 0, "{name} is not verified: {code}\n{out}{error}");
        let verdict: Value = serde_json::from_str(&out)?;
        ensure!(flag(&verdict, "/verified"), "{verdict}");
        Ok(verdict)
    }
}

fn flag(value: &Value, path: &str) -> bool {
    value.pointer(path).and_then(Value::as_bool) == Some(true)
}
