//! Validators die and come back: with one of four missing the chain goes on, with two it halts and says why, and all of it
//! resumes by itself; the gateways log on meanwhile.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::time::{Duration, Instant};
use streembit_tests::{
    prometheus::metric_value, run_test, validator_accounts, wait_until, FinalityMonitor, HostedDevice,
    ValidatorNetwork,
};

/// For how many seconds the chain stands still at least, where another time than none is asked for.
const HALT: &str = "STREEMBIT_TESTS_HALT";

#[test]
fn one_of_four_is_not_missed_two_are_and_nothing_is_lost() {
    scene("halting", |env| {
        let mut network = env.network()?;
        let monitor = FinalityMonitor::start(env, &network.nodes);
        let device = HostedDevice::over(&mut network, "alice")?;
        device.add(3)?;
        device.wait_until_anchored(120)?;
        sees(&mut network, 4)?;

        network.node("dave")?.kill()?;
        device.add(3)?;
        device.wait_until_anchored(120)?;
        sees(&mut network, 3)?;

        network.node("charlie")?.kill()?;
        device.add(3)?;
        says_who_is_missing(&device)?;
        sees(&mut network, 2)?;
        stands_still(&mut network, &device)?;

        network.node("charlie")?.start()?;
        device.gateway.wait_for_component("chain", "running", 240)?;
        device.wait_until_anchored(240)?;

        // All at once, as when the power fails.
        for name in ["alice", "bob", "charlie"] {
            network.node(name)?.kill()?;
        }
        device.add(5)?;
        let all = ["alice", "bob", "charlie", "dave"];
        for name in all {
            network.node(name)?.launch()?;
        }
        for name in all {
            network.node(name)?.wait_until_ready()?;
        }
        device.wait_until_anchored(120)?;
        let number = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&all, number, 60)?;
        monitor.finish().map(|_| ())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_change_of_the_validators_that_too_few_could_make_final_comes_into_force_when_they_return() {
    scene("halting-change", |env| {
        let mut network = env.network()?;
        let monitor = FinalityMonitor::start(env, &network.nodes);
        let device = HostedDevice::over(&mut network, "alice")?;
        device.add(3)?;
        device.wait_until_anchored(120)?;

        for name in ["charlie", "dave"] {
            network.node(name)?.kill()?;
        }
        let most = network.node("alice")?.best()?;
        network.vote_out("dave", ["alice", "bob"])?;
        let last = network.node("alice")?.finalized()?;
        ensure!(last <= most, "block {last} became final by two of four, when {most} was the best");

        // The two that have the change die as well. Dave, who leaves by it, does not come back yet.
        for name in ["alice", "bob"] {
            network.node(name)?.kill()?;
        }
        device.add(5)?;
        let three = ["alice", "bob", "charlie"];
        for name in three {
            network.node(name)?.launch()?;
        }
        for name in three {
            network.node(name)?.wait_until_ready()?;
        }
        network.node("alice")?.wait_for_authority_set(1)?;
        device.wait_until_anchored(240)?;

        network.node("dave")?.start()?;
        let number = network.node("alice")?.finalized()?;
        network.wait_for_agreement(&["alice", "bob", "charlie", "dave"], number, 120)?;
        let left = validator_accounts(&network.node("dave")?.consortium_at(None)?).len();
        ensure!(left == 3, "{left} validators");
        monitor.finish().map(|_| ())
    });
}

/// Waits until Alice's node has seen so many of the four vote.
fn sees(network: &mut ValidatorNetwork<'_>, online: u64) -> Result<()> {
    let alice = network.node("alice")?;
    wait_until(&format!("{online} voters are seen"), 90, || {
        let voters = alice.rpc("streembit_voters", json!([]))?;
        let expected = json!({ "set": 0, "total": 4, "needed": 3, "online": online });
        ensure!(voters == expected, "{voters}");
        Ok(())
    })
}

fn says_who_is_missing(device: &HostedDevice<'_>) -> Result<()> {
    let component = device.gateway.wait_for_component("chain", "retrying", 90)?;
    let problem = component.get("problem").and_then(Value::as_str).unwrap_or_default();
    ensure!(problem == "2 of 4 voters online, 3 needed", "{component}");
    let screen = device.command(["status"]).run()?;
    ensure!(screen.stdout.contains(problem), "the screen does not say so: {screen:#?}");
    let online = metric_value(&device.gateway.metrics()?, "streembit_voters_online")?;
    ensure!(online == 2.0, "Prometheus reads that {online} are online");
    Ok(())
}

/// Nothing becomes final for as long as is asked for, and the gateway logs on.
fn stands_still(network: &mut ValidatorNetwork<'_>, device: &HostedDevice<'_>) -> Result<()> {
    let seconds = match std::env::var(HALT) {
        Ok(text) => text.parse::<u64>().with_context(|| format!("{HALT} is no number of seconds: {text}"))?,
        Err(_) => 0,
    };
    let began = Instant::now();
    let before = device.gateway.log_state()?;
    device.ensure_logging_continues(5)?;
    let last = network.node("alice")?.finalized()?;
    while began.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(10));
        device.ensure_logging_continues(1)?;
        let now = network.node("alice")?.finalized()?;
        ensure!(now == last, "block {now} became final by two of four, after {last}");
    }
    let during = device.gateway.log_state()?;
    ensure!(during.anchored < before.size, "anchored by two of four: {during:?}");
    Ok(())
}
