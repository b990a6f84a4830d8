//! A gateway that forks its log: the chain anchors only one of the two histories.

use anyhow::ensure;
use std::process::Command;
use streembit_tests::{run_test, u64_at, wait_until, GatewayFixture};

#[test]
fn only_one_history_of_a_forked_log_is_anchored() {
    run_test("forked-log", |env| {
        let mut fixture = GatewayFixture::with_hosted_device(env)?;
        let add = |fixture: &GatewayFixture<'_>, word: &str, count: usize| {
            let lines: String =
                (0..count).map(|at| format!("[{{\"n\":\"note\",\"vs\":\"{word} {at}\"}}]\n")).collect();
            fixture.add_senml("shed", &lines).ok()
        };
        add(&fixture, "common", 7)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.stop()?;
        let fork = env.dir().join("fork");
        let copied = Command::new("cp").arg("-r").arg(fixture.gateway.data()).arg(&fork).status()?;
        ensure!(copied.success(), "copying the log");

        // The history that is anchored.
        fixture.gateway.start(&fixture.node)?;
        add(&fixture, "anchored", 6)?;
        fixture.wait_until_anchored()?;
        fixture.gateway.stop()?;

        // The other history, made without a node: longer than the anchored one, and signed with the right key.
        let apart = fixture.gateway.configure_copy("ws://127.0.0.1:1", &fork, "apart")?;
        let mut process = fixture.gateway.spawn(&apart)?;
        wait_until("the forked gateway's API answers", 60, || fixture.gateway.get("/v1/status"))?;
        add(&fixture, "hidden", 30)?;
        process.stop()?;

        // With the node, the gateway raises an alarm and anchors nothing, but goes on logging. An audit rejects the fork.
        let config = fixture.gateway.configure_copy(&fixture.node.url(), &fork, "fork")?;
        let mut process = fixture.gateway.spawn(&config)?;
        let alarm = fixture.gateway.wait_for_component("anchor", "alarm", 60)?.to_string();
        for words in ["they were changed", "backup"] {
            ensure!(alarm.contains(words), "the alarm does not contain {words:?}: {alarm}");
        }
        add(&fixture, "hidden", 1)?;
        process.stop()?;
        let audit =
            fixture.node_command(["--json", "audit", "device", "shed", "--config"]).arg(&config).run()?;
        let report = audit.json()?;
        ensure!(audit.code == 1 && u64_at(&report, "/anchored")? == 0, "{audit:#?}");
        ensure!(u64_at(&report, "/anchor/checkpoint/size")? == 13, "the anchor moved: {audit:#?}");

        // The anchored history continues.
        fixture.gateway.start(&fixture.node)?;
        add(&fixture, "anchored", 1)?;
        fixture.wait_until_anchored()?;
        let report = fixture.audit_json("shed")?;
        ensure!(u64_at(&report, "/anchored")? == 14, "{report}");
        Ok(())
    });
}
