//! Monitors of a gateway's log need no token. A flood of their requests or connections does not stop the log.

use crate::tlog::{add_events, open_note, senml_lines, Monitor};
use anyhow::{ensure, Result};
use std::{
    fs,
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};
use streembit_tests::{run_test, u64_at, ConnectionFlood, GatewayFixture, GatewaySettings};

/// The number of events before the flood.
const EVENTS: u64 = 300;
/// The number of clients that send requests without a pause.
const FLOOD_CLIENTS: usize = 32;
/// The most requests that one of them sends.
const MAX_REQUESTS: usize = 100_000;
/// What they ask for: everything that exists in a log of [`EVENTS`] entries, and what does not.
const FLOOD_PATHS: [(&str, u16); 7] = [
    ("checkpoint", 200),
    ("tile/0/000", 200),
    ("tile/entries/000", 200),
    ("tile/0/001.p/44", 200),
    ("tile/1/000.p/1", 200),
    ("tile/9/000", 404),
    ("tile/0/000.p/256", 400),
];
/// The number of connections that send nothing or noise: more than the gateway keeps open.
const FLOOD_CONNECTIONS: usize = 600;
/// How many events are added at once during a flood, and how often.
const FLOOD_EVENTS: [u64; 2] = [100, 2];
/// The most files and connections that the flooded gateway may have open. A process usually may open 1,024.
const MAX_OPEN_FILES: usize = 500;
/// The largest resident memory of the flooded gateway, in KiB.
const MAX_MEMORY_KIB: u64 = 256 * 1024;

#[test]
fn a_flood_of_requests_or_connections_does_not_stop_the_log() {
    run_test("tlog-flood", |env| {
        let settings = GatewaySettings::default().hosted("shed").with_tlog();
        let mut fixture = GatewayFixture::in_two_processes(env, settings)?;
        let mut size = EVENTS;
        add_events(&fixture, 0..size)?;
        let quiet = log_events(&fixture, &mut size)?;

        let stop = Arc::new(AtomicBool::new(false));
        let base = format!("http://127.0.0.1:{}/tlog/0", fixture.gateway.ports()[0]);
        let clients = (0..FLOOD_CLIENTS).map(|nth| send_requests(base.clone(), nth, stop.clone()));
        let flood = env.handle().spawn(futures::future::try_join_all(clients));
        let logged = log_events(&fixture, &mut size);
        stop.store(true, Ordering::Relaxed);
        let requests: usize = env.block_on(flood)??.iter().sum();
        let flooded = logged?;
        let process = fixture.gateway.process()?;
        process.check_running()?;
        let memory = process.resident_kib()?;
        println!(
            "logging took {quiet:?}, and {flooded:?} during {requests} requests; the gateway uses {} MiB",
            memory / 1024
        );
        ensure!(requests > FLOOD_CLIENTS, "there was no flood");
        ensure!(memory < MAX_MEMORY_KIB, "the flooded gateway uses {memory} KiB");

        let connections = ConnectionFlood::open(&[(fixture.gateway.ports()[0], FLOOD_CONNECTIONS)])?;
        let flooded = log_events(&fixture, &mut size)?;
        let open = fs::read_dir(format!("/proc/{}/fd", fixture.gateway.process()?.id()))?.count();
        println!(
            "logging took {flooded:?} during {} connections; {open} files are open",
            connections.opened()
        );
        ensure!(open < MAX_OPEN_FILES, "the gateway has {open} open files");
        // A monitor is still served.
        open_note(&fixture.gateway.get_public("/tlog/0/checkpoint")?, &Monitor::new(&fixture)?.key)?;
        drop(connections);
        let report = fixture.audit_json("shed")?;
        ensure!(u64_at(&report, "/event_count")? == size, "{report}");
        Ok(())
    });
}

/// Adds events and waits for their anchor, several times. Returns how long it took until the events were logged.
fn log_events(fixture: &GatewayFixture<'_>, size: &mut u64) -> Result<Duration> {
    let [count, times] = FLOOD_EVENTS;
    let mut logging = Duration::ZERO;
    for _ in 0..times {
        let lines = senml_lines(0..count);
        let start = Instant::now();
        fixture.add_senml("shed", &lines).ok()?;
        logging += start.elapsed();
        *size += count;
        fixture.wait_until_anchored_to(*size)?;
    }
    Ok(logging)
}

/// Sends one request after the other until `stop` is set. Each must get the answer that it gets without a flood.
/// Returns the number of requests.
async fn send_requests(base: String, nth: usize, stop: Arc<AtomicBool>) -> Result<usize> {
    let client = reqwest::Client::new();
    let mut count = 0;
    for (path, expected) in FLOOD_PATHS.iter().cycle().skip(nth).take(MAX_REQUESTS) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let response = client.get(format!("{base}/{path}")).send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        ensure!(status == *expected, "{path}: {status} instead of {expected}");
        count += 1;
    }
    Ok(count)
}
