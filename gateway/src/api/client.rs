//! How the commands talk to the running gateway.

use super::{
    problem::Problem,
    types::{DeviceView, ErasureView, EventView, LogView, NewErasure, Results, StatusView},
};
use reqwest::{header, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::{
    io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a request may take; the gateway answers an append when it is on disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long erasing may take.
const ERASING: Duration = Duration::from_secs(1800);

/// The gateway behind a Unix socket.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// Why the gateway gave no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no gateway listens at {}: start it with `streembit gateway run --config FILE`, or name another configuration", .0.display())]
    NoGateway(PathBuf),
    /// The socket is another user's.
    #[error("the gateway's socket {} is not yours to open: run this as the user who runs the gateway", .0.display())]
    NotYours(PathBuf),
    /// The gateway answered that something is wrong.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// The answer did not come, or is not one of this API.
    #[error("asking the gateway at {}: {problem}; is it another version of this program?", .socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl Client {
    /// A client of the gateway behind a socket; nothing is sent yet.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().unix_socket(socket).timeout(PATIENCE).build();
        let http = http.map_err(|error| answer_error(socket, error))?;
        Ok(Self { http, socket: socket.to_owned() })
    }

    /// One screen.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.get(&["v1", "status"], &[]).await
    }

    /// The devices.
    pub async fn devices(&self) -> Result<Vec<DeviceView>, ClientError> {
        self.get(&["v1", "devices"], &[]).await
    }

    /// The log and how far it is anchored.
    pub async fn log(&self) -> Result<LogView, ClientError> {
        self.get(&["v1", "log"], &[]).await
    }

    /// A device's events from a place in its history on, oldest first.
    pub async fn events(&self, device: &str, from: u64, limit: usize) -> Result<Vec<EventView>, ClientError> {
        let query = [("from", from.to_string()), ("limit", limit.to_string())];
        self.get(&["v1", "devices", device, "events"], &query).await
    }

    /// Erases bodies for good.
    pub async fn erase(&self, asked: &NewErasure) -> Result<Vec<ErasureView>, ClientError> {
        let url = self.url(&["v1", "erasures"])?;
        // Writing the tables of a large log anew takes its time.
        self.send(self.http.post(url).json(asked).timeout(ERASING)).await
    }

    /// Adds SenML packs, one a line; tells of each.
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

    /// The host is of no meaning on a socket; what people type goes into the path escaped.
    fn url(&self, path: &[&str]) -> Result<Url, ClientError> {
        let mut url = Url::parse("http://gateway").map_err(|error| answer_error(&self.socket, error))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        Ok(url)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(self.unreachable(&error)),
            Err(error) => return Err(answer_error(&self.socket, chain(&error))),
        };
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(self.problem(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| answer_error(&self.socket, error))
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, ClientError> {
        let body = response.bytes().await.map_err(|error| answer_error(&self.socket, chain(&error)))?;
        Ok(body.into())
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ClientError::Problem(problem),
            Err(_) => answer_error(&self.socket, format!("it answered {status}")),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let socket = self.socket.clone();
        match std::fs::metadata(&socket) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => ClientError::NotYours(socket),
            Ok(metadata) if !metadata.file_type().is_socket() => answer_error(&socket, "this is no socket"),
            _ if denied(error) => ClientError::NotYours(socket),
            _ => ClientError::NoGateway(socket),
        }
    }
}

fn answer_error(socket: &Path, problem: impl ToString) -> ClientError {
    ClientError::Answer { socket: socket.to_owned(), problem: problem.to_string() }
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: &'a (dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}

/// The error with everything that caused it.
fn chain(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn denied(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}
