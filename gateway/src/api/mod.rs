//! The local API of the gateway: HTTP over a Unix socket, and over TCP with a token; described by `/openapi.json`.

pub mod client;
mod listen;
mod openapi;
mod problem;
mod routes;
mod state;
pub mod types;

pub use listen::ListenError;
pub use problem::Problem;
pub use state::ApiState;

use crate::{config::ApiConfig, status::ComponentState};
use axum::{middleware, routing::get, Router};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The name under which the API reports its condition.
const COMPONENT: &str = "api";

/// How long requests may take to end when the gateway stops.
const STOPPING: Duration = Duration::from_secs(3);

/// The API, ready to be served.
#[derive(Clone)]
pub struct Api {
    state: Arc<ApiState>,
}

impl Api {
    /// Over what it is answered from.
    pub fn new(state: ApiState) -> Self {
        Self { state: Arc::new(state) }
    }

    /// Serves until shut down. Fails where it cannot listen as configured.
    pub async fn run(self, config: ApiConfig, shutdown: CancellationToken) -> Result<(), ListenError> {
        let status = self.state.status.clone();
        let router = routes::router(self, get(openapi::json));
        let (listener, _file) = listen::unix(&config.socket).await?;
        let mut detail = config.socket.display().to_string();
        let tcp = match config.tcp {
            Some(address) => {
                let token = listen::Token::load_or_create(&config.token_file)?;
                let listener = listen::tcp(address).await?;
                let bound = listener.local_addr().unwrap_or(address);
                detail =
                    format!("{detail} and http://{bound} with the token in {}", config.token_file.display());
                let authenticate = middleware::from_fn_with_state(token, listen::authenticate);
                Some((listener, router.clone().layer(authenticate)))
            }
            None => None,
        };
        status.report(COMPONENT, ComponentState::running(detail));
        let unix = serve(listener, router, shutdown.clone());
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

/// Serves until shut down; requests that are under way then have a moment to end.
async fn serve<L>(listener: L, router: Router, shutdown: CancellationToken)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(STOPPING).await;
    };
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::error!(%error, "serving the API");
        },
        () = too_late => tracing::warn!("requests to the API were cut off"),
    }
}

#[cfg(test)]
mod tests;
