//! Validators die and come back: with one of four missing the chain goes on, with two it halts and says why, and all of it
//! resumes by itself; the gateways log on meanwhile.

use anyhow::{ensure, Result};
use serde_json::{json, Value};
use streembit_tests::{metrics::value, scene, until, Gateway, Network, Scene, Settings};

#[test]
fn one_of_four_is_not_missed_two_are_and_nothing_is_lost() {
    scene("halting", |scene| {
        let mut network = scene.network()?;
        let gateway = gateway(scene, &mut network)?;
        add(scene, &gateway, 3)?;
        anchored(&gateway)?;
        sees(&mut network, 4)?;

        network.node("dave")?.kill()?;
        add(scene, &gateway, 3)?;
        anchored(&gateway)?;
        sees(&mut network, 3)?;

        network.node("charlie")?.kill()?;
        add(scene, &gateway, 3)?;
        let component = gateway.part_is("chain", "retrying", 90)?;
        let problem = component.get("problem").and_then(Value::as_str).unwrap_or_default();
        ensure!(problem == "2 of 4 voters online, 3 needed", "{component}");
        let screen = scene.streembit(["status", "--config"]).arg(gateway.config()).run()?;
        ensure!(screen.stdout.contains(problem), "the screen does not say so: {screen:#?}");
        let online = value(&gateway.metrics()?, "streembit_voters_online")?;
        ensure!(online == 2.0, "Prometheus reads that {online} are online");
        sees(&mut network, 2)?;
        let before = gateway.log_state()?;
        add(scene, &gateway, 5)?;
        let during = gateway.log_state()?;
        ensure!(during.size == before.size + 5, "the log stood still: {before:?}, {during:?}");
        ensure!(during.anchored < before.size, "anchored by two of four: {during:?}");

        network.node("charlie")?.start()?;
        gateway.part_is("chain", "running", 90)?;
        anchored(&gateway)?;

        // All at once, as when the power fails.
        for name in ["alice", "bob", "charlie"] {
            network.node(name)?.kill()?;
        }
        add(scene, &gateway, 5)?;
        for name in ["alice", "bob", "charlie", "dave"] {
            network.node(name)?.launch()?;
        }
        for name in ["alice", "bob", "charlie", "dave"] {
            network.node(name)?.ready()?;
        }
        anchored(&gateway)?;
        let number = network.node("alice")?.finalized()?;
        network.node("dave")?.finalizes(number, 60)?;
        let (ours, theirs) =
            (network.node("alice")?.block_hash(number)?, network.node("dave")?.block_hash(number)?);
        ensure!(ours == theirs, "two chains at block {number}");
        Ok(())
    });
}

/// A gateway of Alice's, over her node.
fn gateway(scene: &Scene, network: &mut Network<'_>) -> Result<Gateway> {
    let mut gateway = Gateway::init(scene, "gateway", Settings::default().hosted("shed"))?;
    gateway.start(network.node("alice")?)?;
    let alice = scene.key("alice")?;
    network
        .ask("alice", ["gateway", "register", "--config"])?
        .arg(gateway.config())
        .arg("--key")
        .arg(alice)
        .ok()?;
    Ok(gateway)
}

/// Waits until Alice's node has seen so many of the four vote.
fn sees(network: &mut Network<'_>, online: u64) -> Result<()> {
    let alice = network.node("alice")?;
    until(&format!("{online} voters are seen"), 90, || {
        let voters = alice.rpc("streembit_voters", json!([]))?;
        let expected = json!({ "set": 0, "total": 4, "needed": 3, "online": online });
        ensure!(voters == expected, "{voters}");
        Ok(())
    })
}

fn add(scene: &Scene, gateway: &Gateway, count: usize) -> Result<()> {
    let line = "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n";
    scene
        .streembit(["event", "add", "--device", "shed", "--config"])
        .arg(gateway.config())
        .input(line.repeat(count))
        .ok()?;
    Ok(())
}

fn anchored(gateway: &Gateway) -> Result<()> {
    let size = gateway.log_state()?.size;
    until(&format!("{size} entries are anchored and final"), 120, || {
        let state = gateway.log_state()?;
        ensure!(state.anchored >= size, "{state:?}");
        Ok(())
    })
}
