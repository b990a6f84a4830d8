//! A running chain goes on with another runtime by its council's vote; no node and no gateway is restarted.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_tests::{
    number, scene, streembit_node, text, until, Gateway, Home, Network, Node, Output, Scene, Settings,
};

/// The runtime of the previous release. `tests/fixtures/README.md` says how it is made.
const PREVIOUS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/previous-release.compact.compressed.wasm");

/// A line that makes an event.
const LINE: &str = "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n";

#[test]
fn the_council_upgrades_a_running_chain_and_the_gateways_go_on() {
    scene("upgrade", |scene| {
        let spec = found(scene)?;
        let (mut network, mut home) = start(scene, &spec)?;
        let (previous, next, hash) = runtimes(scene)?;
        versions(&mut network, &home, previous.version)?;
        let founders = network.shown("bob")?;
        home.add("shed", &LINE.repeat(3)).ok()?;
        provable(&home, 3)?;
        let before = export(&home, "before.evidence")?;

        decide(scene, &mut network, &next.file, &hash)?;
        let applied = network.consortium("eve", "charlie", &["apply-upgrade", path(&next.file)])?;
        ensure!(number(&applied, "/spec_version_before")? == previous.version, "{applied}");
        ensure!(number(&applied, "/spec_version")? == next.version, "{applied}");
        versions(&mut network, &home, next.version)?;

        // The state is valid under the new runtime: it knows the same parties, and the council changes them.
        let shown = network.shown("bob")?;
        for part in ["/memberships", "/council", "/validators"] {
            ensure!(shown.pointer(part) == founders.pointer(part), "{part}: {founders} became {shown}");
        }
        let ferdie = scene.account("ferdie")?;
        vote(&mut network, &["remove-party", &ferdie])?;
        vote(&mut network, &["propose-party", &ferdie])?;
        let shown = until("Dave's node has the new party", 60, || {
            let shown = network.shown("dave")?;
            ensure!(since(&shown, &ferdie)?.as_u64().is_some_and(|block| block > 0), "{shown}");
            Ok(shown)
        })?;
        let alice = scene.account("alice")?;
        ensure!(since(&shown, &alice)? == json!(0), "a founder does not belong since block 0: {shown}");

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
        late(scene, &mut network, &home, &spec, next.version)
    });
}

/// The spec of a chain of four validators that begins with the previous runtime.
fn found(scene: &Scene) -> Result<PathBuf> {
    let spec = scene.dir().join("spec.json");
    let made =
        streembit_node(["chain-spec", "--preset", "four", "--runtime", PREVIOUS, "--out", path(&spec)])?;
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

/// A runtime in a file.
struct RuntimeFile {
    file: PathBuf,
    version: u64,
}

/// The previous runtime, the runtime of the node under test, and the hash of the latter.
fn runtimes(scene: &Scene) -> Result<(RuntimeFile, RuntimeFile, String)> {
    let previous = streembit_node(["runtime", PREVIOUS, "--json"])?.json()?;
    let previous = RuntimeFile { file: PREVIOUS.into(), version: number(&previous, "/spec_version")? };
    let file = scene.dir().join("next.wasm");
    let said = streembit_node(["runtime", "--json", "--out", path(&file)])?;
    ensure!(said.code == 0, "{said:#?}");
    let said = said.json()?;
    let next = RuntimeFile { version: number(&said, "/spec_version")?, file };
    ensure!(
        previous.version < next.version,
        "the node has runtime {}, which is not newer than that of the previous release, {}: raise `spec_version` in \
         runtime/src/lib.rs",
        next.version,
        previous.version
    );
    let read = streembit_node(["runtime", path(&next.file), "--json"])?.json()?;
    ensure!(read == said, "what was written is {read}, not {said}");
    let again = streembit_node(["runtime", "--out", path(&next.file)])?;
    again.refused(&["never overwritten"])?;
    Ok((previous, next, text(&said, "/code")?))
}

/// The council decides on a runtime. Nobody brings in another one, or this one earlier.
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
    apply(scene, network, Path::new(PREVIOUS))?.refused(&[hash, "voted on"])
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

/// The block since which a party belongs, as `consortium show` prints it.
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
fn late(scene: &Scene, network: &mut Network<'_>, home: &Home<'_>, spec: &Path, version: u64) -> Result<()> {
    let bootnode = home.node.address()?;
    let mut late = Node::new(scene, "late", ["--chain", path(spec), "--bootnodes", &bootnode])?;
    late.start()?;
    let height = home.node.finalized()?;
    late.finalizes(height, 180)?;
    ensure!(late.block_hash(height)? == home.node.block_hash(height)?, "two chains at block {height}");
    network.nodes.push(late);
    versions(network, home, version)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
