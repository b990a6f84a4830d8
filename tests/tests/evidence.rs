//! An evidence file proves a device's history to anyone who has the chain spec, without network, node or database.

use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::{fs, path::Path};
use streembit_tests::{
    bool_at, event_request, run_test, str_at, u64_at, with_high_s, Gateway, GatewayFixture, GatewaySettings,
    OfflineVerifier, SigningDevice, TestEnv, ValidatorNetwork,
};

/// The number of events of each device. Those of the meter start on 2026-01-01 and are six hours apart.
const EVENTS: usize = 12;
const DAY_ONE: u64 = 1_767_225_600_000;
const SIX_HOURS: u64 = 6 * 3_600_000;

#[test]
fn evidence_verifies_without_network_node_and_database() {
    run_test("evidence", |env| {
        let (mut fixture, mut meter) = GatewayFixture::with_hosted_and_signing_device(env)?;
        add_to_shed(&fixture)?;
        for n in 0..EVENTS as u32 {
            let (event, body) = meter.next(n, DAY_ONE + u64::from(n) * SIX_HOURS)?;
            fixture.gateway.post("/v1/events", &event_request(&event, &body))?;
        }
        fixture.wait_until_anchored_to(2 * EVENTS as u64)?;
        fixture.gateway.wait_until_provable(2 * EVENTS as u64, 60)?;
        let genesis = fixture.node.block_hash(0)?;
        let root = env.streembit(["audit", "root", "--node", fixture.node.url().as_str()]).ok()?.stdout;

        // Evidence can be exported while the gateway runs and while it is stopped.
        let whole = fixture.gateway.export_evidence(env, "shed", &[], "whole.evidence")?;
        fixture.gateway.stop()?;
        let offline = OfflineVerifier::new(env)?;
        offline.add_file(&whole)?;
        for (device, options, name) in [
            ("meter", &[][..], "meter"),
            ("shed", &["--disclose", "none"], "withheld"),
            ("shed", &["--disclose", "temperature"], "partial"),
            ("meter", &["--from", "2026-01-02", "--to", "2026-01-02"], "day"),
        ] {
            let file = fixture.gateway.export_evidence(env, device, options, &format!("{name}.evidence"))?;
            offline.add_file(&file)?;
        }
        ensure_invalid_exports_fail(&fixture, &whole)?;

        // From here on there are only the files.
        fixture.node.kill()?;
        fs::rename(fixture.gateway.data(), env.dir().join("gone"))?;

        check_verdicts(&offline, &genesis)?;
        check_trust_root(&offline, root.trim())?;
        check_show(&offline)?;
        ensure_tampering_is_detected(&offline)
    });
}

#[test]
fn evidence_of_a_device_with_a_secure_element_verifies_offline() {
    run_test("p256", |env| {
        let mut meter = SigningDevice::with_p256_key()?;
        let settings = GatewaySettings::default().signing("meter", &meter.configured_key());
        let mut fixture = GatewayFixture::in_two_processes(env, settings)?;
        fixture.register_signing_device("meter", &meter)?;
        for n in 0..EVENTS as u32 {
            let (event, body) = meter.next(n, DAY_ONE + u64::from(n) * SIX_HOURS)?;
            // A signature that was not normalized is refused, with what to do; the same event is then admitted.
            let Err(refused) =
                fixture.gateway.post("/v1/events", &event_request(&with_high_s(&event)?, &body))
            else {
                bail!("a high s was accepted")
            };
            ensure!(refused.to_string().contains("minus s"), "{refused}");
            fixture.gateway.post("/v1/events", &event_request(&event, &body))?;
        }
        fixture.wait_until_anchored_to(EVENTS as u64)?;
        fixture.gateway.wait_until_provable(EVENTS as u64, 60)?;
        let audit = fixture.audit("meter")?;
        ensure!(audit.code == 0, "{audit:#?}");

        let file = fixture.gateway.export_evidence(env, "meter", &[], "meter.evidence")?;
        fixture.gateway.stop()?;
        fixture.node.kill()?;
        let offline = OfflineVerifier::new(env)?;
        offline.add_file(&file)?;
        let verdict = offline.verify("meter.evidence")?;
        ensure!(u64_at(&verdict, "/device_signed")? == EVENTS as u64, "{verdict}");
        ensure!(bool_at(&verdict, "/from_first") && bool_at(&verdict, "/to_last"), "not complete: {verdict}");
        let (code, screen, _) =
            offline.run(&["audit", "verify", "meter.evidence", "--chain-spec", "raw.json"])?;
        ensure!(code == 0 && screen.contains("P-256 0x"), "{screen}");
        Ok(())
    });
}

/// Checks what the verification of each file reports.
fn check_verdicts(offline: &OfflineVerifier, genesis: &str) -> Result<()> {
    let verdict = offline.verify("whole.evidence")?;
    ensure!(str_at(&verdict, "/genesis")? == genesis, "not of chain {genesis}: {verdict}");
    ensure!(u64_at(&verdict, "/event_count")? == EVENTS as u64, "{verdict}");
    ensure!(u64_at(&verdict, "/gateway_signed")? == EVENTS as u64, "{verdict}");
    ensure!(bool_at(&verdict, "/from_first") && bool_at(&verdict, "/to_last"), "not complete: {verdict}");
    let verdict = offline.verify("meter.evidence")?;
    ensure!(u64_at(&verdict, "/device_signed")? == EVENTS as u64, "{verdict}");
    let verdict = offline.verify("withheld.evidence")?;
    ensure!(u64_at(&verdict, "/bodies/withheld")? == EVENTS as u64, "{verdict}");
    let verdict = offline.verify("partial.evidence")?;
    ensure!(u64_at(&verdict, "/bodies/parts")? == EVENTS as u64, "{verdict}");
    let verdict = offline.verify("day.evidence")?;
    ensure!(u64_at(&verdict, "/event_count")? == 4, "expected four events a day: {verdict}");
    ensure!(
        !bool_at(&verdict, "/from_first") && !bool_at(&verdict, "/to_last"),
        "the range is reported as complete: {verdict}"
    );
    Ok(())
}

/// Checks that the trust root of a node is the one of the chain spec, and that evidence verifies with its text alone.
fn check_trust_root(offline: &OfflineVerifier, root: &str) -> Result<()> {
    let (code, of_spec, error) = offline.run(&["audit", "root", "--chain-spec", "raw.json"])?;
    ensure!(code == 0 && of_spec.trim() == root, "{root} is not {of_spec}{error}");
    offline.verify_with("whole.evidence", root)?;
    let written = ["audit", "root", "--trust-root", root, "-o", "root.txt"];
    ensure!(offline.run(&written)?.0 == 0, "the trust root is not written to a file");
    offline.verify_with("whole.evidence", "root.txt")?;
    let (code, _, error) =
        offline.run(&["audit", "root", "--trust-root", root, "--chain-spec", "local.json"])?;
    ensure!(code == 2 && error.contains("which chain you mean"), "another chain: {code}: {error}");
    Ok(())
}

/// The largest size of evidence of one event, in bytes, with 4 validators and three changes of the validators.
const MAX_SINGLE_EVENT_BYTES: u64 = 6 * 1024;

#[test]
fn evidence_after_three_changes_of_the_validators_verifies_from_the_first_set() {
    run_test("changes", |env| {
        let mut network = env.network()?;
        change_three_times(env, &mut network)?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start(network.node("alice")?)?;
        let fixture = GatewayFixture { env, node: network.nodes.remove(0), gateway };
        fixture.register()?;
        add_to_shed(&fixture)?;
        // Another event, from a later command, so that its time differs.
        fixture.add_senml("shed", "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":21.5}]\n").ok()?;
        fixture.wait_until_anchored_to(EVENTS as u64 + 1)?;
        fixture.gateway.wait_until_provable(EVENTS as u64 + 1, 60)?;
        let whole = fixture.gateway.export_evidence(env, "shed", &[], "whole.evidence")?;
        let events = fixture.gateway.events("shed")?;
        let time = u64_at(events.last().context("no events")?, "/time")?;
        let last =
            fixture.gateway.export_evidence(env, "shed", &["--from", &rfc3339(time)], "last.evidence")?;

        let offline = OfflineVerifier::new(env)?;
        offline.add_spec("four", true, "four")?;
        for file in [&whole, &last] {
            offline.add_file(file)?;
        }
        drop((fixture, network));
        for name in ["whole.evidence", "last.evidence"] {
            let verdict = offline.verify_with(name, "four.json")?;
            ensure!(u64_at(&verdict, "/changes")? == 3, "not three changes: {verdict}");
            ensure!(u64_at(&verdict, "/last/set")? == 3, "not in set 3: {verdict}");
            ensure!(u64_at(&verdict, "/last/voters")? == 4, "not four voters: {verdict}");
        }
        let verdict = offline.verify_with("last.evidence", "four.json")?;
        ensure!(u64_at(&verdict, "/event_count")? == 1, "not one event: {verdict}");
        let bytes = fs::metadata(&last)?.len();
        println!("evidence of one event, 4 voters, 3 changes of the voters: {bytes} bytes");
        ensure!(bytes <= MAX_SINGLE_EVENT_BYTES, "one event takes {bytes} bytes");
        Ok(())
    });
}

/// Removes a validator, adds another one, and rotates the keys of a third.
fn change_three_times(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<()> {
    let dave = env.dev_account("dave")?;
    network.pass_motion("alice", &["remove-validator", &dave])?;
    network.node("alice")?.wait_for_authority_set(1)?;
    network.node("dave")?.kill()?;
    network.launch("eve", &["--validator"])?;
    network.node("eve")?.wait_until_ready()?;
    network.consortium("eve", "eve", &["join", "--no-wait"])?;
    let motion = str_at(&network.consortium_show("alice")?, "/motions/0/id")?;
    for member in ["alice", "charlie"] {
        network.consortium(member, member, &["vote", &motion, "yes"])?;
    }
    network.node("alice")?.wait_for_authority_set(2)?;
    network.consortium("bob", "bob", &["rotate-keys"])?;
    network.node("alice")?.wait_for_authority_set(3)
}

/// Formats a time in milliseconds for `--from`.
fn rfc3339(ms: u64) -> String {
    streembit_clock::PeriodEnd(ms).to_string()
}

/// Checks that `audit show` marks its output as not verified and shows only what the file discloses.
fn check_show(offline: &OfflineVerifier) -> Result<()> {
    let (code, said, _) = offline.run(&["audit", "show", "partial.evidence"])?;
    ensure!(code == 0 && said.contains("NOT VERIFIED"), "{said}");
    let (code, said, _) = offline.run(&["--json", "audit", "show", "partial.evidence"])?;
    let lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(code == 0 && lines.len() == 1 + EVENTS, "{said}");
    ensure!(said.contains("temperature") && !said.contains("position"), "{said}");
    let bytes = fs::read(offline.folder().join("partial.evidence"))?;
    ensure!(!bytes.windows(8).any(|window| window == b"position"), "the file contains the withheld position");
    let (code, screen, _) =
        offline.run(&["audit", "verify", "whole.evidence", "--chain-spec", "raw.json"])?;
    ensure!(code == 0 && screen.starts_with("VERIFIED"), "{screen}");
    for word in ["owner", "all by the gateway", "from its first event to the last", "voters"] {
        ensure!(screen.contains(word), "no {word:?} in:\n{screen}");
    }
    Ok(())
}

/// Checks that a changed byte and the spec of another chain are detected, and that errors name the file or the remedy.
fn ensure_tampering_is_detected(offline: &OfflineVerifier) -> Result<()> {
    let path = offline.folder().join("bent.evidence");
    let whole = fs::read(offline.folder().join("whole.evidence"))?;
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
    ensure!(code == 1 && said.contains("genesis"), "the spec of another chain: {code}: {said}");
    let (code, _, error) =
        offline.run(&["audit", "verify", "whole.evidence", "--chain-spec", "plain.json"])?;
    ensure!(code == 2 && error.contains("--raw"), "a plain spec: {code}: {error}");
    let (code, _, error) = offline.run(&["audit", "verify", "none.evidence", "--chain-spec", "raw.json"])?;
    ensure!(code == 2 && error.contains("none.evidence"), "no file: {code}: {error}");
    Ok(())
}

/// Checks that an export does not overwrite files and does not leave a file behind if it fails.
fn ensure_invalid_exports_fail(fixture: &GatewayFixture, whole: &Path) -> Result<()> {
    let export = |options: &[&str], file: &Path| {
        fixture.gateway.export_command(fixture.env, "shed", options, file).run()
    };
    export(&[], whole)?.ensure_refused(&["--force"])?;
    let none = fixture.env.dir().join("none.evidence");
    export(&["--disclose", "odometer"], &none)?.ensure_refused(&["odometer", "temperature"])?;
    export(&["--to", "2020-01-01"], &none)?.ensure_refused(&["its events are from"])?;
    ensure!(!none.exists(), "a failed export left a file");
    ensure!(export(&["--force"], whole)?.code == 0, "--force does not replace");
    Ok(())
}

/// Adds events with two readings each, a temperature and a position.
fn add_to_shed(fixture: &GatewayFixture) -> Result<()> {
    let event = |n| {
        format!("[{{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":{n}.5}},{{\"n\":\"position\",\"u\":\"m\",\"v\":{n}}}]\n")
    };
    let lines: String = (0..EVENTS).map(event).collect();
    fixture.add_senml("shed", &lines).ok()?;
    Ok(())
}
