//! The whole process is killed in the middle of a stream: what was acknowledged is there, once, and the anchors go on.

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

/// How many devices send at once.
const METERS: usize = 4;
/// How often the process is killed.
const KILLS: usize = 3;
/// How many events are acknowledged between two kills, at least.
const LOAD: usize = 300;

/// A device's event: the device's id, its sequence.
type Event = (String, u64);
/// Where it was acknowledged: its hash, its index in the log.
type Place = (String, u64);

/// What the gateway acknowledged, kept outside of its process.
#[derive(Default)]
struct Acknowledged(Mutex<BTreeMap<Event, Place>>);

impl Acknowledged {
    fn note(&self, event: Event, place: Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(event, place);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn into_inner(self) -> BTreeMap<Event, Place> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn every_acknowledged_event_is_there_once_after_each_kill() {
    scene("crash", |env| {
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
            let outcome = kill_again_and_again(&mut node, &mut gateway, &acknowledged);
            stop.store(true, Ordering::SeqCst);
            outcome
        })?;

        let fixture = GatewayFixture { node, gateway, env };
        let acknowledged = acknowledged.into_inner();
        let size = fixture.gateway.log_state()?.size;
        let state = fixture.wait_until_anchored_to(size)?;
        ensure!(state.anchored > anchored, "the anchors did not go on after {anchored}: {state:?}");
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

/// Sends one event after the other until told to stop; one that was not acknowledged is sent again, unchanged.
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
        let place = (str_at(&receipt, "/hash")?, u64_at(&receipt, "/index")?);
        ensure!(key.1 == event.header.sequence, "a receipt for another event: {receipt}");
        ensure!(place.0 == event.header.hash().to_string(), "a receipt for another event: {receipt}");
        acknowledged.note(key, place);
    }
    Ok(())
}

/// Gives what was anchored just before the last kill.
fn kill_again_and_again(node: &mut Node, gateway: &mut Gateway, acknowledged: &Acknowledged) -> Result<u64> {
    let mut anchored = 0;
    for _ in 0..KILLS {
        let before = acknowledged.count();
        wait_until("the stream flows and anchors move", 90, || {
            let now = acknowledged.count();
            let state = gateway.log_state()?;
            ensure!(now >= before + LOAD, "{now} acknowledged, {before} before");
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
    wait_until("the stream flows after the last restart", 60, || {
        let now = acknowledged.count();
        ensure!(now >= before + LOAD, "{now} acknowledged, {before} before");
        Ok(())
    })?;
    Ok(anchored)
}

/// Gives how many acknowledged events of the device are there as acknowledged.
fn check_device(
    gateway: &Gateway,
    device: &str,
    id: &str,
    acknowledged: &BTreeMap<Event, Place>,
) -> Result<usize> {
    let mut found = 0;
    for (expected, event) in (0..).zip(gateway.events(device)?) {
        let (sequence, hash, index) =
            (u64_at(&event, "/sequence")?, str_at(&event, "/hash")?, u64_at(&event, "/index")?);
        ensure!(sequence == expected, "{device}: sequence {sequence} where {expected} is next");
        if let Some(place) = acknowledged.get(&(id.to_owned(), sequence)) {
            if *place != (hash, index) {
                bail!("{device}: event {sequence} was acknowledged as {place:?}, but is {event}");
            }
            found += 1;
        }
    }
    Some(found).filter(|found| *found > 0).with_context(|| format!("{device}: nothing was acknowledged"))
}
