//! The process is killed while events arrive: every acknowledged event is in the log once, and anchoring continues.

use anyhow::{bail, ensure, Context, Result};
use rand::Rng as _;
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        Mutex, PoisonError,
    },
    thread,
    time::Duration,
};
use streembit_tests::{
    event_request, run_test, str_at, u64_at, wait_until, Gateway, GatewayFixture, GatewaySettings, Node,
    SigningDevice,
};

/// The number of devices that send at the same time.
const METERS: usize = 4;
/// How often the process is killed.
const KILLS: usize = 3;
/// The smallest number of acknowledged events between two kills.
const EVENTS_BETWEEN_KILLS: usize = 300;

/// An event: the id of its device and its sequence.
type Event = (String, u64);
/// The position at which it was acknowledged: its hash and its index in the log.
type Position = (String, u64);

/// The acknowledgements of the gateway, recorded outside of its process.
#[derive(Default)]
struct Acknowledged(Mutex<BTreeMap<Event, Position>>);

impl Acknowledged {
    fn record(&self, event: Event, position: Position) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(event, position);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn into_inner(self) -> BTreeMap<Event, Position> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn every_acknowledged_event_is_in_the_log_once_after_each_kill() {
    run_test("crash", |env| {
        let mut meters: Vec<SigningDevice> = (0..METERS).map(|_| SigningDevice::new()).collect();
        let settings = meters.iter().enumerate().fold(GatewaySettings::default(), |settings, (at, meter)| {
            settings.signing(&format!("meter{at}"), &meter.configured_key())
        });
        let fixture = GatewayFixture::in_one_process(env, settings)?;
        for (at, meter) in meters.iter().enumerate() {
            fixture.register_signing_device(&format!("meter{at}"), meter)?;
        }
        let GatewayFixture { mut node, mut gateway, env } = fixture;
        let acknowledged = Acknowledged::default();
        let stop = AtomicBool::new(false);
        let anchored = thread::scope(|scope| {
            for meter in &mut meters {
                let (gateway, acknowledged, stop) = (gateway.api_client(), &acknowledged, &stop);
                scope.spawn(move || stream(meter, &gateway, acknowledged, stop));
            }
            let outcome = kill_and_restart(&mut node, &mut gateway, &acknowledged);
            stop.store(true, Ordering::SeqCst);
            outcome
        })?;

        let fixture = GatewayFixture { node, gateway, env };
        let acknowledged = acknowledged.into_inner();
        let size = fixture.gateway.log_state()?.size;
        let state = fixture.wait_until_anchored_to(size)?;
        ensure!(state.anchored > anchored, "anchoring did not continue after {anchored}: {state:?}");
        let mut found = 0;
        for (at, meter) in meters.iter().enumerate() {
            let name = format!("meter{at}");
            found += check_device(&fixture.gateway, &name, &meter.id().to_string(), &acknowledged)?;
        }
        ensure!(found == acknowledged.len(), "{found} of {} acknowledged events", acknowledged.len());
        for at in 0..METERS {
            let output = fixture.audit(&format!("meter{at}"))?;
            ensure!(output.code == 0, "{output:#?}");
        }
        Ok(())
    });
}

/// Sends events one after the other until `stop` is set. An event that was not acknowledged is sent again, unchanged.
fn stream(
    meter: &mut SigningDevice,
    gateway: &Gateway,
    acknowledged: &Acknowledged,
    stop: &AtomicBool,
) -> Result<()> {
    for value in 0.. {
        let (event, body) = meter.next(value, 1_700_000_000_000 + u64::from(value))?;
        let request = event_request(&event, &body);
        let receipt = loop {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            match gateway.post("/v1/events", &request) {
                Ok(receipt) => break receipt,
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        };
        let key = (str_at(&receipt, "/device")?, u64_at(&receipt, "/sequence")?);
        let position = (str_at(&receipt, "/hash")?, u64_at(&receipt, "/index")?);
        ensure!(key.1 == event.header.sequence, "receipt of another event: {receipt}");
        ensure!(position.0 == event.header.hash().to_string(), "receipt of another event: {receipt}");
        acknowledged.record(key, position);
    }
    Ok(())
}

/// Kills and restarts the node several times. Returns the anchored size just before the last kill.
fn kill_and_restart(node: &mut Node, gateway: &mut Gateway, acknowledged: &Acknowledged) -> Result<u64> {
    let mut anchored = 0;
    for _ in 0..KILLS {
        let before = acknowledged.count();
        wait_until("events are acknowledged and anchored", 90, || {
            let now = acknowledged.count();
            let state = gateway.log_state()?;
            ensure!(now >= before + EVENTS_BETWEEN_KILLS, "{now} acknowledged, {before} before");
            ensure!(state.anchored > anchored, "{state:?}, {anchored} before");
            anchored = state.anchored;
            Ok(())
        })?;
        thread::sleep(Duration::from_millis(rand::thread_rng().gen_range(0..400)));
        node.kill()?;
        node.start()?;
        gateway.wait_until_ready()?;
    }
    let before = acknowledged.count();
    wait_until("events are acknowledged after the last restart", 60, || {
        let now = acknowledged.count();
        ensure!(now >= before + EVENTS_BETWEEN_KILLS, "{now} acknowledged, {before} before");
        Ok(())
    })?;
    Ok(anchored)
}

/// Checks that the device's acknowledged events are in the log at the acknowledged positions. Returns their number.
fn check_device(
    gateway: &Gateway,
    device: &str,
    id: &str,
    acknowledged: &BTreeMap<Event, Position>,
) -> Result<usize> {
    let mut found = 0;
    for (expected, event) in (0..).zip(gateway.events(device)?) {
        let (sequence, hash, index) =
            (u64_at(&event, "/sequence")?, str_at(&event, "/hash")?, u64_at(&event, "/index")?);
        ensure!(sequence == expected, "{device}: expected sequence {expected}, found {sequence}");
        if let Some(position) = acknowledged.get(&(id.to_owned(), sequence)) {
            if *position != (hash, index) {
                bail!("{device}: event {sequence} was acknowledged as {position:?}, but is {event}");
            }
            found += 1;
        }
    }
    Some(found).filter(|found| *found > 0).with_context(|| format!("{device}: nothing was acknowledged"))
}
