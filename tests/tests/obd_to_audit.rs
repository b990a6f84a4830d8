//! From an ELM327 adapter through gateway and chain to the audit: the proven odometer is the one that the car sent.

use anyhow::{ensure, Result};
use std::{collections::BTreeSet, time::SystemTime};
use streembit_primitives::{Decimal, Reading, Value};
use streembit_tests::{
    car_scenario_odometers, run_test, u64_at, wait_until, Gateway, GatewayFixture, GatewaySettings,
    ObdEmulator,
};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_audited_odometer_is_the_one_that_the_emulator_sent() {
    run_test("odometer", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        let settings = GatewaySettings::default().car("car", &emulator.port().to_string_lossy());
        let fixture = GatewayFixture::in_one_process(env, settings)?;

        // First the values of the scenario, then two random ones. An odometer never decreases.
        let scenario = car_scenario_odometers()?;
        let scenario_values: BTreeSet<_> = scenario.iter().map(|tenths| kilometres(*tenths)).collect();
        wait_for_odometer(&fixture.gateway, |value| scenario_values.contains(value))?;
        let seed = u32::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis() % 500_000)?;
        let (first, second) = (1_000_000 + seed, 1_000_013 + 2 * seed);
        for tenths in [first, second] {
            emulator.set_odometer(tenths)?;
            wait_for_odometer(&fixture.gateway, |value| *value == kilometres(tenths))?;
        }

        let mut allowed = scenario_values;
        allowed.extend([kilometres(first), kilometres(second)]);
        let readings = fixture.gateway.readings("car", ODOMETER)?;
        for reading in &readings {
            let was_sent = value(reading).is_some_and(|value| allowed.contains(&value));
            ensure!(was_sent, "the emulator did not send {reading:?}");
            ensure!(reading.source.as_str() == "obd:01A6", "from another source: {reading:?}");
            ensure!(reading.unit.as_str() == "km", "not in km: {reading:?}");
        }
        ensure!(
            readings.windows(2).all(|pair| value(&pair[0]) <= value(&pair[1])),
            "the odometer decreased: {readings:?}"
        );
        for name in ["Vehicle.Speed", "Vehicle.Powertrain.CombustionEngine.Speed"] {
            ensure!(!fixture.gateway.readings("car", name)?.is_empty(), "no {name}");
        }

        let events = fixture.gateway.events("car")?;
        fixture.wait_until_anchored()?;
        let output = fixture.audit("car")?;
        ensure!(output.code == 0, "the audit does not verify: {output:#?}");
        ensure!(output.stdout.to_lowercase().contains("verified"), "no verdict: {output:#?}");
        let report = fixture.audit_json("car")?;
        ensure!(
            u64_at(&report, "/event_count")? >= events.len() as u64,
            "fewer than {} events: {report}",
            events.len()
        );
        Ok(())
    });
}

fn wait_for_odometer(gateway: &Gateway, wanted: impl Fn(&Decimal) -> bool) -> Result<()> {
    wait_until("the odometer is read", 60, || {
        let readings = gateway.readings("car", ODOMETER)?;
        let last = readings.last().and_then(value);
        ensure!(last.as_ref().is_some_and(&wanted), "the last of {} is {last:?}", readings.len());
        Ok(())
    })
}

fn kilometres(tenths: u32) -> Decimal {
    Decimal::new(i64::from(tenths), -1).unwrap_or_default()
}

/// Returns the value of a numeric reading.
fn value(reading: &Reading) -> Option<Decimal> {
    match &reading.value {
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}
