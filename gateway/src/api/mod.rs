//! The local API of the gateway: HTTP over a Unix socket, and over TCP with a token; described by `/openapi.json`.

pub mod client;
mod connections;
mod listen;
mod openapi;
mod problem;
mod routes;
mod state;
mod tlog;
pub mod tokens;
pub mod types;

pub use listen::ListenError;
pub use problem::Problem;
pub use state::{Api, ApiState};

use crate::{config::ApiConfig, status::ComponentState};
use axum::{middleware, routing::get, Extension, Router};
use connections::{LimitedListener, MAX_CONNECTIONS};
use std::{future::Future, time::Duration};
use tokens::{Access, TokenStore};
use tokio_util::sync::CancellationToken;

/// The name under which the API on the Unix socket appears in the gateway's status.
const COMPONENT: &str = "api";

/// The name under which the API over TCP appears in the gateway's status.
const TCP_COMPONENT: &str = "api/tcp";

/// How long open requests may take to finish when the gateway stops.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How long a connection over TCP may take to send the header of a request, from its start or from the last response.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause between two attempts to listen.
const LISTEN_RETRY: Duration = Duration::from_secs(2);

/// What to do while an address cannot be listened on.
const LISTEN_REMEDY: &str = "the gateway goes on logging, and tries again by itself";

impl Api {
    /// Serves requests until `shutdown` is cancelled. Tries again as long as a configured address cannot be listened on,
    /// because the gateway has to log whether or not anybody can call it.
    pub async fn run(self, config: ApiConfig, shutdown: CancellationToken) {
        let router = routes::router(self.clone(), get(openapi::json));
        let tlog = tlog::router(self.clone());
        tokio::join!(
            self.run_unix(&config, router.clone().merge(tlog.clone()), &shutdown),
            self.run_tcp(&config, router, tlog, &shutdown),
        );
    }

    async fn run_unix(&self, config: &ApiConfig, router: Router, shutdown: &CancellationToken) {
        let bind = || listen::bind_unix(&config.socket);
        if let Some((listener, _file)) = self.listen(COMPONENT, bind, shutdown).await {
            self.report(COMPONENT, ComponentState::running(config.socket.display()));
            let owner = router.layer(Extension(Access::owner()));
            serve(listener, owner, shutdown.clone()).await;
        }
        self.report(COMPONENT, ComponentState::Stopped);
    }

    async fn run_tcp(&self, config: &ApiConfig, router: Router, tlog: Router, shutdown: &CancellationToken) {
        let Some(address) = config.tcp else { return };
        if let Some(listener) = self.listen(TCP_COMPONENT, || listen::bind_tcp(address), shutdown).await {
            let bound = listener.local_addr().unwrap_or(address);
            let tokens = TokenStore::new(&config.token_file);
            self.report(TCP_COMPONENT, tcp_state(&format!("http://{bound}"), &tokens));
            let router = router.layer(middleware::from_fn_with_state(tokens, tokens::authenticate));
            // Monitors need no token.
            let router = if config.tlog { router.merge(tlog) } else { router };
            let listener = LimitedListener::new(listener, MAX_CONNECTIONS);
            connections::serve(listener, router, HEADER_TIMEOUT, SHUTDOWN_GRACE, shutdown).await;
        }
        self.report(TCP_COMPONENT, ComponentState::Stopped);
    }

    fn report(&self, component: &str, state: ComponentState) {
        self.status_board().report(component, state);
    }

    /// Binds a listener, and tries again until it succeeds. Returns `None` if `shutdown` is cancelled before.
    async fn listen<T, F>(
        &self,
        component: &str,
        bind: impl Fn() -> F,
        shutdown: &CancellationToken,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, ListenError>>,
    {
        loop {
            match bind().await {
                Ok(listener) => return Some(listener),
                Err(error) => self.report(component, ComponentState::retrying(error, LISTEN_REMEDY)),
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(LISTEN_RETRY) => {}
            }
        }
    }
}

/// Describes the API over TCP: nobody can use it without a token.
fn tcp_state(address: &str, tokens: &TokenStore) -> ComponentState {
    match tokens.count() {
        Ok(0) => {
            ComponentState::running(format!("{address} (no token yet: `streembit token new` makes one)"))
        }
        Ok(1) => ComponentState::running(format!("{address} with 1 token")),
        Ok(count) => ComponentState::running(format!("{address} with {count} tokens")),
        Err(error) => ComponentState::alarm(error, "until then no request over TCP is answered"),
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
