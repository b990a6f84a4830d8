//! The local API of the gateway: HTTP over a Unix socket, and over TCP with a token; described by `/openapi.json`.

pub mod client;
mod connections;
mod listen;
mod openapi;
mod problem;
mod routes;
mod state;
mod tlog;
mod token;
pub mod types;

pub use listen::ListenError;
pub use problem::Problem;
pub use state::{Api, ApiState};

use crate::{config::ApiConfig, status::ComponentState};
use axum::{middleware, routing::get, Router};
use connections::{LimitedListener, MAX_CONNECTIONS};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The name under which the API appears in the gateway's status.
const COMPONENT: &str = "api";

/// How long open requests may take to finish when the gateway stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

impl Api {
    /// Serves requests until `shutdown` is cancelled. Returns an error if a configured address cannot be listened on.
    pub async fn run(self, config: ApiConfig, shutdown: CancellationToken) -> Result<(), ListenError> {
        let status = self.status_board().clone();
        let router = routes::router(self.clone(), get(openapi::json));
        let tlog = tlog::router(self);
        let (listener, _file) = listen::bind_unix(&config.socket).await?;
        let mut detail = config.socket.display().to_string();
        let tcp = match config.tcp {
            Some(address) => {
                let token = token::Token::load_or_create(&config.token_file)?;
                let listener = listen::bind_tcp(address).await?;
                let bound = listener.local_addr().unwrap_or(address);
                detail =
                    format!("{detail} and http://{bound} with the token in {}", config.token_file.display());
                let authenticate = middleware::from_fn_with_state(token, token::authenticate);
                let router = router.clone().layer(authenticate);
                // Monitors need no token.
                let router = if config.tlog { router.merge(tlog.clone()) } else { router };
                Some((LimitedListener::new(listener, MAX_CONNECTIONS), router))
            }
            None => None,
        };
        status.report(COMPONENT, ComponentState::running(detail));
        let unix = serve(listener, router.merge(tlog), shutdown.clone());
        match tcp {
            Some((listener, router)) => {
                tokio::join!(unix, serve(listener, router, shutdown));
            }
            None => unix.await,
        }
        status.report(COMPONENT, ComponentState::Stopped);
        Ok(())
    }
}

/// Serves one listener until `shutdown` is cancelled, then gives open requests [`SHUTDOWN_GRACE`] to finish.
async fn serve<L>(listener: L, router: Router, shutdown: CancellationToken)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::error!(%error, "the API stopped serving");
        },
        () = deadline => tracing::warn!("API requests were still open at shutdown and were dropped"),
    }
}

#[cfg(test)]
mod tests;
