//! A story: a garage's employee comes and goes, the owner of the garage loses its key, and its gateway burns. The devices
//! go on, and one file proves the whole life of each to somebody who has only the trust root.

use crate::parties::{accept, add_account, new_key, party_account, propose_as, report};
use anyhow::{ensure, Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_tests::{
    bool_at, dev_party, event_request, run_test, str_at, u64_at, Gateway, GatewayFixture, GatewaySettings,
    Node, OfflineVerifier, SigningDevice, TestEnv,
};

/// How many seconds an anchor may take to become final.
const ANCHOR_TIMEOUT: u64 = 90;

const ODOMETER: &str = "[{\"n\":\"Vehicle.TraveledDistance\",\"u\":\"km\",\"v\":14000}]\n";

#[test]
fn devices_outlive_an_employee_a_key_and_a_gateway() {
    run_test("story", |env| {
        // Bob has a garage with a gateway, a car that cannot sign, and a meter that can. Alice is the council.
        let (mut fixture, mut meter) = garage(env)?;
        let car = fixture.device_id("car")?;
        employee(&fixture)?;
        let owner = lost_key(&fixture)?;

        // A copy of the evidence is kept elsewhere.
        fixture.add_senml("car", ODOMETER).ok()?;
        send(&fixture.gateway, &mut meter, 3)?;
        let state = fixture.wait_until_anchored()?;
        fixture.gateway.wait_until_provable(state.size, 60)?;
        let events = u64_at(&fixture.gateway.device("car")?, "/event_count")?;
        let kept =
            |name: &str| fixture.gateway.export_evidence(env, name, &[], &format!("{name}-before.evidence"));
        let kept = [kept("car")?, kept("meter")?];

        burn(&mut fixture, &mut meter)?;
        let mut second = replacement(&fixture, &car, &meter, &owner)?;
        // Two events of each device burnt with the gateway after its last anchor.
        move_device(&fixture, &second, "car", &car, &kept[0], events + 2, &owner)?;
        move_device(&fixture, &second, "meter", &meter.id().to_string(), &kept[1], 5, &owner)?;
        second.add_senml(env, "car", ODOMETER.repeat(2)).ok()?;
        send(&second, &mut meter, 2)?;
        second.wait_until_anchored(ANCHOR_TIMEOUT)?;
        second.wait_until_provable(4, 60)?;
        let root = env.streembit(["audit", "root", "--node", fixture.node.url().as_str()]).ok()?.stdout;
        let whole = |name: &str, before: &Path| {
            let before = before.to_str().context("a path")?;
            second.export_evidence(env, name, &["--after", before], &format!("{name}.evidence"))
        };
        let files = [whole("car", &kept[0])?, whole("meter", &kept[1])?];

        // Somebody with the files and the trust root verifies them.
        let offline = OfflineVerifier::new(env)?;
        for file in &files {
            offline.add_file(file)?;
        }
        second.stop()?;
        fixture.node.kill()?;
        for (name, proven, signer) in [("car", events + 2, "/gateway_signed"), ("meter", 5, "/device_signed")]
        {
            let verdict = offline.verify_with(&format!("{name}.evidence"), root.trim())?;
            check(&verdict, proven, signer)?;
        }
        Ok(())
    });
}

/// Starts a development chain and Bob's gateway with the hosted device `car` and the signing device `meter`.
fn garage(env: &TestEnv) -> Result<(GatewayFixture<'_>, SigningDevice)> {
    let meter = SigningDevice::new();
    let settings = GatewaySettings::default().hosted("car").signing("meter", &meter.configured_key());
    let mut gateway = Gateway::init(env, "gateway", settings)?;
    let node = Node::dev(env)?;
    gateway.start(&node)?;
    gateway.register(env, &node, "bob")?;
    let fixture = GatewayFixture { env, node, gateway };
    let register = fixture.node_command(["device", "register", "--device", "car", "--config"]);
    register.arg(fixture.gateway.config()).arg("--key").arg(env.dev_keystore("bob")?).ok()?;
    fixture.register_signing_device_of("bob", "meter", &meter)?;
    Ok((fixture, meter))
}

/// An employee of the garage signs a contract, proves a reading, and leaves.
fn employee(fixture: &GatewayFixture) -> Result<()> {
    let env = fixture.env;
    let (clerk, account) = new_key(env, "clerk")?;
    add_account(fixture, "bob", &account, &clerk, "contracts")?;
    let id = propose_as(fixture, "car", &clerk, ["bob", "charlie"])?;
    accept(fixture, &env.dev_keystore("charlie")?).ok()?;
    fixture.add_senml("car", ODOMETER).ok()?;
    report(fixture, &id, &clerk)?.ok()?;
    party_account(fixture, &["remove", &account, "--key"]).arg(env.dev_keystore("bob")?).ok()?;
    fixture.add_senml("car", &ODOMETER.replace("14000", "14100")).ok()?;
    report(fixture, &id, &clerk)?.run()?.ensure_refused(&["may not submit"])?;
    report(fixture, &id, &env.dev_keystore("bob")?)?.ok()?;
    Ok(())
}

/// Bob's key is lost. The council replaces it, and the devices stay his. Returns the keystore of the new key.
fn lost_key(fixture: &GatewayFixture) -> Result<PathBuf> {
    let env = fixture.env;
    let (new, account) = new_key(env, "new")?;
    let party = dev_party("bob")?.to_string();
    let recover = fixture.node_command(["party", "recover", &party, &account, "--key"]);
    let recovered = recover.arg(env.dev_keystore("alice")?).json()?;
    ensure!(bool_at(&recovered, "/decided"), "{recovered}");
    let id = fixture.device_id("car")?;
    let declare = |key: &Path, state: &str| {
        let command = fixture.node_command(["device", "declare", "--device", &id, "--state", state, "--key"]);
        command.arg(key)
    };
    declare(&env.dev_keystore("bob")?, "stolen").run()?.ensure_refused(&["may not submit"])?;
    declare(&new, "lost").ok()?;
    declare(&new, "active").ok()?;
    let shown = fixture.node_command(["device", "show", "--device", &id]).json()?;
    ensure!(str_at(&shown, "/owner")? == party && str_at(&shown, "/state")? == "active", "{shown}");
    Ok(new)
}

/// The gateway logs two more events of each device without its node, and burns with its key and its log.
fn burn(fixture: &mut GatewayFixture, meter: &mut SigningDevice) -> Result<()> {
    fixture.gateway.stop()?;
    fixture.gateway.start_at("ws://127.0.0.1:1")?;
    fixture.add_senml("car", &ODOMETER.repeat(2)).ok()?;
    send(&fixture.gateway, meter, 2)?;
    fixture.gateway.process()?.kill()?;
    Ok(fs::remove_dir_all(fixture.gateway.dir())?)
}

/// Starts a new gateway of Bob, which takes the devices over under their ids.
fn replacement(fixture: &GatewayFixture, car: &str, meter: &SigningDevice, owner: &Path) -> Result<Gateway> {
    let settings =
        GatewaySettings::default().taken_over("car", car).signing("meter", &meter.configured_key());
    let mut second = Gateway::init(fixture.env, "second", settings)?;
    second.start(&fixture.node)?;
    let register = fixture.node_command(["gateway", "register", "--config"]).arg(second.config());
    register.arg("--key").arg(owner).ok()?;
    Ok(second)
}

/// Moves a device to the new gateway, by the evidence that was kept. What is not anchored is declared lost.
fn move_device(
    fixture: &GatewayFixture,
    to: &Gateway,
    name: &str,
    id: &str,
    kept: &Path,
    from: u64,
    owner: &Path,
) -> Result<()> {
    let source = ("--evidence", kept);
    let admission = fixture.admit(to, name, source)?;
    let stranger = fixture.env.dev_keystore("charlie")?;
    let from = from.to_string();
    let reassign = |key: &Path| fixture.reassign_command(id, &admission, source, key).args(["--from", &from]);
    reassign(&stranger).run()?.ensure_refused(&["NotYourDevice"])?;
    let moved = reassign(owner).json()?;
    ensure!(u64_at(&moved, "/lost")? == 2, "{moved}");
    to.wait_for_device(name, "log", &to.log_json()?)
}

fn send(gateway: &Gateway, device: &mut SigningDevice, count: u32) -> Result<()> {
    for n in 0..count {
        let (event, body) = device.next(n, streembit_tests::now_ms()?)?;
        gateway.post("/v1/events", &event_request(&event, &body))?;
    }
    Ok(())
}

/// Checks that a file proves everything but the two lost events, in two logs, and for the party that owns the device.
fn check(verdict: &Value, events: u64, signer: &str) -> Result<()> {
    ensure!(u64_at(verdict, "/event_count")? == events && u64_at(verdict, signer)? == events, "{verdict}");
    ensure!(u64_at(verdict, "/lost")? == 2, "{verdict}");
    ensure!(bool_at(verdict, "/from_first") && bool_at(verdict, "/to_last"), "not complete: {verdict}");
    let segments = verdict.get("segments").and_then(Value::as_array).map(Vec::len);
    ensure!(segments == Some(2), "{verdict}");
    let spans = verdict.get("spans").and_then(Value::as_array).context("no spans")?;
    let bob = dev_party("bob")?.to_string();
    let owners = spans.iter().map(|span| str_at(span, "/owner")).collect::<Result<Vec<_>>>()?;
    ensure!(owners.iter().all(|owner| *owner == bob), "{owners:?}");
    Ok(())
}
