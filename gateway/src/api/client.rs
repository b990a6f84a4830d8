//! The client that commands use to talk to the running gateway.

use super::{
    problem::Problem,
    types::{
        DeviceView, ErasureView, LastAnchoredView, LogView, NewErasure, PauseView, ReloadView, Results,
        StatusView, StoredEventView,
    },
};
use reqwest::{header, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::{
    io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// The time limit of a request. The gateway answers an append only after the event is on disk.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// The time limit of an erasure, which rewrites parts of the database.
const ERASE_TIMEOUT: Duration = Duration::from_secs(1800);

/// A client of the gateway that listens on a Unix socket.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// An error of a request to the gateway.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No process listens on the socket.
    #[error(
        "no gateway listens on {}: start it with `streembit gateway run --config FILE`, or pass the configuration of a \
         running gateway with --config",
        .0.display()
    )]
    NoGateway(PathBuf),
    /// The socket belongs to another user.
    #[error(
        "cannot open the gateway's socket {}: permission denied; run this command as the user who runs the gateway",
        .0.display()
    )]
    PermissionDenied(PathBuf),
    /// The gateway answered with a problem.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// The request failed, or its response is not one of this API.
    #[error(
        "request to the gateway at {} failed: {problem}; check that the gateway has the same version as this program",
        .socket.display()
    )]
    Request {
        /// The socket.
        socket: PathBuf,
        /// The cause.
        problem: String,
    },
}

impl Client {
    /// Creates a client of the gateway that listens on `socket`. Sends nothing yet.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().unix_socket(socket).timeout(REQUEST_TIMEOUT).build();
        let http = http.map_err(|error| request_error(socket, error))?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// Returns the status of the gateway.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get(&["v1", "status"], &[]).await
    }

    /// Returns the configured devices.
    pub async fn devices(&self) -> Result<Vec<DeviceView>, ClientError> {
        self.get(&["v1", "devices"], &[]).await
    }

    /// Returns the size and root of the log, and its last checkpoint and anchor.
    pub async fn log(&self) -> Result<LogView, ClientError> {
        self.get(&["v1", "log"], &[]).await
    }

    /// Returns up to `limit` events of a device, starting at sequence number `from`, oldest first.
    pub async fn events(
        &self,
        device: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEventView>, ClientError> {
        let query = [("from", from.to_string()), ("limit", limit.to_string())];
        self.get(&["v1", "devices", device, "events"], &query).await
    }

    /// Returns the proof of a device's last event at the last anchor of the log.
    pub async fn last_anchored(&self, device: &str) -> Result<LastAnchoredView, ClientError> {
        self.get(&["v1", "devices", device, "last-anchored"], &[]).await
    }

    /// Refuses events of a device, from the sequence `from` on, until its record changes.
    pub async fn pause(&self, device: &str, from: u64) -> Result<PauseView, ClientError> {
        let url = self.url(&["v1", "devices", device, "pause"])?;
        self.send(self.http.post(url).query(&[("from", from)])).await
    }

    /// Accepts the events of a paused device again.
    pub async fn resume(&self, device: &str) -> Result<PauseView, ClientError> {
        let url = self.url(&["v1", "devices", device, "pause"])?;
        self.send(self.http.delete(url)).await
    }

    /// Lets the gateway read its configuration again.
    pub async fn reload(&self) -> Result<ReloadView, ClientError> {
        self.send(self.http.post(self.url(&["v1", "reload"])?)).await
    }

    /// Permanently erases the bodies of a range of events.
    pub async fn erase(&self, request: &NewErasure) -> Result<Vec<ErasureView>, ClientError> {
        let url = self.url(&["v1", "erasures"])?;
        self.send(self.http.post(url).json(request).timeout(ERASE_TIMEOUT)).await
    }

    /// Adds SenML packs, one per line. Returns one result per line.
    pub async fn add_lines(&self, device: &str, lines: String) -> Result<Results, ClientError> {
        let url = self.url(&["v1", "devices", device, "lines"])?;
        let request = self.http.post(url).header(header::CONTENT_TYPE, "application/x-ndjson").body(lines);
        self.send(request).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, ClientError> {
        self.send(self.http.get(self.url(path)?).query(query)).await
    }

    /// Builds the URL of a path, with each segment escaped. The host has no meaning on a Unix socket.
    fn url(&self, path: &[&str]) -> Result<Url, ClientError> {
        let mut url = Url::parse("http://gateway").map_err(|error| request_error(&self.socket, error))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        Ok(url)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(self.connect_error(&error)),
            Err(error) => return Err(request_error(&self.socket, with_causes(&error))),
        };
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(self.problem(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| request_error(&self.socket, error))
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, ClientError> {
        let body =
            response.bytes().await.map_err(|error| request_error(&self.socket, with_causes(&error)))?;
        Ok(body.into())
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Problem(problem),
            Err(_) => request_error(&self.socket, format!("unexpected response {status}")),
        }
    }

    /// Finds out why no connection could be made.
    fn connect_error(&self, error: &reqwest::Error) -> ClientError {
        let socket = self.socket.clone();
        match std::fs::metadata(&socket) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                ClientError::PermissionDenied(socket)
            }
            Ok(metadata) if !metadata.file_type().is_socket() => {
                request_error(&socket, "the file is not a socket")
            }
            _ if is_permission_denied(error) => ClientError::PermissionDenied(socket),
            _ => ClientError::NoGateway(socket),
        }
    }
}

fn request_error(socket: &Path, problem: impl ToString) -> ClientError {
    ClientError::Request { socket: socket.to_owned(), problem: problem.to_string() }
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: &'a (dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

/// Returns the text of an error, followed by the texts of its causes.
fn with_causes(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn is_permission_denied(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}
