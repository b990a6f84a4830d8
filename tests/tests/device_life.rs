//! The life of a device: its keys, gateways, logs and owners change, some of its events are lost, and it is retired. What
//! is old is refused everywhere, and one evidence file proves everything offline.

use crate::parties::new_key;
use anyhow::{bail, ensure, Context as _, Result};
use serde_json::{json, Value};
use std::{fs, process::Command};
use streembit_keystore::account;
use streembit_primitives::LogId;
use streembit_tests::{
    bool_at, dev_party, event_request, run_test, str_at, u64_at, wait_until, Gateway, GatewayFixture,
    GatewaySettings, OfflineVerifier, SigningDevice, TestEnv, TEMPERATURE_SENML,
};

/// How many seconds an anchor may take to become final.
const ANCHOR_TIMEOUT: u64 = 90;

#[test]
fn one_file_proves_a_device_with_two_keys_two_gateways_two_owners_and_lost_events() {
    run_test("device-life", |env| {
        let (mut fixture, mut meter) = GatewayFixture::with_hosted_and_signing_device(env)?;
        let id = meter.id().to_string();
        let (alice, bob) = (dev_party("alice")?, dev_party("bob")?);
        let owner = env.dev_keystore("alice")?;
        send(&fixture.gateway, &mut meter, 3)?;

        // The key changes with event 3.
        let old = meter.clone();
        meter = meter.with_new_key();
        let rotate =
            |number| fixture.rotate_key_command(&fixture.gateway, "meter", [&old, &meter], alice, number);
        // A consent that names another number of keys could be an old one.
        rotate(7)?.arg("--key").arg(&owner).run()?.ensure_refused(&["consent"])?;
        rotate(1)?.arg("--key").arg(&owner).ok()?;
        fixture.gateway.wait_for_device("meter", "key_from", &json!(3))?;
        refuse(&fixture.gateway, &old, "another key")?;
        send(&fixture.gateway, &mut meter, 2)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.wait_until_provable(5, 60)?;
        ensure_audit_refuses_the_old_key(&mut fixture, &meter.with_key_of(&old))?;

        // Events 5 and 6 never reach a gateway. The device goes on at another one with event 7.
        let before = fixture.gateway.export_evidence(env, "meter", &[], "before.evidence")?;
        let lost = meter.clone();
        for _ in 0..2 {
            meter.next(0, 0)?;
        }
        let settings = GatewaySettings::default().signing_as("meter", &id, &meter.configured_key());
        let mut second = second_gateway(&fixture, settings)?;
        let proof = fixture.last_anchored(&fixture.gateway, "meter")?;
        let admission = fixture.admit(&second, "meter", ("--last", &proof))?;
        let reassign = || fixture.reassign_command(&id, &admission, ("--last", &proof), &owner);
        // The anchored history cannot be voided, and nobody but the owner moves the device.
        reassign().args(["--from", "4"]).run()?.ensure_refused(&["--from 5"])?;
        fixture
            .reassign_command(&id, &admission, ("--last", &proof), &env.dev_keystore("bob")?)
            .args(["--from", "7"])
            .run()?
            .ensure_refused(&["NotYourDevice"])?;
        let moved = reassign().args(["--from", "7"]).json()?;
        ensure!(u64_at(&moved, "/lost")? == 2, "{moved}");
        let log = second.log_json()?;
        second.wait_for_device("meter", "log", &log)?;
        fixture.gateway.wait_for_device("meter", "log", &log)?;
        refuse(&fixture.gateway, &meter, "another log")?;
        refuse(&second, &lost, "declared lost")?;
        refuse(&second, &meter.with_key_of(&old), "another key")?;
        send(&second, &mut meter, 3)?;

        // The first gateway's log goes on without the device. The kept file must still be of use.
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        fixture.wait_until_anchored_to(6)?;

        // Alice sells the device to Bob.
        sell(&fixture, &id)?;
        send(&second, &mut meter, 2)?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        second.wait_until_provable(5, 60)?;
        let after = before.to_str().context("a path")?;
        let life = second.export_evidence(env, "meter", &["--after", after], "life.evidence")?;
        let alone = second.export_evidence(env, "meter", &[], "alone.evidence")?;

        // Bob takes it out of use. Nothing follows.
        let bobs = env.dev_keystore("bob")?;
        fixture.node_command(["device", "retire", "--device", &id, "--key"]).arg(&bobs).ok()?;
        second.wait_for_device("meter", "state", &json!("retired"))?;
        refuse(&second, &meter, "retired")?;
        let charlie = dev_party("charlie")?.to_string();
        let sell_retired = ["device", "transfer", "--device", &id, "--to", &charlie, "--key"];
        fixture.node_command(sell_retired).arg(&bobs).run()?.ensure_refused(&["Retired"])?;

        // From here on there are only the files and the trust root.
        let offline = OfflineVerifier::new(env)?;
        for file in [&before, &life, &alone] {
            offline.add_file(file)?;
        }
        let root = trust_root(&fixture)?;
        second.stop()?;
        fixture.gateway.stop()?;
        fixture.node.kill()?;
        let verdict = offline.verify_with("life.evidence", &root)?;
        check_life(&verdict, [&alice.to_string(), &bob.to_string()])?;
        for (name, from_first, to_last) in [("before.evidence", true, true), ("alone.evidence", false, true)]
        {
            let verdict = offline.verify_with(name, &root)?;
            let found = ["/from_first", "/to_last"].map(|at| bool_at(&verdict, at));
            ensure!(found == [from_first, to_last], "{name}: {verdict}");
        }
        let (code, screen, _) = offline.run(&["audit", "verify", "life.evidence", "--trust-root", &root])?;
        ensure!(code == 0, "{screen}");
        for words in ["agreed by the key before", "events 5 to 6", "2 that are declared lost", "Who acted"] {
            ensure!(screen.contains(words), "no {words:?} in:\n{screen}");
        }
        Ok(())
    });
}

/// Checks that every event is proven, with the key, the log and the owner that count for it.
fn check_life(verdict: &Value, [alice, bob]: [&str; 2]) -> Result<()> {
    ensure!(u64_at(verdict, "/event_count")? == 10 && u64_at(verdict, "/lost")? == 2, "{verdict}");
    ensure!(bool_at(verdict, "/from_first") && bool_at(verdict, "/to_last"), "not complete: {verdict}");
    ensure!(u64_at(verdict, "/device_signed")? == 10, "{verdict}");
    let spans = verdict.get("spans").and_then(Value::as_array).context("no spans")?;
    let found: Vec<_> = spans
        .iter()
        .map(|span| {
            let number = |field: &str| u64_at(span, field);
            Ok((number("/first")?, number("/last")?, number("/key")?, str_at(span, "/owner")?))
        })
        .collect::<Result<_>>()?;
    let expected = [(0, 2, 0, alice), (3, 4, 1, alice), (7, 9, 1, alice), (10, 11, 1, bob)];
    let expected = expected.map(|(first, last, key, owner)| (first, last, key, owner.to_owned()));
    ensure!(found == expected, "{found:?}");
    let logs = ["/segments/0/checkpoint/log", "/segments/1/checkpoint/log"].map(|at| verdict.pointer(at));
    ensure!(logs.iter().all(Option::is_some) && logs[0] != logs[1], "{verdict}");
    // The first log was anchored again since, but the file proves it as of the time when the device left.
    let proven = ["/segments/0/proven/number", "/segments/1/proven/number", "/last/number"];
    let [first, second, last] = proven.map(|at| u64_at(verdict, at));
    let (first, second, last) = (first?, second?, last?);
    ensure!(first < second && second == last, "{verdict}");
    ensure!(u64_at(verdict, "/segments/0/checkpoint/size")? == 5, "{verdict}");
    let change = str_at(verdict, "/record/keys/later/0/change")?;
    ensure!(change == "rotated", "{verdict}");
    Ok(())
}

#[test]
fn a_hosted_device_moves_to_another_gateway_and_to_its_next_log() {
    run_test("hosted-device", |env| {
        let mut fixture = GatewayFixture::with_hosted_device(env)?;
        let id = fixture.device_id("shed")?;
        fixture.add_senml("shed", &TEMPERATURE_SENML.repeat(3)).ok()?;
        fixture.wait_until_anchored()?;
        fixture.gateway.wait_until_provable(3, 60)?;
        let first = fixture.gateway.export_evidence(env, "shed", &[], "first.evidence")?;

        // Another gateway signs for it from event 3 on. Nothing is lost.
        let mut second = second_gateway(&fixture, GatewaySettings::default().taken_over("shed", &id))?;
        let proof = fixture.last_anchored(&fixture.gateway, "shed")?;
        let admission = fixture.admit(&second, "shed", ("--last", &proof))?;
        let owner = env.dev_keystore("alice")?;
        let moved = fixture.reassign_command(&id, &admission, ("--last", &proof), &owner).json()?;
        ensure!(u64_at(&moved, "/from")? == 3 && u64_at(&moved, "/lost")? == 0, "{moved}");
        // The consent of the gateway is used up.
        fixture.reassign_command(&id, &admission, ("--last", &proof), &owner).run()?.ensure_refused(&[])?;
        let log = second.log_json()?;
        second.wait_for_device("shed", "log", &log)?;
        fixture.gateway.wait_for_device("shed", "log", &log)?;
        fixture.add_senml("shed", TEMPERATURE_SENML).run()?.ensure_refused(&["belongs to log"])?;
        second.add_senml(env, "shed", TEMPERATURE_SENML.repeat(2)).ok()?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        second.wait_until_provable(2, 60)?;
        let after = first.to_str().context("a path")?;
        let both = second.export_evidence(env, "shed", &["--after", after], "both.evidence")?;

        begin_next_log(&fixture, &mut second)?;
        second.add_senml(env, "shed", TEMPERATURE_SENML.repeat(2)).ok()?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        second.wait_until_provable(2, 60)?;
        let after = both.to_str().context("a path")?;
        let all = second.export_evidence(env, "shed", &["--after", after], "all.evidence")?;
        let audit =
            fixture.node_command(["audit", "device", "shed", "--config"]).arg(second.config()).json()?;
        ensure!(audit.pointer("/completeness/first") == Some(&json!(5)), "{audit}");

        let offline = OfflineVerifier::new(env)?;
        offline.add_file(&all)?;
        let root = trust_root(&fixture)?;
        second.stop()?;
        fixture.gateway.stop()?;
        fixture.node.kill()?;
        let verdict = offline.verify_with("all.evidence", &root)?;
        ensure!(u64_at(&verdict, "/event_count")? == 7 && u64_at(&verdict, "/lost")? == 0, "{verdict}");
        ensure!(u64_at(&verdict, "/gateway_signed")? == 7, "{verdict}");
        ensure!(bool_at(&verdict, "/from_first") && bool_at(&verdict, "/to_last"), "not complete: {verdict}");
        let epochs = [0, 1, 2].map(|at| u64_at(&verdict, &format!("/segments/{at}/checkpoint/log/epoch")));
        let epochs: Vec<_> = epochs.into_iter().collect::<Result<_>>()?;
        ensure!(epochs == [0, 0, 1], "{verdict}");
        ensure!(str_at(&verdict, "/record/keys/later/0/change")? == "rehosted", "{verdict}");
        Ok(())
    });
}

#[test]
fn a_hosted_device_waits_until_its_gateway_knows_the_event_before() {
    run_test("handover", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let id = fixture.device_id("shed")?;
        fixture.add_senml("shed", &TEMPERATURE_SENML.repeat(3)).ok()?;
        fixture.wait_until_anchored()?;
        let second = second_gateway(&fixture, GatewaySettings::default().taken_over("shed", &id))?;
        let proof = fixture.last_anchored(&fixture.gateway, "shed")?;
        let admission = fixture.admit(&second, "shed", ("--last", &proof))?;
        // The old log goes on and is anchored before the owner assigns the device.
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        fixture.wait_until_anchored_to(4)?;
        let proof = fixture.last_anchored(&fixture.gateway, "shed")?;
        let owner = env.dev_keystore("alice")?;
        let moved = fixture.reassign_command(&id, &admission, ("--last", &proof), &owner).json()?;
        ensure!(u64_at(&moved, "/from")? == 4, "{moved}");
        second.wait_for_component("devices", "alarm", 60)?;
        second
            .add_senml(env, "shed", TEMPERATURE_SENML)
            .run()?
            .ensure_refused(&["must name the event before"])?;
        fixture.admit(&second, "shed", ("--last", &proof))?;
        second.wait_for_component("devices", "running", 60)?;
        second.add_senml(env, "shed", TEMPERATURE_SENML).ok()?;
        // The export verifies that the first event in the new log names the last one in the old log.
        fixture.gateway.wait_until_provable(4, 60)?;
        let before = fixture.gateway.export_evidence(env, "shed", &[], "before.evidence")?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        second.wait_until_provable(1, 60)?;
        let after = before.to_str().context("a path")?;
        second.export_evidence(env, "shed", &["--after", after], "both.evidence").map(drop)
    });
}

#[test]
fn the_council_frees_devices_whose_log_is_gone_by_what_the_chain_shows() {
    run_test("decided-changes", |env| {
        let (mut fixture, meter) = GatewayFixture::with_hosted_and_signing_device(env)?;
        let (shed, meter) = (fixture.device_id("shed")?, meter.id().to_string());
        fixture.add_senml("shed", &TEMPERATURE_SENML.repeat(3)).ok()?;
        fixture.wait_until_anchored()?;
        fixture.gateway.wait_until_provable(3, 60)?;
        let verifier = str_at(&fixture.gateway.get("/v1/log")?, "/verifier_key")?;
        let account = fixture.gateway.account()?.to_string();
        fixture.gateway.stop()?;
        fs::remove_dir_all(fixture.gateway.dir())?;

        // From here on there is only the chain.
        let shown = fixture.node_command(["gateway", "show", &account]).json()?;
        ensure!(str_at(&shown, "/logs/0/verifier_key")? == verifier, "{shown}");
        let stranger = env.dev_account("bob")?;
        fixture.node_command(["gateway", "show", &stranger]).run()?.ensure_refused(&["knows no gateway"])?;
        ensure!(u64_at(&shown, "/logs/0/anchored")? == 3 && u64_at(&shown, "/logs/0/time")? > 0, "{shown}");
        let show = || fixture.node_command(["device", "show", "--device", &shed]).json();
        ensure!(u64_at(&show()?, "/not_anchored_from")? == 3, "{:?}", show());
        let owner = env.dev_keystore("alice")?;
        let allow = |device: &str, change: &str, from: &str| -> Result<()> {
            let allow = ["consortium", "allow-device-change", device, "--change", change, "--from", from];
            let allowed = fixture.node_command(allow).arg("--key").arg(&owner).json()?;
            ensure!(bool_at(&allowed, "/decided"), "{allowed}");
            Ok(())
        };

        // The gateway that signs for the shed goes on after an event that nobody has to name.
        let second = second_gateway(&fixture, GatewaySettings::default().taken_over("shed", &shed))?;
        let admission = env.dir().join("shed.admission");
        let admit = fixture.node_command(["device", "admit", "--device", "shed", "--decided", "--config"]);
        admit.arg(second.config()).arg("--out").arg(&admission).ok()?;
        let reassign = || {
            let reassign = ["device", "reassign", "--device", &shed, "--decided", "--admission"];
            fixture.node_command(reassign).arg(&admission).arg("--key").arg(&owner)
        };
        reassign().run()?.ensure_refused(&["has not allowed", "allow-device-change"])?;
        allow(&shed, "log", "3")?;
        ensure!(show()?.pointer("/allowed_change/from") == Some(&json!(3)), "{:?}", show());
        reassign().args(["--from", "3"]).run()?.ensure_refused(&["event 2", "--from 4"])?;
        let moved = reassign().json()?;
        ensure!(u64_at(&moved, "/from")? == 4 && u64_at(&moved, "/lost")? == 1, "{moved}");
        second.wait_for_device("shed", "log", &second.log_json()?)?;
        second.add_senml(env, "shed", TEMPERATURE_SENML).ok()?;
        second.wait_for_component("devices", "running", 60)?;
        let audit =
            fixture.node_command(["audit", "device", "shed", "--config"]).arg(second.config()).run()?;
        ensure!(audit.stdout.contains("council  allowed another log from event 3 on"), "{audit:#?}");

        // The new key of the meter begins where the council says.
        let (key, _) = new_key(env, "new-meter")?;
        let recover = || {
            let recover = ["device", "recover", "--device", &meter, "--decided", "--new-device-key"];
            fixture.node_command(recover).arg(&key).arg("--key").arg(&owner)
        };
        allow(&meter, "log", "2")?;
        recover().run()?.ensure_refused(&["another log from event 2"])?;
        allow(&meter, "key", "2")?;
        let recovered = recover().json()?;
        ensure!(u64_at(&recovered, "/from")? == 2, "{recovered}");
        Ok(())
    });
}

#[test]
fn a_gateway_whose_log_is_closed_ends_and_begins_the_next_one_without_its_node() {
    run_test("closed-log", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let mut second = second_gateway(&fixture, GatewaySettings::default().hosted("attic"))?;
        second.add_senml(env, "attic", TEMPERATURE_SENML).ok()?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        let config = second.config().to_owned();
        let epoch =
            |what: &str| fixture.node_command(["gateway", "epoch", what, "--config"]).arg(&config).ok();
        epoch("close")?;
        let status = second.process()?.wait_for_exit(60)?;
        ensure!(!status.success(), "the gateway ended with {status}");
        let log = second.process()?.log();
        ensure!(log.contains("closed on the chain"), "{log}");
        fs::rename(second.data(), second.dir().join("old-data"))?;
        epoch("open")?;
        second.start_at("ws://127.0.0.1:1")?;
        ensure!(u64_at(&second.get("/v1/log")?, "/epoch")? == 1, "another log");
        Ok(())
    });
}

/// Closes the log of a gateway, and begins the next one with the device `shed` in an empty data folder.
fn begin_next_log(fixture: &GatewayFixture, gateway: &mut Gateway) -> Result<()> {
    gateway.stop()?;
    let epoch =
        |what: &str| fixture.node_command(["gateway", "epoch", what, "--config"]).arg(gateway.config()).ok();
    epoch("close")?;
    epoch("open")?;
    let old = gateway.dir().join("old-data");
    fs::rename(gateway.data(), &old)?;
    let reassign = fixture.node_command(["device", "reassign", "--device", "shed", "--config"]);
    let moved = reassign.arg(gateway.config()).arg("--log").arg(&old).json()?;
    ensure!(moved.pointer("/log/epoch") == Some(&json!(1)), "{moved}");
    gateway.start(&fixture.node)?;
    // Until the gateway has read the record in the chain, it signs nothing for the device.
    let next = LogId { epoch: 1, ..gateway.log_id()? };
    let (account, hex) = (account::show(&next.gateway), next.gateway.to_string());
    gateway.wait_for_device(
        "shed",
        "log",
        &json!({ "gateway": account, "gateway_hex": hex, "epoch": next.epoch }),
    )
}

/// Starts a second gateway of Alice with these devices.
fn second_gateway(fixture: &GatewayFixture, settings: GatewaySettings) -> Result<Gateway> {
    let mut second = Gateway::init(fixture.env, "second", settings)?;
    second.start(&fixture.node)?;
    second.register(fixture.env, &fixture.node, "alice")?;
    Ok(second)
}

/// Sends the next events of a device, all of which the gateway acknowledges.
fn send(gateway: &Gateway, device: &mut SigningDevice, count: u32) -> Result<()> {
    for n in 0..count {
        let (event, body) = device.next(n, streembit_tests::now_ms()?)?;
        gateway.post("/v1/events", &event_request(&event, &body))?;
    }
    Ok(())
}

/// Sends the next event of a device, which the gateway must refuse for this reason.
fn refuse(gateway: &Gateway, device: &SigningDevice, reason: &str) -> Result<()> {
    let (event, body) = device.clone().next(77, streembit_tests::now_ms()?)?;
    match gateway.post("/v1/events", &event_request(&event, &body)) {
        Ok(accepted) => bail!("accepted, but had to be refused as {reason:?}: {accepted}"),
        Err(error) => {
            ensure!(error.to_string().to_lowercase().contains(reason), "not {reason:?}: {error:#}");
            Ok(())
        }
    }
}

/// Logs an event of the old key on a copy of the gateway that knows nothing of the rotation. The audit finds it.
fn ensure_audit_refuses_the_old_key(fixture: &mut GatewayFixture, old: &SigningDevice) -> Result<()> {
    fixture.gateway.stop()?;
    let copy = fixture.env.dir().join("ignorant");
    let copied = Command::new("cp").arg("-r").arg(fixture.gateway.data()).arg(&copy).status()?;
    ensure!(copied.success(), "copying the log");
    // The records that the gateway has read from the chain.
    fs::remove_file(copy.join("DEVICES"))?;
    let apart = fixture.gateway.configure_copy("ws://127.0.0.1:1", &copy, "ignorant")?;
    let mut process = fixture.gateway.spawn(&apart)?;
    wait_until("the ignorant gateway's API answers", 60, || fixture.gateway.get("/v1/status"))?;
    send(&fixture.gateway, &mut old.clone(), 1)?;
    process.stop()?;
    let audit = fixture.node_command(["--json", "audit", "device", "meter", "--config"]).arg(&apart).run()?;
    let report = audit.json()?;
    let problem = report.pointer("/problems/0").context("no problem")?;
    ensure!(audit.code == 1, "{audit:#?}");
    ensure!(str_at(problem, "/where")? == "signature" && u64_at(problem, "/sequence")? == 5, "{problem}");
    fixture.gateway.start(&fixture.node)
}

/// Transfers a device from Alice to Bob in two steps, and checks who can do what.
fn sell(fixture: &GatewayFixture, id: &str) -> Result<()> {
    let env: &TestEnv = fixture.env;
    let (alice, bob) = (dev_party("alice")?.to_string(), dev_party("bob")?.to_string());
    let accept = |name: &str| -> Result<_> {
        let command = fixture.node_command(["device", "accept", "--device", id, "--from", &alice, "--key"]);
        Ok(command.arg(env.dev_keystore(name)?))
    };
    accept("bob")?.run()?.ensure_refused(&["NotOffered"])?;
    let transfer = fixture.node_command(["device", "transfer", "--device", id, "--to", &bob, "--key"]);
    transfer.arg(env.dev_keystore("alice")?).ok()?;
    accept("charlie")?.run()?.ensure_refused(&["NotOffered"])?;
    let shown = fixture.node_command(["device", "show", "--device", id]).json()?;
    ensure!(str_at(&shown, "/owner")? == alice && str_at(&shown, "/offered_to")? == bob, "{shown}");
    accept("bob")?.ok()?;
    let shown = fixture.node_command(["device", "show", "--device", id]).json()?;
    ensure!(str_at(&shown, "/owner")? == bob, "{shown}");
    let retire = fixture.node_command(["device", "retire", "--device", id, "--key"]);
    retire.arg(env.dev_keystore("alice")?).run()?.ensure_refused(&["NotYourDevice"])
}

/// Returns the chain's trust root as one line of text.
fn trust_root(fixture: &GatewayFixture) -> Result<String> {
    let root = fixture.env.streembit(["audit", "root", "--node", fixture.node.url().as_str()]).ok()?;
    Ok(root.stdout.trim().to_owned())
}
