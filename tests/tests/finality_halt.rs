//! Validators fail and return. With one of four missing, the chain continues. With two missing, finality halts and
//! the status says why. Everything resumes by itself, and gateways continue to log in the meantime.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::time::{Duration, Instant};
use streembit_tests::{
    prometheus::metric_value, run_test, u64_at, validator_accounts, wait_until, HostedDevice,
    ValidatorNetwork,
};

/// The environment variable with the number of seconds for which the chain stays halted, by default 0.
const HALT_SECONDS: &str = "STREEMBIT_TESTS_HALT";

#[test]
fn finality_halts_with_two_of_four_validators_missing_and_resumes_without_losses() {
    run_test("halting", |env| {
        let mut network = env.network()?;
        let monitor = network.monitor_finality();
        let device = HostedDevice::start_anchored(&mut network, "alice")?;
        wait_for_online_voters(&mut network, 4)?;

        network.node("dave")?.kill()?;
        device.add_events(3)?;
        device.gateway.wait_until_anchored(120)?;
        wait_for_online_voters(&mut network, 3)?;

        network.node("charlie")?.kill()?;
        device.add_events(3)?;
        ensure_missing_voters_are_reported(&device)?;
        wait_for_online_voters(&mut network, 2)?;
        ensure_halted(&mut network, &device)?;

        network.node("charlie")?.start()?;
        device.gateway.wait_for_component("chain", "running", 240)?;
        device.gateway.wait_until_anchored(240)?;

        // All at the same time, as in a power failure.
        for name in ["alice", "bob", "charlie"] {
            network.node(name)?.kill()?;
        }
        device.add_events(5)?;
        let all = ["alice", "bob", "charlie", "dave"];
        network.restart(&all)?;
        device.gateway.wait_until_anchored(120)?;
        let number = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&all, number, 60)?;
        monitor.finish().map(|_| ())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_change_of_the_validators_that_is_not_final_takes_effect_when_validators_return() {
    run_test("halting-change", |env| {
        let mut network = env.network()?;
        let monitor = network.monitor_finality();
        let device = HostedDevice::start_anchored(&mut network, "alice")?;

        for name in ["charlie", "dave"] {
            network.node(name)?.kill()?;
        }
        let most = network.node("alice")?.best()?;
        network.vote_out("dave", ["alice", "bob"])?;
        let last = network.node("alice")?.finalized()?;
        ensure!(last <= most, "two of four validators finalized block {last}, beyond block {most}");

        // The two that have the change fail as well. Dave, whom it removes, does not return yet.
        for name in ["alice", "bob"] {
            network.node(name)?.kill()?;
        }
        device.add_events(5)?;
        network.restart(&["alice", "bob", "charlie"])?;
        network.node("alice")?.wait_for_authority_set(1)?;
        device.gateway.wait_until_anchored(240)?;

        network.node("dave")?.start()?;
        let number = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave"], number, 120)?;
        let left = validator_accounts(&network.node("dave")?.consortium_at(None)?).len();
        ensure!(left == 3, "{left} validators");
        monitor.finish().map(|_| ())
    });
}

/// Waits until Alice's node sees `online` of the four validators vote.
fn wait_for_online_voters(network: &mut ValidatorNetwork<'_>, online: u64) -> Result<()> {
    let alice = network.node("alice")?;
    wait_until(&format!("{online} voters are online"), 90, || {
        let voters = alice.rpc("streembit_voters", json!([]))?;
        for (name, expected) in [("set", 0), ("total", 4), ("needed", 3), ("online", online)] {
            ensure!(u64_at(&voters, &format!("/{name}"))? == expected, "{voters}");
        }
        let missing = voters.get("missing").and_then(Value::as_array).map(Vec::len);
        ensure!(missing == Some(usize::try_from(4 - online)?), "{voters}");
        Ok(())
    })
}

/// Checks that status and metrics of the gateway report how many voters are missing.
fn ensure_missing_voters_are_reported(device: &HostedDevice<'_>) -> Result<()> {
    let component = device.gateway.wait_for_component("chain", "retrying", 90)?;
    let problem = component.get("problem").and_then(Value::as_str).unwrap_or_default();
    ensure!(problem == "2 of 4 voters online, 3 needed", "{component}");
    let status = device.command(["status"]).run()?;
    ensure!(status.stdout.contains(problem), "the status does not report it: {status:#?}");
    let online = metric_value(&device.gateway.metrics()?, "streembit_voters_online")?;
    ensure!(online == 2.0, "the metrics report {online} voters online");
    Ok(())
}

/// Checks that nothing becomes final for the configured time, while the gateway continues to log.
fn ensure_halted(network: &mut ValidatorNetwork<'_>, device: &HostedDevice<'_>) -> Result<()> {
    let seconds = match std::env::var(HALT_SECONDS) {
        Ok(text) => text
            .parse::<u64>()
            .with_context(|| format!("{HALT_SECONDS} is not a number of seconds: {text}"))?,
        Err(_) => 0,
    };
    let start = Instant::now();
    let before = device.gateway.log_state()?;
    device.ensure_logging_continues(5)?;
    let last = network.node("alice")?.finalized()?;
    while start.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(10));
        device.ensure_logging_continues(1)?;
        let now = network.node("alice")?.finalized()?;
        ensure!(now == last, "two of four validators finalized block {now}, beyond block {last}");
    }
    let during = device.gateway.log_state()?;
    ensure!(during.anchored < before.size, "anchored with two of four validators: {during:?}");
    Ok(())
}
