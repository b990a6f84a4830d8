//! Finds out what a caller may do, and rejects requests that need more.

use super::{
    file::{Tokens, TokensError},
    scope::{Need, TokenScope},
};
use crate::api::{problem::Problem, state::Api};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{header, request::Parts, HeaderMap, StatusCode},
    middleware::{self, Next},
    response::Response,
    Router,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use streembit_clock::now_ms;
use streembit_primitives::DeviceId;

/// What a caller may do. It is put into each request before its route is called.
#[derive(Clone, Debug)]
pub struct Access(Granted);

#[derive(Clone, Debug)]
enum Granted {
    /// The caller is the owner of the Unix socket.
    Everything,
    /// The caller has a token with these scopes.
    Scopes(Arc<[TokenScope]>),
}

/// The devices that a caller may add events of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IngestDevices {
    /// Every device.
    All,
    /// Only these devices.
    Only(BTreeSet<DeviceId>),
}

impl Access {
    /// The access of the owner, who may do everything.
    pub fn owner() -> Self {
        Self(Granted::Everything)
    }

    fn allows(&self, need: Need) -> bool {
        match &self.0 {
            Granted::Everything => true,
            Granted::Scopes(scopes) => scopes.iter().any(|scope| scope.allows(need)),
        }
    }

    /// Returns the devices that the caller may add events of.
    pub fn ingest_devices(&self, api: &Api) -> IngestDevices {
        let Granted::Scopes(scopes) = &self.0 else { return IngestDevices::All };
        if scopes.contains(&TokenScope::Ingest) {
            return IngestDevices::All;
        }
        let named = scopes.iter().filter_map(|scope| match scope {
            // A device that is no longer configured has no events to add.
            TokenScope::IngestOf(device) => api.device(device).ok(),
            _ => None,
        });
        IngestDevices::Only(named.collect())
    }
}

impl IngestDevices {
    /// Returns a problem if the caller may not add events of a device.
    pub fn ensure(&self, device: &DeviceId) -> Result<(), Problem> {
        match self {
            Self::Only(devices) if !devices.contains(device) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not permitted",
                format!("the token does not allow to add events of device {device}"),
                "use a token with the scope `ingest`, or with `ingest:` and the name of the device",
            )),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Without it nothing is known about the caller, so nothing is allowed.
        let access = parts.extensions.get::<Self>().cloned();
        access.ok_or_else(|| Problem::internal("the access of this caller was not determined"))
    }
}

/// Returns routes that reject callers whose access does not include `need`.
pub fn needing(need: Need, routes: Router<Api>) -> Router<Api> {
    routes.route_layer(middleware::from_fn_with_state(need, require))
}

async fn require(
    State(need): State<Need>,
    access: Access,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !access.allows(need) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not permitted",
            format!("the token does not have the scope `{need}`"),
            format!(
                "make a token for this with `streembit token new --scope {need}`, or use the Unix socket"
            ),
        ));
    }
    Ok(next.run(request).await)
}

/// The tokens of a running gateway. They are read again when their file changes, so a revoked token is refused at once.
#[derive(Clone, Debug)]
pub struct TokenStore {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
}

/// The tokens as of a state of their file.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    tokens: Tokens,
}

/// What changes with each version of a file: its inode, its size, and the times of its last changes.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

impl TokenStore {
    /// Opens the tokens in a file, which need not exist.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: Arc::default() }
    }

    /// Returns the number of tokens that have not ended, or the reason why no token counts.
    pub fn count(&self) -> Result<usize, TokensError> {
        let now = now_ms();
        Ok(Tokens::load(&self.path)?.entries.iter().filter(|entry| !entry.has_expired(now)).count())
    }

    /// Returns the access that the token in the headers gives, or `None` without a valid token.
    fn access(&self, headers: &HeaderMap) -> Option<Access> {
        let authorization = headers.get(header::AUTHORIZATION)?;
        let presented = authorization.as_bytes().strip_prefix(b"Bearer ")?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp_of(&self.path);
        if stamp.is_none() || stamp != known.stamp {
            // If the file cannot be read, no token counts.
            known.tokens = Tokens::load(&self.path).unwrap_or_else(|error| {
                tracing::warn!(%error, "no token of the API counts");
                Tokens::default()
            });
            known.stamp = stamp;
        }
        let entry = known.tokens.find(presented, now_ms())?;
        Some(Access(Granted::Scopes(entry.scopes.clone().into())))
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), (file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec())))
}

/// Rejects requests that do not carry a valid token, and determines the access of all others.
pub async fn authenticate(
    State(tokens): State<TokenStore>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(access) = tokens.access(request.headers()) else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "not authenticated",
            "the request does not carry a valid token of the gateway",
            "send \"Authorization: Bearer TOKEN\" with a token that `streembit token new` has made, or use the Unix socket",
        ));
    };
    request.extensions_mut().insert(access);
    Ok(next.run(request).await)
}
