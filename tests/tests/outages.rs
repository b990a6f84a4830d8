//! The car's adapter and the node fail and return. The gateway reports it and recovers without a restart.

use anyhow::{ensure, Context, Result};
use streembit_tests::{run_test, GatewayFixture, GatewaySettings, ObdEmulator, TEMPERATURE_SENML};

#[test]
fn the_gateway_recovers_from_outages_of_the_adapter_and_the_node() {
    run_test("outages", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        let settings =
            GatewaySettings::default().car("car", &emulator.port().to_string_lossy()).hosted("shed");
        let mut fixture = GatewayFixture::in_two_processes(env, settings)?;
        fixture.gateway.wait_for_component("device/car", "running", 60)?;
        let process = fixture.gateway.process()?.id();
        fixture.drive_to(&mut emulator, 800_000)?;

        emulator.kill()?;
        ensure_outage_is_reported(&fixture, "device/car")?;
        add_one(&fixture)?;
        emulator.restart()?;
        fixture.gateway.wait_for_component("device/car", "running", 60)?;
        fixture.drive_to(&mut emulator, 800_100)?;

        fixture.wait_until_anchored()?;
        fixture.node.kill()?;
        ensure_outage_is_reported(&fixture, "chain")?;
        let before = fixture.gateway.log_state()?;
        for _ in 0..5 {
            add_one(&fixture)?;
        }
        fixture.drive_to(&mut emulator, 800_200)?;
        let during = fixture.gateway.log_state()?;
        ensure!(during.size >= before.size + 6, "the log did not grow while the node was down: {during:?}");
        ensure!(during.anchored == before.anchored, "anchored without a chain: {during:?}");

        fixture.node.start()?;
        fixture.gateway.wait_for_component("chain", "running", 60)?;
        fixture.wait_until_anchored_to(during.size)?;
        ensure!(fixture.gateway.process()?.id() == process, "the gateway was restarted");
        fixture.gateway.process()?.check_running()?;
        let output = fixture.audit("car")?;
        ensure!(output.code == 0, "{output:#?}");
        Ok(())
    });
}

/// Checks that API and command line report the component with its problem and remedy.
fn ensure_outage_is_reported(fixture: &GatewayFixture, name: &str) -> Result<()> {
    let component = fixture.gateway.wait_for_component(name, "retrying", 60)?;
    for key in ["problem", "remedy"] {
        let said = component.get(key).and_then(|said| said.as_str()).unwrap_or_default();
        ensure!(!said.is_empty(), "no {key} in {component}");
    }
    let status = fixture.env.streembit(["status", "--config"]).arg(fixture.gateway.config()).run()?;
    let problem = component.get("problem").and_then(|said| said.as_str()).context("no problem")?;
    let word = problem.split_whitespace().next().unwrap_or_default();
    ensure!(
        status.stdout.contains(name) && status.stdout.contains(word),
        "the status does not report it: {status:#?}"
    );
    Ok(())
}

fn add_one(fixture: &GatewayFixture) -> Result<()> {
    fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
    Ok(())
}
