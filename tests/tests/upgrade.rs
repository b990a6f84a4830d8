//! A running chain goes on with another runtime by its council's vote; no node and no gateway is restarted.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_tests::{
    run_test, str_at, streembit_node, u64_at, wait_until, CliOutput, Gateway, GatewayFixture,
    GatewaySettings, Node, TestEnv, ValidatorNetwork,
};

/// A runtime before this one, as it was: the state that it leaves is migrated.
const BEFORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/runtime-2.compact.compressed.wasm");

/// The version of this one.
const NOW: u64 = 4;

/// How many digits the key of a party has in the state, `0x` included: the map, a hash, and the account.
const PARTY_KEY: usize = 2 + 2 * (32 + 16 + 32);

/// A line that makes an event.
const LINE: &str = TEMPERATURE_SENML;

#[test]
fn the_council_upgrades_a_running_chain_and_the_gateways_go_on() {
    run_test("upgrade", |env| {
        let spec = found(env)?;
        let (mut network, mut fixture) = start(env, &spec)?;
        versions(&mut network, &fixture, 2)?;
        let shown = network.consortium_show("bob")?;
        ensure!(shown.get("memberships") == Some(&Value::Null), "runtime 2 knows of memberships: {shown}");
        let parties = empty_values(&fixture.node)?;
        ensure!(parties.len() == 6, "six parties without anything said of them: {parties:?}");
        fixture.add_senml("shed", &LINE.repeat(3)).ok()?;
        provable(&fixture, 3)?;
        let before = export(&fixture, "before.evidence")?;

        let (next, hash) = next_runtime(env)?;
        decide(env, &mut network, &next, &hash)?;
        let applied = network.consortium("eve", "charlie", &["apply-upgrade", path(&next)])?;
        ensure!(u64_at(&applied, "/spec_version_before")? == 2, "{applied}");
        ensure!(u64_at(&applied, "/spec_version")? == NOW, "{applied}");
        versions(&mut network, &fixture, NOW)?;

        // The state is migrated, and says of later parties since when they are.
        wait_until("the parties are migrated", 120, || {
            for key in &parties {
                let value = fixture.node.rpc("state_getStorage", json!([key]))?;
                ensure!(value == json!("0x00"), "{key}: {value}");
            }
            Ok(())
        })?;
        let ferdie = env.dev_account("ferdie")?;
        vote(&mut network, &["remove-party", &ferdie])?;
        vote(&mut network, &["propose-party", &ferdie])?;
        let shown = wait_until("Dave's node has the new party", 60, || {
            let shown = network.consortium_show("dave")?;
            ensure!(since(&shown, &ferdie)?.as_u64().is_some_and(|block| block > 0), "{shown}");
            Ok(shown)
        })?;
        let alice = env.dev_account("alice")?;
        ensure!(since(&shown, &alice)? == Value::Null, "what was not recorded is known: {shown}");

        // The gateway never stopped, nor did a node.
        fixture.gateway.process()?.check_running()?;
        fixture.add_senml("shed", &LINE.repeat(3)).ok()?;
        provable(&fixture, 6)?;
        let after = export(&fixture, "after.evidence")?;
        for node in &mut network.nodes {
            node.process()?.check_running()?;
        }
        for (file, events) in [(&before, 3), (&after, 6)] {
            verifies(env, file, &spec, events)?;
        }
        late(env, &mut network, &fixture, &spec)
    });
}

/// The spec of a chain of four validators that begins with the runtime before this one.
fn found(env: &TestEnv) -> Result<PathBuf> {
    let spec = env.dir().join("spec.json");
    let made = streembit_node(["chain-spec", "--preset", "four", "--runtime", BEFORE, "--out", path(&spec)])?;
    ensure!(made.code == 0, "{made:#?}");
    Ok(spec)
}

/// The four validators, and a gateway with a device at Alice's.
fn start<'s>(env: &'s TestEnv, spec: &Path) -> Result<(ValidatorNetwork<'s>, GatewayFixture<'s>)> {
    let mut alice = Node::new(env, "alice", ["--chain", path(spec), "--alice"])?;
    alice.start()?;
    let bootnode = alice.address()?;
    let mut network = ValidatorNetwork::of(env, Vec::new());
    for name in ["bob", "charlie", "dave"] {
        let role = format!("--{name}");
        let mut node =
            Node::new(env, name, ["--chain", path(spec), "--bootnodes", &bootnode, role.as_str()])?;
        node.launch()?;
        network.nodes.push(node);
    }
    for node in &mut network.nodes {
        node.wait_until_ready()?;
    }
    alice.wait_until_finalized(2, 90)?;
    let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
    gateway.start(&alice)?;
    let fixture = GatewayFixture { env, node: alice, gateway };
    fixture.register()?;
    Ok((network, fixture))
}

/// Waits until every node has this version of the runtime.
fn versions(network: &mut ValidatorNetwork<'_>, fixture: &GatewayFixture<'_>, version: u64) -> Result<()> {
    for node in network.nodes.iter().chain([&fixture.node]) {
        wait_until(&format!("{} has runtime {version}", node.name()), 120, || {
            let found = node.rpc("state_getRuntimeVersion", json!([]))?;
            ensure!(u64_at(&found, "/specVersion")? == version, "{found}");
            Ok(())
        })?;
    }
    Ok(())
}

/// The keys of the state that are of one account's and have nothing under them.
fn empty_values(node: &Node) -> Result<Vec<String>> {
    let keys = node.rpc("state_getKeysPaged", json!(["0x", 1_000]))?;
    let keys = keys.as_array().context("no list of keys")?;
    ensure!(keys.len() < 1_000, "more keys than are looked at");
    let mut empty = Vec::new();
    for key in keys.iter().filter_map(Value::as_str).filter(|key| key.len() == PARTY_KEY) {
        if node.rpc("state_getStorage", json!([key]))? == json!("0x") {
            empty.push(key.to_owned());
        }
    }
    Ok(empty)
}

/// The runtime of the node under test in a file, and its hash.
fn next_runtime(env: &TestEnv) -> Result<(PathBuf, String)> {
    let file = env.dir().join("next.wasm");
    let said = streembit_node(["runtime", "--json", "--out", path(&file)])?;
    ensure!(said.code == 0, "{said:#?}");
    let said = said.json()?;
    ensure!(u64_at(&said, "/spec_version")? == NOW, "{said}");
    let read = streembit_node(["runtime", path(&file), "--json"])?.json()?;
    ensure!(read == said, "what was written is {read}, not {said}");
    let again = streembit_node(["runtime", "--out", path(&file)])?;
    again.ensure_refused(&["never overwritten"])?;
    Ok((file, str_at(&said, "/code")?))
}

/// The council decides on a runtime; nothing else is brought in, and nothing before that.
fn decide(env: &TestEnv, network: &mut ValidatorNetwork<'_>, next: &Path, hash: &str) -> Result<()> {
    apply(env, network, next)?.ensure_refused(&["decided on no other", "propose-upgrade"])?;
    let asked = network.consortium("eve", "charlie", &["propose-upgrade", path(next)])?;
    ensure!(asked.get("decided") == Some(&json!(false)), "decided by nobody: {asked}");
    let motion = wait_until("Bob's node has the motion", 60, || {
        let shown = network.consortium_show("bob")?;
        ensure!(str_at(&shown, "/motions/0/code")? == hash, "another hash is voted on: {shown}");
        str_at(&shown, "/motions/0/id")
    })?;
    for (member, decided) in [("alice", false), ("bob", true)] {
        let voted = network.consortium(member, "bob", &["vote", &motion, "yes"])?;
        ensure!(voted.get("decided") == Some(&json!(decided)), "{member}: {voted}");
    }
    wait_until("Charlie's node has the decision", 60, || {
        let shown = network.consortium_show("charlie")?;
        ensure!(str_at(&shown, "/runtime/authorized")? == hash, "nothing is authorized: {shown}");
        Ok(())
    })?;
    apply(env, network, Path::new(BEFORE))?.ensure_refused(&[hash, "voted on"])
}

/// Eve tries to bring a runtime in.
fn apply(env: &TestEnv, network: &mut ValidatorNetwork<'_>, file: &Path) -> Result<CliOutput> {
    let key = env.dev_keystore("eve")?;
    let command = network.node_command("charlie", ["consortium", "apply-upgrade", path(file), "--key"])?;
    command.arg(key).run()
}

/// Alice asks for a change, and Bob makes it a majority.
fn vote(network: &mut ValidatorNetwork<'_>, change: &[&str]) -> Result<()> {
    let asked = network.consortium("alice", "bob", change)?;
    let motion = str_at(&asked, "/motion/id")?;
    let voted = network.consortium("bob", "bob", &["vote", &motion, "yes"])?;
    ensure!(voted.get("decided") == Some(&json!(true)), "{voted}");
    Ok(())
}

/// Since when a party is one, as `consortium show` says it.
fn since(shown: &Value, party: &str) -> Result<Value> {
    let memberships = shown.get("memberships").and_then(Value::as_array).context("no memberships")?;
    let found = memberships.iter().find(|found| found.get("party") == Some(&json!(party)));
    let found = found.with_context(|| format!("{party} is no party: {shown}"))?;
    Ok(found.get("since").context("it is not said since when")?.clone())
}

/// Waits until so many entries of the log are anchored, and the gateway has collected what proves it.
fn provable(fixture: &GatewayFixture<'_>, size: u64) -> Result<()> {
    wait_until(&format!("{size} events are provable"), 180, || {
        let part = fixture.gateway.component("evidence")?;
        let wanted = format!("{size} events provable");
        ensure!(str_at(&part, "/detail").is_ok_and(|detail| detail.starts_with(&wanted)), "{part}");
        Ok(())
    })
}

fn export(fixture: &GatewayFixture<'_>, name: &str) -> Result<PathBuf> {
    let file = fixture.env.dir().join(name);
    let command = fixture.env.streembit(["audit", "export", "--device", "shed", "--config"]);
    command.arg(fixture.gateway.config()).arg("-o").arg(&file).ok()?;
    Ok(file)
}

/// A file proves its events by the chain's spec alone, whichever runtime they were anchored under.
fn verifies(env: &TestEnv, file: &Path, spec: &Path, events: u64) -> Result<()> {
    let verify = ["audit", "verify", path(file), "--chain-spec", path(spec)];
    let verdict = env.streembit(verify).json()?;
    ensure!(verdict.get("verified") == Some(&json!(true)), "{verdict}");
    ensure!(u64_at(&verdict, "/events")? == events, "{verdict}");
    Ok(())
}

/// A node that joins now fetches the chain from its first block, across the upgrade.
fn late(
    env: &TestEnv,
    network: &mut ValidatorNetwork<'_>,
    fixture: &GatewayFixture<'_>,
    spec: &Path,
) -> Result<()> {
    let bootnode = fixture.node.address()?;
    let mut late = Node::new(env, "late", ["--chain", path(spec), "--bootnodes", &bootnode])?;
    late.start()?;
    let height = fixture.node.finalized()?;
    late.wait_until_finalized(height, 180)?;
    ensure!(late.block_hash(height)? == fixture.node.block_hash(height)?, "two chains at block {height}");
    network.nodes.push(late);
    versions(network, fixture, NOW)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
