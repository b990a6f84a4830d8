//! The gateway in the node's process (`--gateway FILE`): the same daemon as `streembit gateway run`, over the node's own
//! RPC.
//!
//! It is a guest: whatever befalls it, the node goes on. Its errors are logged and it is started anew.

use crate::{cli::Cli, in_process_rpc::InProcessRpc};
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
    keys::open_gateway_key,
    remedies::{explain, with_causes},
};
use streembit_chain::NodeConnection;
use streembit_keystore::KeyPair;
use subxt_rpcs::RpcClient;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long the gateway may take to close its log.
const CLOSING_TIME: Duration = Duration::from_secs(30);
/// The first wait before a gateway that failed is started anew; it doubles with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A gateway with its key open, ready to start.
pub struct Gateway {
    config: Config,
    keys: KeyPair,
}

/// A gateway that runs.
pub struct RunningGateway {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Reads the configuration and opens the key that the command line names. What is wrong with them is told before the
    /// node starts, and so is the passphrase asked for.
    pub fn open(cli: &Cli) -> sc_cli::Result<Option<Self>> {
        let Some(path) = &cli.gateway else { return Ok(None) };
        let fail = |error| Error::Input(format!("--gateway {}: {}", path.display(), with_causes(&error)));
        Self::read(path, cli.gateway_passphrase_file.as_deref()).map(Some).map_err(fail)
    }

    fn read(path: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = Config::load(path)?;
        if let Some(file) = passphrase_file {
            config.gateway.passphrase_file = Some(file.to_owned());
        }
        let passphrase_file = std::env::var_os("STREEMBIT_PASSPHRASE_FILE").map(PathBuf::from);
        let keys = open_gateway_key(&config.gateway, passphrase_file.as_deref())?;
        Ok(Self { config, keys })
    }

    /// Starts it on a node's RPC.
    pub fn start(self, rpc: &RpcHandlers) -> RunningGateway {
        let rpc = RpcClient::new(InProcessRpc::new(rpc));
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_running(stop.clone(), move |stop| {
            let node = NodeConnection::InProcess(rpc.clone());
            let run = daemon::run(self.config.clone(), self.keys.clone(), node, stop);
            async move { run.await.map_err(explain) }
        }));
        RunningGateway { stop, task }
    }
}

impl RunningGateway {
    /// Tells it to stop and waits until its log is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        match tokio::time::timeout(CLOSING_TIME, self.task).await {
            Ok(Ok(())) => tracing::info!("the gateway has closed its log"),
            Ok(Err(error)) => {
                tracing::error!(%error, "the gateway failed while it stopped; its log is checked when it opens")
            }
            Err(_) => tracing::error!(
                "the gateway did not stop within {} s; its log is checked when it opens",
                CLOSING_TIME.as_secs()
            ),
        }
    }
}

/// Runs a gateway, and runs it again whenever it fails or panics, until it is told to stop. Also after an error that only
/// a person can mend (a log that does not match its anchor): once it is mended, nobody has to restart a validator.
async fn keep_running<F, E>(stop: CancellationToken, mut start: impl FnMut(CancellationToken) -> F)
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let started = Instant::now();
        // A task of its own, so that its panic is not ours; a token of its own, for it cancels that when it fails.
        let problem = match tokio::spawn(start(stop.child_token())).await {
            Ok(Ok(())) if stop.is_cancelled() => return,
            Ok(Ok(())) => "it ended without being asked to".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        tracing::error!(
            "gateway: {problem}; the node goes on, the gateway is started anew in {} s",
            pause.as_secs()
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
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

    /// Starts what fails, panics, ends early, and then runs until it is stopped; returns the number of starts.
    async fn starts_until_stopped(stop_after: Duration) -> (u32, Duration) {
        let stop = CancellationToken::new();
        let starts = Arc::new(AtomicU32::new(0));
        let counter = starts.clone();
        let began = Instant::now();
        let task = tokio::spawn(keep_running(stop.clone(), move |stop| {
            let start = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                match start {
                    0 => {
                        stop.cancel();
                        Err("the log is locked")
                    }
                    1 => panic!("a fault of the gateway"),
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
    async fn failures_panics_and_early_ends_are_survived() {
        // Pauses of 1, 2 and 4 seconds lie before the fourth start.
        let (starts, took) = starts_until_stopped(Duration::from_secs(8)).await;
        assert_eq!(starts, 4);
        assert!(took < Duration::from_secs(9), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_cut_short_by_the_stop() {
        let (starts, took) = starts_until_stopped(Duration::from_millis(3_500)).await;
        assert_eq!(starts, 3);
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}
