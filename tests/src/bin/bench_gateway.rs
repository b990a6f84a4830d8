//! Benchmarks a gateway inside of a node on a development chain, and prints a table for `docs/benchmarks.md`.
//!
//! Everything runs in one process, with real signatures. Every acknowledgement follows a synced write. All
//! connections use the loopback interface.

use anyhow::{ensure, Context, Result};
use codec::Encode as _;
use serde_json::{json, Value};
use std::{
    thread,
    time::{Duration, Instant},
};
use streembit_primitives::{Body, LogId, SignedEvent};
use streembit_tests::{
    program::print_help_if_asked, u64_at, Gateway, GatewayFixture, GatewaySettings, Node, SigningDevice,
    TestEnv,
};

/// How many events are followed, one after the other, until their anchors are final.
const FOLLOWED_EVENTS: usize = 60;
/// How many devices send at the same time under load.
const DEVICES: usize = 4;
/// How many events each device sends under load.
const EVENTS_PER_DEVICE: usize = 100_000;
/// The number of events in a request.
const BATCH: usize = 500;

/// How long it took from the reading until the event reached a state.
struct EventTimes {
    acknowledged: Duration,
    anchored: Duration,
    finalized: Duration,
}

const HELP: &str = "
Benchmarks a gateway inside of a node on a development chain, and prints a table for docs/benchmarks.md.

Usage: streembit-bench-gateway
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let env = TestEnv::open("measure")?;
    env.clean_up_on_signal()?;
    let mut meters: Vec<SigningDevice> = (0..DEVICES).map(|_| SigningDevice::new()).collect();
    let mut settings =
        GatewaySettings { anchor_events: 1, anchor_seconds: 1, ..GatewaySettings::default() }.hosted("shed");
    for (at, meter) in meters.iter().enumerate() {
        settings = settings.signing(&format!("meter{at}"), &meter.configured_key());
    }
    eprintln!("starting streembit-node --dev --gateway");
    let mut fixture = GatewayFixture::in_one_process(&env, settings)?;
    fixture.node.wait_until_finalized(1, 60)?;

    eprintln!("idle for 20 s");
    thread::sleep(Duration::from_secs(20));
    let idle = fixture.node.process()?.resident_kib()?;

    eprintln!("following {FOLLOWED_EVENTS} events until their anchors are final");
    let times = (0..FOLLOWED_EVENTS).map(|at| follow(&fixture, at)).collect::<Result<Vec<_>>>()?;

    eprintln!("signing {} events", DEVICES * EVENTS_PER_DEVICE);
    let batches = meters.iter_mut().map(sign).collect::<Result<Vec<_>>>()?;
    eprintln!("sending them");
    let (seconds, loaded) = send(&mut fixture, batches)?;
    let state = fixture.wait_until_anchored()?;
    eprintln!("{} entries, all anchored", state.size);
    print_table(idle, &times, seconds, loaded);
    Ok(())
}

/// Adds a reading through the API, and waits until it is anchored in the best block and in the finalized block.
fn follow(fixture: &GatewayFixture, at: usize) -> Result<EventTimes> {
    let log = fixture.gateway.log_id()?;
    let reading = json!({"name": "temperature", "unit": "Cel", "value": {"decimal": format!("{at}.5")}});
    let start = Instant::now();
    let receipt = fixture.gateway.post("/v1/devices/shed/readings", &json!({"readings": [reading]}))?;
    let acknowledged = start.elapsed();
    let index = u64_at(&receipt, "/index")?;
    let reached = |head: &str| -> Result<Duration> {
        while anchored_size(&fixture.node, &log, head)? <= index {
            ensure!(
                start.elapsed() < Duration::from_secs(60),
                "event {index} is not anchored after a minute"
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(start.elapsed())
    };
    let anchored = reached("chain_getBlockHash")?;
    let finalized = reached("chain_getFinalizedHead")?;
    // Vary the pause, so that the events do not always hit the same moment between two blocks.
    thread::sleep(Duration::from_millis(137 * (at as u64 % 7)));
    Ok(EventTimes { acknowledged, anchored, finalized })
}

fn anchored_size(node: &Node, log: &LogId, head: &str) -> Result<u64> {
    let anchor = node.latest_anchor(log, &node.rpc(head, json!([]))?)?;
    Ok(anchor.map_or(0, |anchor| anchor.checkpoint.size))
}

fn sign(meter: &mut SigningDevice) -> Result<Vec<Vec<u8>>> {
    let start = 1_700_000_000_000u64;
    let events: Vec<(SignedEvent, Body)> = (0u32..)
        .take(EVENTS_PER_DEVICE)
        .map(|at| meter.next(at, start + u64::from(at)))
        .collect::<Result<_>>()?;
    Ok(events.chunks(BATCH).map(|batch| batch.to_vec().encode()).collect())
}

/// Sends the batches of all devices at the same time, those of each device in order. Returns the time in seconds and
/// the largest resident memory.
fn send(fixture: &mut GatewayFixture, batches: Vec<Vec<Vec<u8>>>) -> Result<(f64, u64)> {
    let apis: Vec<Gateway> = batches.iter().map(|_| fixture.gateway.api_client()).collect();
    let (env, process) = (fixture.env, fixture.node.process()?);
    thread::scope(|scope| {
        let start = Instant::now();
        let senders: Vec<_> = batches
            .into_iter()
            .zip(apis)
            .map(|(batches, api)| {
                scope.spawn(move || batches.into_iter().try_for_each(|batch| post(env, &api, batch)))
            })
            .collect();
        let mut largest = 0;
        while senders.iter().any(|sender| !sender.is_finished()) {
            largest = largest.max(process.resident_kib()?);
            thread::sleep(Duration::from_millis(50));
        }
        let seconds = start.elapsed().as_secs_f64();
        for sender in senders {
            sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        Ok((seconds, largest))
    })
}

fn post(env: &TestEnv, gateway: &Gateway, batch: Vec<u8>) -> Result<()> {
    let request = gateway.request("/v1/events/batch")?;
    let request = request.header("content-type", "application/octet-stream").body(batch);
    let answer: Value = env.block_on(async { request.send().await?.error_for_status()?.json().await })?;
    let results = answer.get("results").and_then(Value::as_array).context("no results")?;
    let receipts = results.iter().filter(|result| result.get("receipt").is_some()).count();
    ensure!(receipts == BATCH, "{receipts} of {BATCH} acknowledged: {:?}", results.first());
    Ok(())
}

fn print_table(idle: u64, times: &[EventTimes], seconds: f64, loaded: u64) {
    let events = DEVICES * EVENTS_PER_DEVICE;
    let mebibytes = |kib: u64| kib / 1024;
    println!("`[anchor] every_events = 1`, {} events one after the other:\n", times.len());
    println!("| measured | p50 | p95 |\n|---|---|---|");
    for (name, of) in [
        (
            "event read -> acknowledged (on disk, in the log)",
            (|times: &EventTimes| times.acknowledged) as fn(&EventTimes) -> Duration,
        ),
        ("event read -> anchored (in a block)", |times| times.anchored),
        ("event read -> finalized", |times| times.finalized),
    ] {
        let mut sorted: Vec<Duration> = times.iter().map(of).collect();
        sorted.sort();
        let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
        let shown = |time: Option<&Duration>| {
            time.map_or("-".into(), |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
        };
        println!("| {name} | {} | {} |", shown(at(50)), shown(at(95)));
    }
    println!("\n| measured | value |\n|---|---|");
    println!(
        "| acknowledged device-signed events through the API, {DEVICES} devices at the same time, batches of {BATCH} | {:.0}/s ({events} in {seconds:.1} s) |",
        events as f64 / seconds
    );
    println!("| resident memory of streembit-node --dev --gateway, idle | {} MiB |", mebibytes(idle));
    println!("| largest resident memory under that load | {} MiB |", mebibytes(loaded));
}
