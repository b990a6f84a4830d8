//! A validator whose keys run on two nodes: the chain takes the proof and removes it, every gateway raises the alarm, and the
//! others go on.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use streembit_tests::{
    run_test, str_at, streembit_node, u64_at, wait_until, Gateway, GatewaySettings, Node, TestEnv,
    ValidatorNetwork,
};

#[test]
fn a_validator_on_two_nodes_is_removed_and_every_status_says_so() {
    scene("equivocation", |env| {
        let mut network = env.network()?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start(network.node("alice")?)?;
        gateway.wait_for_component("validators", "running", 90)?;

        // Both make a block in each of Dave's slots, and vote for their own.
        network.launch("twin", &["--dave"])?;
        network.node("twin")?.wait_until_ready()?;
        removed(&mut network, "dave")?;
        goes_on(&mut network)?;

        let dave = env.dev_account("dave")?;
        let alarm = gateway.wait_for_component("validators", "alarm", 90)?;
        for part in [dave.as_str(), "two blocks"] {
            ensure!(str_at(&alarm, "/problem")?.contains(part), "no {part}: {alarm}");
        }
        let screen = env.streembit(["status", "--config"]).arg(gateway.config()).run()?;
        for part in ["alarm", "validators: stop every node but one"] {
            ensure!(screen.stdout.contains(part), "no {part}: {screen:#?}");
        }
        let shown = network.node_command("bob", ["consortium", "show"])?.ok()?;
        ensure!(shown.stdout.contains("two blocks in"), "{shown:#?}");

        // The operators read it too, Dave's that it is their own second node.
        let mut log = |name: &str| network.node(name).and_then(|node| Ok(node.process()?.log()));
        let logs = [log("alice")?, log("bob")?, log("charlie")?];
        ensure!(logs.iter().any(|log| log.contains("made two blocks in slot")), "nobody's log says so");
        let own = "another node makes blocks with this node's key";
        ensure!(log("dave")?.contains(own) || log("twin")?.contains(own), "neither of Dave's says so");
        Ok(())
    });
}

/// The voting key alone on two nodes, of which one makes all of Dave's blocks: no slot has two. One of the nodes votes in the
/// first round before it meets the others, the other one with them.
#[test]
#[ignore = "takes minutes: make test-long"]
fn who_votes_on_two_nodes_is_removed() {
    scene("two-votes", |env| {
        insert(env, "twin", "aura", "sr25519")?;
        for name in ["twin", "dave"] {
            insert(env, name, "gran", "ed25519")?;
        }
        // Alone it makes a block, and votes for it.
        let mut alone = Node::new(env, "twin", ["--chain=four", "--validator", "--force-authoring"])?;
        alone.start()?;
        wait_until("the first node votes", 120, || has_voted(&alone, 1))?;
        alone.kill()?;

        // Two of four make nothing final, so the round stays open.
        let mut first = Node::new(env, "alice", ["--chain=four", "--alice"])?;
        first.start()?;
        let mut network = ValidatorNetwork::of(env, vec![first]);
        network.launch("dave", &["--validator"])?;
        network.node("dave")?.wait_until_ready()?;
        wait_until("Alice and the second node vote", 120, || has_voted(network.node("alice")?, 2))?;

        // It repeats its vote, which is not that of the other.
        network.launch("twin", &["--validator"])?;
        wait_until("Alice sees both votes", 180, || {
            let log = network.node("alice")?.process()?.log();
            ensure!(log.contains("Detected prevote equivocation"), "not yet");
            Ok(())
        })?;
        for name in ["bob", "charlie"] {
            network.launch(name, &[&format!("--{name}")])?;
        }
        let record = removed(&mut network, "dave")?;
        ensure!(record.pointer("/offence/votes/round") == Some(&json!(1)), "another offence: {record}");
        goes_on(&mut network)
    });
}

/// Waits until a validator is none any more, and why is on the chain; gives that.
fn removed(network: &mut ValidatorNetwork<'_>, name: &str) -> Result<Value> {
    let account = json!(network.env.dev_account(name)?);
    let is_it = |entry: &&Value| entry.get("account") == Some(&account);
    wait_until(&format!("{name} is proven guilty and removed"), 300, || {
        let shown = network.consortium_show("alice")?;
        let list = |of: &str| shown.get(of).and_then(Value::as_array).context("no list");
        let record = list("equivocations")?.iter().find(is_it);
        let record = record.with_context(|| format!("nothing is proven: {shown}"))?;
        ensure!(!list("validators")?.iter().any(|one| is_it(&one)), "it is a validator still: {shown}");
        Ok(record.clone())
    })
}

/// The three others are enough, and finalize.
fn goes_on(network: &mut ValidatorNetwork<'_>) -> Result<()> {
    let shown = network.consortium_show("alice")?;
    ensure!(u64_at(&shown, "/voters")? == 3, "{shown}");
    let before = network.node("alice")?.finalized()?;
    network.node("alice")?.wait_until_finalized(before + 4, 120)?;
    network.node("bob")?.wait_until_finalized(before + 4, 60)
}

/// Whether so many have voted in the first round, as a node sees it.
fn has_voted(node: &Node, count: u64) -> Result<()> {
    let state = node.rpc("grandpa_roundState", json!([]))?;
    ensure!(u64_at(&state, "/best/round")? == 1, "the first round is over: {state}");
    ensure!(u64_at(&state, "/best/prevotes/currentWeight")? == count, "{state}");
    Ok(())
}

/// Puts one of Dave's keys into a node's keystore.
fn insert(env: &TestEnv, name: &str, kind: &str, scheme: &str) -> Result<()> {
    let base = env.dir().join(name).to_string_lossy().into_owned();
    let key = ["key", "insert", "--chain", "four", "--suri", "//Dave", "--base-path", &base];
    let inserted = streembit_node(key.into_iter().chain(["--key-type", kind, "--scheme", scheme]))?;
    ensure!(inserted.code == 0, "{inserted:#?}");
    Ok(())
}
