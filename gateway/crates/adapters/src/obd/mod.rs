//! Cars, by OBD-II: an ELM327 on a serial port or over TCP.
//!
//! ```text
//! bytes -> answer (lines, frames, messages) -> pids, dtc (values) -> plausibility -> poll -> Observed
//!          \_________ pure, tested with any bytes __________________________________/
//! ```
//!
//! What is asked: supported parameters (01 00, 20, ... A0), VIN (09 02), odometer (01 A6), speed, engine speed and
//! coolant temperature each cycle, fault codes (03) every 30 s. Readings carry COVESA VSS names and units, and the
//! service and parameter that they came from. The VIN is read at each connection (it cannot change without one), fault
//! codes are passed on at each connection and when they change.
//!
//! # Decisions
//!
//! - **A wrong service byte.** Some control units (and the `car` scenario of the test suite's emulator) answer `01 A6`
//!   with `61 A6 ...` where SAE J1979 wants `41 A6 ...`. Such an answer is taken only where no right one came, it names
//!   exactly the parameter asked, has exactly its length and is a positive answer (41 to 7E; 7F is a refusal). The
//!   first one of a connection becomes a status text, so that an audit shows it, and a warning. An odometer that is not
//!   even listed as supported is never taken from such an answer.
//! - **Implausible odometers** are withheld with a status text: see [`plausibility`].
//! - **Several control units** are told apart by headers (`ATH1`), used where the protocol's are known. The first
//!   right answer to a question counts; supported parameters and fault codes are those of all of them together.
//! - **What is lost comes back**: port, adapter or vehicle may vanish at any time. The adapter says so once, as a
//!   status text, and tries again with growing pauses (0.5 to 5 s; 30 s while the
//!   vehicle is off) until it is told to stop.

pub mod answer;
pub mod dtc;
pub mod elm327;
mod error;
pub mod odometer;
pub mod pids;
pub mod plausibility;
mod poll;

pub use error::ObdError;

use crate::{serial::Endpoint, Adapter, AdapterContext, AdapterState, Observed};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use elm327::{Session, BAUD_RATES};
use poll::{send_status, Poller, VehicleMemory};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// The pauses between attempts to connect.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(500))
    .with_max_delay(Duration::from_secs(5))
    .without_max_times();
/// The same while the vehicle is off. Questions keep a parked vehicle's control units awake, so it is asked less often.
const RETRY_WHEN_OFF: ExponentialBuilder = RETRY.with_max_delay(Duration::from_secs(30));

/// Cars, by OBD-II.
#[derive(Debug)]
pub struct Obd;

impl Adapter for Obd {
    const KIND: &'static str = "obd";
    type Config = ObdConfig;

    async fn run(config: ObdConfig, context: AdapterContext) {
        let AdapterContext { observed, state, history, stop } = context;
        let last = odometer::last_value(history.as_ref()).await;
        tokio::select! {
            () = stop.cancelled() => {}
            error = supervise(&config, VehicleMemory::new(last), &observed, &state) => {
                tracing::error!(%error, port = %config.port, "stopped");
            }
        }
        state.send_replace(AdapterState::Stopped);
    }
}

/// Where the adapter is and how often it is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ObdConfig {
    /// The serial port, or `tcp://host:port`.
    pub port: Endpoint,
    /// The speed of the serial port; if `None`, the usual ones are tried.
    pub baud: Option<u32>,
    /// The time from one cycle of questions to the next. A slow vehicle makes it longer.
    pub every: Duration,
}

impl fmt::Display for ObdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OBD-II at {}", self.port)
    }
}

/// The speeds that ELM327 adapters and their relatives speak.
const SPEEDS: [u32; 11] =
    [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000, 921_600, 1_000_000, 2_000_000];

/// The keys as they are written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    port: Endpoint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baud: Option<u32>,
    #[serde(default = "every_second")]
    every_seconds: f64,
}

fn every_second() -> f64 {
    1.0
}

/// A configuration that cannot be meant.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ObdConfigError {
    /// A speed for an address.
    #[error("`baud` has no meaning for {0}: remove it")]
    BaudOverTcp(Endpoint),
    /// A speed that no port has.
    #[error("{0} is no baud rate of an ELM327: one of {SPEEDS:?}, or leave it out to have it found")]
    Baud(u32),
    /// Too often or too seldom.
    #[error("every_seconds = {0} is out of range: use 0.05 to 86400")]
    Every(f64),
}

impl TryFrom<Fields> for ObdConfig {
    type Error = ObdConfigError;

    fn try_from(fields: Fields) -> Result<Self, ObdConfigError> {
        match (&fields.port, fields.baud) {
            (Endpoint::Tcp(_), Some(_)) => return Err(ObdConfigError::BaudOverTcp(fields.port)),
            (_, Some(baud)) if !SPEEDS.contains(&baud) => return Err(ObdConfigError::Baud(baud)),
            _ => {}
        }
        if !(0.05..=86_400.0).contains(&fields.every_seconds) {
            return Err(ObdConfigError::Every(fields.every_seconds));
        }
        let every = Duration::from_secs_f64(fields.every_seconds);
        Ok(Self { port: fields.port, baud: fields.baud, every })
    }
}

impl From<ObdConfig> for Fields {
    fn from(config: ObdConfig) -> Self {
        Self { port: config.port, baud: config.baud, every_seconds: config.every.as_secs_f64() }
    }
}

/// Connects and polls, again and again; returns only when nobody takes the readings any more.
async fn supervise(
    config: &ObdConfig,
    mut memory: VehicleMemory,
    observed: &mpsc::Sender<Observed>,
    state: &watch::Sender<AdapterState>,
) -> ObdError {
    let mut rates = config.baud.map_or_else(|| BAUD_RATES.to_vec(), |baud| vec![baud]);
    let (mut pauses, mut pauses_when_off) = (RETRY.build(), RETRY_WHEN_OFF.build());
    loop {
        let error = match Session::connect(&config.port, &rates).await {
            Ok(session) => {
                // The speed that worked is the first to be tried the next time.
                let baud = session.baud();
                rates.sort_by_key(|rate| *rate != baud);
                let heard = || (pauses, pauses_when_off) = (RETRY.build(), RETRY_WHEN_OFF.build());
                poll_until_lost(session, config.every, &mut memory, observed, state, heard).await
            }
            Err(error) => error,
        };
        let pause = match error {
            ObdError::NobodyListens => return error,
            ObdError::NoVehicle(_) => pauses_when_off.next(),
            _ => pauses.next(),
        };
        let (problem, remedy) = (error.to_string(), error.remedy().to_owned());
        state.send_replace(AdapterState::Retrying { problem, remedy });
        sleep(pause.unwrap_or_default()).await;
    }
}

/// One connection, from its first word in the log to its last.
async fn poll_until_lost(
    session: Session,
    every: Duration,
    memory: &mut VehicleMemory,
    observed: &mpsc::Sender<Observed>,
    state: &watch::Sender<AdapterState>,
    mut heard: impl FnMut() + Send,
) -> ObdError {
    let mut poller = match Poller::begin(session, memory, observed).await {
        Ok(poller) => poller,
        Err(error) => return error,
    };
    let error = poller
        .run(every, |poller| {
            heard();
            state.send_replace(AdapterState::Running { detail: poller.description() });
        })
        .await;
    match send_status(observed, format!("lost: {error}")).await {
        Ok(()) => error,
        Err(nobody) => nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<ObdConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn configurations() {
        let serial = config("port = '/dev/ttyUSB0'").unwrap();
        assert_eq!((serial.baud, serial.every), (None, Duration::from_secs(1)));
        let tcp = config("port = 'tcp://127.0.0.1:35000'\nevery_seconds = 5").unwrap();
        assert_eq!(tcp.every, Duration::from_secs(5));
        let fast = config("port = '/dev/ttyUSB0'\nbaud = 115200\nevery_seconds = 0.25").unwrap();
        assert_eq!((fast.baud, fast.every), (Some(115_200), Duration::from_millis(250)));
        assert_eq!(config(&toml::to_string(&fast).unwrap()).unwrap(), fast);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_name() {
        for (text, names) in [
            ("baud = 38400", "port"),
            ("port = 'tcp://nowhere'", "tcp://nowhere"),
            ("port = 'tcp://127.0.0.1:1'\nbaud = 38400", "baud"),
            ("port = '/dev/ttyUSB0'\nbaud = 0", "0 is no baud rate"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = 0", "every_seconds = 0"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = nan", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = -1", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nspeed = 1", "speed"),
        ] {
            let error = config(text).unwrap_err();
            assert!(error.contains(names), "{text}: {error}");
        }
    }
}
