//! Seeds of generated values: what devices and peers send.

use super::{frames, pins::Generator, Seed};
use anyhow::Result;
use codec::Encode;
use streembit_delivery::framing;
use streembit_primitives::{Body, EventKind, Part, SignedEvent};

/// The number of values of each type.
const VALUES: usize = 8;

/// The number of generated values from which the short ones are taken.
const CANDIDATES: usize = 64;

/// The maximum length of a value, in bytes.
const MAX_BYTES: usize = 1024;

pub(super) fn all() -> Result<Vec<Seed>> {
    let mut seeds = events("event", event_with_readings);
    seeds.extend(events("other-body", |g| (g.event(), g.body())));
    seeds.extend(events("batch", |g| g.list(2, event_with_readings)));
    seeds.extend(events("entry", Generator::entry));
    seeds.extend(events("checkpoint", Generator::signed_checkpoint));
    // The first byte chooses the type that the target reads.
    seeds.extend(streams(0, "hello", frames::hello)?);
    seeds.extend(streams(1, "subscribe", frames::subscribe)?);
    seeds.extend(streams(2, "credit", frames::credit)?);
    seeds.extend(streams(3, "frame", frames::frame)?);
    Ok(seeds)
}

/// Makes an event whose body is the one that its header commits to.
fn event_with_readings(g: &mut Generator) -> (SignedEvent, Body) {
    let mut event = g.event();
    let first = g.reading();
    let readings = g.list(2, Generator::reading).into_iter().chain([first]);
    let parts: Vec<Part> = readings.map(Part::Reading).collect();
    let body = Body { seed: g.bytes(), parts: parts.try_into().unwrap_or_default() };
    event.header.kind = EventKind::Readings;
    event.header.body_hash = body.hash();
    (event, body)
}

/// Makes seeds of the target `event`.
fn events<T: Encode>(name: &str, make: impl Fn(&mut Generator) -> T) -> Vec<Seed> {
    let seed = |(at, value): (usize, T)| Seed::new("event", format!("{name}-{at}"), value.encode());
    short_values(name, make).into_iter().enumerate().map(seed).collect()
}

/// Makes seeds of the target `frame`: one of each frame, and one of all frames in one stream.
fn streams<T: Encode>(kind: u8, name: &str, make: impl Fn(&mut Generator) -> T) -> Result<Vec<Seed>> {
    let (mut seeds, mut stream) = (Vec::new(), vec![kind]);
    for (at, value) in short_values(name, make).into_iter().enumerate() {
        let frame = framing::encode(&value)?;
        stream.extend(&frame);
        seeds.push(Seed::new("frame", format!("{name}-{at}"), [&[kind][..], &frame].concat()));
    }
    seeds.push(Seed::new("frame", format!("{name}-stream"), stream));
    Ok(seeds)
}

/// Returns the first short values.
fn short_values<T: Encode>(name: &str, make: impl Fn(&mut Generator) -> T) -> Vec<T> {
    let mut generator = Generator::new(&format!("fuzz seeds: {name}"));
    let values = (0..CANDIDATES).map(|_| make(&mut generator));
    values.filter(|value| value.encoded_size() <= MAX_BYTES).take(VALUES).collect()
}
