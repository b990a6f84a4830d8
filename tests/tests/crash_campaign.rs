//! Short crash campaigns with every kind of fault, and named tests for what longer campaigns found. `make crash` and
//! `make crash-node` run long ones.

use anyhow::ensure;
use serde_json::json;
use std::time::Duration;
use streembit_tests::{
    crash::{
        gateway::{self, syscall_injection, Cycle, Fault},
        node, Options,
    },
    run_test, GatewayFixture, GatewaySettings,
};

/// The number of cycles in one round of all kinds of faults.
const CYCLES: u64 = 20;

#[test]
fn nothing_acknowledged_is_lost_in_a_round_of_all_faults() {
    run_test("campaign", |env| {
        let options = Options { cycles: CYCLES, seed: rand::random::<u32>().into(), only: None };
        let repeat = format!("to repeat: {}", options.command("crash"));
        let summary = gateway::run(env, &options).map_err(|error| error.context(repeat))?;
        ensure!(summary.cycles() == CYCLES, "{} cycles", summary.cycles());
        ensure!(summary.acknowledged() > CYCLES * 100, "too few events: {}", summary.acknowledged());
        Ok(())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_validator_comes_back_after_a_round_of_all_faults() {
    run_test("node-campaign", |env| {
        let options = Options { cycles: CYCLES, seed: rand::random::<u32>().into(), only: None };
        let repeat = format!("to repeat: {}", options.command("crash-node"));
        let summary = node::run(env, &options).map_err(|error| error.context(repeat.clone()))?;
        ensure!(summary.violations().is_empty(), "{repeat}\n{summary}");
        ensure!(summary.cycles() == CYCLES, "{} cycles", summary.cycles());
        Ok(())
    });
}

/// Found by `make crash CYCLES=60 SEED=2`: the gateway exited when it could not write a checkpoint.
#[test]
fn the_gateway_survives_a_failed_checkpoint_and_writes_it_later() {
    if !syscall_injection::available() {
        return eprintln!("!!! NOT TESTED HERE: failing calls, which need strace and permission to trace");
    }
    run_test("checkpoint", |env| {
        let settings =
            GatewaySettings { anchor_events: 1000, anchor_seconds: 3, ..GatewaySettings::default() };
        let mut fixture = GatewayFixture::in_two_processes(env, settings.hosted("shed"))?;
        let reading = json!({"name": "temperature", "unit": "Cel", "value": {"decimal": "20.5"}});
        fixture.gateway.post("/v1/devices/shed/readings", &json!({"readings": [reading]}))?;
        let every = Fault::FailingCalls { call: "fdatasync", error: "EIO", first: 1, again: 1 };
        let report = env.dir().join("calls.txt");
        let injection = syscall_injection::SyscallInjection::new(&every, &fixture.gateway.data(), &report)?;
        let tracer = injection.attach(fixture.gateway.process()?.id())?;
        fixture.gateway.wait_for_component("anchor", "retrying", 30)?;
        drop(tracer);
        // There are no further events, which would make the gateway reopen the log.
        fixture.wait_until_anchored_to(1)?;
        fixture.gateway.process()?.check_running()
    });
}

/// Found by `make crash CYCLES=120 SEED=2`: after a write failed for lack of space, RocksDB flushed half of the column
/// families on its own. The next start replayed the failed write into the other half, which made the log inconsistent.
#[test]
fn a_disk_that_is_full_twice_leaves_the_log_consistent() {
    if !syscall_injection::available() {
        return eprintln!("!!! NOT TESTED HERE: failing calls, which need strace and permission to trace");
    }
    run_test("no-space", |env| {
        // The first failure hits the write, the second one a table.
        let cycles: Vec<_> = (1..)
            .zip([5, 7, 9, 11, 13])
            .map(|(number, first)| Cycle {
                number,
                batch: 1,
                events: 200,
                delay: Duration::from_millis(20),
                survivable: Some(Fault::FailingCalls { call: "fdatasync", error: "ENOSPC", first, again: 0 }),
                fatal: Some(Fault::Kill),
                recover_between: false,
                seed: number,
            })
            .collect();
        let options = Options { cycles: 5, seed: 2, only: None };
        ensure!(gateway::run_cycles(env, &options, &cycles)?.cycles() == 5);
        Ok(())
    });
}
