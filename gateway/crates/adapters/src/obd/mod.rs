//! Reads vehicles over OBD-II, through an ELM327 on a serial port or over TCP.
//!
//! ```text
//! bytes -> link -> answer (lines, frames, messages) -> pids, dtc, vin (values) -> plausibility -> poll -> Observed
//!                  \__________________ no I/O, tested with arbitrary bytes _____________________/
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
//! - **Another vehicle on the port.** The VIN that the log knows is compared at every connection. If the vehicle has
//!   another one, its odometer, its fault codes and its VIN are withheld until the right vehicle is back, or until the
//!   operator accepts the vehicle with a reading named [`OPERATOR_VIN`].
//! - **Only a complete answer says that there are no faults**: see [`dtc::Incomplete`].
//! - **Several control units** are distinguished by headers (`ATH1`) if the protocol's header format is known. The
//!   first standard answer to a request counts. Supported parameters and fault codes are merged from all control
//!   units.
//! - **Answers are matched to their requests.** Input that nobody asked for is discarded. If an answer belongs to another
//!   request, the adapter waits for silence and asks again, and then connects anew.
//! - **Refusals for the moment** are not refusals: `7F .. 78` is waited for, `7F .. 21` and one `NO DATA` are asked
//!   again.
//! - **Lost connections are retried.** The port, the adapter or the vehicle can disappear at any time. The adapter
//!   reports this once, as a status text, and retries with growing pauses (0.5 to 5 s; up to 30 s while the vehicle is
//!   off) until it is told to stop. A vehicle that still answers `01 00` is not lost, only quiet.

pub mod answer;
mod config;
pub mod dtc;
mod elm327;
mod error;
mod faults;
mod link;
mod memory;
mod odometer;
pub mod pids;
pub mod plausibility;
mod poll;
mod protocol;
mod question;
pub mod vin;

pub use config::{ObdConfig, ObdConfigError};
pub use error::ObdError;
pub use memory::{is_odometer_value, ODOMETER_NAME, OPERATOR_ODOMETER, OPERATOR_VIN};
pub use protocol::{ParseProtocolError, Protocol};

use crate::{Adapter, AdapterContext, AdapterState, Observed};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use elm327::{Open, Search, Session, BAUD_RATES};
use memory::VehicleMemory;
use poll::{send_status, Liveness, Poller};
use std::time::Duration;
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
/// All protocols are tried in turn at the first and at every tenth attempt that finds no vehicle. The search of the
/// adapter itself, which the other attempts use, is gentler on a parked vehicle.
const THOROUGH_EVERY: u32 = 10;

/// The adapter for vehicles with an OBD-II port.
#[derive(Debug)]
pub struct Obd;

impl Adapter for Obd {
    const KIND: &'static str = "obd";
    type Config = ObdConfig;

    async fn run(config: ObdConfig, context: AdapterContext) {
        let port = config.port.clone();
        run(config, &port, context).await;
    }
}

/// Runs the adapter on an opened port.
async fn run(config: ObdConfig, port: &impl Open, context: AdapterContext) {
    let AdapterContext { observed, state, history, stop } = context;
    tokio::select! {
        () = stop.cancelled() => {}
        error = async {
            let (memory, decisions) = VehicleMemory::recall(history, config.max_speed_kmh).await;
            supervise(&config, port, memory, decisions, &observed, &state).await
        } => {
            tracing::error!(%error, port = %config.port, "the OBD-II adapter stopped");
        }
    }
    state.send_replace(AdapterState::Stopped);
}

/// Connects and polls until the receiver of the observations is gone. `decisions` are the texts that record what the
/// operator has decided.
async fn supervise(
    config: &ObdConfig,
    port: &impl Open,
    mut memory: VehicleMemory,
    decisions: Vec<String>,
    observed: &mpsc::Sender<Observed>,
    state: &watch::Sender<AdapterState>,
) -> ObdError {
    for text in decisions {
        if let Err(error) = send_status(observed, text).await {
            return error;
        }
    }
    let mut rates = config.baud.map_or_else(|| BAUD_RATES.to_vec(), |baud| vec![baud]);
    let (mut pauses, mut pauses_when_off) = (RETRY.build(), RETRY_WHEN_OFF.build());
    let mut not_found = 0u32;
    loop {
        let search = search(config, not_found);
        let error = match Session::connect(config, port, &rates, search).await {
            Ok(session) => {
                not_found = 0;
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
            ObdError::NoVehicle(_) => {
                not_found = not_found.saturating_add(1);
                pauses_when_off.next()
            }
            _ => pauses.next(),
        };
        let (problem, remedy) = (error.to_string(), error.remedy().to_owned());
        state.send_replace(AdapterState::Retrying { problem, remedy });
        sleep(pause.unwrap_or_default()).await;
    }
}

/// Returns which protocols are tried after so many attempts that found no vehicle.
fn search(config: &ObdConfig, not_found: u32) -> Search {
    match config.protocol {
        Some(protocol) => Search::Only(protocol),
        None if not_found.is_multiple_of(THOROUGH_EVERY) => Search::Thorough,
        None => Search::Automatic,
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
        .run(every, |poller: &Poller<'_>, liveness: Liveness| {
            answered();
            state.send_replace(poller.state(liveness));
        })
        .await;
    match send_status(observed, format!("lost: {error}")).await {
        Ok(()) => error,
        Err(receiver_gone) => receiver_gone,
    }
}

#[cfg(test)]
mod tests;
