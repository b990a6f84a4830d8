//! The routes, each documented where it is.

use super::{
    problem::Problem,
    types::{
        CopiedKeyView, DeviceView, ErasureView, EventView, InclusionView, ItemResult, LogView, NewErasure,
        NewEvent, NewReadings, ReceiptView, Results, StatusView,
    },
    Api,
};
use crate::metrics;
use axum::{
    body::Bytes,
    extract::{
        rejection::{BytesRejection, QueryRejection},
        DefaultBodyLimit, Path, Query, State,
    },
    http::{header, HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, MethodRouter},
    Json, Router,
};
use codec::DecodeAll as _;
use futures::future::join_all;
use serde::Deserialize;
use streembit_adapters::senml;
use streembit_clock::now_ms;
use streembit_ingest::IngestError;
use streembit_log::Receipt;
use streembit_primitives::{Body, DeviceId, Reading, SignedEvent};
use utoipa::IntoParams;

/// The largest request that carries one thing.
const MAX_ONE: usize = 64 * 1024;
/// The largest request that carries many.
const MAX_MANY: usize = 4 * 1024 * 1024;
/// The most events in one answer.
const MAX_EVENTS: usize = 1000;
/// The events in one answer where none are asked for.
const USUAL_EVENTS: usize = 100;

type ApiResult<T> = Result<Json<T>, Problem>;
type Content = Result<Bytes, BytesRejection>;

/// All routes. `description` answers with the description of the API, which is made from the routes themselves.
pub(super) fn router(api: Api, description: MethodRouter<Api>) -> Router {
    let many = DefaultBodyLimit::max(MAX_MANY);
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/devices", get(devices))
        .route("/v1/devices/{device}/readings", post(add_readings))
        .route("/v1/devices/{device}/lines", post(add_lines).layer(many))
        .route("/v1/devices/{device}/events", get(events))
        .route("/v1/events", post(add_event))
        .route("/v1/events/batch", post(add_batch).layer(many))
        .route("/v1/erasures", post(erase))
        .route("/v1/forks", get(forks))
        .route("/v1/log", get(log))
        .route("/v1/log/proof/{index}", get(inclusion))
        .route("/metrics", get(prometheus))
        .route("/openapi.json", description)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(MAX_ONE))
        .with_state(api)
}

/// The gateway in one screen.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(api): State<Api>) -> ApiResult<StatusView> {
    api.status().await.map(Json)
}

/// The devices.
#[utoipa::path(get, path = "/v1/devices", responses((status = 200, body = Vec<DeviceView>)))]
pub(super) async fn devices(State(api): State<Api>) -> ApiResult<Vec<DeviceView>> {
    api.devices().await.map(Json)
}

/// Adds readings of a device that cannot sign, as one event; answers when it is on disk.
#[utoipa::path(
    post,
    path = "/v1/devices/{device}/readings",
    params(("device" = String, Path, description = "The device's name, or its id")),
    request_body(
        description = "Readings, or one SenML pack (RFC 8428)",
        content((NewReadings = "application/json"), (String = "application/senml+json"))
    ),
    responses((status = 200, body = ReceiptView), (status = "4XX", body = Problem))
)]
pub(super) async fn add_readings(
    State(api): State<Api>,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: Content,
) -> ApiResult<ReceiptView> {
    let device = api.device(&device)?;
    let readings = readings_of(&headers, &content(body)?);
    count(&api, add(&api, device, readings).await).map(Json)
}

fn readings_of(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/senml+json" => senml_of(body),
        "application/json" => {
            let NewReadings { readings } = serde_json::from_slice(body)
                .map_err(|error| Problem::bad_request(error, "see NewReadings in /openapi.json"))?;
            let now = now_ms();
            Ok(readings.into_iter().map(|reading| reading.into_reading(now)).collect())
        }
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown content",
            format!("content type {other:?} is not known here"),
            "send application/json or application/senml+json",
        )),
    }
}

fn senml_of(pack: &[u8]) -> Result<Vec<Reading>, Problem> {
    let remedy = "SenML is described by RFC 8428";
    let text = std::str::from_utf8(pack).map_err(|error| Problem::bad_request(error, remedy))?;
    senml::read(text, now_ms()).map_err(|error| Problem::bad_request(error, remedy))
}

/// Adds SenML packs of a device that cannot sign, one a line and an event each, in their order.
#[utoipa::path(
    post,
    path = "/v1/devices/{device}/lines",
    params(("device" = String, Path, description = "The device's name, or its id")),
    request_body(description = "SenML packs, one a line", content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = Results), (status = "4XX", body = Problem))
)]
pub(super) async fn add_lines(
    State(api): State<Api>,
    Path(device): Path<String>,
    body: Content,
) -> ApiResult<Results> {
    let device = api.device(&device)?;
    let body = content(body)?;
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    // Each takes its place in the log's queue when it is first polled, so that the order stays.
    let results = join_all(lines.map(|line| add(&api, device, senml_of(line)))).await.into_iter();
    let results = results.map(|result| ItemResult::from(count(&api, result)));
    Ok(Json(Results { results: results.collect() }))
}

/// Adds an event that a device signed; answers when it is on disk.
#[utoipa::path(
    post,
    path = "/v1/events",
    request_body = NewEvent,
    responses((status = 200, body = ReceiptView), (status = "4XX", body = Problem))
)]
pub(super) async fn add_event(State(api): State<Api>, body: Content) -> ApiResult<ReceiptView> {
    let new: NewEvent = serde_json::from_slice(&content(body)?)
        .map_err(|error| Problem::bad_request(error, "see NewEvent in /openapi.json"))?;
    let event = from_scale_hex::<SignedEvent>("event", &new.event)?;
    let body = from_scale_hex::<Body>("body", &new.body)?;
    let result = api.state.ingest.signed(event, body).await;
    count(&api, result.map_err(Refused::from)).map(Json)
}

/// Adds many events that devices signed, in their order.
#[utoipa::path(
    post,
    path = "/v1/events/batch",
    request_body(
        description = "SCALE of a vector of pairs of signed event and body",
        content = Vec<u8>,
        content_type = "application/octet-stream"
    ),
    responses((status = 200, body = Results), (status = "4XX", body = Problem))
)]
pub(super) async fn add_batch(State(api): State<Api>, body: Content) -> ApiResult<Results> {
    let events = Vec::<(SignedEvent, Body)>::decode_all(&mut content(body)?.as_ref())
        .map_err(|error| Problem::bad_request(error, "send SCALE of Vec<(SignedEvent, Body)>"))?;
    let results = api.state.ingest.signed_batch(events).await.into_iter();
    let results = results.map(|result| ItemResult::from(count(&api, result.map_err(Refused::from))));
    Ok(Json(Results { results: results.collect() }))
}

/// Which of a device's events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    /// The first, by its place in the device's history; 0 where absent.
    #[serde(default)]
    from: u64,
    /// How many at most: up to 1000; 100 where absent.
    limit: Option<usize>,
}

/// A device's events, oldest first.
#[utoipa::path(
    get,
    path = "/v1/devices/{device}/events",
    params(("device" = String, Path, description = "The device's name, or its id"), Span),
    responses((status = 200, body = Vec<EventView>), (status = "4XX", body = Problem))
)]
pub(super) async fn events(
    State(api): State<Api>,
    Path(device): Path<String>,
    span: Result<Query<Span>, QueryRejection>,
) -> ApiResult<Vec<EventView>> {
    let device = api.device(&device)?;
    let Query(Span { from, limit }) = span?;
    let limit = limit.unwrap_or(USUAL_EVENTS).min(MAX_EVENTS);
    let events = api.read(move |log| log.device_events(&device, from, limit)).await?;
    Ok(Json(events.into_iter().map(EventView::from).collect()))
}

/// Erases bodies for good; answers when they are in no file of the database any more.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    request_body = NewErasure,
    responses((status = 200, body = Vec<ErasureView>), (status = "4XX", body = Problem))
)]
pub(super) async fn erase(State(api): State<Api>, body: Content) -> ApiResult<Vec<ErasureView>> {
    let asked: NewErasure = serde_json::from_slice(&content(body)?)
        .map_err(|error| Problem::bad_request(error, "see NewErasure in /openapi.json"))?;
    api.erase(asked).await.map(Json)
}

/// The devices whose keys were copied, each with the two events that prove it.
#[utoipa::path(get, path = "/v1/forks", responses((status = 200, body = Vec<CopiedKeyView>)))]
pub(super) async fn forks(State(api): State<Api>) -> ApiResult<Vec<CopiedKeyView>> {
    let forks = api.read(|log| log.forks()).await?;
    Ok(Json(forks.into_iter().map(CopiedKeyView::from).collect()))
}

/// The log and how far it is anchored.
#[utoipa::path(get, path = "/v1/log", responses((status = 200, body = LogView)))]
pub(super) async fn log(State(api): State<Api>) -> ApiResult<LogView> {
    api.log().await.map(Json)
}

/// Of which size.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AtSize {
    /// The size of the log; its size now where absent.
    size: Option<u64>,
}

/// Proves that an event is in the log.
#[utoipa::path(
    get,
    path = "/v1/log/proof/{index}",
    params(("index" = u64, Path, description = "The event's place in the log"), AtSize),
    responses((status = 200, body = InclusionView), (status = "4XX", body = Problem))
)]
pub(super) async fn inclusion(
    State(api): State<Api>,
    Path(index): Path<String>,
    at: Result<Query<AtSize>, QueryRejection>,
) -> ApiResult<InclusionView> {
    let index: u64 = index.parse().map_err(|_| {
        Problem::bad_request(format!("{index:?} is no place in the log"), "expected a whole number from 0")
    })?;
    let Query(AtSize { size }) = at?;
    let view = move |log: &streembit_log::LogReader| {
        let size = size.unwrap_or_else(|| log.size());
        let proof = log.prove_inclusion(index, size)?;
        let root = log.root(size)?;
        Ok(log.stored(index)?.map(|stored| InclusionView {
            index,
            size,
            root: root.to_string(),
            leaf: stored.entry.leaf().to_string(),
            path: proof.path().iter().map(ToString::to_string).collect(),
        }))
    };
    let found = api.read(view).await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("the log has no event {index}"), "see GET /v1/log"))
}

/// Metrics for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn prometheus(State(api): State<Api>) -> Result<Response, Problem> {
    let text = api.metrics_text().await?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn no_such_route() -> Problem {
    Problem::not_found("there is no such route", "GET /openapi.json lists the routes")
}

async fn no_such_method() -> Problem {
    let detail = "this route has another method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong method", detail, "GET /openapi.json lists the routes")
}

async fn add(
    api: &Api,
    device: DeviceId,
    readings: Result<Vec<Reading>, Problem>,
) -> Result<Receipt, Refused> {
    Ok(api.state.ingest.readings(device, readings?).await?)
}

/// Why something was not admitted.
enum Refused {
    Unreadable(Problem),
    Ingest(IngestError),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Unreadable(problem)
    }
}

impl From<IngestError> for Refused {
    fn from(error: IngestError) -> Self {
        Self::Ingest(error)
    }
}

/// Counts what became of an event, and puts it into the API's words.
fn count(api: &Api, result: Result<Receipt, Refused>) -> Result<ReceiptView, Problem> {
    match result {
        Ok(receipt) => {
            api.state.metrics.acknowledged();
            Ok(receipt.into())
        }
        Err(Refused::Unreadable(problem)) => {
            api.state.metrics.unreadable();
            Err(problem)
        }
        Err(Refused::Ingest(error)) => {
            api.state.metrics.refused(&error);
            Err(error.into())
        }
    }
}

fn content(body: Content) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        let detail = rejection.body_text();
        Problem::new(rejection.status(), "unreadable request", detail, "send less at once")
    })
}

fn from_scale_hex<T: codec::Decode>(what: &str, text: &str) -> Result<T, Problem> {
    let remedy = "send its SCALE encoding in hexadecimal digits after 0x";
    let refuse = |problem: String| Problem::bad_request(format!("{what}: {problem}"), remedy);
    let bytes =
        hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| refuse(error.to_string()))?;
    T::decode_all(&mut bytes.as_slice()).map_err(|error| refuse(error.to_string()))
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text(), "GET /openapi.json lists what may stand after the ?")
    }
}
