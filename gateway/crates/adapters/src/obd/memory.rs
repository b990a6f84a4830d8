//! The facts about the vehicle that are kept between connections, and that the log already has.

use super::{
    pids::{Signal, CURRENT, VEHICLE, VIN},
    plausibility::{is_possible, Corrections, Frozen, Mark, OdometerCheck},
    vin::{Identity, Vin},
};
use crate::{History, IsWanted, PastReading};
use std::sync::Arc;
use streembit_clock::now_ms;
use streembit_primitives::{Decimal, Reading, Source, Value};
use tokio::time::Instant;

/// The name of the reading of the odometer.
pub const ODOMETER_NAME: &str = Signal::Odometer.name();
/// The name of the reading of the vehicle's VIN.
pub const VIN_NAME: &str = "Vehicle.VehicleIdentification.VIN";
/// The name of the reading with which an operator sets the value that the odometer continues from, in km.
pub const OPERATOR_ODOMETER: &str = "operator:odometer";
/// The name of the reading with which an operator says which vehicle the device is.
pub const OPERATOR_VIN: &str = "operator:vin";

/// Facts about the vehicle that are kept from one connection to the next.
pub struct VehicleMemory {
    /// The plausibility check of the odometer, with its last value.
    pub odometer: OdometerCheck,
    /// The distance driven while the odometer stood still.
    pub frozen: Frozen,
    /// Whose vehicle is on the port.
    pub identity: Identity,
    history: Arc<dyn History>,
    /// The sequence from which on the log may have decisions that are not known yet.
    known_until: u64,
    started: Instant,
}

impl VehicleMemory {
    /// Recalls from the log what earlier runs have read, and what the operator has decided. Returns also the texts that
    /// record a decision.
    pub async fn recall(history: Arc<dyn History>, max_speed_kmh: u32) -> (Self, Vec<String>) {
        let wanted: [IsWanted; 4] = [is_odometer, is_vin, is_operator_odometer, is_operator_vin];
        let past = history.newest(&wanted, 0).await;
        let mut newest = past.newest.into_iter();
        let mut next = || newest.next().flatten();
        let (read, told, set, named) = (next(), next(), next(), next());
        let (vin, is_named) = newer(told, named);
        let vehicle_changed = is_named && vin.as_ref().is_some_and(|vin| is_after(vin, read.as_ref()));
        let (odometer, is_set) = newer(read.filter(|_| !vehicle_changed), set);
        let vin = vin.as_ref().and_then(vin_of);
        let odometer = odometer.as_ref().and_then(mark_of);
        let mut texts = Vec::new();
        if let Some(vin) = vin.as_ref().filter(|_| is_named) {
            texts.push(vin_decided(vin));
        }
        if let Some(mark) = odometer.filter(|_| is_set) {
            texts.push(odometer_decided(&mark.value));
        }
        let memory = Self {
            odometer: OdometerCheck::new(max_speed_kmh, odometer),
            frozen: Frozen::default(),
            identity: Identity::new(vin),
            history,
            known_until: past.next,
            started: Instant::now(),
        };
        (memory, texts)
    }

    /// Returns the time since the adapter started, in milliseconds.
    pub fn now(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Starts a connection: its vehicle may be another one.
    pub fn connected(&mut self) {
        self.odometer.connected();
        self.identity.connected();
    }

    /// Returns true if the operator may have something to decide.
    pub fn awaits_decision(&self) -> bool {
        self.identity.is_foreign() || self.odometer.is_withholding()
    }

    /// Takes over what the operator has decided since the last time. Returns the texts that record it.
    pub async fn take_decisions(&mut self) -> Vec<String> {
        let wanted: [IsWanted; 2] = [is_operator_odometer, is_operator_vin];
        let past = self.history.newest(&wanted, self.known_until).await;
        self.known_until = past.next;
        let mut newest = past.newest.into_iter();
        let mut next = || newest.next().flatten();
        let (set, named) = (next(), next());
        let mut texts = Vec::new();
        if let Some(vin) = named.as_ref().and_then(vin_of) {
            if self.identity.device() != Some(&vin) {
                self.odometer.reset(None);
            }
            texts.push(vin_decided(&vin));
            self.identity.decided(vin);
        }
        if let Some(mark) = set.as_ref().and_then(mark_of) {
            texts.push(odometer_decided(&mark.value));
            self.odometer.reset(Some(Mark { at: self.now(), ..mark }));
        }
        texts
    }

    /// Returns whether a value may contradict the last one for good. While the vehicle has not told the VIN that the
    /// device is known by, it may be another one.
    pub fn corrections(&self) -> Corrections {
        match self.identity {
            Identity::Unknown | Identity::Confirmed(_) => Corrections::Accepted,
            Identity::Expected(_) | Identity::Foreign { .. } => Corrections::Refused,
        }
    }
}

fn vin_decided(vin: &Vin) -> String {
    format!("vehicle: the operator has decided that its VIN is {vin}")
}

fn odometer_decided(value: &Decimal) -> String {
    format!("odometer: the operator has decided that it continues from {value} km")
}

/// Returns the later of the two, and whether it is the second.
fn newer(first: Option<PastReading>, second: Option<PastReading>) -> (Option<PastReading>, bool) {
    match second {
        Some(second) if is_after(&second, first.as_ref()) => (Some(second), true),
        _ => (first, false),
    }
}

/// Returns true if a reading came later than another one, or if there is no other one.
fn is_after(reading: &PastReading, other: Option<&PastReading>) -> bool {
    other.is_none_or(|other| reading.sequence >= other.sequence)
}

/// Only a value that this adapter has read, in km and possible, is a baseline: a value from another source may have
/// another unit, or belong to another meter.
fn is_odometer(reading: &Reading) -> bool {
    reading.name.as_str() == ODOMETER_NAME
        && reading.source == source(CURRENT, Some(Signal::Odometer.pid()))
        && is_odometer_value(reading)
}

fn is_vin(reading: &Reading) -> bool {
    reading.name.as_str() == VIN_NAME && reading.source == source(VEHICLE, Some(VIN)) && is_valid_vin(reading)
}

fn is_operator_odometer(reading: &Reading) -> bool {
    reading.name.as_str() == OPERATOR_ODOMETER && is_odometer_value(reading)
}

fn is_operator_vin(reading: &Reading) -> bool {
    reading.name.as_str() == OPERATOR_VIN && is_valid_vin(reading)
}

/// Returns true if a reading has a value that an odometer can have, in kilometres.
pub fn is_odometer_value(reading: &Reading) -> bool {
    let is_possible_value = matches!(&reading.value, Value::Decimal(value) if is_possible(value));
    reading.unit.as_str() == Signal::Odometer.unit() && is_possible_value
}

fn is_valid_vin(reading: &Reading) -> bool {
    matches!(&reading.value, Value::Text(text) if Vin::new(text.as_str()).is_some())
}

/// Returns the source of an answer, such as `obd:01A6` for service 01 and parameter A6.
pub fn source(service: u8, pid: Option<u8>) -> Source {
    let pid = pid.map_or_else(String::new, |pid| format!("{pid:02X}"));
    Source::of_adapter("obd", &format!("{service:02X}{pid}"))
}

fn vin_of(past: &PastReading) -> Option<Vin> {
    match &past.reading.value {
        Value::Text(text) => Vin::new(text.as_str()),
        Value::Decimal(_) | Value::Boolean(_) => None,
    }
}

/// Returns the value of a reading and its age as a negative time. If the clock was set back since, the age is zero.
fn mark_of(past: &PastReading) -> Option<Mark> {
    let Value::Decimal(value) = past.reading.value else { return None };
    let age = i64::try_from(now_ms().saturating_sub(past.reading.time)).unwrap_or(i64::MAX);
    Some(Mark { value, at: -age })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{obd::tests::PastReadings, Past};

    const OURS: &str = "WVWZZZ1JZ3W386752";
    const OTHER: &str = "WP0ZZZ99ZTS390000";

    async fn recall(past: &[(&str, &str, &str, &str)]) -> (VehicleMemory, Vec<String>) {
        VehicleMemory::recall(Arc::new(PastReadings::new(past)), 300).await
    }

    fn km(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[tokio::test]
    async fn only_a_possible_value_in_km_that_the_adapter_has_read_is_a_baseline() {
        let own = ("Vehicle.TraveledDistance", "105860.1", "km", "obd:01A6");
        for other in [
            ("Vehicle.TraveledDistance", "105860104", "m", "senml"),
            ("Vehicle.TraveledDistance", "105860104", "km", "senml"),
            ("Vehicle.TraveledDistance", "105861", "km", "senml"),
            ("Vehicle.TraveledDistance", "1e18", "km", "senml"),
            ("Vehicle.TraveledDistance", "105861", "", "obd:01A6"),
            ("Vehicle.TraveledDistance", "105860200", "m", "obd:01A6"),
            ("Vehicle.TraveledDistance", "1e18", "km", "obd:01A6"),
            ("Vehicle.TraveledDistance", "0", "km", "obd:01A6"),
            ("Vehicle.TraveledDistance", "-5", "km", "obd:01A6"),
            ("Vehicle.Speed", "50", "km", "obd:01A6"),
        ] {
            assert_eq!(recall(&[own, other]).await.0.odometer.last(), km("105860.1"), "{other:?}");
            assert_eq!(recall(&[other]).await.0.odometer.last(), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn the_operator_sets_the_baseline_until_the_adapter_has_read_again() {
        let wrong = ("Vehicle.TraveledDistance", "345000", "km", "obd:01A6");
        let set = ("operator:odometer", "230012", "km", "senml");
        let (memory, texts) = recall(&[wrong, set]).await;
        assert_eq!(memory.odometer.last(), km("230012"));
        assert_eq!(texts, ["odometer: the operator has decided that it continues from 230012 km"]);
        let read = ("Vehicle.TraveledDistance", "230013", "km", "obd:01A6");
        let (memory, texts) = recall(&[wrong, set, read]).await;
        assert_eq!((memory.odometer.last(), texts.len()), (km("230013"), 0));
        let metres = ("operator:odometer", "230012000", "m", "senml");
        assert_eq!(recall(&[wrong, metres]).await.0.odometer.last(), km("345000"));
    }

    #[tokio::test]
    async fn the_operator_says_which_vehicle_it_is() {
        let ours = (VIN_NAME, OURS, "", "obd:0902");
        let odometer = ("Vehicle.TraveledDistance", "54001", "km", "obd:01A6");
        let named = ("operator:vin", OTHER, "", "senml");
        let (memory, texts) = recall(&[ours, odometer, named]).await;
        assert_eq!(memory.identity, Identity::Expected(Vin::new(OTHER).unwrap()));
        assert_eq!(memory.odometer.last(), None, "the odometer of the other vehicle starts anew");
        assert_eq!(texts, ["vehicle: the operator has decided that its VIN is WP0ZZZ99ZTS390000"]);
        let zeros = (VIN_NAME, "00000000000000000", "", "obd:0902");
        let typed_in = (VIN_NAME, OTHER, "", "senml");
        let (memory, _) = recall(&[ours, zeros, typed_in]).await;
        assert_eq!(memory.identity, Identity::Expected(Vin::new(OURS).unwrap()));
    }

    #[tokio::test]
    async fn a_decision_is_taken_over_while_the_adapter_runs() {
        let past = Arc::new(PastReadings::new(&[(VIN_NAME, OURS, "", "obd:0902")]));
        let (mut memory, _) = VehicleMemory::recall(past.clone(), 300).await;
        memory.identity.told(Vin::new(OTHER).unwrap());
        assert!(memory.awaits_decision() && memory.corrections() == Corrections::Refused);
        assert!(memory.take_decisions().await.is_empty());
        past.add(("operator:vin", OTHER, "", "senml"));
        past.add(("operator:odometer", "123456", "km", "senml"));
        assert_eq!(memory.take_decisions().await.len(), 2);
        assert!(!memory.awaits_decision() && memory.corrections() == Corrections::Accepted);
        assert_eq!(memory.odometer.last(), km("123456"));
        assert!(memory.take_decisions().await.is_empty(), "once");
        assert_eq!(past.newest(&[], 0).await, Past { newest: vec![], next: 3 });
    }
}
