//! The network between four validators is cut, 3|1 and 2|2, and heals: whoever has enough voters goes on, whoever has not
//! says so, and all of them are one chain again by themselves. The validators change meanwhile. There are never two final
//! blocks at one height.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use streembit_tests::{
    run_test, validator_accounts, wait_until, FinalityMonitor, HostedDevice, ValidatorNetwork, VirtualSwitch,
};

const ALL: [&str; 4] = ["alice", "bob", "charlie", "dave"];

#[test]
#[ignore = "takes minutes: make test-long"]
fn three_go_on_and_change_the_validators_and_the_one_that_was_cut_off_follows() {
    if !VirtualSwitch::available() {
        return eprintln!("!!! NOT TESTED HERE: a partition 3|1");
    }
    run_test("partition-3-1", |env| {
        let mut network = env.network_on_switch(VirtualSwitch::new()?)?;
        let monitor = FinalityMonitor::start(env, &network.nodes);
        network.wait_until_connected()?;
        let device = HostedDevice::start(&mut network, "dave")?;
        device.add_events(3)?;
        device.gateway.wait_until_anchored(120)?;

        network.isolate(&["dave"])?;
        // What the others had sent may still become final there; nothing else can.
        let most = network.node("dave")?.best()?;
        let before = device.ensure_logging_continues(5)?;
        network.admit_eve(&monitor)?;
        let reached = network.node("alice")?.finalized()?;
        network.node("alice")?.wait_until_finalized(reached + 4, 90)?;

        says_that_it_is_alone(&device)?;
        let lonely = network.node("dave")?.finalized()?;
        ensure!(lonely <= most, "block {lonely} became final by one of four, when {most} was its best");
        let during = device.gateway.log_state()?;
        ensure!(during.anchored < before.size, "anchored by one of four: {during:?}");

        network.heal()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave", "eve"], reached, 300)?;
        network.node("dave")?.wait_for_authority_set(1)?;
        device.gateway.wait_for_component("chain", "running", 120)?;
        device.gateway.wait_until_anchored(240)?;

        // It votes with the new validators: without another one, every one of the four that are left is needed.
        network.node("charlie")?.kill()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "dave", "eve"], reached + 4, 120)?;
        monitor.finish().map(|_| ())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn two_and_two_finalize_nothing_and_are_one_chain_again_when_the_network_heals() {
    if !VirtualSwitch::available() {
        return eprintln!("!!! NOT TESTED HERE: a partition 2|2");
    }
    run_test("partition-2-2", |env| {
        let mut network = env.network_on_switch(VirtualSwitch::new()?)?;
        let monitor = FinalityMonitor::start(env, &network.nodes);
        network.wait_until_connected()?;

        network.isolate(&["charlie", "dave"])?;
        // Whatever is made from here on only two of four have seen. What was under way may still become final.
        let most = best(&network)?;
        network.vote_out("dave", ["alice", "bob"])?;
        let fork = most + 5;
        for name in ["alice", "charlie"] {
            wait_until(&format!("{name}'s side makes blocks"), 180, || {
                let best = network.node(name)?.best()?;
                ensure!(best >= fork, "block {best} is the best, after {most}");
                Ok(())
            })?;
        }
        let (ours, theirs) =
            (network.node("alice")?.block_hash(fork)?, network.node("charlie")?.block_hash(fork)?);
        ensure!(ours != theirs, "both sides have block {fork}: the network is not cut");
        for node in &network.nodes {
            let last = node.finalized()?;
            ensure!(last <= most, "block {last} became final by two of four, after {most}: {}", node.name());
        }
        monitor.check()?;

        network.heal()?;
        let reached = best(&network)?;
        network.wait_for_agreement(&ALL, reached + 3, 300)?;
        settled(&network)?;
        let reached = best(&network)?;
        network.wait_for_agreement(&ALL, reached + 3, 120)?;
        monitor.finish().map(|_| ())
    });
}

/// The gateway's part `chain` names a problem that somebody can do something about, on the screen too.
fn says_that_it_is_alone(device: &HostedDevice<'_>) -> Result<()> {
    let component = device.gateway.wait_for_component("chain", "retrying", 180)?;
    let problem = component.get("problem").and_then(Value::as_str).context("no problem")?;
    ensure!(problem.contains("voters online") || problem.contains("connected to no other"), "{component}");
    let remedy = component.get("remedy").and_then(Value::as_str).unwrap_or_default();
    ensure!(!remedy.is_empty(), "no remedy: {component}");
    let screen = device.command(["status"]).run()?;
    ensure!(
        screen.stdout.contains("voters online") || screen.stdout.contains("connected to no other"),
        "the screen does not say so: {screen:#?}"
    );
    Ok(())
}

/// The highest of the nodes' best blocks.
fn best(network: &ValidatorNetwork<'_>) -> Result<u64> {
    let mut best = 0;
    for node in &network.nodes {
        best = best.max(node.best()?);
    }
    Ok(best)
}

/// Waits until the final state of every node says the same: three validators where the vote survived, four where it was lost
/// with its fork, and no change under way.
fn settled(network: &ValidatorNetwork<'_>) -> Result<()> {
    wait_until("all have the same validators", 180, || {
        let mut found = BTreeSet::new();
        for node in &network.nodes {
            let last = node.block_hash(node.finalized()?)?;
            let now = node.consortium_at(Some(&last))?;
            found.insert((validator_accounts(&now), now.authority_set));
        }
        let Some((validators, set)) = found.pop_first() else { anyhow::bail!("no nodes") };
        ensure!(found.is_empty(), "{found:?} differs from {validators:?} in set {set}");
        let expected = if set == 0 { 4 } else { 3 };
        ensure!(validators.len() == expected, "{} validators in set {set}", validators.len());
        Ok(())
    })
}
