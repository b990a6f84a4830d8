//! The routes for monitors of transparency logs.

use super::*;
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::Response;
use streembit_log::{KnownVoters, LastBlock};
use streembit_primitives::{
    checkpoint::Anchor,
    evidence::{AuthoritySet, Justification, JustifiedBlock},
    merkle::{leaf_hash, root_of_leaves, LOG_TREE},
    note::{SignedNote, VerifierKey},
    version::Version,
    Checkpoint,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// The number of events of the tests: one full tile and a partial one.
const EVENTS: u64 = 300;

/// A log with [`EVENTS`] events, whose first `anchored` are under a proven anchor.
async fn serve_anchored(api: &str, anchored: u64) -> ServedApi {
    let served = serve(api).await;
    let lines: String = (0..EVENTS).map(|n| format!("[{{\"n\":\"count\",\"v\":{n}}}]\n")).collect();
    let results = served.client.add_lines("shed", lines).await.unwrap().results;
    assert!(results.iter().all(|result| !matches!(result, ItemResult::Problem(_))));
    anchor(&served.log, anchored);
    served
}

/// Stores an anchor of the log as if the chain with the genesis hash 3 had accepted it.
fn anchor(log: &Log, size: u64) {
    let (root, heads_root) = (log.root(size).unwrap(), log.heads_root(size).unwrap());
    let checkpoint = Checkpoint { version: Version, log: log.id(), size, root, heads_root, time: 1 };
    log.put_anchor(&Anchor { checkpoint, block: 7 }).unwrap();
    let voters = AuthoritySet { id: 0, voters: Vec::new() };
    let genesis = Hash([3; 32]);
    let voters = KnownVoters { genesis, first: voters.clone(), current: voters, since: genesis };
    let block = JustifiedBlock {
        header: Vec::new(),
        justification: Justification::Direct { round: 0, votes: Vec::new() },
    };
    let last = LastBlock { number: 7, hash: Hash::ZERO, state_root: Hash::ZERO, block, nodes: Vec::new() };
    log.put_chain_proof(&voters, 0, &[], &last).unwrap();
}

async fn fetch(served: &ServedApi, path: &str) -> Response {
    served.http.get(format!("http://gateway/tlog/0/{path}")).send().await.unwrap()
}

/// Returns the hashes of a tile, or the digests of a bundle.
async fn items(served: &ServedApi, path: &str) -> Vec<Hash> {
    let response = fetch(served, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert!(response.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let bytes = response.bytes().await.unwrap();
    let length = if path.contains("entries") { 34 } else { 32 };
    assert_eq!(bytes.len() % length, 0);
    bytes
        .chunks(length)
        .map(|item| {
            let (prefix, hash) = item.split_at(length - 32);
            assert!(prefix.is_empty() || prefix == [0, 32]);
            Hash(hash.try_into().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn checkpoint_and_tiles_are_those_of_the_anchored_log() {
    let served = serve_anchored("", EVENTS).await;
    let response = fetch(&served, "checkpoint").await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    let note = SignedNote::parse(&response.bytes().await.unwrap()).unwrap();
    let key: VerifierKey = served.client.log().await.unwrap().verifier_key.unwrap().parse().unwrap();
    assert_eq!((key.origin().genesis, key.origin().log), (Hash([3; 32]), served.log.id()));
    let checkpoint = note.verify(&key).unwrap();
    assert_eq!(checkpoint.size(), EVENTS);

    let mut digests = items(&served, "tile/entries/000").await;
    assert_eq!(digests.len(), 256);
    digests.extend(items(&served, "tile/entries/001.p/44").await);
    let mut leaves = items(&served, "tile/0/000").await;
    leaves.extend(items(&served, "tile/0/001.p/44").await);
    assert_eq!(leaves, digests.iter().map(leaf_hash).collect::<Vec<_>>());
    assert_eq!(root_of_leaves(LOG_TREE, &leaves), *checkpoint.root());
    assert_eq!(items(&served, "tile/1/000.p/1").await, [root_of_leaves(LOG_TREE, &leaves[..256])]);
    // The partial tile of an earlier size stays.
    assert_eq!(items(&served, "tile/0/000.p/17").await, leaves[..17]);
    let entry = served.log.stored(299).unwrap().unwrap().entry;
    assert_eq!(entry.digest(), digests[299]);
    served.stop().await;
}

#[tokio::test]
async fn what_is_not_published_or_not_a_tile_is_refused() {
    let served = serve_anchored("", 290).await;
    for (path, code) in [
        ("/tlog/0/tile/0/001", 404),
        // Logged, but not under the anchor.
        ("/tlog/0/tile/0/001.p/35", 404),
        ("/tlog/0/tile/entries/001.p/35", 404),
        ("/tlog/0/tile/1/000", 404),
        ("/tlog/0/tile/1/001.p/1", 404),
        ("/tlog/0/tile/2/000.p/1", 404),
        ("/tlog/0/tile/63/000.p/1", 404),
        ("/tlog/0/tile/0/x018/x446/x744/x073/x709/x551/615", 404),
        ("/tlog/0/tile/0/000.p/0", 400),
        ("/tlog/0/tile/0/000.p/256", 400),
        ("/tlog/0/tile/0/000.p/017", 400),
        ("/tlog/0/tile/0/1", 400),
        ("/tlog/0/tile/64/000", 400),
        ("/tlog/0/tile/data/000", 400),
        ("/tlog/0/tile/0", 400),
        ("/tlog/1/checkpoint", 404),
        ("/tlog/00/checkpoint", 404),
        ("/tlog/x/tile/0/000", 404),
        ("/tlog/0", 404),
    ] {
        let (status, problem) = served.get(path).await;
        assert_eq!(status.as_u16(), code, "{path}: {problem}");
    }
    let (status, _) = served.post("/tlog/0/checkpoint", "text/plain", "x").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(items(&served, "tile/0/001.p/34").await.len(), 34);
    served.stop().await;

    let served = serve("").await;
    let (status, problem) = served.get("/tlog/0/checkpoint").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    assert_eq!(served.client.log().await.unwrap().verifier_key, None);
    served.stop().await;
}

#[tokio::test]
async fn tcp_serves_tiles_without_a_token_only_if_configured() {
    for (tlog, code) in [("", StatusCode::UNAUTHORIZED), ("tlog = true", StatusCode::OK)] {
        let served = serve_anchored(&format!("tcp = \"127.0.0.1:0\"\n{tlog}"), EVENTS).await;
        let address = served.tcp_address();
        let http = reqwest::Client::new();
        for path in ["checkpoint", "tile/0/000", "tile/entries/001.p/44"] {
            let response = http.get(format!("http://{address}/tlog/0/{path}")).send().await.unwrap();
            assert_eq!(response.status(), code, "{path}");
        }
        // Everything else still needs the token.
        for path in ["/v1/log", "/metrics", "/tlog/0/nothing"] {
            let response = http.get(format!("http://{address}{path}")).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        served.stop().await;
    }
}

#[tokio::test]
async fn a_flood_over_tcp_gets_its_answers_and_stops_neither_the_log_nor_other_callers() {
    let served = serve_anchored("tcp = \"127.0.0.1:0\"\ntlog = true", EVENTS).await;
    let address = served.tcp_address();
    let mut idle = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    let paths =
        [("checkpoint", 200), ("tile/0/000", 200), ("tile/entries/001.p/44", 200), ("tile/9/000", 404)];
    let http = reqwest::Client::new();
    let ask = |n: usize| {
        let (path, code) = paths[n % paths.len()];
        let request = http.get(format!("http://{address}/tlog/0/{path}"));
        async move {
            let response = request.send().await?;
            assert_eq!(response.status().as_u16(), code, "{path}");
            response.bytes().await
        }
    };
    let flood = futures::stream::iter(0..2_000).map(ask).buffer_unordered(32);
    let logging = async {
        for n in 0..10 {
            let line = format!("[{{\"n\":\"count\",\"v\":{n}}}]\n");
            let results = served.client.add_lines("shed", line).await.unwrap().results;
            assert!(!matches!(results[0], ItemResult::Problem(_)), "{results:?}");
        }
    };
    let (answers, ()) = tokio::join!(flood.try_collect::<Vec<_>>(), logging);
    assert_eq!(answers.unwrap().len(), 2_000);
    assert_eq!(served.log.size(), EVENTS + 10);
    // The connections that were silent for the longest time are closed. Reading the others would wait.
    for stream in &mut idle[..MAX_CONNECTIONS] {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
    served.stop().await;
}
