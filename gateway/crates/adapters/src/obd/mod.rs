//! Cars, by OBD-II: an ELM327 on a serial port or over TCP.
//!
//! ```text
//! bytes -> answer (lines, frames, messages) -> pids, dtc (values) -> odometer (plausible?) -> poll -> Observed
//!          \_________ pure, tested with any bytes _________________________________________/
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
//! - **Implausible odometers** are withheld with a status text: see [`odometer`].
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
mod poll;

pub use error::ObdError;

use super::{serial::Endpoint, Observed};
use crate::status::ComponentState;
use elm327::{Session, BAUD_RATES};
use poll::{send_status, Memory, Poller};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use streembit_primitives::Decimal;
use tokio::{sync::mpsc::Sender, time::sleep};
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Questions keep a parked vehicle's control units awake: it is asked less often whether it is on again.
const LONGEST_PAUSE_WHEN_OFF: Duration = Duration::from_secs(30);

/// Where the adapter is and how often it is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ObdConfig {
    /// The serial port, or `tcp://host:port`.
    pub port: Endpoint,
    /// The speed of the serial port; where `None`, the usual ones are tried.
    pub baud: Option<u32>,
    /// The time from one cycle of questions to the next. A slow vehicle makes it longer.
    pub every: Duration,
    /// The last odometer value in kilometres that is known from elsewhere, such as the log; not configured.
    pub last_odometer: Option<Decimal>,
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
        Ok(Self { port: fields.port, baud: fields.baud, every, last_odometer: None })
    }
}

impl From<ObdConfig> for Fields {
    fn from(config: ObdConfig) -> Self {
        Self { port: config.port, baud: config.baud, every_seconds: config.every.as_secs_f64() }
    }
}

/// Reads a vehicle until `shutdown`. What it observes goes to `sink`, which may make it wait; its condition to `report`.
pub async fn run(
    config: ObdConfig,
    sink: Sender<Observed>,
    report: impl Fn(ComponentState) + Send + Sync,
    shutdown: CancellationToken,
) {
    report(ComponentState::Starting);
    tokio::select! {
        () = shutdown.cancelled() => {}
        error = supervise(&config, &sink, &report) => tracing::error!(%error, port = %config.port, "stopped"),
    }
    report(ComponentState::Stopped);
}

/// Connects and polls, again and again; returns only when nobody takes the readings any more.
async fn supervise(
    config: &ObdConfig,
    sink: &Sender<Observed>,
    report: &(impl Fn(ComponentState) + Send + Sync),
) -> ObdError {
    let mut memory = Memory::new(config.last_odometer);
    let mut rates = config.baud.map_or_else(|| BAUD_RATES.to_vec(), |baud| vec![baud]);
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match Session::connect(&config.port, &rates).await {
            Ok(session) => {
                // The speed that worked is the first to be tried the next time.
                let baud = session.baud();
                rates.sort_by_key(|rate| *rate != baud);
                let heard = || pause = FIRST_PAUSE;
                poll_until_lost(session, config.every, &mut memory, sink, report, heard).await
            }
            Err(error) => error,
        };
        if matches!(error, ObdError::NobodyListens) {
            return error;
        }
        report(ComponentState::Retrying { problem: error.to_string(), remedy: error.remedy().to_owned() });
        sleep(pause).await;
        let longest = match error {
            ObdError::NoVehicle(_) => LONGEST_PAUSE_WHEN_OFF,
            _ => LONGEST_PAUSE,
        };
        pause = longest.min(pause * 2);
    }
}

/// One connection, from its first word in the log to its last.
async fn poll_until_lost(
    session: Session,
    every: Duration,
    memory: &mut Memory,
    sink: &Sender<Observed>,
    report: &(impl Fn(ComponentState) + Send + Sync),
    mut heard: impl FnMut() + Send,
) -> ObdError {
    let mut poller = match Poller::begin(session, memory, sink).await {
        Ok(poller) => poller,
        Err(error) => return error,
    };
    let error = poller
        .run(every, |poller| {
            heard();
            report(ComponentState::Running { detail: poller.description() });
        })
        .await;
    match send_status(sink, format!("lost: {error}")).await {
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
