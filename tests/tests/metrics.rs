//! The Prometheus metrics of a node and of a gateway: voters, quota and anchors. A gateway whose party has spent its
//! quota continues to log, and anchors later.

use anyhow::{ensure, Result};
use serde_json::{json, Value};
use streembit_tests::{
    free_port,
    prometheus::{metric_value, node_metrics},
    run_test, wait_until, Gateway, GatewaySettings, Node, TestEnv, TEMPERATURE_SENML,
};

#[test]
fn a_gateway_over_its_quota_continues_to_log_and_its_metrics_show_it() {
    run_test("metrics", |env| {
        let port = free_port()?;
        let mut node = Node::new(env, "node", ["--dev", &format!("--prometheus-port={port}")])?;
        node.start()?;
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start(&node)?;
        gateway.register(env, &node, "bob")?;
        let bob = env.dev_account("bob")?;
        gateway.add_senml(env, "shed", TEMPERATURE_SENML.repeat(3)).ok()?;
        gateway.wait_until_anchored(120)?;

        set_quota(env, &node, &bob, "1", "100")?;
        let before = gateway.log_state()?;
        gateway.add_senml(env, "shed", TEMPERATURE_SENML.repeat(200)).ok()?;
        let component = gateway.wait_for_component("anchor", "retrying", 60)?;
        let said = |key: &str| component.get(key).and_then(Value::as_str).unwrap_or_default();
        ensure!(said("problem").contains("quota") && said("remedy").contains("set-quota"), "{component}");
        let during = gateway.log_state()?;
        ensure!(during.size == before.size + 200, "the log did not grow: {before:?}, {during:?}");
        wait_for_metrics(
            &gateway,
            &[("streembit_quota_bytes", 100.0), ("streembit_quota_time_seconds", 0.001)],
        )?;
        ensure!(
            metric_value(&gateway.metrics()?, "streembit_anchors_failed_total")? > 0.0,
            "no failed anchor is counted"
        );

        set_quota(env, &node, &bob, "20000", "50000000")?;
        gateway.wait_until_anchored(120)?;
        let size = gateway.log_state()?.size as f64;
        wait_for_metrics(
            &gateway,
            &[
                ("streembit_log_size", size),
                ("streembit_log_anchored_size", size),
                ("streembit_quota_bytes", 50_000_000.0),
                ("streembit_voters", 1.0),
                ("streembit_voters_needed", 1.0),
                ("streembit_voters_online", 1.0),
            ],
        )?;
        check_anchor_and_quota_metrics(&gateway)?;
        check_node_metrics(env, &node, port)
    });
}

fn check_anchor_and_quota_metrics(gateway: &Gateway) -> Result<()> {
    let text = gateway.metrics()?;
    let [submitted, finalized, failed] = ["submitted", "finalized", "failed"]
        .map(|ended| metric_value(&text, &format!("streembit_anchors_{ended}_total")).unwrap_or(f64::NAN));
    ensure!(finalized >= 2.0 && submitted == finalized + failed, "{submitted}, {finalized}, {failed}");
    let left = metric_value(&text, "streembit_quota_left_bytes")?;
    ensure!(left > 0.0 && left <= 50_000_000.0, "{left} bytes left");
    ensure!(metric_value(&text, "streembit_quota_refill_seconds")? <= 600.0, "{text}");
    ensure!(metric_value(&text, "streembit_anchor_age_seconds")? >= 0.0, "{text}");
    Ok(())
}

/// Checks that the node reports the same voters as the gateway, besides the metrics of Substrate.
fn check_node_metrics(env: &TestEnv, node: &Node, port: u16) -> Result<()> {
    let text = env.block_on(node_metrics(port))?;
    for (name, expected) in
        [("voter_set", 0.0), ("voters", 1.0), ("voters_needed", 1.0), ("voters_online", 1.0)]
    {
        let found = metric_value(&text, &format!("streembit_{name}"))?;
        ensure!(found == expected, "{name} is {found}");
    }
    ensure!(metric_value(&text, "substrate_finality_grandpa_round")? > 0.0, "no rounds");
    let answer = node.rpc("streembit_voters", json!([]))?;
    ensure!(answer == json!({ "set": 0, "total": 1, "needed": 1, "online": 1, "missing": [] }), "{answer}");
    Ok(())
}

/// Waits until the gateway's metrics have these values. Those of the chain are refreshed every half minute.
fn wait_for_metrics(gateway: &Gateway, expected: &[(&str, f64)]) -> Result<()> {
    wait_until("the metrics have the expected values", 120, || {
        let text = gateway.metrics()?;
        for (name, expected) in expected {
            let found = metric_value(&text, name)?;
            ensure!(found == *expected, "{name} is {found}, not {expected}");
        }
        Ok(())
    })
}

/// Sets a party's quota by vote of the council, whose only member is Alice.
fn set_quota(env: &TestEnv, node: &Node, party: &str, milliseconds: &str, bytes: &str) -> Result<()> {
    let ask = ["consortium", "set-quota", party, "--milliseconds", milliseconds, "--bytes", bytes, "--key"];
    let set = env.streembit(ask).arg(env.dev_keystore("alice")?).node(&node.url()).json()?;
    ensure!(set.get("decided") == Some(&json!(true)), "a council of one decides at once: {set}");
    Ok(())
}
