//! Reads vehicles over OBD-II, through an ELM327 on a serial port or over TCP.
//!
//! ```text
//! bytes -> answer (lines, frames, messages) -> pids, dtc (values) -> plausibility -> poll -> Observed
//!          \_______________ no I/O, tested with arbitrary bytes ____________________/
//! ```
//!
//! The adapter requests the supported parameters (`01 00`, `01 20`, ... `01 A0`) and the VIN (`09 02`) once per
//! connection. In every cycle it requests the odometer (`01 A6`), the speed, the engine's speed and the coolant's
//! temperature, and every 30 s the fault codes (`03`). Fault codes become a reading once per connection and whenever
//! they change. Readings have COVESA VSS names and units, and the service and parameter that they come from.
//!
//! # Decisions
//!
//! - **Wrong service bytes.** Some control units (and the `car` scenario of the emulator in the end-to-end tests)
//!   answer `01 A6` with `61 A6 ...`, although SAE J1979 requires `41 A6 ...`. Such an answer counts if there is no
//!   standard answer and if it is positive (41 to 7E; 7F is a refusal), names exactly the requested parameter and has
//!   exactly the parameter's length. The first such answer of a connection causes a warning and a status text, so that
//!   an audit shows it. If the vehicle does not list the odometer as supported, such an answer never counts.
//! - **Implausible odometer values** are withheld and reported in a status text: see [`plausibility`].
//! - **Several control units** are distinguished by headers (`ATH1`) if the protocol's header format is known. The
//!   first standard answer to a request counts. Supported parameters and fault codes are merged from all control
//!   units.
//! - **Lost connections are retried.** The port, the adapter or the vehicle can disappear at any time. The adapter
//!   reports this once, as a status text, and retries with growing pauses (0.5 to 5 s; up to 30 s while the vehicle is
//!   off) until it is told to stop.

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
/// The pauses between attempts while the vehicle is off. They are longer, because requests keep the control units of a
/// parked vehicle awake.
const RETRY_WHEN_OFF: ExponentialBuilder = RETRY.with_max_delay(Duration::from_secs(30));

/// The adapter for vehicles with an OBD-II port.
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
                tracing::error!(%error, port = %config.port, "the OBD-II adapter stopped");
            }
        }
        state.send_replace(AdapterState::Stopped);
    }
}

/// The configuration of [`Obd`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ObdConfig {
    /// The serial port, or `tcp://host:port`.
    pub port: Endpoint,
    /// The speed of the serial port, or `None` to try the usual ones.
    pub baud: Option<u32>,
    /// The time from the start of one cycle to the start of the next. It is longer if the vehicle answers slowly.
    pub every: Duration,
}

impl fmt::Display for ObdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OBD-II at {}", self.port)
    }
}

/// The baud rates of ELM327 adapters and their clones.
const SPEEDS: [u32; 11] =
    [9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 500_000, 921_600, 1_000_000, 2_000_000];

/// The configuration with the keys and units of its TOML table.
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

/// A value of the configuration is invalid.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ObdConfigError {
    /// A baud rate was given for a TCP address.
    #[error("`baud` has no meaning for {0}: remove it")]
    BaudOverTcp(Endpoint),
    /// No ELM327 has this baud rate.
    #[error("{0} is not a baud rate of an ELM327: use one of {SPEEDS:?}, or leave `baud` out to detect it")]
    Baud(u32),
    /// The interval is too short or too long.
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

/// Connects and polls until the receiver of the observations is gone.
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
                // Next time, try the speed that worked first.
                let baud = session.baud();
                rates.sort_by_key(|rate| *rate != baud);
                let reset_pauses = || (pauses, pauses_when_off) = (RETRY.build(), RETRY_WHEN_OFF.build());
                poll_until_lost(session, config.every, &mut memory, observed, state, reset_pauses).await
            }
            Err(error) => error,
        };
        let pause = match error {
            ObdError::ReceiverGone => return error,
            ObdError::NoVehicle(_) => pauses_when_off.next(),
            _ => pauses.next(),
        };
        let (problem, remedy) = (error.to_string(), error.remedy().to_owned());
        state.send_replace(AdapterState::Retrying { problem, remedy });
        sleep(pause.unwrap_or_default()).await;
    }
}

/// Polls over one connection until it fails, and reports its start and its end as status texts. Calls `answered` after
/// every cycle in which the vehicle answered.
async fn poll_until_lost(
    session: Session,
    every: Duration,
    memory: &mut VehicleMemory,
    observed: &mpsc::Sender<Observed>,
    state: &watch::Sender<AdapterState>,
    mut answered: impl FnMut() + Send,
) -> ObdError {
    let mut poller = match Poller::begin(session, memory, observed).await {
        Ok(poller) => poller,
        Err(error) => return error,
    };
    let error = poller
        .run(every, |poller| {
            answered();
            state.send_replace(AdapterState::Running { detail: poller.description() });
        })
        .await;
    match send_status(observed, format!("lost: {error}")).await {
        Ok(()) => error,
        Err(receiver_gone) => receiver_gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<ObdConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn valid_configurations_are_read_and_written() {
        let serial = config("port = '/dev/ttyUSB0'").unwrap();
        assert_eq!((serial.baud, serial.every), (None, Duration::from_secs(1)));
        let tcp = config("port = 'tcp://127.0.0.1:35000'\nevery_seconds = 5").unwrap();
        assert_eq!(tcp.every, Duration::from_secs(5));
        let fast = config("port = '/dev/ttyUSB0'\nbaud = 115200\nevery_seconds = 0.25").unwrap();
        assert_eq!((fast.baud, fast.every), (Some(115_200), Duration::from_millis(250)));
        assert_eq!(config(&toml::to_string(&fast).unwrap()).unwrap(), fast);
    }

    #[test]
    fn invalid_configurations_are_rejected_with_the_wrong_key_or_value() {
        for (text, named) in [
            ("baud = 38400", "port"),
            ("port = 'tcp://nowhere'", "tcp://nowhere"),
            ("port = 'tcp://127.0.0.1:1'\nbaud = 38400", "baud"),
            ("port = '/dev/ttyUSB0'\nbaud = 0", "0 is not a baud rate"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = 0", "every_seconds = 0"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = nan", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nevery_seconds = -1", "every_seconds"),
            ("port = '/dev/ttyUSB0'\nspeed = 1", "speed"),
        ] {
            let error = config(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
