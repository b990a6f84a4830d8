//! What adapters observe goes into the log: one task a device, in order, nothing dropped.

use crate::{
    adapters::{obd, Observed},
    config::{Config, DeviceConfig},
    ingest::{Ingest, IngestError},
    log::{Log, LogError, Receipt},
    metrics::Metrics,
    status::StatusBoard,
};
use futures::future::join_all;
use std::time::Duration;
use streembit_primitives::{Decimal, DeviceId, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many observations may wait for the log before the adapter does.
const QUEUE: usize = 16;

/// The pauses before the log is tried again: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The reading whose last value an odometer is judged by.
const ODOMETER: &str = "Vehicle.TraveledDistance";

/// How many of a device's last events are searched for its odometer; read a page at a time.
const SEARCHED: u64 = 10_000;
const PAGE: u64 = 200;

/// What the adapters feed.
pub(super) struct Feed {
    pub log: Log,
    pub ingest: Ingest,
    pub status: StatusBoard,
    pub metrics: Metrics,
}

impl Feed {
    /// Reads all devices that are read, until shut down.
    pub async fn run(self, config: &Config, shutdown: &CancellationToken) {
        let gateway = self.log.id().gateway;
        let devices = config.devices.iter();
        join_all(devices.map(|device| self.device(device, device.id(gateway), shutdown))).await;
    }

    async fn device(&self, device: &DeviceConfig, id: DeviceId, shutdown: &CancellationToken) {
        let Some(mut config) = device.obd.clone() else { return };
        let log = self.log.clone();
        let searched = tokio::task::spawn_blocking(move || last_odometer(&log, &id)).await;
        config.last_odometer = match searched {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::warn!(device = device.name, %error, "the last odometer value is not known");
                None
            }
            Err(_) => None,
        };
        let (sender, observed) = mpsc::channel(QUEUE);
        let component = format!("device/{}", device.name);
        let report = |state| self.status.report(&component, state);
        let adapter = obd::run(config, sender, report, shutdown.clone());
        tokio::join!(adapter, self.log_all(&device.name, id, observed, shutdown));
    }

    /// Until the adapter has ended and everything that it observed is in the log.
    async fn log_all(
        &self,
        name: &str,
        id: DeviceId,
        mut observed: mpsc::Receiver<Observed>,
        shutdown: &CancellationToken,
    ) {
        while let Some(observed) = observed.recv().await {
            match self.log_one(id, observed, shutdown).await {
                Ok(receipt) => {
                    self.metrics.acknowledged();
                    tracing::debug!(device = name, index = receipt.index, "logged");
                }
                Err(error) => {
                    self.metrics.refused(&error);
                    tracing::error!(device = name, %error, "an observation is lost");
                }
            }
        }
    }

    /// Tries again while the log cannot write; an observation is lost only where it can never be logged.
    async fn log_one(
        &self,
        id: DeviceId,
        observed: Observed,
        shutdown: &CancellationToken,
    ) -> Result<Receipt, IngestError> {
        let mut pause = PAUSES.0;
        loop {
            let result = match &observed {
                Observed::Readings(readings) => self.ingest.readings(id, readings.clone()).await,
                Observed::Status(text) => self.ingest.status(id, text).await,
            };
            match result {
                Err(error) if error.is_temporary() && !shutdown.is_cancelled() => {
                    tracing::warn!(%error, "trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shutdown.cancelled() => {}
                    }
                    pause = (pause * 2).min(PAUSES.1);
                }
                result => return result,
            }
        }
    }
}

/// The last odometer value of a device, from the newest of its events that has one.
fn last_odometer(log: &Log, device: &DeviceId) -> Result<Option<Decimal>, LogError> {
    let Some(head) = log.head(device)? else { return Ok(None) };
    let mut end = head.sequence.saturating_add(1);
    let oldest = end.saturating_sub(SEARCHED);
    while end > oldest {
        let start = end.saturating_sub(PAGE).max(oldest);
        let page = log.device_events(device, start, (end - start) as usize)?;
        let bodies = page.iter().rev().filter_map(|event| event.body.present());
        let found = bodies.flat_map(|body| body.readings()).find_map(|reading| match reading.value {
            Value::Decimal(value) if reading.name.as_str() == ODOMETER => Some(value),
            _ => None,
        });
        if found.is_some() {
            return Ok(found);
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystore::KeyPair;
    use streembit_primitives::{DeviceKey, LogId, Reading, Source, Text};

    #[tokio::test]
    async fn the_last_odometer_is_found_behind_many_events_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyPair::from_seed([7; 32]);
        let gateway = keys.account();
        let key = DeviceKey::Hosted { gateway, label: Text::try_from("car").unwrap() };
        let id = key.device_id();
        let log = Log::open(dir.path(), LogId::first(gateway)).unwrap();
        let ingest = Ingest::new(log.clone(), keys, vec![key]);
        assert_eq!(last_odometer(&log, &id).unwrap(), None);
        let reading = |name: &str, value: u32| Reading {
            name: name.try_into().unwrap(),
            unit: Text::default(),
            value: Value::Decimal(value.into()),
            time: 1,
            source: Source::Sensor,
        };
        for value in [1000, 2000] {
            let readings = vec![reading("Vehicle.Speed", 50), reading(ODOMETER, value)];
            ingest.readings(id, readings).await.unwrap();
        }
        let speeds =
            (0..PAGE + 5).map(|speed| ingest.readings(id, vec![reading("Vehicle.Speed", speed as u32)]));
        assert!(join_all(speeds).await.iter().all(Result::is_ok));
        assert_eq!(last_odometer(&log, &id).unwrap(), Some(2000.into()));
    }
}
