//! Errors of the API: problem details of RFC 9457, each with a remedy.

use axum::{
    http::{header, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use streembit_ingest::IngestError;
use streembit_log::{EraseError, OutOfRangeError, ReadError, Refusal, MAX_BODY_BYTES};
use utoipa::ToSchema;

/// What went wrong (RFC 9457), and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem, in a few words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong here.
    pub detail: String,
    /// What would be right.
    pub remedy: String,
}

impl Problem {
    /// A problem; `status` is its HTTP status.
    pub fn new(status: StatusCode, title: &str, detail: impl ToString, remedy: impl ToString) -> Self {
        Self {
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// The caller sent something that cannot be read.
    pub fn bad_request(detail: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable request", detail, remedy)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found", detail, remedy)
    }

    /// The gateway itself failed.
    pub fn internal(detail: impl ToString) -> Self {
        let remedy = "see the gateway's own output; `streembit status` names the component";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed", detail, remedy)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        use StatusCode as S;
        let ask = "GET /v1/devices lists the devices and who signs for them";
        let (status, title, remedy) = match &error {
            IngestError::UnknownDevice { .. } => (
                S::NOT_FOUND,
                "unknown device",
                format!("{ask}; a new one is configured as [[device]], with its `key` if it signs itself"),
            ),
            IngestError::NotHosted { .. } => (
                S::CONFLICT,
                "the device signs its own events",
                format!("{ask}; the gateway signs for a [[device]] without `key`"),
            ),
            IngestError::NotVerified { .. } => {
                (S::UNPROCESSABLE_ENTITY, "not verified", "sign with the key that is configured".into())
            }
            IngestError::Empty | IngestError::TooMany { .. } | IngestError::TooLong(_) => {
                (S::UNPROCESSABLE_ENTITY, "no such event can be", "see /openapi.json".into())
            }
            IngestError::Refused(Refusal::Event(_)) => (
                S::CONFLICT,
                "out of order",
                "GET /v1/devices/{device}/events tells what is in the log".into(),
            ),
            IngestError::Refused(Refusal::BodyTooLarge { .. }) => {
                (S::PAYLOAD_TOO_LARGE, "too large", format!("a body has at most {MAX_BODY_BYTES} bytes"))
            }
            IngestError::Refused(Refusal::Forked { .. }) => (
                S::CONFLICT,
                "copied key",
                "GET /v1/forks and `streembit audit forks` show both events".into(),
            ),
            IngestError::Log(_) | IngestError::Closed => {
                (S::SERVICE_UNAVAILABLE, "not now", "see `streembit status`, then send it again".into())
            }
        };
        Self::new(status, title, error, remedy)
    }
}

impl From<OutOfRangeError> for Problem {
    fn from(error: OutOfRangeError) -> Self {
        Self::not_found(error, "GET /v1/log tells how many events there are")
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
            EraseError::TooMany { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too many", error, "send fewer at once")
            }
            EraseError::NotFinished(_) => {
                let remedy = "send it once more, or start the gateway again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not finished", error, remedy)
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
