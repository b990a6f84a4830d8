//! The car's adapter and the chain's node go away and come back: the gateway goes on by itself, and says so.

use anyhow::{ensure, Context, Result};
use streembit_tests::{run_test, wait_until, GatewayFixture, GatewaySettings, ObdEmulator};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_gateway_outlives_the_emulator_and_the_node() {
    run_test("outages", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        let settings =
            GatewaySettings::default().car("car", &emulator.port().to_string_lossy()).hosted("shed");
        let mut fixture = GatewayFixture::in_two_processes(env, settings)?;
        fixture.gateway.wait_for_component("device/car", "running", 60)?;
        let process = fixture.gateway.process()?.id();
        read_anew(&fixture, &mut emulator, 800_000)?;

        emulator.kill()?;
        says_what_is_wrong(&fixture, "device/car")?;
        add_one(&fixture)?;
        emulator.restart()?;
        fixture.gateway.wait_for_component("device/car", "running", 60)?;
        read_anew(&fixture, &mut emulator, 800_100)?;

        fixture.wait_until_anchored()?;
        fixture.node.kill()?;
        says_what_is_wrong(&fixture, "chain")?;
        let before = fixture.gateway.log_state()?;
        for _ in 0..5 {
            add_one(&fixture)?;
        }
        read_anew(&fixture, &mut emulator, 800_200)?;
        let during = fixture.gateway.log_state()?;
        ensure!(during.size >= before.size + 6, "the log stood still while the node was away: {during:?}");
        ensure!(during.anchored == before.anchored, "an anchor without a chain: {during:?}");

        fixture.node.start()?;
        fixture.gateway.wait_for_component("chain", "running", 60)?;
        fixture.wait_until_anchored_to(during.size)?;
        ensure!(fixture.gateway.process()?.id() == process, "it was another process");
        fixture.gateway.process()?.check_running()?;
        let output = fixture.audit("car")?;
        ensure!(output.code == 0, "{output:#?}");
        Ok(())
    });
}

/// The status names the part, its problem and its remedy, in the API and on the screen.
fn says_what_is_wrong(fixture: &GatewayFixture, part: &str) -> Result<()> {
    let component = fixture.gateway.wait_for_component(part, "retrying", 60)?;
    for key in ["problem", "remedy"] {
        let said = component.get(key).and_then(|said| said.as_str()).unwrap_or_default();
        ensure!(!said.is_empty(), "no {key} in {component}");
    }
    let screen = fixture.env.streembit(["status", "--config"]).arg(fixture.gateway.config()).run()?;
    let problem = component.get("problem").and_then(|said| said.as_str()).context("no problem")?;
    let word = problem.split_whitespace().next().unwrap_or_default();
    ensure!(
        screen.stdout.contains(part) && screen.stdout.contains(word),
        "the screen does not say so: {screen:#?}"
    );
    Ok(())
}

/// A new odometer at the emulator becomes an event.
fn read_anew(fixture: &GatewayFixture, emulator: &mut ObdEmulator, tenths: u32) -> Result<()> {
    emulator.set_odometer(tenths)?;
    let wanted = format!("{}", tenths / 10);
    wait_until("the new odometer is read", 60, || {
        let readings = fixture.gateway.readings("car", ODOMETER)?;
        let last = readings.last().map(|reading| reading.value.to_string());
        ensure!(last.as_ref() == Some(&wanted), "the last is {last:?}");
        Ok(())
    })
}

fn add_one(fixture: &GatewayFixture) -> Result<()> {
    fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
    Ok(())
}
