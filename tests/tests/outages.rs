//! The car's adapter and the chain's node go away and come back: the gateway goes on by itself, and says so.

use anyhow::{ensure, Context, Result};
use streembit_tests::{scene, until, Emulator, Home, Settings};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_gateway_outlives_the_emulator_and_the_node() {
    scene("outages", |scene| {
        let mut emulator = Emulator::start(scene, "car")?;
        let settings = Settings::default().car("car", &emulator.port().to_string_lossy()).hosted("shed");
        let mut home = Home::in_two_processes(scene, settings)?;
        home.gateway.part_is("device/car", "running", 60)?;
        let process = home.gateway.process()?.id();
        read_anew(&home, &mut emulator, 800_000)?;

        emulator.kill()?;
        says_what_is_wrong(&home, "device/car")?;
        add_one(&home)?;
        emulator.restart()?;
        home.gateway.part_is("device/car", "running", 60)?;
        read_anew(&home, &mut emulator, 800_100)?;

        home.anchored()?;
        home.node.kill()?;
        says_what_is_wrong(&home, "chain")?;
        let before = home.gateway.log_state()?;
        for _ in 0..5 {
            add_one(&home)?;
        }
        read_anew(&home, &mut emulator, 800_200)?;
        let during = home.gateway.log_state()?;
        ensure!(during.size >= before.size + 6, "the log stood still while the node was away: {during:?}");
        ensure!(during.anchored == before.anchored, "an anchor without a chain: {during:?}");

        home.node.start()?;
        home.gateway.part_is("chain", "running", 60)?;
        home.anchored_to(during.size)?;
        ensure!(home.gateway.process()?.id() == process, "it was another process");
        home.gateway.process()?.check_running()?;
        let output = home.audit("car")?;
        ensure!(output.code == 0, "{output:#?}");
        Ok(())
    });
}

/// The status names the part, its problem and its remedy, in the API and on the screen.
fn says_what_is_wrong(home: &Home, part: &str) -> Result<()> {
    let component = home.gateway.part_is(part, "retrying", 60)?;
    for key in ["problem", "remedy"] {
        let said = component.get(key).and_then(|said| said.as_str()).unwrap_or_default();
        ensure!(!said.is_empty(), "no {key} in {component}");
    }
    let screen = home.scene.streembit(["status", "--config"]).arg(home.gateway.config()).run()?;
    let problem = component.get("problem").and_then(|said| said.as_str()).context("no problem")?;
    let word = problem.split_whitespace().next().unwrap_or_default();
    ensure!(
        screen.stdout.contains(part) && screen.stdout.contains(word),
        "the screen does not say so: {screen:#?}"
    );
    Ok(())
}

/// A new odometer at the emulator becomes an event.
fn read_anew(home: &Home, emulator: &mut Emulator, tenths: u32) -> Result<()> {
    emulator.set_odometer(tenths)?;
    let wanted = format!("{}", tenths / 10);
    until("the new odometer is read", 60, || {
        let readings = home.gateway.readings("car", ODOMETER)?;
        let last = readings.last().map(|reading| reading.value.to_string());
        ensure!(last.as_ref() == Some(&wanted), "the last is {last:?}");
        Ok(())
    })
}

fn add_one(home: &Home) -> Result<()> {
    home.add("shed", "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n").ok()?;
    Ok(())
}
