//! The mark in events that the gateway signs while its clock is wrong.
//!
//! The events are not held, because most sources do not keep what they measured. The mark says by how much the clock is
//! wrong, so the time of the event can be corrected.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};
use streembit_clock::{now_ms, ClockCheck, ClockState};
use streembit_primitives::{
    reading::{Name, Unit, CLOCK_ERROR},
    Decimal, Part, Reading, Source, Text, Value,
};

/// What is known about the gateway's clock.
#[derive(Debug)]
pub(super) struct KnownClock(Mutex<ClockCheck>);

impl KnownClock {
    pub(super) fn new() -> Self {
        Self(Mutex::new(ClockCheck::new(now_ms())))
    }

    /// Compares the clock with something that tells the time, and returns the result.
    pub(super) fn compare(&self, with: impl FnOnce(&mut ClockCheck) -> ClockState) -> ClockState {
        let mut check = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut check)
    }

    /// Returns the state of the clock, which may just have been set.
    pub(super) fn state(&self) -> ClockState {
        self.compare(|check| check.recheck(now_ms(), Instant::now()))
    }
}

/// Returns the reading that marks an event of this time, or `None` if the clock is not known to be wrong.
pub(super) fn reading(clock: ClockState, time: u64) -> Option<Part> {
    let seconds = clock.error_seconds()?;
    Some(Part::Reading(Reading {
        name: Name::try_from(CLOCK_ERROR).ok()?,
        unit: Unit::try_from("s").ok()?,
        value: Value::Decimal(Decimal::new(seconds, 0).ok()?),
        time,
        source: Source::of_adapter("gateway", "clock"),
    }))
}

/// Returns the text that marks a status event, or `None` if the clock is not known to be wrong.
pub(super) fn status(clock: ClockState) -> Option<Part> {
    let text = clock.is_wrong().then(|| clock.to_string())?;
    Some(Part::Status(Text::try_from(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ingest;
    use streembit_keystore::KeyPair;
    use streembit_log::Log;
    use streembit_primitives::{body::MAX_PARTS, LogId};

    #[tokio::test(flavor = "multi_thread")]
    async fn events_that_are_signed_while_the_clock_is_wrong_are_marked() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([42; 32]);
        let log = Log::open(folder.path(), LogId::first(keys.account())).unwrap();
        let key = keys.hosted_key("car");
        let car = key.device_id();
        let ingest = Ingest::new(log.clone(), keys, vec![key]).unwrap();
        let reading = |value: u32| Reading {
            name: Name::try_from("Vehicle.Speed").unwrap(),
            unit: Unit::default(),
            value: Value::Decimal(value.into()),
            time: 1,
            source: Source::sensor(),
        };
        ingest.readings(car, vec![reading(1)]).await.unwrap();
        let at = Instant::now();
        assert!(ingest.compare_clock(|check| check.observe(now_ms() + 7_200_500, now_ms(), at)).is_wrong());
        ingest.readings(car, vec![reading(2)]).await.unwrap();
        ingest.status(car, "connected").await.unwrap();
        // Nothing is refused because the mark has no room.
        let full: Vec<_> = (0..MAX_PARTS).map(reading).collect();
        ingest.readings(car, full).await.unwrap();
        let at = Instant::now();
        assert!(ingest
            .compare_clock(|check| check.observe_signed(now_ms(), now_ms() - 300_500, at))
            .is_wrong());
        ingest.readings(car, vec![reading(3)]).await.unwrap();
        let right = ingest.compare_clock(|check| check.observe(now_ms(), now_ms(), Instant::now()));
        assert_eq!((right, ingest.clock()), (ClockState::Right, ClockState::Right));
        ingest.readings(car, vec![reading(4)]).await.unwrap();

        let events = log.device_events(&car, 0, 10).unwrap();
        let parts: Vec<Vec<Part>> =
            events.into_iter().map(|stored| stored.body.into_present().unwrap().parts.into_inner()).collect();
        let error = |at: usize| match parts[at].last().unwrap() {
            Part::Reading(mark) if mark.name.as_str() == CLOCK_ERROR => Some(mark.value.to_string()),
            _ => None,
        };
        let status = |at: usize| match parts[at].last().unwrap() {
            Part::Status(text) => text.as_str().to_owned(),
            other => panic!("{other}"),
        };
        let behind = "the clock is 2 hours behind the chain's time";
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2, 1, MAX_PARTS as usize, 2, 1]);
        assert_eq!(
            (error(0), error(1), error(5), error(6)),
            (None, Some("-7200".into()), Some("300".into()), None)
        );
        assert_eq!((status(2), status(3)), (behind.to_owned(), behind.to_owned()));
    }
}
