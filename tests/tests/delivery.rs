//! Each event reaches exactly the parties that the chain grants access: once, in order, across restarts.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};
use streembit_tests::{
    now_ms, run_test, str_at, u64_at, wait_until, Gateway, GatewayFixture, Subscriber, Subscription,
};

/// How many events are added during the restarts.
const EVENTS: usize = 200;

#[test]
fn a_subscriber_receives_every_event_once_and_in_order_across_restarts() {
    run_test("delivery", |env| {
        let mut fixture = GatewayFixture::with_hosted_device(env)?;
        fixture.grant("bob", fixture.device_id("shed")?.parse()?, now_ms()? + 3_600_000)?;
        let mut bob = subscriber(&fixture, "bob", "quic")?;
        let added = AtomicUsize::new(0);
        let source = fixture.gateway.api_client();
        thread::scope(|scope| -> Result<()> {
            scope.spawn(|| add_events(&source, &added));
            bob.start()?;
            bob.wait_for_events(40, 60)?;
            // The subscriber stops, misses some events, and returns over another transport.
            bob.process()?.stop()?;
            let missed = added.load(Ordering::SeqCst) + 20;
            wait_until("some events are missed", 60, || {
                ensure!(added.load(Ordering::SeqCst) >= missed);
                Ok(())
            })?;
            bob.subscription.gateway = fixture.gateway.delivery_address("tcp")?;
            bob.start()?;
            bob.wait_for_events(missed, 60)?;
            // The gateway is killed during the subscription.
            fixture.gateway.process()?.kill()?;
            fixture.gateway.start(&fixture.node)?;
            wait_until("all events are added", 60, || {
                ensure!(added.load(Ordering::SeqCst) == EVENTS);
                Ok(())
            })
        })?;
        let log = fixture.gateway.events("shed")?;
        ensure!(log.len() >= EVENTS, "{} events of {EVENTS}", log.len());
        let received = bob.wait_for_events(log.len(), 60)?;
        ensure!(
            hashes(&received)? == hashes(&log)?,
            "expected every event exactly once and in order, received {received:#?}"
        );
        let first = received.first().context("nothing received")?;
        ensure!(first.get("parts") != Some(&json!([])), "an event without its reading: {first}");
        Ok(())
    });
}

#[test]
fn without_a_grant_or_after_its_end_nothing_is_received() {
    run_test("grants", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let device = fixture.device_id("shed")?;
        let until_ms = now_ms()? + 30_000;
        fixture.grant("bob", device.parse()?, until_ms)?;
        for at in 0..10 {
            post(&fixture.gateway, at)?;
        }
        let mut bob = subscriber(&fixture, "bob", "quic")?;
        bob.start()?;
        bob.wait_for_events(10, 25)?;
        let mut charlie = subscriber(&fixture, "charlie", "quic")?;
        charlie.start()?;
        wait_for_message(&charlie, "granted nothing")?;

        wait_until("the grant ends", 60, || {
            ensure!(now_ms()? > until_ms);
            Ok(())
        })?;
        for at in 10..20 {
            post(&fixture.gateway, at)?;
        }
        wait_for_message(&bob, "has ended")?;
        // A restart does not help.
        let mut again = Subscriber::new(env, "bob-again", subscription(&fixture, "bob", "tcp")?);
        again.start()?;
        wait_for_message(&again, "granted nothing")?;
        // The owner receives all events, so they were available.
        let mut alice = subscriber(&fixture, "alice", "tcp")?;
        alice.start()?;
        alice.wait_for_events(20, 60)?;

        let (charlie, again) = (charlie.events()?, again.events()?);
        ensure!(charlie.is_empty(), "received without a grant: {charlie:#?}");
        ensure!(again.is_empty(), "received after the grant's end: {again:#?}");
        let late =
            bob.events()?.into_iter().find(|event| u64_at(event, "/sequence").is_ok_and(|at| at >= 10));
        ensure!(late.is_none(), "received after the grant's end: {late:#?}");
        Ok(())
    });
}

/// Waits until the subscriber reports why it receives nothing.
fn wait_for_message(subscriber: &Subscriber, words: &str) -> Result<()> {
    wait_until(&format!("the subscriber reports {words:?}"), 60, || {
        let said = subscriber.log();
        ensure!(said.contains(words), "it reports {said:?}");
        Ok(())
    })
}

fn subscriber<'s>(fixture: &GatewayFixture<'s>, name: &str, transport: &str) -> Result<Subscriber<'s>> {
    Ok(Subscriber::new(fixture.env, name, subscription(fixture, name, transport)?))
}

fn subscription(fixture: &GatewayFixture, name: &str, transport: &str) -> Result<Subscription> {
    Ok(Subscription {
        device: fixture.device_id("shed")?,
        gateway: fixture.gateway.delivery_address(transport)?,
        key: fixture.env.dev_keystore(name)?,
        node: fixture.node.url(),
    })
}

/// Adds events one by one. Retries while the gateway is down.
fn add_events(gateway: &Gateway, added: &AtomicUsize) {
    for at in 0..EVENTS {
        while post(gateway, at).is_err() {
            thread::sleep(Duration::from_millis(50));
        }
        added.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(30));
    }
}

fn post(gateway: &Gateway, at: usize) -> Result<Value> {
    let reading = json!({"name": "temperature", "unit": "Cel", "value": {"decimal": format!("{at}.5")}});
    gateway.post("/v1/devices/shed/readings", &json!({"readings": [reading]}))
}

fn hashes(events: &[Value]) -> Result<Vec<(u64, String)>> {
    events.iter().map(|event| Ok((u64_at(event, "/sequence")?, str_at(event, "/hash")?))).collect()
}
