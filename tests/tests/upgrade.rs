//! A running chain goes on with another runtime by its council's vote; no node and no gateway is restarted.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_tests::{
    number, scene, streembit_node, text, until, Gateway, Home, Network, Node, Output, Scene, Settings,
};

/// A runtime before this one, as it was: the state that it leaves is migrated.
const BEFORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/runtime-2.compact.compressed.wasm");

/// The version of this one.
const NOW: u64 = 4;

/// How many digits the key of a party has in the state, `0x` included: the map, a hash, and the account.
const PARTY_KEY: usize = 2 + 2 * (32 + 16 + 32);

/// A line that makes an event.
const LINE: &str = "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n";

#[test]
fn the_council_upgrades_a_running_chain_and_the_gateways_go_on() {
    scene("upgrade", |scene| {
        let spec = found(scene)?;
        let (mut network, mut home) = start(scene, &spec)?;
        versions(&mut network, &home, 2)?;
        let shown = network.shown("bob")?;
        ensure!(shown.get("memberships") == Some(&Value::Null), "runtime 2 knows of memberships: {shown}");
        let parties = empty_values(&home.node)?;
        ensure!(parties.len() == 6, "six parties without anything said of them: {parties:?}");
        home.add("shed", &LINE.repeat(3)).ok()?;
        provable(&home, 3)?;
        let before = export(&home, "before.evidence")?;

        let (next, hash) = next_runtime(scene)?;
        decide(scene, &mut network, &next, &hash)?;
        let applied = network.consortium("eve", "charlie", &["apply-upgrade", path(&next)])?;
        ensure!(number(&applied, "/spec_version_before")? == 2, "{applied}");
        ensure!(number(&applied, "/spec_version")? == NOW, "{applied}");
        versions(&mut network, &home, NOW)?;

        // The state is migrated, and says of later parties since when they are.
        until("the parties are migrated", 120, || {
            for key in &parties {
                let value = home.node.rpc("state_getStorage", json!([key]))?;
                ensure!(value == json!("0x00"), "{key}: {value}");
            }
            Ok(())
        })?;
        let ferdie = scene.account("ferdie")?;
        vote(&mut network, &["remove-party", &ferdie])?;
        vote(&mut network, &["propose-party", &ferdie])?;
        let shown = until("Dave's node has the new party", 60, || {
            let shown = network.shown("dave")?;
            ensure!(since(&shown, &ferdie)?.as_u64().is_some_and(|block| block > 0), "{shown}");
            Ok(shown)
        })?;
        let alice = scene.account("alice")?;
        ensure!(since(&shown, &alice)? == Value::Null, "what was not recorded is known: {shown}");

        // The gateway never stopped, nor did a node.
        home.gateway.process()?.check_running()?;
        home.add("shed", &LINE.repeat(3)).ok()?;
        provable(&home, 6)?;
        let after = export(&home, "after.evidence")?;
        for node in &mut network.nodes {
            node.process()?.check_running()?;
        }
        for (file, events) in [(&before, 3), (&after, 6)] {
            verifies(scene, file, &spec, events)?;
        }
        late(scene, &mut network, &home, &spec)
    });
}

/// The spec of a chain of four validators that begins with the runtime before this one.
fn found(scene: &Scene) -> Result<PathBuf> {
    let spec = scene.dir().join("spec.json");
    let made = streembit_node(["chain-spec", "--preset", "four", "--runtime", BEFORE, "--out", path(&spec)])?;
    ensure!(made.code == 0, "{made:#?}");
    Ok(spec)
}

/// The four validators, and a gateway with a device at Alice's.
fn start<'s>(scene: &'s Scene, spec: &Path) -> Result<(Network<'s>, Home<'s>)> {
    let mut alice = Node::new(scene, "alice", ["--chain", path(spec), "--alice"])?;
    alice.start()?;
    let bootnode = alice.address()?;
    let mut network = Network::of(scene, Vec::new());
    for name in ["bob", "charlie", "dave"] {
        let role = format!("--{name}");
        let mut node =
            Node::new(scene, name, ["--chain", path(spec), "--bootnodes", &bootnode, role.as_str()])?;
        node.launch()?;
        network.nodes.push(node);
    }
    for node in &mut network.nodes {
        node.ready()?;
    }
    alice.finalizes(2, 90)?;
    let mut gateway = Gateway::init(scene, "gateway", Settings::default().hosted("shed"))?;
    gateway.start(&alice)?;
    let home = Home { scene, node: alice, gateway };
    home.register()?;
    Ok((network, home))
}

/// Waits until every node has this version of the runtime.
fn versions(network: &mut Network<'_>, home: &Home<'_>, version: u64) -> Result<()> {
    for node in network.nodes.iter().chain([&home.node]) {
        until(&format!("{} has runtime {version}", node.name()), 120, || {
            let found = node.rpc("state_getRuntimeVersion", json!([]))?;
            ensure!(number(&found, "/specVersion")? == version, "{found}");
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
fn next_runtime(scene: &Scene) -> Result<(PathBuf, String)> {
    let file = scene.dir().join("next.wasm");
    let said = streembit_node(["runtime", "--json", "--out", path(&file)])?;
    ensure!(said.code == 0, "{said:#?}");
    let said = said.json()?;
    ensure!(number(&said, "/spec_version")? == NOW, "{said}");
    let read = streembit_node(["runtime", path(&file), "--json"])?.json()?;
    ensure!(read == said, "what was written is {read}, not {said}");
    let again = streembit_node(["runtime", "--out", path(&file)])?;
    again.refused(&["never overwritten"])?;
    Ok((file, text(&said, "/code")?))
}

/// The council decides on a runtime; nothing else is brought in, and nothing before that.
fn decide(scene: &Scene, network: &mut Network<'_>, next: &Path, hash: &str) -> Result<()> {
    apply(scene, network, next)?.refused(&["decided on no other", "propose-upgrade"])?;
    let asked = network.consortium("eve", "charlie", &["propose-upgrade", path(next)])?;
    ensure!(asked.get("decided") == Some(&json!(false)), "decided by nobody: {asked}");
    let motion = until("Bob's node has the motion", 60, || {
        let shown = network.shown("bob")?;
        ensure!(text(&shown, "/motions/0/code")? == hash, "another hash is voted on: {shown}");
        text(&shown, "/motions/0/id")
    })?;
    for (member, decided) in [("alice", false), ("bob", true)] {
        let voted = network.consortium(member, "bob", &["vote", &motion, "yes"])?;
        ensure!(voted.get("decided") == Some(&json!(decided)), "{member}: {voted}");
    }
    until("Charlie's node has the decision", 60, || {
        let shown = network.shown("charlie")?;
        ensure!(text(&shown, "/runtime/authorized")? == hash, "nothing is authorized: {shown}");
        Ok(())
    })?;
    apply(scene, network, Path::new(BEFORE))?.refused(&[hash, "voted on"])
}

/// Eve tries to bring a runtime in.
fn apply(scene: &Scene, network: &mut Network<'_>, file: &Path) -> Result<Output> {
    let key = scene.key("eve")?;
    let command = network.ask("charlie", ["consortium", "apply-upgrade", path(file), "--key"])?;
    command.arg(key).run()
}

/// Alice asks for a change, and Bob makes it a majority.
fn vote(network: &mut Network<'_>, change: &[&str]) -> Result<()> {
    let asked = network.consortium("alice", "bob", change)?;
    let motion = text(&asked, "/motion/id")?;
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
fn provable(home: &Home<'_>, size: u64) -> Result<()> {
    until(&format!("{size} events are provable"), 180, || {
        let part = home.gateway.component("evidence")?;
        let wanted = format!("{size} events provable");
        ensure!(text(&part, "/detail").is_ok_and(|detail| detail.starts_with(&wanted)), "{part}");
        Ok(())
    })
}

fn export(home: &Home<'_>, name: &str) -> Result<PathBuf> {
    let file = home.scene.dir().join(name);
    let command = home.scene.streembit(["audit", "export", "--device", "shed", "--config"]);
    command.arg(home.gateway.config()).arg("-o").arg(&file).ok()?;
    Ok(file)
}

/// A file proves its events by the chain's spec alone, whichever runtime they were anchored under.
fn verifies(scene: &Scene, file: &Path, spec: &Path, events: u64) -> Result<()> {
    let verify = ["audit", "verify", path(file), "--chain-spec", path(spec)];
    let verdict = scene.streembit(verify).json()?;
    ensure!(verdict.get("verified") == Some(&json!(true)), "{verdict}");
    ensure!(number(&verdict, "/events")? == events, "{verdict}");
    Ok(())
}

/// A node that joins now fetches the chain from its first block, across the upgrade.
fn late(scene: &Scene, network: &mut Network<'_>, home: &Home<'_>, spec: &Path) -> Result<()> {
    let bootnode = home.node.address()?;
    let mut late = Node::new(scene, "late", ["--chain", path(spec), "--bootnodes", &bootnode])?;
    late.start()?;
    let height = home.node.finalized()?;
    late.finalizes(height, 180)?;
    ensure!(late.block_hash(height)? == home.node.block_hash(height)?, "two chains at block {height}");
    network.nodes.push(late);
    versions(network, home, NOW)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
