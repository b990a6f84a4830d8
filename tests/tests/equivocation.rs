//! A validator whose keys are used on two nodes equivocates. The chain accepts the proof and removes the validator,
//! every gateway raises an alarm, and the other validators continue.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use streembit_tests::{
    insert_dave_session_key, run_test, str_at, u64_at, wait_until, Gateway, GatewaySettings, Node,
    ValidatorNetwork,
};

#[test]
fn a_validator_that_makes_two_blocks_in_a_slot_is_removed_and_reported() {
    run_test("equivocation", |env| {
        let mut network = env.network()?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start(network.node("alice")?)?;
        gateway.wait_for_component("validators", "running", 90)?;

        // Both nodes make a block in each of Dave's slots, and vote for their own.
        network.launch("twin", &["--dave"])?;
        network.node("twin")?.wait_until_ready()?;
        wait_until_removed(&mut network, "dave")?;
        ensure_others_finalize(&mut network)?;

        let dave = env.dev_account("dave")?;
        let alarm = gateway.wait_for_component("validators", "alarm", 90)?;
        for part in [dave.as_str(), "two blocks"] {
            ensure!(str_at(&alarm, "/problem")?.contains(part), "no {part}: {alarm}");
        }
        let status = env.streembit(["status", "--config"]).arg(gateway.config()).run()?;
        for part in ["alarm", "validators: stop all but one of the nodes"] {
            ensure!(status.stdout.contains(part), "no {part}: {status:#?}");
        }
        let shown = network.node_command("bob", ["consortium", "show"])?.ok()?;
        ensure!(shown.stdout.contains("two blocks in"), "{shown:#?}");

        // The nodes' logs report it too. Dave's nodes report that another node uses their key.
        let mut log = |name: &str| network.node(name).and_then(|node| Ok(node.process()?.log()));
        let logs = [log("alice")?, log("bob")?, log("charlie")?];
        ensure!(logs.iter().any(|log| log.contains("made two blocks in slot")), "no log reports it");
        let own = "another node makes blocks with this node's key";
        ensure!(
            log("dave")?.contains(own) || log("twin")?.contains(own),
            "neither of Dave's nodes reports it"
        );
        Ok(())
    });
}

/// Only the voting key is used on two nodes. One of them makes all of Dave's blocks, so no slot has two blocks. One
/// node votes in the first round before it is connected to the others, and the other node votes together with them.
#[test]
#[ignore = "takes minutes: make test-long"]
fn a_validator_that_votes_twice_in_a_round_is_removed() {
    run_test("two-votes", |env| {
        insert_dave_session_key(env, "twin", "aura", "sr25519")?;
        for name in ["twin", "dave"] {
            insert_dave_session_key(env, name, "gran", "ed25519")?;
        }
        // On its own, it makes a block and votes for it.
        let mut alone = Node::new(env, "twin", ["--chain=four", "--validator", "--force-authoring"])?;
        alone.start()?;
        wait_until("the first node votes", 120, || ensure_votes(&alone, 1))?;
        alone.kill()?;

        // Two of four cannot finalize, so the round stays open.
        let mut first = Node::new(env, "alice", ["--chain=four", "--alice"])?;
        first.start()?;
        let mut network = ValidatorNetwork::of(env, vec![first]);
        network.launch("dave", &["--validator"])?;
        network.node("dave")?.wait_until_ready()?;
        wait_until("Alice and the second node vote", 120, || ensure_votes(network.node("alice")?, 2))?;

        // It repeats its vote, which differs from the second node's.
        network.launch("twin", &["--validator"])?;
        wait_until("Alice sees both votes", 180, || {
            let log = network.node("alice")?.process()?.log();
            ensure!(log.contains("Detected prevote equivocation"), "no equivocation detected");
            Ok(())
        })?;
        for name in ["bob", "charlie"] {
            network.launch(name, &[&format!("--{name}")])?;
        }
        let record = wait_until_removed(&mut network, "dave")?;
        ensure!(record.pointer("/offence/votes/round") == Some(&json!(1)), "unexpected offence: {record}");
        ensure_others_finalize(&mut network)
    });
}

/// Waits until a validator is removed and its equivocation is on chain. Returns the record of the equivocation.
fn wait_until_removed(network: &mut ValidatorNetwork<'_>, name: &str) -> Result<Value> {
    let account = json!(network.env.dev_account(name)?);
    let is_it = |entry: &&Value| entry.get("account") == Some(&account);
    wait_until(&format!("{name} is removed for equivocation"), 300, || {
        let shown = network.consortium_show("alice")?;
        let list = |of: &str| shown.get(of).and_then(Value::as_array).context("no list");
        let record = list("equivocations")?.iter().find(is_it);
        let record = record.with_context(|| format!("no equivocation on chain: {shown}"))?;
        ensure!(!list("validators")?.iter().any(|one| is_it(&one)), "it is still a validator: {shown}");
        Ok(record.clone())
    })
}

/// Checks that the other three validators finalize.
fn ensure_others_finalize(network: &mut ValidatorNetwork<'_>) -> Result<()> {
    let shown = network.consortium_show("alice")?;
    ensure!(u64_at(&shown, "/voters")? == 3, "{shown}");
    network.ensure_finality_progresses(&[("alice", 120), ("bob", 60)])
}

/// Checks that a node has seen `count` votes in the first round.
fn ensure_votes(node: &Node, count: u64) -> Result<()> {
    let state = node.rpc("grandpa_roundState", json!([]))?;
    ensure!(u64_at(&state, "/best/round")? == 1, "the first round is over: {state}");
    ensure!(u64_at(&state, "/best/prevotes/currentWeight")? == count, "{state}");
    Ok(())
}
