//! The routes for monitors of transparency logs: the log's checkpoint and tiles, as <https://c2sp.org/tlog-tiles> says.
//!
//! They serve the log up to its last anchor, so that a monitor never sees a checkpoint that differs from an anchor. An
//! entry is the digest of a log entry: 32 bytes that reveal nothing about the event or its device.

use super::{problem::Problem, routes::wrong_method, state::Api};
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
    Router,
};
use std::{fmt, str::FromStr};
use streembit_log::{LogReader, ReadError};
use streembit_primitives::{
    merkle::{NodeId, NodeStore as _},
    note::{Origin, SignedNote, VerifierKey},
    Hash, LogKey,
};

/// The number of hashes in a full tile, and of entries in a full bundle.
const WIDTH: u64 = 256;

/// The number of tree levels from one tile level to the next.
const HEIGHT: u8 = 8;

/// The largest tile level that a path may have.
const MAX_LEVEL: u8 = 63;

/// How long a tile may be cached: it never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Returns the router of these routes.
pub(super) fn router(api: Api) -> Router {
    Router::new()
        .route("/tlog/{epoch}/checkpoint", get(checkpoint))
        .route("/tlog/{epoch}/tile/{*path}", get(tile))
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

/// The part of the log that is published: the part under the last anchor.
pub(super) struct Published {
    origin: Origin,
    size: u64,
    root: Hash,
}

impl Published {
    /// Returns the published part, or `None` if no anchor of the log has been proven yet.
    pub(super) fn of(log: &LogReader) -> Result<Option<Self>, ReadError> {
        let (Some(genesis), Some(anchor)) = (log.chains()?.last().copied(), log.last_anchor()?) else {
            return Ok(None);
        };
        let origin = Origin { genesis, log: log.id() };
        Ok(Some(Self { origin, size: anchor.checkpoint.size, root: anchor.checkpoint.root }))
    }

    /// Returns the key that verifies the notes of the log.
    pub(super) fn verifier_key(&self, key: &LogKey) -> Option<VerifierKey> {
        VerifierKey::new(self.origin, key)
    }
}

/// Returns the checkpoint of the log at its last anchor, as a C2SP signed note. The log's key signs it with Ed25519.
#[utoipa::path(
    get,
    path = "/tlog/{epoch}/checkpoint",
    params(("epoch" = u32, Path, description = "The epoch of the log; a gateway's first log has epoch 0")),
    responses(
        (status = 200, body = String, content_type = "text/plain; charset=utf-8"),
        (status = "4XX", body = Problem)
    )
)]
pub(super) async fn checkpoint(
    State(api): State<Api>,
    Path(epoch): Path<String>,
) -> Result<Response, Problem> {
    ensure_epoch(&api, &epoch)?;
    let Published { origin, size, root } =
        api.read_for_monitor(Published::of).await?.ok_or_else(not_published)?;
    let note = SignedNote::sign(&origin, size, root, api.log_key()).to_string();
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, note).into_response())
}

/// Returns a tile of the log's tree (`<L>/<N>[.p/<W>]`) or a bundle of entries (`entries/<N>[.p/<W>]`), as C2SP
/// tlog-tiles describes them. An entry is the 32-byte digest of a log entry.
#[utoipa::path(
    get,
    path = "/tlog/{epoch}/tile/{path}",
    params(
        ("epoch" = u32, Path, description = "The epoch of the log; a gateway's first log has epoch 0"),
        ("path" = String, Path, description = "The tile, for example 0/x001/234 or entries/000.p/17")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", body = Problem)
    )
)]
pub(super) async fn tile(
    State(api): State<Api>,
    Path((epoch, path)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ensure_epoch(&api, &epoch)?;
    let tile = path.parse::<TilePath>().map_err(|error| {
        Problem::bad_request(error, "c2sp.org/tlog-tiles describes the paths of tiles and entry bundles")
    })?;
    let read = move |log: &LogReader| {
        let size = Published::of(log)?.map_or(0, |published| published.size);
        let available = tile.available(size);
        if available < tile.width() {
            return Ok(Err(available));
        }
        tile.read(log).map(Ok)
    };
    let bytes = api.read_for_monitor(read).await?.map_err(|available| {
        let detail =
            format!("{tile} does not exist: the published log has {available} of its {} items", tile.width());
        Problem::not_found(detail, "fetch the checkpoint, and then the tiles of a log of its size")
    })?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, IMMUTABLE)];
    Ok((headers, bytes).into_response())
}

fn ensure_epoch(api: &Api, epoch: &str) -> Result<(), Problem> {
    let served = api.epoch();
    if epoch != served.to_string() {
        return Err(Problem::not_found(
            format!("the gateway has no log with the epoch {epoch:?}"),
            format!("use the epoch {served}, which GET /v1/log shows"),
        ));
    }
    Ok(())
}

fn not_published() -> Problem {
    Problem::not_found(
        "the log has no checkpoint yet, because none of its anchors is proven",
        "run the gateway with its node until `streembit status` says how many events are provable",
    )
}

/// The path of a tile or of an entry bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct TilePath {
    kind: TileKind,
    /// The position from the left within the level.
    index: u64,
    /// The number of items of a partial tile, from 1 to 255, or `None` for a full tile.
    partial: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TileKind {
    /// Hashes of a level of the tree: level 0 has the leaves.
    Hashes { level: u8 },
    /// The data of the leaves.
    Entries,
}

/// A path is not that of a tile.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not the path of a tile or an entry bundle")]
struct TilePathError(String);

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        // Each path has one form, so a parsed path is compared with the given one.
        Self::parse(path)
            .filter(|parsed| parsed.to_string() == path)
            .ok_or_else(|| TilePathError(path.chars().take(100).collect()))
    }
}

impl TilePath {
    fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.split_once('/')?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes { level: level.parse().ok().filter(|level| *level <= MAX_LEVEL)? },
        };
        let (index, partial) = match rest.split_once(".p/") {
            Some((index, width)) => (index, Some(width.parse().ok().filter(|width| *width > 0)?)),
            None => (rest, None),
        };
        let index = index.split('/').try_fold(0u64, |index, group| {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
            index.checked_mul(1000)?.checked_add(group)
        })?;
        Some(Self { kind, index, partial })
    }

    /// Returns the number of hashes or entries that the path asks for.
    fn width(self) -> u64 {
        self.partial.map_or(WIDTH, u64::from)
    }

    /// Returns the tree level of the hashes.
    fn tree_level(self) -> u8 {
        match self.kind {
            TileKind::Hashes { level } => level.saturating_mul(HEIGHT),
            TileKind::Entries => 0,
        }
    }

    /// Returns the position of the first hash or entry within its level.
    fn first(self) -> u64 {
        self.index.saturating_mul(WIDTH)
    }

    /// Returns the number of hashes or entries that the tile has in a log of `size` entries.
    fn available(self, size: u64) -> u64 {
        let items = size.checked_shr(self.tree_level().into()).unwrap_or(0);
        items.saturating_sub(self.first()).min(WIDTH)
    }

    /// Reads the tile, which must be available.
    fn read(self, log: &LogReader) -> Result<Vec<u8>, ReadError> {
        let items = self.first()..self.first().saturating_add(self.width());
        if self.kind == TileKind::Entries {
            let digests = log.digests(items)?.into_iter();
            // Each entry is preceded by its length in two bytes, big-endian.
            return Ok(digests.flat_map(|digest| [0, 32].into_iter().chain(digest.0)).collect());
        }
        let (nodes, level) = (log.nodes(), self.tree_level());
        let mut bytes = Vec::new();
        for index in items {
            bytes.extend(nodes.node(NodeId { level, index })?.0);
        }
        Ok(bytes)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "{level}/")?,
            TileKind::Entries => f.write_str("entries/")?,
        }
        let (mut groups, mut rest) = (format!("{:03}", self.index % 1000), self.index / 1000);
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        f.write_str(&groups)?;
        self.partial.map_or(Ok(()), |width| write!(f, ".p/{width}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(path: &str) -> TilePath {
        path.parse().unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let hashes = |level, index, partial| TilePath { kind: TileKind::Hashes { level }, index, partial };
        assert_eq!(parse("0/000"), hashes(0, 0, None));
        assert_eq!(parse("3/x001/x234/067"), hashes(3, 1_234_067, None));
        assert_eq!(parse("63/x001/234.p/255"), hashes(63, 1234, Some(255)));
        assert_eq!(
            parse("entries/273.p/112"),
            TilePath { kind: TileKind::Entries, index: 273, partial: Some(112) }
        );
        assert_eq!(parse("0/x018/x446/x744/x073/x709/x551/615").index, u64::MAX);
        for wrong in [
            "",
            "0",
            "0/",
            "/000",
            "64/000",
            "256/000",
            "00/000",
            "-1/000",
            "+0/000",
            "data/000",
            "0/0",
            "0/0000",
            "0/x000/000",
            "0/001/000",
            "0/x001",
            "0/x001/x000",
            "0/000/",
            "0//000",
            "0/+00",
            "0/xx01/000",
            "0/000.p",
            "0/000.p/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/1/",
            "0/000.p/+1",
            "0/000.p/1.p/1",
            "0/000.p1",
            "0/x018/x446/x744/x073/x709/x551/616",
            "entries/000/../000",
            "0/000 ",
        ] {
            assert!(wrong.parse::<TilePath>().is_err(), "{wrong:?}");
        }
    }

    /// The example of the specification: a log of 70,000 entries, and one of 256.
    #[test]
    fn only_tiles_of_the_published_size_exist() {
        let available = |path: &str, size| parse(path).available(size);
        assert_eq!([available("0/272", 70_000), available("0/273", 70_000)], [256, 112]);
        assert_eq!([available("1/000", 70_000), available("1/001", 70_000)], [256, 17]);
        assert_eq!([available("2/000", 70_000), available("2/001", 70_000)], [1, 0]);
        assert_eq!([available("0/000", 256), available("1/000", 256), available("2/000", 256)], [256, 1, 0]);
        assert_eq!([available("8/000", u64::MAX), available("63/000", u64::MAX)], [0, 0]);
        assert_eq!(available("0/x018/x446/x744/x073/x709/x551/615", u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn every_path_has_one_form(level in 0u8..=63, index: u64, width in 0u8..=255, entries: bool) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes { level } };
            let tile = TilePath { kind, index, partial: (width > 0).then_some(width) };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn what_is_parsed_is_written_back(path in "(entries|[0-9]{1,3})/[x0-9/]{0,12}(\\.p/[0-9]{0,4})?") {
            if let Ok(tile) = path.parse::<TilePath>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }
    }
}
