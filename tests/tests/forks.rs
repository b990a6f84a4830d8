//! Two histories where there must be one: of a device whose key was copied, and of a log that its gateway forked.

use anyhow::ensure;
use serde_json::Value;
use std::process::Command;
use streembit_tests::{
    event_request, run_test, u64_at, wait_until, GatewayFixture, GatewaySettings, SigningDevice,
};

#[test]
fn a_copied_key_is_caught_kept_and_shown() {
    scene("copied-key", |env| {
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

        // From here on there are two who have the key.
        let mut copy = meter.clone();
        let (admitted, admitted_body) = meter.next(2, 1_700_000_001_000)?;
        send(&admitted, &admitted_body)?;
        let (other, other_body) = copy.next(9999, 1_700_000_001_000)?;
        let (next, next_body) = meter.next(3, 1_700_000_002_000)?;
        for (event, body) in [(&other, &other_body), (&next, &next_body)] {
            let Err(refused) = send(event, body) else { anyhow::bail!("it was taken") };
            let words = refused.to_string();
            ensure!(
                words.contains("409") && words.contains("copied") && words.contains("new key"),
                "{words}"
            );
        }
        fixture.wait_until_anchored()?;

        // Over the API, by the audit, in the status: both events, as they were signed.
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

#[test]
fn a_forked_log_is_anchored_with_one_of_its_histories_only() {
    scene("forked-log", |env| {
        let mut fixture = GatewayFixture::in_two_processes(env, GatewaySettings::default().hosted("shed"))?;
        let say = |fixture: &GatewayFixture<'_>, word: &str, count: usize| {
            let lines: String =
                (0..count).map(|at| format!("[{{\"n\":\"note\",\"vs\":\"{word} {at}\"}}]\n")).collect();
            fixture.add("shed", &lines).ok()
        };
        say(&fixture, "common", 7)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.stop()?;
        let fork = env.dir().join("fork");
        let copied = Command::new("cp").arg("-r").arg(fixture.gateway.data()).arg(&fork).status()?;
        ensure!(copied.success(), "copying the log");

        // The history that is told to the chain.
        fixture.gateway.start(&fixture.node)?;
        say(&fixture, "told", 6)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.stop()?;

        // The other one, made where no node is in reach: longer than what is anchored, signed by the right key.
        let apart = fixture.gateway.configure_copy("ws://127.0.0.1:1", &fork, "apart")?;
        let mut process = fixture.gateway.spawn(&apart)?;
        wait_until("the forked gateway's API answers", 60, || fixture.gateway.get("/v1/status"))?;
        say(&fixture, "hidden", 30)?;
        process.stop()?;

        // Back with the node it neither anchors nor runs, and no audit takes it for the device's history.
        let config = fixture.gateway.configure_copy(&fixture.node.url(), &fork, "fork")?;
        let mut process = fixture.gateway.spawn(&config)?;
        let status = process.wait_for_exit(60)?;
        let said = process.log();
        ensure!(!status.success(), "a forked log runs");
        for words in ["they were changed", "backup"] {
            ensure!(said.contains(words), "it does not say {words:?}:\n{said}");
        }
        let audit =
            fixture.node_command(["--json", "audit", "device", "shed", "--config"]).arg(&config).run()?;
        let report = audit.json()?;
        ensure!(audit.code == 1 && u64_at(&report, "/anchored")? == 0, "{audit:#?}");
        ensure!(u64_at(&report, "/anchor/checkpoint/size")? == 13, "the anchor moved: {audit:#?}");

        // The history that was told goes on.
        fixture.gateway.start(&fixture.node)?;
        say(&fixture, "told", 1)?;
        fixture.wait_until_anchored()?;
        let report = fixture.audit_json("shed")?;
        ensure!(u64_at(&report, "/anchored")? == 14, "{report}");
        Ok(())
    });
}
