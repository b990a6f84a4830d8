//! The network of four validators is partitioned, 3|1 and 2|2, and heals. A side with enough voters continues, a side
//! without reports it, and all nodes agree on one chain again without intervention. The validators change during the
//! partition. There are never two final blocks at one height.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use streembit_tests::{
    run_test, validator_accounts, wait_until, FinalityMonitor, HostedDevice, ValidatorNetwork, VirtualSwitch,
};

const ALL: [&str; 4] = ["alice", "bob", "charlie", "dave"];

#[test]
#[ignore = "takes minutes: make test-long"]
fn in_a_3_1_partition_the_three_continue_and_the_isolated_one_catches_up() {
    with_network_on_switch("partition-3-1", |network, monitor| {
        let device = HostedDevice::start_anchored(network, "dave")?;

        network.isolate(&["dave"])?;
        // Blocks whose votes had already arrived may still become final there, but no others.
        let most = network.node("dave")?.best()?;
        let before = device.ensure_logging_continues(5)?;
        network.admit_eve(monitor)?;
        let reached = network.node("alice")?.finalized()?;
        network.node("alice")?.wait_until_finalized(reached + 4, 90)?;

        ensure_isolation_is_reported(&device)?;
        let isolated = network.node("dave")?.finalized()?;
        ensure!(isolated <= most, "one of four validators finalized block {isolated}, beyond block {most}");
        let during = device.gateway.log_state()?;
        ensure!(during.anchored < before.size, "anchored with one of four validators: {during:?}");

        network.heal()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave", "eve"], reached, 300)?;
        network.node("dave")?.wait_for_authority_set(1)?;
        device.gateway.wait_for_component("chain", "running", 120)?;
        device.gateway.wait_until_anchored(240)?;

        // Without Charlie, all four remaining validators are needed, so this shows that Dave votes with the new set.
        network.node("charlie")?.kill()?;
        let reached = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "dave", "eve"], reached + 4, 120)?;
        Ok(())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn in_a_2_2_partition_nothing_is_finalized_and_all_agree_again_when_it_heals() {
    with_network_on_switch("partition-2-2", |network, monitor| {
        network.isolate(&["charlie", "dave"])?;
        // From here on, only two of four see each block. Earlier blocks may still become final.
        let most = best(network)?;
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
        ensure!(ours != theirs, "both sides have block {fork}: the network is not partitioned");
        for node in &network.nodes {
            let last = node.finalized()?;
            ensure!(
                last <= most,
                "two of four validators finalized block {last}, beyond block {most}: {}",
                node.name()
            );
        }
        monitor.check()?;

        network.heal()?;
        let reached = best(network)?;
        network.wait_for_agreement(&ALL, reached + 3, 300)?;
        wait_for_same_validators(network)?;
        let reached = best(network)?;
        network.wait_for_agreement(&ALL, reached + 3, 120)?;
        Ok(())
    });
}

/// Runs a test with four validators that can be partitioned, and checks at the end that all final blocks agree.
fn with_network_on_switch(
    name: &str,
    test: impl FnOnce(&mut ValidatorNetwork<'_>, &FinalityMonitor) -> Result<()>,
) {
    if !VirtualSwitch::available() {
        return eprintln!("!!! NOT TESTED HERE: {name}");
    }
    run_test(name, |env| {
        let mut network = env.network_on_switch(VirtualSwitch::new()?)?;
        let monitor = network.monitor_finality();
        network.wait_until_connected()?;
        test(&mut network, &monitor)?;
        monitor.finish().map(|_| ())
    });
}

/// Checks that the gateway's status reports the isolation with a remedy.
fn ensure_isolation_is_reported(device: &HostedDevice<'_>) -> Result<()> {
    let component = device.gateway.wait_for_component("chain", "retrying", 180)?;
    let problem = component.get("problem").and_then(Value::as_str).context("no problem")?;
    ensure!(problem.contains("voters online") || problem.contains("connected to no other"), "{component}");
    let remedy = component.get("remedy").and_then(Value::as_str).unwrap_or_default();
    ensure!(!remedy.is_empty(), "no remedy: {component}");
    let status = device.command(["status"]).run()?;
    ensure!(
        status.stdout.contains("voters online") || status.stdout.contains("connected to no other"),
        "the status does not report it: {status:#?}"
    );
    Ok(())
}

/// Returns the highest best block of all nodes.
fn best(network: &ValidatorNetwork<'_>) -> Result<u64> {
    let mut best = 0;
    for node in &network.nodes {
        best = best.max(node.best()?);
    }
    Ok(best)
}

/// Waits until the final state of all nodes has the same validators: three if the vote survived, or four if it was
/// lost with its fork.
fn wait_for_same_validators(network: &ValidatorNetwork<'_>) -> Result<()> {
    wait_until("all nodes have the same validators", 180, || {
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
