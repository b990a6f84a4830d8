//! A foreign ELM327 on a pseudo-terminal, the gateway, the chain, the audit: what the car says is what is proven.

use anyhow::{ensure, Result};
use std::{collections::BTreeSet, time::SystemTime};
use streembit_primitives::{Decimal, Reading, Source, Value};
use streembit_tests::{
    car_scenario_odometers, run_test, u64_at, wait_until, Gateway, GatewayFixture, GatewaySettings,
    ObdEmulator,
};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_audited_odometer_is_what_the_emulator_sends() {
    run_test("odometer", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        let settings = GatewaySettings::default().car("car", &emulator.port().to_string_lossy());
        let fixture = GatewayFixture::in_one_process(env, settings)?;

        // First the scenario's own answers, then two that nobody could guess. A meter does not go back.
        let scenario = car_scenario_odometers()?;
        let untouched: BTreeSet<_> = scenario.iter().map(|tenths| kilometres(*tenths)).collect();
        odometer_becomes(&fixture.gateway, |value| untouched.contains(value))?;
        let seed = u32::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis() % 500_000)?;
        let (first, second) = (1_000_000 + seed, 1_000_013 + 2 * seed);
        for tenths in [first, second] {
            emulator.set_odometer(tenths)?;
            odometer_becomes(&fixture.gateway, |value| *value == kilometres(tenths))?;
        }

        let mut allowed = untouched;
        allowed.extend([kilometres(first), kilometres(second)]);
        let readings = fixture.gateway.readings("car", ODOMETER)?;
        for reading in &readings {
            let sent = value(reading).is_some_and(|value| allowed.contains(&value));
            ensure!(sent, "the emulator never sent {reading:?}");
            ensure!(
                reading.source == Source::Obd { service: 0x01, pid: 0xA6 },
                "from elsewhere: {reading:?}"
            );
            ensure!(reading.unit.as_str() == "km", "not in km: {reading:?}");
        }
        ensure!(
            readings.windows(2).all(|pair| value(&pair[0]) <= value(&pair[1])),
            "it went back: {readings:?}"
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
            u64_at(&report, "/events")? >= events.len() as u64,
            "fewer than {} events: {report}",
            events.len()
        );
        Ok(())
    });
}

fn odometer_becomes(gateway: &Gateway, wanted: impl Fn(&Decimal) -> bool) -> Result<()> {
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

/// `None` for a reading that is no number.
fn value(reading: &Reading) -> Option<Decimal> {
    match &reading.value {
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}
