//! What callers over TCP may do with which token.

use super::*;
use crate::api::tokens::{TokenScope, Tokens};
use reqwest::Method;

const TCP: &str = "tcp = \"127.0.0.1:0\"";

impl ServedApi {
    fn token_file(&self) -> PathBuf {
        self.dir.path().join("api.tokens")
    }

    /// Makes a token, as `streembit token new` does.
    fn token(&self, name: &str, scopes: &[&str], expires: Option<u64>) -> String {
        let scopes: Vec<TokenScope> = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        let secret = Tokens::add(&self.token_file(), name, scopes, expires, 1).unwrap();
        secret.as_str().to_owned()
    }

    /// Sends a request over TCP with a token. Returns the status.
    async fn status_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> StatusCode {
        let url = format!("http://{}{path}", self.tcp_address());
        let request = reqwest::Client::new().request(method, url).bearer_auth(token);
        request.header("content-type", kind).body(body).send().await.unwrap().status()
    }

    async fn get_with(&self, token: &str, path: &str) -> StatusCode {
        self.status_with(token, Method::GET, path, "text/plain", Vec::new()).await
    }
}

#[tokio::test]
async fn requests_over_tcp_need_a_token() {
    let served = serve(TCP).await;
    let url = format!("http://{}/v1/status", served.tcp_address());
    let http = reqwest::Client::new();
    let token = served.token("reader", &["read"], None);
    let (status, problem) = answer(http.get(&url)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(problem["remedy"].as_str().unwrap().contains("streembit token new"), "{problem}");
    let digits = token.strip_prefix("streembit-").unwrap();
    for wrong in ["0".repeat(64), digits.to_owned(), format!("{token}0"), token.to_uppercase()] {
        assert_eq!(served.get_with(&wrong, "/v1/status").await, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let (status, body) = answer(http.get(&url).bearer_auth(&token)).await;
    assert_eq!((status, &body["name"]), (StatusCode::OK, &json!("gateway")));
    served.stop().await;
}

#[tokio::test]
async fn each_token_does_what_its_scopes_say_and_nothing_else() {
    let served = serve(TCP).await;
    served.client.add_lines("shed", "[{\"n\":\"a\",\"v\":0}]".into()).await.unwrap();
    let erasure = json!({ "device": "shed", "first": 0 }).to_string();
    let events = signed_events(1);
    let signed = json!({ "event": scale_hex(&events[0].0), "body": scale_hex(&events[0].1) }).to_string();
    let get = |path: &'static str| (Method::GET, path, "text/plain", Vec::new());
    let post = |path: &'static str, kind: &'static str, body: Vec<u8>| (Method::POST, path, kind, body);
    let json_kind = "application/json";
    let line = b"[{\"n\":\"a\",\"v\":1}]".to_vec();
    let routes = [
        ("read", get("/v1/status")),
        ("read", get("/v1/devices")),
        ("read", get("/v1/devices/shed/events")),
        ("read", get("/v1/devices/shed/last-anchored")),
        ("read", get("/v1/forks")),
        ("read", get("/v1/log")),
        ("read", get("/v1/log/proof/0")),
        ("metrics", get("/metrics")),
        ("ingest", post("/v1/devices/shed/readings", json_kind, readings("1").to_string().into())),
        ("ingest", post("/v1/devices/shed/lines", "application/x-ndjson", line)),
        ("ingest", post("/v1/events", json_kind, signed.into())),
        ("ingest", post("/v1/events/batch", "application/octet-stream", events.encode())),
        ("erase", post("/v1/erasures", json_kind, erasure.into())),
        ("operate", post("/v1/devices/shed/pause", json_kind, Vec::new())),
        ("operate", (Method::DELETE, "/v1/devices/shed/pause", json_kind, Vec::new())),
    ];
    let scopes = ["read", "metrics", "ingest", "operate", "erase"];
    let tokens: Vec<_> = scopes.iter().map(|scope| (*scope, served.token(scope, &[*scope], None))).collect();
    // Wrong tokens first: nothing of what they ask for happens.
    for is_right in [false, true] {
        for (needed, (method, path, kind, body)) in &routes {
            for (scope, token) in tokens.iter().filter(|(scope, _)| (scope == needed) == is_right) {
                let status = served.status_with(token, method.clone(), path, kind, body.clone()).await;
                assert_eq!(status == StatusCode::FORBIDDEN, !is_right, "{scope}: {path}: {status}");
                assert!(!is_right || status.is_success(), "{scope}: {path}: {status}");
            }
        }
    }
    for (scope, token) in &tokens {
        assert_eq!(served.get_with(token, "/openapi.json").await, StatusCode::OK, "{scope}");
        // This gateway has no configuration file to read again.
        let status = served.status_with(token, Method::POST, "/v1/reload", json_kind, Vec::new()).await;
        let expected =
            if *scope == "operate" { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::FORBIDDEN };
        assert_eq!(status, expected, "{scope}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_token_of_one_device_adds_events_of_this_device_only() {
    let served = serve(TCP).await;
    let shed = served.token("shed", &["ingest:shed"], None);
    let meter = served.token("meter", &["ingest:meter", "read"], None);
    let gone = served.token("gone", &["ingest:boat"], None);
    let line = b"[{\"n\":\"a\",\"v\":1}]".to_vec();
    let batch = signed_events(2).encode();
    let (lines, octets) = ("application/x-ndjson", "application/octet-stream");
    for (token, path, kind, body, code) in [
        (&meter, "/v1/devices/shed/lines", lines, &line, 403),
        (&gone, "/v1/devices/shed/lines", lines, &line, 403),
        (&shed, "/v1/events/batch", octets, &batch, 403),
        (&shed, "/v1/devices/shed/lines", lines, &line, 200),
        (&meter, "/v1/events/batch", octets, &batch, 200),
    ] {
        let status = served.status_with(token, Method::POST, path, kind, body.clone()).await;
        assert_eq!(status.as_u16(), code, "{path}");
    }
    assert_eq!(served.client.log().await.unwrap().size, 3);
    served.stop().await;
}

#[tokio::test]
async fn a_revoked_or_ended_token_is_refused_at_once_and_a_new_one_counts_at_once() {
    let served = serve(TCP).await;
    let ends = streembit_clock::now_ms() + 60_000;
    let token = served.token("a", &["read"], Some(ends));
    let ended = served.token("b", &["read"], Some(2));
    assert_eq!(served.get_with(&token, "/v1/log").await, StatusCode::OK);
    assert_eq!(served.get_with(&ended, "/v1/log").await, StatusCode::UNAUTHORIZED);
    Tokens::revoke(&served.token_file(), "a").unwrap();
    assert_eq!(served.get_with(&token, "/v1/log").await, StatusCode::UNAUTHORIZED);
    let new = served.token("a", &["read"], None);
    assert_eq!(served.get_with(&new, "/v1/log").await, StatusCode::OK);
    // If the file is gone or damaged, no token counts.
    std::fs::remove_file(served.token_file()).unwrap();
    assert_eq!(served.get_with(&new, "/v1/log").await, StatusCode::UNAUTHORIZED);
    served.stop().await;
}

#[tokio::test]
async fn an_address_in_use_does_not_keep_the_api_from_serving_the_socket() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let served = serve("").await;
    let config = crate::config::ApiConfig {
        socket: dir.path().join("s"),
        tcp: Some(address),
        token_file: dir.path().join("api.tokens"),
        ..Default::default()
    };
    let api = served.api.clone();
    let (status, shutdown) = (served.status.clone(), CancellationToken::new());
    let task = tokio::spawn(api.run(config.clone(), shutdown.clone()));
    let client = Client::new(&config.socket).unwrap();
    while client.status().await.is_err() {
        assert!(!task.is_finished());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let Some(ComponentState::Retrying { problem, .. }) = status.get(TCP_COMPONENT) else {
        panic!("{:?}", status.get(TCP_COMPONENT))
    };
    assert!(problem.contains(&address.to_string()), "{problem}");
    drop(taken);
    while !status.get(TCP_COMPONENT).is_some_and(|state| state.is_running()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    task.await.unwrap();
    served.stop().await;
}
