//! A gateway whose clock is wrong says so and marks the events that it signs. Audits and exports name the times that
//! cannot be right.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use streembit_tests::{run_test, u64_at, Gateway, GatewaySettings, Node, TestEnv, TEMPERATURE_SENML};

/// The error of the clock, in seconds.
const TWO_HOURS: i64 = 2 * 3_600;

#[test]
fn a_gateway_with_a_wrong_clock_raises_an_alarm_and_marks_its_events() {
    run_test("gateway-clock", |env| {
        let node = Node::dev(env)?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.set_clock_error(0)?;
        gateway.start(&node)?;
        gateway.register(env, &node, "bob")?;
        let register = env.streembit(["device", "register", "--device", "shed", "--config"]);
        register.arg(gateway.config()).arg("--key").arg(env.dev_keystore("bob")?).node(&node.url()).ok()?;
        add_and_anchor(env, &gateway)?;
        gateway.wait_for_component("clock", "running", 60)?;

        gateway.set_clock_error(-TWO_HOURS)?;
        let alarm = gateway.wait_for_component("clock", "alarm", 60)?.to_string();
        ensure!(alarm.contains("behind the chain's time") && alarm.contains("NTP"), "{alarm}");
        add_and_anchor(env, &gateway)?;

        gateway.set_clock_error(0)?;
        gateway.wait_for_component("clock", "running", 60)?;
        add_and_anchor(env, &gateway)?;

        // Only the event that was signed meanwhile is marked, with the error of the clock.
        let marks = gateway.readings("shed", "Gateway.ClockError")?;
        ensure!(marks.len() == 1, "{marks:?}");
        let error: i64 = marks.first().context("no mark")?.value.to_string().parse()?;
        ensure!((error + TWO_HOURS).abs() < 60, "the mark says {error} s");

        let audit = env.streembit(["audit", "device", "shed", "--config"]).arg(gateway.config());
        let audit = audit.node(&node.url()).json()?;
        ensure!(
            audit.get("verified") == Some(&Value::Bool(true)),
            "a clock does not change the history: {audit}"
        );
        let times = audit.get("times").and_then(Value::as_array).context("no times")?;
        let named = |what: &str| {
            times.iter().any(|time| {
                time.get("contradicts").and_then(Value::as_str) == Some(what)
                    && time.get("sequence").and_then(Value::as_u64) == Some(1)
            })
        };
        ensure!(named("back") && named("before"), "{times:?}");

        gateway.wait_until_provable(3, 60)?;
        let exported = gateway.export_command(env, "shed", &[], &env.dir().join("all.evidence")).json()?;
        ensure!(u64_at(&exported, "/times/back")? == 1, "{exported}");
        let file = env.dir().join("again.evidence");
        let text = gateway.export_command(env, "shed", &[], &file).ok()?.stdout;
        ensure!(text.contains("A clock was wrong"), "{text}");
        Ok(())
    });
}

/// Adds an event and waits until it is anchored.
fn add_and_anchor(env: &TestEnv, gateway: &Gateway) -> Result<()> {
    gateway.add_senml(env, "shed", TEMPERATURE_SENML).ok()?;
    gateway.wait_until_anchored(120)?;
    Ok(())
}
