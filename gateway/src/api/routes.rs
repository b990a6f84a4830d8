//! The routes of the API and their handlers. The doc comments of the handlers become the OpenAPI descriptions.

use super::{
    problem::Problem,
    state::Api,
    tokens::{needing, Access, Need},
    types::{
        CopiedKeyView, DeviceView, ErasureView, InclusionView, ItemResult, LastAnchoredView, LogView,
        NewErasure, NewEvent, NewReadings, PauseView, ReceiptView, ReloadView, Results, StatusView,
        StoredEventView,
    },
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
use streembit_adapters::senml::{self, Clock, EncodingError};
use streembit_ingest::{IngestError, PAUSE};
use streembit_log::Receipt;
use streembit_primitives::{Body, DeviceId, Reading, SignedEvent};
use utoipa::IntoParams;

/// The largest body of a request with one item, in bytes.
const MAX_SINGLE_BYTES: usize = 64 * 1024;
/// The largest body of a request with many items, in bytes.
const MAX_BULK_BYTES: usize = 4 * 1024 * 1024;
/// The most lines in one request.
const MAX_LINES: usize = 10_000;
/// The number of lines of a request that are parsed and logged at once. It bounds the memory that a request takes.
const LINES_AT_ONCE: usize = 256;
/// The most events in one response.
const MAX_EVENTS: usize = 1000;
/// The number of events in one response if the request sets no limit.
const DEFAULT_EVENTS: usize = 100;

type ApiResult<T> = Result<Json<T>, Problem>;
type RequestBody = Result<Bytes, BytesRejection>;

/// Returns the router of all routes. `description` serves the OpenAPI document, which is generated from the routes. Each
/// route is in the group of what it needs of a token.
pub(super) fn router(api: Api, description: MethodRouter<Api>) -> Router {
    let many = DefaultBodyLimit::max(MAX_BULK_BYTES);
    let reading = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/devices", get(devices))
        .route("/v1/devices/{device}/events", get(events))
        .route("/v1/devices/{device}/last-anchored", get(last_anchored))
        .route("/v1/forks", get(forks))
        .route("/v1/log", get(log))
        .route("/v1/log/proof/{index}", get(inclusion));
    let ingesting = Router::new()
        .route("/v1/devices/{device}/readings", post(add_readings))
        .route("/v1/devices/{device}/lines", post(add_lines).layer(many))
        .route("/v1/events", post(add_event))
        .route("/v1/events/batch", post(add_batch).layer(many));
    let operating = Router::new()
        .route("/v1/devices/{device}/pause", post(pause).delete(resume))
        .route("/v1/reload", post(reload));
    let erasing = Router::new().route("/v1/erasures", post(erase));
    let measuring = Router::new().route("/metrics", get(prometheus));
    let describing = Router::new().route("/openapi.json", description);
    needing(Need::Read, reading)
        .merge(needing(Need::Ingest, ingesting))
        .merge(needing(Need::Operate, operating))
        .merge(needing(Need::Erase, erasing))
        .merge(needing(Need::Metrics, measuring))
        .merge(needing(Need::Any, describing))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_SINGLE_BYTES))
        .with_state(api)
}

/// Returns the status of the gateway, its log, its devices and its components.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(api): State<Api>) -> ApiResult<StatusView> {
    api.status().await.map(Json)
}

/// Lists the configured devices.
#[utoipa::path(get, path = "/v1/devices", responses((status = 200, body = Vec<DeviceView>)))]
pub(super) async fn devices(State(api): State<Api>) -> ApiResult<Vec<DeviceView>> {
    api.devices().await.map(Json)
}

/// Adds readings of a device that cannot sign, as one event. Responds when the event is on disk.
#[utoipa::path(
    post,
    path = "/v1/devices/{device}/readings",
    params(("device" = String, Path, description = "The device's name or id")),
    request_body(
        description = "Readings, or one SenML pack (RFC 8428)",
        content((NewReadings = "application/json"), (String = "application/senml+json"))
    ),
    responses((status = 200, body = ReceiptView), (status = "4XX", body = Problem))
)]
pub(super) async fn add_readings(
    State(api): State<Api>,
    access: Access,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: RequestBody,
) -> ApiResult<ReceiptView> {
    let device = api.device(&device)?;
    access.ingest_devices(&api).ensure(&device)?;
    let readings = parse_readings(&headers, &read_body(body)?, api.clock());
    record_outcome(&api, submit(&api, device, readings).await).map(Json)
}

/// The readings of one event, with remarks for their sender.
struct NewContent {
    readings: Vec<Reading>,
    remarks: Vec<String>,
}

fn parse_readings(headers: &HeaderMap, body: &[u8], clock: Clock) -> Result<NewContent, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/senml+json" => parse_senml(body, clock),
        "application/json" => {
            let NewReadings { readings } = serde_json::from_slice(senml::without_mark(body))
                .map_err(|error| Problem::bad_request(error, "see NewReadings in /openapi.json"))?;
            let readings = readings.into_iter().map(|reading| reading.into_reading(clock.now));
            let readings =
                readings.map(|reading| ensure_not_future(reading, clock)).collect::<Result<_, _>>()?;
            Ok(NewContent { readings, remarks: Vec::new() })
        }
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported content type",
            format!("the content type {other:?} is not supported"),
            "send application/json or application/senml+json",
        )),
    }
}

fn ensure_not_future(reading: Reading, clock: Clock) -> Result<Reading, Problem> {
    match clock.ensure_not_future(reading.time) {
        Ok(_) => Ok(reading),
        Err(_) => Err(Problem::bad_request(
            format!(
                "the reading {} has a time more than {} s in the future",
                reading.name,
                clock.max_future / 1_000
            ),
            "send the time in milliseconds since 1970; check the sender's clock and the gateway's",
        )),
    }
}

fn parse_senml(pack: &[u8], clock: Clock) -> Result<NewContent, Problem> {
    let remedy = "RFC 8428 describes SenML";
    let text = senml::text(pack).map_err(|error| Problem::bad_request(error, remedy))?;
    let pack = senml::read(text, clock).map_err(|error| Problem::bad_request(error, remedy))?;
    Ok(NewContent {
        readings: pack.readings,
        remarks: pack.remarks.iter().map(senml::Remark::to_string).collect(),
    })
}

/// Adds SenML packs of a device that cannot sign, one per line. Each pack becomes one event, in the order of the lines.
#[utoipa::path(
    post,
    path = "/v1/devices/{device}/lines",
    params(("device" = String, Path, description = "The device's name or id")),
    request_body(description = "SenML packs, one per line", content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = Results), (status = "4XX", body = Problem))
)]
pub(super) async fn add_lines(
    State(api): State<Api>,
    access: Access,
    Path(device): Path<String>,
    body: RequestBody,
) -> ApiResult<Results> {
    let device = api.device(&device)?;
    access.ingest_devices(&api).ensure(&device)?;
    let body = read_body(body)?;
    let mut results = Vec::new();
    for part in lines_of(&body)?.chunks(LINES_AT_ONCE) {
        let (part, clock) = (part.to_vec(), api.clock());
        let parse = move || part.iter().map(|line| parse_senml(line, clock)).collect::<Vec<_>>();
        let contents = tokio::task::spawn_blocking(parse).await.map_err(Problem::internal)?;
        // `join_all` polls the futures in order, and each takes its place in the log's queue when first polled. Tokio's
        // budget would let some of them wait for their first turn until others had theirs.
        let all = join_all(contents.into_iter().map(|content| submit(&api, device, content)));
        let added = tokio::task::unconstrained(all).await;
        results.extend(added.into_iter().map(|result| ItemResult::from(record_outcome(&api, result))));
    }
    Ok(Json(Results { results }))
}

/// Returns the lines of a body that are not blank.
fn lines_of(body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    if senml::is_utf16(body) {
        return Err(Problem::bad_request(EncodingError::Utf16, "no line was added"));
    }
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let lines: Vec<_> = lines.take(MAX_LINES + 1).map(|line| body.slice_ref(line)).collect();
    if lines.len() > MAX_LINES {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too many lines",
            format!("the request has more than {MAX_LINES} lines, and none of them was added"),
            "send the lines in several requests",
        ));
    }
    Ok(lines)
}

/// Adds an event that its device signed. Responds when the event is on disk.
#[utoipa::path(
    post,
    path = "/v1/events",
    request_body = NewEvent,
    responses((status = 200, body = ReceiptView), (status = "4XX", body = Problem))
)]
pub(super) async fn add_event(
    State(api): State<Api>,
    access: Access,
    body: RequestBody,
) -> ApiResult<ReceiptView> {
    let new: NewEvent = serde_json::from_slice(&read_body(body)?)
        .map_err(|error| Problem::bad_request(error, "see NewEvent in /openapi.json"))?;
    let event = from_scale_hex::<SignedEvent>("event", &new.event)?;
    let body = from_scale_hex::<Body>("body", &new.body)?;
    access.ingest_devices(&api).ensure(&event.header.device)?;
    let result = api.ingest().signed(event, body).await;
    record_outcome(&api, result.map(Added::from).map_err(Rejection::from)).map(Json)
}

/// Adds several events that their devices signed, in the order of the request. If the token does not include one of their
/// devices, none is added.
#[utoipa::path(
    post,
    path = "/v1/events/batch",
    request_body(
        description = "The SCALE encoding of Vec<(SignedEvent, Body)>",
        content = Vec<u8>,
        content_type = "application/octet-stream"
    ),
    responses((status = 200, body = Results), (status = "4XX", body = Problem))
)]
pub(super) async fn add_batch(
    State(api): State<Api>,
    access: Access,
    body: RequestBody,
) -> ApiResult<Results> {
    let body = read_body(body)?;
    let decode = move || Vec::<(SignedEvent, Body)>::decode_all(&mut body.as_ref());
    let decoded = tokio::task::spawn_blocking(decode).await.map_err(Problem::internal)?;
    let events = decoded.map_err(|error| {
        Problem::bad_request(error, "send the SCALE encoding of Vec<(SignedEvent, Body)>")
    })?;
    let allowed = access.ingest_devices(&api);
    events.iter().try_for_each(|(event, _)| allowed.ensure(&event.header.device))?;
    let results = api.ingest().signed_batch(events).await.into_iter();
    let results = results.map(|result| {
        ItemResult::from(record_outcome(&api, result.map(Added::from).map_err(Rejection::from)))
    });
    Ok(Json(Results { results: results.collect() }))
}

/// The query parameters of a request for events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// The sequence number of the first event; 0 if absent.
    #[serde(default)]
    from: u64,
    /// The most events to return, up to 1000; 100 if absent.
    limit: Option<usize>,
}

/// Lists a device's events, oldest first.
#[utoipa::path(
    get,
    path = "/v1/devices/{device}/events",
    params(("device" = String, Path, description = "The device's name or id"), EventsQuery),
    responses((status = 200, body = Vec<StoredEventView>), (status = "4XX", body = Problem))
)]
pub(super) async fn events(
    State(api): State<Api>,
    Path(device): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> ApiResult<Vec<StoredEventView>> {
    let device = api.device(&device)?;
    let Query(EventsQuery { from, limit }) = query?;
    let limit = limit.unwrap_or(DEFAULT_EVENTS).min(MAX_EVENTS);
    let view = move |log: &streembit_log::LogReader| {
        let events = log.device_events(&device, from, limit)?;
        Ok(events.into_iter().map(|stored| StoredEventView::of(log.id(), stored)).collect())
    };
    api.read(view).await.map(Json)
}

/// Proves the last event of a device at the last anchor of the log, for a change of the device's record on the chain.
#[utoipa::path(
    get,
    path = "/v1/devices/{device}/last-anchored",
    params(("device" = String, Path, description = "The device's name or id")),
    responses((status = 200, body = LastAnchoredView), (status = "4XX", body = Problem))
)]
pub(super) async fn last_anchored(
    State(api): State<Api>,
    Path(device): Path<String>,
) -> ApiResult<LastAnchoredView> {
    api.last_anchored(&device).await.map(Json)
}

/// The events that a pause refuses.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseQuery {
    /// The sequence number of the first event that is refused; 0 if absent. All readings are refused of a device that
    /// cannot sign.
    #[serde(default)]
    from: u64,
}

/// Refuses events of a device until its record on the chain changes, but for two minutes at most. For a change of its key:
/// what the old key signs in between would not count. Responds when the events that came before are on disk.
#[utoipa::path(
    post,
    path = "/v1/devices/{device}/pause",
    params(("device" = String, Path, description = "The device's name or id"), PauseQuery),
    responses((status = 200, body = PauseView), (status = "4XX", body = Problem))
)]
pub(super) async fn pause(
    State(api): State<Api>,
    Path(device): Path<String>,
    query: Result<Query<PauseQuery>, QueryRejection>,
) -> ApiResult<PauseView> {
    let device = api.device(&device)?;
    let Query(PauseQuery { from }) = query?;
    api.ingest().pause(device, from).await?;
    Ok(Json(PauseView {
        device: device.to_string(),
        milliseconds: u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// Accepts the events of a paused device again, because its key does not change after all.
#[utoipa::path(
    delete,
    path = "/v1/devices/{device}/pause",
    params(("device" = String, Path, description = "The device's name or id")),
    responses((status = 200, body = PauseView), (status = "4XX", body = Problem))
)]
pub(super) async fn resume(State(api): State<Api>, Path(device): Path<String>) -> ApiResult<PauseView> {
    let device = api.device(&device)?;
    api.ingest().resume(device)?;
    Ok(Json(PauseView { device: device.to_string(), milliseconds: 0 }))
}

/// Permanently erases the bodies of events. Responds when no file of the database contains them any more.
#[utoipa::path(
    post,
    path = "/v1/erasures",
    request_body = NewErasure,
    responses((status = 200, body = Vec<ErasureView>), (status = "4XX", body = Problem))
)]
pub(super) async fn erase(State(api): State<Api>, body: RequestBody) -> ApiResult<Vec<ErasureView>> {
    let request: NewErasure = serde_json::from_slice(&read_body(body)?)
        .map_err(|error| Problem::bad_request(error, "see NewErasure in /openapi.json"))?;
    api.erase(request).await.map(Json)
}

/// Reads the configuration file again. Devices that were added, changed or removed in it are added, changed and removed
/// in the running gateway; all other changes need a restart.
#[utoipa::path(
    post,
    path = "/v1/reload",
    responses((status = 200, body = ReloadView), (status = "4XX", body = Problem))
)]
pub(super) async fn reload(State(api): State<Api>) -> ApiResult<ReloadView> {
    api.reload().await.map(Json)
}

/// Lists the devices whose keys were copied, each with the two events that prove it.
#[utoipa::path(get, path = "/v1/forks", responses((status = 200, body = Vec<CopiedKeyView>)))]
pub(super) async fn forks(State(api): State<Api>) -> ApiResult<Vec<CopiedKeyView>> {
    let forks = api.read(|log| log.forks()).await?;
    Ok(Json(forks.into_iter().map(CopiedKeyView::from).collect()))
}

/// Returns the size and root of the log, and its last checkpoint and anchor.
#[utoipa::path(get, path = "/v1/log", responses((status = 200, body = LogView)))]
pub(super) async fn log(State(api): State<Api>) -> ApiResult<LogView> {
    api.log().await.map(Json)
}

/// The query parameters of a request for an inclusion proof.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofQuery {
    /// The size of the log that the proof is for; the current size if absent.
    size: Option<u64>,
}

/// Returns a proof that an event is in the log.
#[utoipa::path(
    get,
    path = "/v1/log/proof/{index}",
    params(("index" = u64, Path, description = "The event's index in the log"), ProofQuery),
    responses((status = 200, body = InclusionView), (status = "4XX", body = Problem))
)]
pub(super) async fn inclusion(
    State(api): State<Api>,
    Path(index): Path<String>,
    query: Result<Query<ProofQuery>, QueryRejection>,
) -> ApiResult<InclusionView> {
    let index: u64 = index.parse().map_err(|_| {
        Problem::bad_request(
            format!("{index:?} is not an index in the log"),
            "send a whole number, starting at 0",
        )
    })?;
    let Query(ProofQuery { size }) = query?;
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
    found.map(Json).ok_or_else(|| {
        Problem::not_found(
            format!("the log has no event {index}"),
            "GET /v1/log shows how many events the log has",
        )
    })
}

/// Returns the metrics for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn prometheus(State(api): State<Api>) -> Result<Response, Problem> {
    let text = api.metrics_text().await?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn unknown_route() -> Problem {
    Problem::not_found("this route does not exist", "GET /openapi.json lists the routes")
}

pub(super) async fn wrong_method() -> Problem {
    let detail = "this route does not accept the request's method";
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method not allowed",
        detail,
        "GET /openapi.json lists the routes",
    )
}

async fn submit(
    api: &Api,
    device: DeviceId,
    content: Result<NewContent, Problem>,
) -> Result<Added, Rejection> {
    let NewContent { readings, remarks } = content?;
    Ok(Added { receipt: api.ingest().readings(device, readings).await?, remarks })
}

/// An event that was added, with remarks for its sender.
struct Added {
    receipt: Receipt,
    remarks: Vec<String>,
}

impl From<Receipt> for Added {
    fn from(receipt: Receipt) -> Self {
        Self { receipt, remarks: Vec::new() }
    }
}

/// The reason why readings or an event were not added.
enum Rejection {
    Invalid(Problem),
    Ingest(IngestError),
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem)
    }
}

impl From<IngestError> for Rejection {
    fn from(error: IngestError) -> Self {
        Self::Ingest(error)
    }
}

/// Counts the outcome in the metrics and converts it into the API's types.
fn record_outcome(api: &Api, result: Result<Added, Rejection>) -> Result<ReceiptView, Problem> {
    match result {
        Ok(Added { receipt, remarks }) => {
            api.metrics().acknowledged();
            Ok(ReceiptView { remarks, ..receipt.into() })
        }
        Err(Rejection::Invalid(problem)) => {
            api.metrics().unreadable();
            Err(problem)
        }
        Err(Rejection::Ingest(error)) => {
            api.metrics().refused(&error);
            Err(error.into())
        }
    }
}

fn read_body(body: RequestBody) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        let detail = rejection.body_text();
        Problem::new(rejection.status(), "invalid request", detail, "send a smaller request")
    })
}

fn from_scale_hex<T: codec::Decode>(what: &str, text: &str) -> Result<T, Problem> {
    let remedy = "send the SCALE encoding in hexadecimal, starting with 0x";
    let invalid = |problem: String| Problem::bad_request(format!("{what}: {problem}"), remedy);
    let bytes =
        hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|error| invalid(error.to_string()))?;
    T::decode_all(&mut bytes.as_slice()).map_err(|error| invalid(error.to_string()))
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text(), "GET /openapi.json lists the query parameters of each route")
    }
}
