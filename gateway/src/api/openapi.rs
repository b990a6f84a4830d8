//! The description of the API, made from the routes themselves.

use super::{problem::Problem, routes};
use axum::Json;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Streembit gateway",
        description = "The local API of a Streembit gateway. Over its Unix socket no authentication is needed: the \
                       socket is its owner's. Over TCP send \"Authorization: Bearer TOKEN\". Errors are problem \
                       details (RFC 9457) with a remedy."
    ),
    paths(
        routes::status,
        routes::devices,
        routes::add_readings,
        routes::add_lines,
        routes::events,
        routes::add_event,
        routes::add_batch,
        routes::erase,
        routes::forks,
        routes::log,
        routes::inclusion,
        routes::prometheus,
    ),
    components(schemas(Problem))
)]
pub(super) struct Description;

/// The description.
pub(super) async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(Description::openapi())
}
