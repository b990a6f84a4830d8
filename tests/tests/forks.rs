//! Two histories where there must be one: of a device whose key was copied, and of a log that its gateway forked.

use anyhow::ensure;
use serde_json::Value;
use std::process::Command;
use streembit_tests::{number, request_of, scene, until, Home, Meter, Settings};

#[test]
fn a_copied_key_is_caught_kept_and_shown() {
    scene("copied-key", |scene| {
        let mut meter = Meter::new();
        let home =
            Home::in_two_processes(scene, Settings::default().signing("meter", &meter.configured_key()))?;
        home.register_meter("meter", &meter)?;
        let send = |event: &_, body: &_| home.gateway.post("/v1/events", &request_of(event, body));
        let forks = || home.scene.streembit(["audit", "forks", "--config"]).arg(home.gateway.config());
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
        home.anchored()?;

        // Over the API, by the audit, in the status: both events, as they were signed.
        let both = [request_of(&admitted, &admitted_body), request_of(&other, &other_body)];
        let shown = home.gateway.get("/v1/forks")?;
        for (at, request) in ["/0/first/event", "/0/second/event"].into_iter().zip(&both) {
            ensure!(shown.pointer(at) == request.get("event"), "{at}: {shown}");
        }
        ensure!(number(&shown, "/0/sequence")? == 1, "{shown}");
        let listed = forks().arg("--json").run()?;
        let json = listed.json()?;
        ensure!(listed.code == 1 && json.pointer("/0/verified") == Some(&Value::Bool(true)), "{listed:#?}");
        ensure!(json.pointer("/0/second/event") == shown.pointer("/0/second/event"), "{listed:#?}");
        let audit = home.audit("meter")?;
        ensure!(audit.code == 1 && audit.stdout.contains("the key was copied"), "{audit:#?}");
        let status = home.scene.streembit(["status", "--config"]).arg(home.gateway.config()).ok()?;
        for words in ["a copied key!", "audit forks", "new key"] {
            ensure!(status.stdout.contains(words), "{words}: {status:#?}");
        }
        Ok(())
    });
}

#[test]
fn a_forked_log_is_anchored_with_one_of_its_histories_only() {
    scene("forked-log", |scene| {
        let mut home = Home::in_two_processes(scene, Settings::default().hosted("shed"))?;
        let say = |home: &Home<'_>, word: &str, count: usize| {
            let lines: String =
                (0..count).map(|at| format!("[{{\"n\":\"note\",\"vs\":\"{word} {at}\"}}]\n")).collect();
            home.add("shed", &lines).ok()
        };
        say(&home, "common", 7)?;
        home.anchored()?;
        home.gateway.stop()?;
        let fork = scene.dir().join("fork");
        let copied = Command::new("cp").arg("-r").arg(home.gateway.data()).arg(&fork).status()?;
        ensure!(copied.success(), "copying the log");

        // The history that is told to the chain.
        home.gateway.start(&home.node)?;
        say(&home, "told", 6)?;
        home.anchored()?;
        home.gateway.stop()?;

        // The other one, made where no node is in reach: longer than what is anchored, signed by the right key.
        let apart = home.gateway.configure_copy("ws://127.0.0.1:1", &fork, "apart")?;
        let mut process = home.gateway.spawn(&apart)?;
        until("the forked gateway's API answers", 60, || home.gateway.get("/v1/status"))?;
        say(&home, "hidden", 30)?;
        process.stop()?;

        // Back with the node it neither anchors nor runs, and no audit takes it for the device's history.
        let config = home.gateway.configure_copy(&home.node.url(), &fork, "fork")?;
        let mut process = home.gateway.spawn(&config)?;
        let status = process.wait_for_exit(60)?;
        let said = process.log();
        ensure!(!status.success(), "a forked log runs");
        for words in ["they were changed", "backup"] {
            ensure!(said.contains(words), "it does not say {words:?}:\n{said}");
        }
        let audit = home.on_chain(["--json", "audit", "device", "shed", "--config"]).arg(&config).run()?;
        let report = audit.json()?;
        ensure!(audit.code == 1 && number(&report, "/anchored")? == 0, "{audit:#?}");
        ensure!(number(&report, "/anchor/checkpoint/size")? == 13, "the anchor moved: {audit:#?}");

        // The history that was told goes on.
        home.gateway.start(&home.node)?;
        say(&home, "told", 1)?;
        home.anchored()?;
        let report = home.audit_json("shed")?;
        ensure!(number(&report, "/anchored")? == 14, "{report}");
        Ok(())
    });
}
