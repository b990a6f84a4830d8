//! The gateway in the node's process (`--gateway FILE`): the same daemon as `streembit gateway run`, connected to the
//! node without a socket.
//!
//! A failure of the gateway does not affect the node. It is logged, and the gateway is restarted.

mod in_process_rpc;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use in_process_rpc::InProcessRpc;
use sc_cli::Error;
use sc_service::RpcHandlers;
use std::{
    fmt::Display,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};
use streembit::{
    config::Config,
    daemon,
    keys::open_key,
    remedies::{explain, with_causes},
};
use streembit_chain::NodeConnection;
use streembit_keystore::KeyPair;
use subxt_rpcs::RpcClient;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// The time that the gateway has to close its log.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum delay before a restart. After a gateway has run longer than this, the delays start again from the first.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(60);
/// The delays before restarts.
const RESTART: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(1))
    .with_max_delay(MAX_RESTART_DELAY)
    .without_max_times();

/// A gateway that is ready to start: its configuration and its decrypted key.
pub struct Gateway {
    config: Config,
    keys: KeyPair,
}

/// A running gateway.
pub struct RunningGateway {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Reads the configuration and decrypts the key, so that errors are reported before the node starts. Asks for the
    /// passphrase if no file has it.
    pub fn open(config: &Path, passphrase_file: Option<&Path>) -> sc_cli::Result<Self> {
        let failed = |error: anyhow::Error| {
            Error::Input(format!("--gateway {}: {}", config.display(), with_causes(&error)))
        };
        Self::read(config, passphrase_file).map_err(failed)
    }

    fn read(config: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<Self> {
        let config = Config::load(config)?;
        let passphrase_file = passphrase_file
            .map(Path::to_owned)
            .or_else(|| config.gateway.passphrase_file.clone())
            .or_else(|| {
                let variable = std::env::var_os("STREEMBIT_PASSPHRASE_FILE");
                variable.filter(|file| !file.is_empty()).map(PathBuf::from)
            });
        let keys = open_key(&config.gateway.key_file, passphrase_file.as_deref())?;
        Ok(Self { config, keys })
    }

    /// Starts the gateway with a connection to the node's RPC.
    pub fn start(self, rpc: &RpcHandlers) -> RunningGateway {
        let rpc = RpcClient::new(InProcessRpc::new(rpc));
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_with_restarts(stop.clone(), move |stop| {
            let node = NodeConnection::InProcess(rpc.clone());
            let run = daemon::run(self.config.clone(), self.keys.clone(), node, stop);
            async move { run.await.map_err(explain) }
        }));
        RunningGateway { stop, task }
    }
}

impl RunningGateway {
    /// Tells the gateway to stop and waits until its log is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        match tokio::time::timeout(CLOSING_TIMEOUT, self.task).await {
            Ok(Ok(())) => tracing::info!("the gateway has closed its log"),
            Ok(Err(error)) => {
                tracing::error!(%error, "the gateway failed while it stopped; its log is verified at the next start")
            }
            Err(_) => tracing::error!(
                "the gateway did not stop within {} s; its log is verified at the next start",
                CLOSING_TIMEOUT.as_secs()
            ),
        }
    }
}

/// Runs a gateway, and restarts it whenever it fails or panics, until it is told to stop.
///
/// It is restarted even after an error that only a person can correct, such as a log that does not match its anchor.
/// After the correction, nobody has to restart the validator.
async fn run_with_restarts<F, E>(stop: CancellationToken, mut start: impl FnMut(CancellationToken) -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut delays = RESTART.build();
    while !stop.is_cancelled() {
        let started = Instant::now();
        // The gateway runs in its own task, so that a panic ends only this task. It gets its own token, because it
        // cancels the token when it fails.
        let problem = match tokio::spawn(start(stop.child_token())).await {
            Ok(Ok(())) if stop.is_cancelled() => return,
            Ok(Ok(())) => "it ended unexpectedly".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if started.elapsed() > MAX_RESTART_DELAY {
            delays = RESTART.build();
        }
        let delay = delays.next().unwrap_or(MAX_RESTART_DELAY);
        tracing::error!(
            "gateway: {problem}; the node goes on, and the gateway restarts in {} s",
            delay.as_secs()
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicU32, Ordering},
        Arc,
    };

    /// Runs a gateway that fails, panics, ends early, and then runs until it is stopped. Returns the number of starts
    /// and the elapsed time.
    async fn starts_until_stopped(stop_after: Duration) -> (u32, Duration) {
        let stop = CancellationToken::new();
        let starts = Arc::new(AtomicU32::new(0));
        let counter = starts.clone();
        let began = Instant::now();
        let task = tokio::spawn(run_with_restarts(stop.clone(), move |stop| {
            let start = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                match start {
                    0 => {
                        stop.cancel();
                        Err("the log is locked")
                    }
                    1 => panic!("a bug in the gateway"),
                    2 => Ok(()),
                    _ => {
                        stop.cancelled().await;
                        Ok(())
                    }
                }
            }
        }));
        tokio::time::sleep(stop_after).await;
        stop.cancel();
        task.await.unwrap();
        (starts.load(Ordering::SeqCst), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_gateway_restarts_after_errors_panics_and_early_ends() {
        // The delays before the second, third and fourth start are 1, 2 and 4 seconds.
        let (starts, elapsed) = starts_until_stopped(Duration::from_secs(8)).await;
        assert_eq!(starts, 4);
        assert!(elapsed < Duration::from_secs(9), "{elapsed:?}");
    }

    #[test]
    fn the_delays_double_up_to_the_maximum() {
        let delays: Vec<_> = RESTART.build().take(8).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_delays_start_again_after_a_long_run() {
        let stop = CancellationToken::new();
        let starts = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = starts.clone();
        let task = tokio::spawn(run_with_restarts(stop.clone(), move |_| {
            seen.lock().unwrap().push(Instant::now());
            let runs_long = seen.lock().unwrap().len() == 3;
            async move {
                if runs_long {
                    tokio::time::sleep(MAX_RESTART_DELAY + Duration::from_secs(1)).await;
                }
                Err("the disk is full")
            }
        }));
        tokio::time::sleep(Duration::from_secs(68)).await;
        stop.cancel();
        task.await.unwrap();
        // The third run takes 61 seconds. The delay after it is 1 second instead of 4.
        let starts = starts.lock().unwrap();
        let gaps: Vec<_> = starts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert_eq!(gaps, [1, 2, 62, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_delay() {
        let (starts, elapsed) = starts_until_stopped(Duration::from_millis(3_500)).await;
        assert_eq!(starts, 3);
        assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
    }
}
