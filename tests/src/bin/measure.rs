//! Measures a gateway inside of a node on the dev chain, and prints a table for `docs/benchmarks.md`.
//!
//! One process, real signatures, every acknowledgement after a synced write. Loopback, so no network.

use anyhow::{ensure, Context, Result};
use codec::{Decode as _, Encode as _};
use serde_json::{json, Value};
use std::{
    thread,
    time::{Duration, Instant},
};
use streembit_primitives::{checkpoint::Anchor, Body, LogId, SignedEvent};
use streembit_tests::{number, Gateway, Home, Meter, Node, Scene, Settings};

/// How many events are followed to the end, one after the other.
const FOLLOWED: usize = 60;
/// How many devices send at once in the load.
const METERS: usize = 4;
/// How many events each of them sends.
const LOAD: usize = 100_000;
/// How many of them in one request.
const BATCH: usize = 500;

/// How long one event took from its reading on.
struct Way {
    acknowledged: Duration,
    anchored: Duration,
    finalized: Duration,
}

fn main() -> Result<()> {
    let scene = Scene::open("measure")?;
    let mut meters: Vec<Meter> = (0..METERS).map(|_| Meter::new()).collect();
    let mut settings = Settings { anchor_events: 1, anchor_seconds: 1, ..Settings::default() }.hosted("shed");
    for (at, meter) in meters.iter().enumerate() {
        settings = settings.signing(&format!("meter{at}"), &meter.configured_key());
    }
    eprintln!("starting streembit-node --dev --gateway");
    let mut home = Home::in_one_process(&scene, settings)?;
    home.node.finalizes(1, 60)?;

    eprintln!("idle for 20 s");
    thread::sleep(Duration::from_secs(20));
    let idle = home.node.process()?.resident_kib()?;

    eprintln!("following {FOLLOWED} events to their finalized anchors");
    let ways = (0..FOLLOWED).map(|at| follow(&home, at)).collect::<Result<Vec<_>>>()?;

    eprintln!("signing {} events", METERS * LOAD);
    let batches = meters.iter_mut().map(sign).collect::<Result<Vec<_>>>()?;
    eprintln!("sending them");
    let (seconds, loaded) = send(&mut home, batches)?;
    let state = home.anchored()?;
    eprintln!("{} entries, all anchored", state.size);
    print_table(idle, &ways, seconds, loaded);
    Ok(())
}

/// One reading through the API, then its index in the anchors of the best and of the finalized block.
fn follow(home: &Home, at: usize) -> Result<Way> {
    let log = log_of(&home.gateway)?;
    let reading = json!({"name": "temperature", "unit": "Cel", "value": {"decimal": format!("{at}.5")}});
    let start = Instant::now();
    let receipt = home.gateway.post("/v1/devices/shed/readings", &json!({"readings": [reading]}))?;
    let acknowledged = start.elapsed();
    let index = number(&receipt, "/index")?;
    let reached = |head: &str| -> Result<Duration> {
        while anchored_size(&home.node, &log, head)? <= index {
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
    // Not in step with the blocks, or every event would meet them at the same moment.
    thread::sleep(Duration::from_millis(137 * (at as u64 % 7)));
    Ok(Way { acknowledged, anchored, finalized })
}

fn anchored_size(node: &Node, log: &LogId, head: &str) -> Result<u64> {
    let hash = node.rpc(head, json!([]))?;
    let argument = format!("0x{}", hex::encode(log.encode()));
    let answer = node.rpc("state_call", json!(["AnchorsApi_latest", argument, hash]))?;
    let bytes = hex::decode(answer.as_str().context("no bytes")?.trim_start_matches("0x"))?;
    let anchor = Option::<Anchor>::decode(&mut &bytes[..])?;
    Ok(anchor.map_or(0, |anchor| anchor.checkpoint.size))
}

fn log_of(gateway: &Gateway) -> Result<LogId> {
    Ok(LogId::first(gateway.account()?))
}

fn sign(meter: &mut Meter) -> Result<Vec<Vec<u8>>> {
    let start = 1_700_000_000_000u64;
    let events: Vec<(SignedEvent, Body)> =
        (0u32..).take(LOAD).map(|at| meter.next(at, start + u64::from(at))).collect::<Result<_>>()?;
    Ok(events.chunks(BATCH).map(|batch| batch.to_vec().encode()).collect())
}

/// Sends every device's batches in order, the devices at once. Gives the time, and the largest resident memory met.
fn send(home: &mut Home, batches: Vec<Vec<Vec<u8>>>) -> Result<(f64, u64)> {
    let apis: Vec<Gateway> = batches.iter().map(|_| home.gateway.api()).collect();
    let (scene, process) = (home.scene, home.node.process()?);
    thread::scope(|scope| {
        let start = Instant::now();
        let senders: Vec<_> = batches
            .into_iter()
            .zip(apis)
            .map(|(batches, api)| {
                scope.spawn(move || batches.into_iter().try_for_each(|batch| post(scene, &api, batch)))
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

fn post(scene: &Scene, gateway: &Gateway, batch: Vec<u8>) -> Result<()> {
    let request = gateway.request("/v1/events/batch")?;
    let request = request.header("content-type", "application/octet-stream").body(batch);
    let answer: Value = scene.block_on(async { request.send().await?.error_for_status()?.json().await })?;
    let results = answer.get("results").and_then(Value::as_array).context("no results")?;
    let receipts = results.iter().filter(|result| result.get("receipt").is_some()).count();
    ensure!(receipts == BATCH, "{receipts} of {BATCH} acknowledged: {:?}", results.first());
    Ok(())
}

fn print_table(idle: u64, ways: &[Way], seconds: f64, loaded: u64) {
    let events = METERS * LOAD;
    let mebibytes = |kib: u64| kib / 1024;
    println!("`[anchor] every_events = 1`, {} events one after the other:\n", ways.len());
    println!("| what | p50 | p95 |\n|---|---|---|");
    for (name, of) in [
        (
            "event read -> acknowledged (on disk, in the log)",
            (|way: &Way| way.acknowledged) as fn(&Way) -> Duration,
        ),
        ("event read -> anchored (in a block)", |way| way.anchored),
        ("event read -> finalized", |way| way.finalized),
    ] {
        let mut times: Vec<Duration> = ways.iter().map(of).collect();
        times.sort();
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let shown = |time: Option<&Duration>| {
            time.map_or("-".into(), |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
        };
        println!("| {name} | {} | {} |", shown(at(50)), shown(at(95)));
    }
    println!("\n| what | measured |\n|---|---|");
    println!(
        "| acknowledged device-signed events through the API, {METERS} devices at once, batches of {BATCH} | {:.0}/s ({events} in {seconds:.1} s) |",
        events as f64 / seconds
    );
    println!("| resident memory of streembit-node --dev --gateway, idle | {} MiB |", mebibytes(idle));
    println!("| the same under that load, largest | {} MiB |", mebibytes(loaded));
}
