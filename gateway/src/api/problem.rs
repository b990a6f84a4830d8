//! The errors of the API: problem details (RFC 9457), each with a remedy.

use crate::{daemon::ReloadError, remedies::Remedy as _};
use axum::{
    http::{header, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use streembit_ingest::IngestError;
use streembit_log::{EraseError, OutOfRangeError, ReadError, Refusal, MAX_BODY_BYTES};
use streembit_primitives::Shown;
use utoipa::ToSchema;

/// A problem detail (RFC 9457) with a remedy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, in a few words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// What the caller can do about it.
    pub remedy: String,
}

impl Problem {
    /// Creates a problem with the given HTTP status.
    pub fn new(status: StatusCode, title: &str, detail: impl ToString, remedy: impl ToString) -> Self {
        Self {
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// Creates the problem of a request that cannot be parsed.
    pub fn bad_request(detail: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid request", detail, remedy)
    }

    /// Creates the problem of a request for something that does not exist.
    pub fn not_found(detail: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", detail, remedy)
    }

    /// Creates the problem of a failure inside the gateway.
    pub fn internal(detail: impl ToString) -> Self {
        let remedy = "look at the gateway's log; `streembit status` shows which component failed";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed", detail, remedy)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both may quote what somebody else has sent.
        Shown(&self.detail).fmt(f)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", Shown(&self.remedy))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        use StatusCode as S;
        let list_devices = "GET /v1/devices lists the devices and says which of them the gateway signs for";
        let (status, title, remedy) = match &error {
            IngestError::UnknownDevice { .. } => (
                S::NOT_FOUND,
                "unknown device",
                format!("{list_devices}; add a new device to the configuration as [[device]], with its `key` if it signs"),
            ),
            IngestError::UnknownRecord { .. } => (
                S::SERVICE_UNAVAILABLE,
                "record not known",
                "check the connection to the node (`streembit status`), then send the event again".into(),
            ),
            IngestError::Paused { .. } => (
                S::SERVICE_UNAVAILABLE,
                "paused",
                "send the event again in a few seconds; if its device signs, with the key that counts then".into(),
            ),
            IngestError::NotHosted { .. } => (
                S::CONFLICT,
                "the device signs its own events",
                format!("{list_devices}; the gateway signs for a [[device]] without `key`"),
            ),
            IngestError::NotVerified { .. } => (
                S::UNPROCESSABLE_ENTITY,
                "not verified",
                "sign the event with the key that the chain or, before the device is registered, the gateway's \
                 configuration has for the device"
                    .into(),
            ),
            IngestError::OtherKey { .. } => (
                S::UNPROCESSABLE_ENTITY,
                "another key",
                "sign the event with the key that counts for its sequence; `streembit device show` lists the keys"
                    .into(),
            ),
            IngestError::Empty
            | IngestError::TooMany { .. }
            | IngestError::TooLong(_)
            | IngestError::Hidden(_) => {
                (S::UNPROCESSABLE_ENTITY, "invalid event", "see the limits in /openapi.json".into())
            }
            IngestError::Refused(Refusal::Event(_)) => (
                S::CONFLICT,
                "out of order",
                "GET /v1/devices/{device}/events shows the events that are in the log".into(),
            ),
            IngestError::Refused(Refusal::BodyTooLarge { .. }) => (
                S::PAYLOAD_TOO_LARGE,
                "body too large",
                format!("send at most {MAX_BODY_BYTES} bytes per body"),
            ),
            IngestError::Refused(Refusal::Forked { .. }) => (
                S::CONFLICT,
                "copied key",
                "GET /v1/forks and `streembit audit forks` show both events as proof".into(),
            ),
            IngestError::Refused(
                refusal @ (Refusal::OtherKey { .. }
                | Refusal::Lost { .. }
                | Refusal::OtherLog { .. }
                | Refusal::OtherEpoch { .. }
                | Refusal::UnknownPrevious { .. }
                | Refusal::Retired { .. }),
            ) => (
                S::CONFLICT,
                refusal_title(refusal),
                "`streembit device show` shows the device's keys, its logs and what is declared lost".into(),
            ),
            IngestError::Log(_) | IngestError::Closed => (
                S::SERVICE_UNAVAILABLE,
                "log unavailable",
                "see `streembit status`, then send the event again".into(),
            ),
        };
        Self::new(status, title, error, remedy)
    }
}

fn refusal_title(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::OtherKey { .. } => "another key",
        Refusal::Lost { .. } => "declared lost",
        Refusal::OtherLog { .. } | Refusal::OtherEpoch { .. } => "another log",
        Refusal::UnknownPrevious { .. } => "previous event unknown",
        Refusal::Retired { .. } => "retired",
        Refusal::Event(_) | Refusal::BodyTooLarge { .. } | Refusal::Forked { .. } => "refused",
    }
}

impl From<ReloadError> for Problem {
    fn from(error: ReloadError) -> Self {
        match &error {
            ReloadError::Config(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid configuration", &error, error.remedy())
            }
            ReloadError::Panicked(_) => Self::internal(error),
            ReloadError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                error,
                "the gateway reads its configuration when it starts",
            ),
        }
    }
}

impl From<OutOfRangeError> for Problem {
    fn from(error: OutOfRangeError) -> Self {
        Self::not_found(error, "GET /v1/log shows how many events the log has")
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange(error) => error.into(),
            ReadError::Storage(error) => Self::internal(error),
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::OutOfRange(error) => error.into(),
            EraseError::TooMany { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too many events",
                error,
                "erase fewer events per request",
            ),
            EraseError::NotFinished(_) => {
                let remedy = "send the request again, or restart the gateway";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "erasure not finished", error, remedy)
            }
            EraseError::Storage(error) => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
