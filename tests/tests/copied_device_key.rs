//! A device whose key was copied: the second history is detected, kept as proof, and reported.

use anyhow::ensure;
use serde_json::Value;
use streembit_tests::{event_request, run_test, u64_at, GatewayFixture, GatewaySettings, SigningDevice};

#[test]
fn a_copied_key_is_detected_recorded_and_reported() {
    run_test("copied-key", |env| {
        let mut meter = SigningDevice::new();
        let fixture = GatewayFixture::in_two_processes(
            env,
            GatewaySettings::default().signing("meter", &meter.configured_key()),
        )?;
        fixture.register_signing_device("meter", &meter)?;
        let send = |event: &_, body: &_| fixture.gateway.post("/v1/events", &event_request(event, body));
        let forks = || fixture.env.streembit(["audit", "forks", "--config"]).arg(fixture.gateway.config());
        let (first, first_body) = meter.next(1, 1_700_000_000_000)?;
        send(&first, &first_body)?;
        let none = forks().ok()?;
        ensure!(none.stdout.contains("No key is known to be copied"), "{none:#?}");

        // From here on, two devices have the key.
        let mut copy = meter.clone();
        let (admitted, admitted_body) = meter.next(2, 1_700_000_001_000)?;
        send(&admitted, &admitted_body)?;
        let (other, other_body) = copy.next(9999, 1_700_000_001_000)?;
        let (next, next_body) = meter.next(3, 1_700_000_002_000)?;
        for (event, body) in [(&other, &other_body), (&next, &next_body)] {
            let Err(refused) = send(event, body) else {
                anyhow::bail!("the event of a copied key was accepted")
            };
            let words = refused.to_string();
            ensure!(
                words.contains("409") && words.contains("copied") && words.contains("new key"),
                "{words}"
            );
        }
        fixture.wait_until_anchored()?;

        // The API, the audit and the status report both events, as they were signed.
        let both = [event_request(&admitted, &admitted_body), event_request(&other, &other_body)];
        let shown = fixture.gateway.get("/v1/forks")?;
        for (at, request) in ["/0/first/event", "/0/second/event"].into_iter().zip(&both) {
            ensure!(shown.pointer(at) == request.get("event"), "{at}: {shown}");
        }
        ensure!(u64_at(&shown, "/0/sequence")? == 1, "{shown}");
        let listed = forks().arg("--json").run()?;
        let json = listed.json()?;
        ensure!(listed.code == 1 && json.pointer("/0/verified") == Some(&Value::Bool(true)), "{listed:#?}");
        ensure!(json.pointer("/0/second/event") == shown.pointer("/0/second/event"), "{listed:#?}");
        let audit = fixture.audit("meter")?;
        ensure!(audit.code == 1 && audit.stdout.contains("the key was copied"), "{audit:#?}");
        let status = fixture.env.streembit(["status", "--config"]).arg(fixture.gateway.config()).ok()?;
        for words in ["a copied key!", "audit forks", "new key"] {
            ensure!(status.stdout.contains(words), "{words}: {status:#?}");
        }
        Ok(())
    });
}
