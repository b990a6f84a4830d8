//! The OpenAPI document of the API, generated from the routes.

use super::{problem::Problem, routes, tlog};
use axum::Json;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Streembit gateway",
        description = "The local API of a Streembit gateway. Requests over the Unix socket need no authentication, \
                       because only its owner may open the socket. Requests over TCP need the header \
                       \"Authorization: Bearer TOKEN\" with a token whose scopes include the route: read, metrics, ingest, \
                       ingest of one device, operate or erase. The routes below /tlog need no token; they are served \
                       over TCP only with `[api] tlog = true`. Errors are problem details (RFC 9457) with a remedy. All \
                       times are in milliseconds since 1970-01-01 UTC."
    ),
    paths(
        routes::status,
        routes::devices,
        routes::add_readings,
        routes::add_lines,
        routes::events,
        routes::last_anchored,
        routes::pause,
        routes::resume,
        routes::add_event,
        routes::add_batch,
        routes::erase,
        routes::reload,
        routes::forks,
        routes::log,
        routes::inclusion,
        routes::prometheus,
        tlog::checkpoint,
        tlog::tile,
    ),
    components(schemas(Problem))
)]
pub(super) struct ApiDoc;

/// Answers with the OpenAPI document.
pub(super) async fn json() -> Json<utoipa::openapi::OpenApi> {
    Json(ApiDoc::openapi())
}
