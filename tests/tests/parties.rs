//! Accounts of a party: an employee acts for it within a scope until it is removed, and a lost key is replaced by the
//! council while the party's gateway, device and contract stay.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_tests::{
    dev_party, run_test, str_at, CliCommand, Gateway, GatewayFixture, GatewaySettings, Node, TestEnv,
    TEMPERATURE_SENML,
};

const ODOMETER: &str = "[{\"n\":\"Vehicle.TraveledDistance\",\"u\":\"km\",\"v\":14000}]\n";

#[test]
fn an_employee_signs_contracts_until_it_is_removed() {
    run_test("employee", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let (clerk, account) = new_key(env, "clerk")?;
        let before = party_account(&fixture, &["add", &account, "--scope", "contracts", "--account-key"]);
        // Nobody becomes an account of a party without its consent.
        before
            .arg(env.dev_keystore("bob")?)
            .arg("--key")
            .arg(env.dev_keystore("alice")?)
            .run()?
            .ensure_refused(&["consent", &account])?;
        add_account(&fixture, "alice", &account, &clerk, "contracts")?;
        let listed = party_account(&fixture, &["list", &account]).json()?;
        let scopes: Vec<_> =
            listed.as_array().context("no list")?.iter().map(|one| one.get("scope")).collect();
        ensure!(scopes == [Some(&json!("all")), Some(&json!("contracts"))], "{listed}");

        // The employee proposes a contract for the owner, who needs not sign it again.
        let id = propose_as(&fixture, "shed", &clerk, ["alice", "bob"])?;
        accept(&fixture, &env.dev_keystore("alice")?).run()?.ensure_refused(&["already accepted"])?;
        accept(&fixture, &env.dev_keystore("bob")?).ok()?;
        fixture.add_senml("shed", ODOMETER).ok()?;
        report(&fixture, &id, &clerk)?.ok()?;

        // What is beyond its scope is refused.
        beyond_scope(&fixture, &clerk)?;
        party_account(&fixture, &["remove", &account, "--key"]).arg(env.dev_keystore("alice")?).ok()?;
        fixture.add_senml("shed", &ODOMETER.replace("14000", "14100")).ok()?;
        report(&fixture, &id, &clerk)?.run()?.ensure_refused(&["may not submit"])?;
        accept(&fixture, &clerk).run()?.ensure_refused(&["may not submit"])?;
        report(&fixture, &id, &env.dev_keystore("alice")?)?.ok()?;
        Ok(())
    });
}

#[test]
fn a_lost_key_is_replaced_by_the_council_and_device_and_contract_stay() {
    run_test("lost-key", |env| {
        // Bob owns the gateway and its device. Alice is the council.
        let fixture = bobs_gateway(env)?;
        let device = fixture.device_id("shed")?;
        let id = propose_as(&fixture, "shed", &env.dev_keystore("bob")?, ["bob", "charlie"])?;
        accept(&fixture, &env.dev_keystore("charlie")?).ok()?;
        let (new, account) = new_key(env, "new")?;
        let party = dev_party("bob")?.to_string();
        let recovered = fixture
            .node_command(["party", "recover", &party, &account, "--key"])
            .arg(env.dev_keystore("alice")?)
            .json()?;
        ensure!(
            recovered.get("decided") == Some(&json!(true)),
            "a council of one decides at once: {recovered}"
        );

        let shown = fixture.node_command(["party", "show", &account]).json()?;
        ensure!(str_at(&shown, "/party")? == party, "{shown}");
        ensure!(shown.pointer("/accounts/0/account") == Some(&json!(account)), "{shown}");
        ensure!(shown.pointer("/accounts/1").is_none(), "the lost account is still one: {shown}");

        // The lost key does nothing any more.
        let lost = env.dev_keystore("bob")?;
        fixture.add_senml("shed", ODOMETER).ok()?;
        report(&fixture, &id, &lost)?.run()?.ensure_refused(&["may not submit"])?;
        // The device still belongs to the party, its gateway still anchors, and the contract is in force.
        let devices =
            fixture.node_command(["device", "list", "--config"]).arg(fixture.gateway.config()).json()?;
        let owner = devices.as_array().and_then(|devices| devices.iter().find(|one| is(one, "/id", &device)));
        ensure!(owner.is_some_and(|one| is(one, "/owner", &party)), "{devices}");
        report(&fixture, &id, &new)?.ok()?;
        let contract = fixture.node_command(["contract", "show", &id]).json()?;
        ensure!(
            is(&contract, "/state", "active")
                && is(&contract, "/contract/content/v1/parties/0/party", &party),
            "{contract}"
        );
        // With its new key, the party manages itself.
        let key = "0xe6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c";
        fixture.node_command(["party", "encryption-key", key, "--key"]).arg(&new).ok()?;
        let shown = fixture.node_command(["party", "show", &party]).json()?;
        ensure!(is(&shown, "/encryption_key", key), "{shown}");
        // The party also takes its gateway away.
        let gateway = fixture.gateway.account()?.to_string();
        let remove = || fixture.node_command(["gateway", "remove", &gateway, "--key"]).arg(&new);
        remove().ok()?;
        remove().run()?.ensure_refused(&["gateway"])
    });
}

fn is(value: &Value, path: &str, wanted: &str) -> bool {
    value.pointer(path).and_then(Value::as_str) == Some(wanted)
}

/// Creates a key. Returns its keystore and its account.
pub(crate) fn new_key(env: &TestEnv, name: &str) -> Result<(PathBuf, String)> {
    let path = env.dir().join(format!("{name}.key"));
    let made = env.streembit(["key", "new", "--out"]).arg(&path).json()?;
    Ok((path, str_at(&made, "/account")?))
}

pub(crate) fn party_account<'s>(fixture: &GatewayFixture<'s>, arguments: &[&str]) -> CliCommand<'s> {
    fixture.node_command(["party", "account"].iter().chain(arguments))
}

/// Adds an account to the party of a development account, with the consent that the added account's key signs.
pub(crate) fn add_account(
    fixture: &GatewayFixture,
    party: &str,
    account: &str,
    key: &Path,
    scope: &str,
) -> Result<()> {
    let (env, id) = (fixture.env, dev_party(party)?.to_string());
    let consent = env.dir().join("account.consent");
    let signed =
        party_account(fixture, &["consent", "--party", &id, "--scope", scope, "--key"]).arg(key).ok()?;
    std::fs::write(&consent, signed.stdout)?;
    let add = |consent: &Path| -> Result<CliCommand<'_>> {
        let add = party_account(fixture, &["add", account, "--scope", scope, "--consent"]).arg(consent);
        Ok(add.arg("--key").arg(env.dev_keystore(party)?))
    };
    add(&consent)?.ok()?;
    // The consent is used up. What is added twice would be refused anyway.
    add(&consent)?.run()?.ensure_refused(&["nonce"])
}

/// Starts a development chain and a gateway that hosts the device `shed`, both of which are Bob's.
fn bobs_gateway(env: &TestEnv) -> Result<GatewayFixture<'_>> {
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    let node = Node::dev(env)?;
    gateway.start(&node)?;
    gateway.register(env, &node, "bob")?;
    let fixture = GatewayFixture { env, node, gateway };
    let register = fixture.node_command(["device", "register", "--device", "shed", "--config"]);
    register.arg(fixture.gateway.config()).arg("--key").arg(env.dev_keystore("bob")?).ok()?;
    Ok(fixture)
}

/// Proposes a contract between the owner of a device and a workshop, signed with `key`. Returns its id.
pub(crate) fn propose_as(
    fixture: &GatewayFixture,
    device: &str,
    key: &Path,
    [owner, workshop]: [&str; 2],
) -> Result<String> {
    let device = fixture.device_id(device)?;
    let (owner, workshop) = (fixture.env.dev_account(owner)?, dev_party(workshop)?.to_string());
    let settings =
        [("device", device.as_str()), ("owner", &owner), ("workshop", &workshop), ("until", "2040-01-01")];
    let book = fixture.new_contract("vehicle-service", "book", &settings)?;
    let propose = fixture.node_command(["contract", "propose", "--yes"]).arg(&book);
    let proposed = propose.arg("--key").arg(key).json()?;
    ensure!(proposed.get("waiting_for") == Some(&json!([workshop])), "{proposed}");
    str_at(&proposed, "/id")
}

/// Builds the command that accepts the contract of [`propose_as`].
pub(crate) fn accept<'s>(fixture: &GatewayFixture<'s>, key: &Path) -> CliCommand<'s> {
    let book = fixture.env.dir().join("book.contract");
    fixture.node_command(["contract", "accept", "--yes"]).arg(book).arg("--key").arg(key)
}

pub(crate) fn report<'s>(fixture: &GatewayFixture<'s>, id: &str, key: &Path) -> Result<CliCommand<'s>> {
    // The newest reading must be anchored before it can be proven.
    fixture.wait_until_anchored()?;
    let command = fixture.node_command(["contract", "report", id, "--config"]).arg(fixture.gateway.config());
    Ok(command.arg("--key").arg(key))
}

/// Checks that an account that signs contracts does nothing else for its party.
fn beyond_scope(fixture: &GatewayFixture, clerk: &Path) -> Result<()> {
    let env = fixture.env;
    let (_, other) = new_key(env, "other")?;
    let refused = |command: CliCommand<'_>| command.arg("--key").arg(clerk).run()?.ensure_refused(&["scope"]);
    refused(fixture.node_command(["consortium", "propose-party", &other]))?;
    refused(fixture.node_command(["consortium", "leave", "--as-party"]))?;
    refused(party_account(fixture, &["remove", &env.dev_account("alice")?]))?;
    let register = fixture.node_command(["device", "register", "--device", "shed", "--config"]);
    refused(register.arg(fixture.gateway.config()))?;
    // It does not read what its party may read.
    fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
    let device = fixture.device_id("shed")?;
    let subscribe = fixture.node_command(["subscribe", "--device", &device, "--count", "1", "--gateway"]);
    let address = fixture.gateway.delivery_address("quic")?;
    subscribe.arg(address).arg("--key").arg(clerk).run()?.ensure_refused(&["granted nothing"])
}
