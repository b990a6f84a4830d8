use super::{
    client::{Client, ClientError},
    openapi::ApiDoc,
    types::{InclusionView, ItemResult, NewErasure, NewEvent, StoredEventView},
    *,
};
use crate::{
    config::Config,
    daemon::Reloader,
    metrics::Metrics,
    status::{ComponentState, StatusBoard},
};
use codec::{DecodeAll as _, Encode as _};
use reqwest::StatusCode;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_ingest::Ingest;
use streembit_keystore::KeyPair;
use streembit_log::Log;
use streembit_primitives::{
    event::VERSION, hash::Domain, merkle::InclusionProof, Body, EventHeader, EventKind, Hash, LogEntry,
    LogId, Part, Reading, SignedEvent, Signer, Source, Value as ReadingValue,
};
use tokio::{sync::watch, task::JoinHandle};
use utoipa::OpenApi as _;

mod tlog;
mod tokens;

/// Returns the key of the device `meter`, which signs its own events.
fn meter_key() -> KeyPair {
    KeyPair::from_seed([9; 32])
}

/// A running API with what a test needs to talk to it.
struct ServedApi {
    dir: tempfile::TempDir,
    api: Api,
    log: Log,
    status: StatusBoard,
    http: reqwest::Client,
    client: Client,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

/// Serves an API with a real log on a real socket. The device `shed` cannot sign; the device `meter` signs its events.
async fn serve(api: &str) -> ServedApi {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    let key = hex::encode(meter_key().account().0);
    let text = format!(
        "[api]\n{api}\n[[device]]\nname = \"shed\"\n[[device]]\nname = \"meter\"\nkey = \"sr25519:{key}\""
    );
    let mut config = Config::parse(&text, &path, []).unwrap();
    let keys = KeyPair::from_seed([7; 32]);
    config.resolve_labels(&keys);
    let account = keys.account();
    let log = Log::open(&config.gateway.data_dir, LogId::first(account)).unwrap();
    let devices: Vec<_> = config.devices.iter().map(|device| device.device_key(account)).collect();
    let log_key = keys.log_key();
    let reloader = Reloader::stopped(config.clone(), keys.clone());
    let ingest = Ingest::new(log.clone(), keys, devices).unwrap();
    let (status, shutdown) = (StatusBoard::new(), CancellationToken::new());
    let (peer, (_, addresses)) = (streembit_delivery::PeerId::random(), watch::channel(Vec::new()));
    let api = config.api.clone();
    let metrics = Metrics::new();
    let devices = watch::channel(config.devices.clone().into()).1;
    let state = ApiState {
        config,
        started: 0,
        log: log.clone(),
        ingest,
        status: status.clone(),
        metrics,
        peer,
        addresses,
        log_key,
        records: watch::channel(crate::daemon::Records::default()).1,
        devices,
        reloader,
    };
    let served = Api::new(state);
    let task = tokio::spawn(served.clone().run(api.clone(), shutdown.clone()));
    let components: &[_] = if api.tcp.is_some() { &[COMPONENT, TCP_COMPONENT] } else { &[COMPONENT] };
    let is_running = |component: &&str| status.get(component).is_some_and(|state| state.is_running());
    while !components.iter().all(is_running) {
        assert!(!task.is_finished(), "{:?}", task.await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let http = reqwest::Client::builder().unix_socket(api.socket.clone()).build().unwrap();
    let client = Client::new(&api.socket).unwrap();
    ServedApi { dir, api: served, log, status, http, client, shutdown, task }
}

impl ServedApi {
    fn socket(&self) -> PathBuf {
        self.dir.path().join("gateway.sock")
    }

    fn tcp_address(&self) -> String {
        let Some(ComponentState::Running { detail }) = self.status.get(TCP_COMPONENT) else {
            panic!("not running")
        };
        detail.strip_prefix("http://").unwrap().split(' ').next().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.http.get(format!("http://gateway{path}"))).await
    }

    async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.http.post(format!("http://gateway{path}"));
        answer(request.header("content-type", kind).body(body)).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
        assert!(!self.dir.path().join("gateway.sock").exists(), "the socket was not removed");
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    if !status.is_success() {
        assert_eq!(kind, "application/problem+json", "{body}");
        for field in ["title", "detail", "remedy"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {body}");
        }
        assert_eq!(body["status"], status.as_u16());
    }
    (status, body)
}

fn readings(value: &str) -> Value {
    json!({ "readings": [{ "name": "temperature", "unit": "Cel", "value": { "decimal": value }, "time": 5 }] })
}

/// Returns consecutive events that the device `meter` signed.
fn signed_events(count: u64) -> Vec<(SignedEvent, Body)> {
    let keys = meter_key();
    let key =
        streembit_primitives::DeviceKey::Own(streembit_primitives::PublicKey::Sr25519(keys.account().0));
    let mut previous = Hash::ZERO;
    let event = |sequence| {
        let reading = Reading {
            name: "energy".try_into().unwrap(),
            unit: "kWh".try_into().unwrap(),
            value: ReadingValue::Boolean(true),
            time: sequence,
            source: Source::sensor(),
        };
        let body = Body { seed: [1; 32], parts: vec![Part::Reading(reading)].try_into().unwrap() };
        let header = EventHeader {
            version: VERSION,
            device: key.device_id(),
            sequence,
            previous,
            time: sequence,
            kind: EventKind::Readings,
            body_hash: body.hash(),
        };
        previous = header.hash();
        let signature = keys.sign(Domain::EventHeader, &previous);
        (SignedEvent { header, signer: Signer::Device, signature }, body)
    };
    (0..count).map(event).collect()
}

fn scale_hex(value: &impl codec::Encode) -> String {
    format!("0x{}", hex::encode(value.encode()))
}

#[tokio::test]
async fn acknowledged_events_are_listed_and_proven() {
    let served = serve("").await;
    let readings_path = "/v1/devices/shed/readings";
    for value in ["20.5", "21"] {
        let body = readings(value).to_string();
        let (status, receipt) = served.post(readings_path, "application/json; charset=utf-8", body).await;
        assert_eq!(status, StatusCode::OK, "{receipt}");
    }
    let pack = r#"[{"bn":"shed/","n":"humidity","u":"%RH","v":40}]"#;
    let (status, receipt) = served.post(readings_path, "application/senml+json", pack).await;
    assert_eq!((status, &receipt["index"], &receipt["sequence"]), (StatusCode::OK, &json!(2), &json!(2)));

    let events = served.client.events("shed", 1, 10).await.unwrap();
    assert_eq!(events.iter().map(|stored| stored.event.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events[1].event.hash, receipt["hash"].as_str().unwrap());
    verify_proof(&served, &events[1]).await;
    let log = served.client.log().await.unwrap();
    assert_eq!((log.size, log.anchor), (3, None));
    let devices = served.client.devices().await.unwrap();
    let counts: Vec<_> =
        devices.iter().map(|device| (device.name.as_str(), device.signer.as_str(), device.events)).collect();
    assert_eq!(counts, [("shed", "gateway", 3), ("meter", "device", 0)]);
    served.stop().await;
}

/// Verifies an event and its proof, using only the types of the formats.
async fn verify_proof(served: &ServedApi, event: &StoredEventView) {
    let (_, proof) = served.get(&format!("/v1/log/proof/{}", event.event.index)).await;
    let proof: InclusionView = serde_json::from_value(proof).unwrap();
    let bytes = |text: &str| hex::decode(text.trim_start_matches("0x")).unwrap();
    let entry = LogEntry::decode_all(&mut bytes(&event.entry).as_slice()).unwrap();
    let body = Body::decode_all(&mut bytes(event.body.as_ref().unwrap()).as_slice()).unwrap();
    assert_eq!(entry.event.header.body_hash, body.hash());
    assert_eq!(body.parts.to_vec(), event.event.parts);
    let path = InclusionProof::new(proof.path.iter().map(|hash| hash.parse().unwrap()).collect());
    assert!(path.verify(entry.leaf(), proof.index, proof.size, &proof.root.parse().unwrap()));
    assert!(!path.verify(entry.leaf(), proof.index - 1, proof.size, &proof.root.parse().unwrap()));
}

#[tokio::test]
async fn lines_are_logged_in_order_and_an_invalid_line_does_not_affect_the_others() {
    let served = serve("").await;
    let lines: String = (0..50)
        .map(|n| if n == 20 { "not senml\n".into() } else { format!("[{{\"n\":\"count\",\"v\":{n}}}]\n") })
        .collect();
    let results = served.client.add_lines("shed", lines).await.unwrap().results;
    assert_eq!(results.len(), 50);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(matches!(result, ItemResult::Problem(_)), n == 20, "{n}: {result:?}");
    }
    let events = served.client.events("shed", 0, 100).await.unwrap();
    let values: Vec<_> = events
        .iter()
        .map(|event| match &event.event.parts[0] {
            Part::Reading(reading) => reading.value.to_string(),
            other => panic!("not a reading: {other}"),
        })
        .collect();
    let expected: Vec<_> = (0..50).filter(|n| *n != 20).map(|n| n.to_string()).collect();
    assert_eq!(values, expected);
    served.stop().await;
}

#[tokio::test]
async fn too_many_lines_are_refused_before_any_is_added() {
    let served = serve("").await;
    let kind = "application/x-ndjson";
    let path = "/v1/devices/shed/lines";
    let (status, problem) = served.post(path, kind, "x\n".repeat(2_000_000)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
    assert!(problem["remedy"].as_str().unwrap().contains("several requests"), "{problem}");
    let line = "[{\"n\":\"a\",\"v\":1}]\n";
    let (status, _) = served.post(path, kind, line.repeat(10_001)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(served.log.size(), 0);
    // Blank lines do not count, and more lines than are handled at once are logged in their order.
    let many: String = (0..600).map(|n| format!("[{{\"n\":\"count\",\"v\":{n}}}]\n\n")).collect();
    let (status, results) = served.post(path, kind, many).await;
    assert_eq!(status, StatusCode::OK);
    let indexes: Vec<_> =
        results["results"].as_array().unwrap().iter().map(|one| &one["receipt"]["index"]).collect();
    assert_eq!(indexes, (0..600).map(|n| json!(n)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    served.stop().await;
}

#[tokio::test]
async fn signed_events_are_added_one_by_one_and_in_batches() {
    let served = serve("").await;
    let events = signed_events(4);
    let new = NewEvent { event: scale_hex(&events[0].0), body: scale_hex(&events[0].1) };
    let (status, receipt) =
        served.post("/v1/events", "application/json", serde_json::to_string(&new).unwrap()).await;
    assert_eq!((status, &receipt["sequence"]), (StatusCode::OK, &json!(0)), "{receipt}");

    let mut batch = events[1..].to_vec();
    // The signature does not match the changed time: this event is rejected, and so is the next, which refers to it.
    batch[1].0.header.time += 1;
    let (status, results) = served.post("/v1/events/batch", "application/octet-stream", batch.encode()).await;
    assert_eq!(status, StatusCode::OK);
    let results = results["results"].as_array().unwrap();
    assert_eq!(results[0]["receipt"]["sequence"], 1, "{results:?}");
    assert_eq!(results[1]["problem"]["title"], "not verified", "{results:?}");
    assert_eq!(results[2]["problem"]["title"], "out of order", "{results:?}");

    let text = served.http.get("http://gateway/metrics").send().await.unwrap().text().await.unwrap();
    served.status.report("chain", ComponentState::retrying("no node", "start one"));
    for line in [
        "streembit_events_acknowledged_total 2",
        "streembit_events_refused_total{reason=\"not_verified\"} 1",
        "streembit_events_refused_total{reason=\"order\"} 1",
        "streembit_log_size 2",
        "streembit_log_anchored_size 0",
        "streembit_component_up{component=\"api\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let status = served.client.status().await.unwrap();
    assert!(status.components.iter().any(|part| part.name == "chain" && !part.state.is_running()));
    served.stop().await;
}

#[tokio::test]
async fn erased_bodies_are_reported_as_erased_and_other_bodies_stay() {
    let served = serve("").await;
    for value in ["1", "2", "3", "4"] {
        served.post("/v1/devices/shed/readings", "application/json", readings(value).to_string()).await;
    }
    let asked =
        |device: Option<&str>, first, last| NewErasure { device: device.map(Into::into), first, last };
    let erased = served.client.erase(&asked(Some("shed"), 1, Some(2))).await.unwrap();
    assert_eq!(
        erased.iter().map(|one| (one.index, one.before)).collect::<Vec<_>>(),
        [(1, false), (2, false)]
    );
    // Erase one again, by its index in the log, and one by the device's id.
    let again = served.client.erase(&asked(None, 2, None)).await.unwrap();
    assert_eq!((again[0].erased, again[0].before), (erased[1].erased, true));
    let id = erased[0].device.as_str();
    assert_eq!(served.client.erase(&asked(Some(id), 1, None)).await.unwrap()[0].index, 1);
    let events = served.client.events("shed", 0, 10).await.unwrap();
    let whole = |event: &StoredEventView| {
        (event.body.is_some(), !event.event.parts.is_empty(), event.event.erased.is_none())
    };
    assert!([0, 3].iter().all(|at| whole(&events[*at]) == (true, true, true)));
    assert!([1, 2].iter().all(|at| whole(&events[*at]) == (false, false, false)));
    verify_proof(&served, &events[3]).await;

    for (device, first, last, code) in [
        (Some("shed"), 3, Some(4), 404),
        (Some("boat"), 0, None, 404),
        (None, 4, None, 404),
        (None, 3, Some(2), 400),
        (None, 0, Some(10_000), 400),
        (None, 0, Some(u64::MAX), 400),
    ] {
        match served.client.erase(&asked(device, first, last)).await.unwrap_err() {
            ClientError::Problem(problem) => assert_eq!(problem.status, code, "{problem}"),
            other => panic!("{other}"),
        }
    }
    assert!(
        whole(&served.client.events("shed", 3, 1).await.unwrap()[0]).0,
        "a rejected request erased a body"
    );
    served.stop().await;
}

#[tokio::test]
async fn a_copied_key_is_reported_with_both_events() {
    let served = serve("").await;
    let mut events = signed_events(3);
    served.post("/v1/events/batch", "application/octet-stream", events[..2].to_vec().encode()).await;
    assert_eq!(served.get("/v1/forks").await, (StatusCode::OK, json!([])));
    let other = &mut events[1].0;
    let first = scale_hex(other);
    other.header.time += 1;
    other.signature = meter_key().sign(Domain::EventHeader, &other.header.hash());
    let (_, results) =
        served.post("/v1/events/batch", "application/octet-stream", events[1..].to_vec().encode()).await;
    for at in [0, 1] {
        let problem = &results["results"][at]["problem"];
        assert_eq!(problem["title"], "copied key", "{results}");
        assert!(problem["detail"].as_str().unwrap().contains("Give the device a new key"), "{problem}");
    }
    let (_, forks) = served.get("/v1/forks").await;
    assert_eq!((&forks[0]["sequence"], &forks[0]["first"]["event"]), (&json!(1), &json!(first)));
    assert_eq!(forks[0]["second"]["event"], scale_hex(&events[1].0));
    assert!(served.client.devices().await.unwrap()[1].forked);
    served.stop().await;
}

#[tokio::test]
async fn invalid_requests_get_problems_with_remedies() {
    let served = serve("").await;
    let good = readings("1").to_string();
    let float = r#"{"readings":[{"name":"t","value":{"decimal":1.5}}]}"#;
    let claims = r#"{"readings":[{"name":"t","value":{"decimal":"1"},"source":"sensor"}]}"#;
    let large = vec![b' '; 100_000];
    let event = json!({ "event": "0x00", "body": "zz" }).to_string();
    let json_kind = "application/json";
    let readings_path = "/v1/devices/shed/readings";
    let posts: [(&str, &str, Vec<u8>, u16, &str); 13] = [
        ("/v1/devices/boat/readings", json_kind, good.clone().into(), 404, "shed, meter"),
        ("/v1/devices/meter/readings", json_kind, good.clone().into(), 409, "signs its own events"),
        (readings_path, "text/plain", good.into(), 415, "text/plain"),
        (readings_path, json_kind, "{".into(), 400, "EOF"),
        (readings_path, json_kind, float.into(), 400, "string"),
        (readings_path, json_kind, claims.into(), 400, "source"),
        (readings_path, json_kind, r#"{"readings":[]}"#.into(), 422, "without readings"),
        (readings_path, "application/senml+json", vec![0xff], 400, "not UTF-8"),
        (readings_path, json_kind, large, 413, "limit"),
        ("/v1/events", json_kind, event.into(), 400, "event:"),
        ("/v1/events/batch", "application/octet-stream", vec![0xff; 9], 400, ""),
        ("/v1/status", json_kind, vec![], 405, "method"),
        ("/nothing", json_kind, vec![], 404, "does not exist"),
    ];
    for (path, kind, body, code, detail) in posts {
        let (status, problem) = served.post(path, kind, body).await;
        assert_eq!(status.as_u16(), code, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    for (path, code, detail) in [
        ("/v1/devices/shed/events?from=x", 400, "invalid digit"),
        ("/v1/devices/shed/events?form=1", 400, "form"),
        ("/v1/devices/..%2F/events", 404, "no device"),
        ("/v1/log/proof/5", 404, "outside"),
        ("/v1/log/proof/0?size=9", 404, "outside"),
        ("/v1/log/proof/x", 400, "not an index"),
    ] {
        let (status, problem) = served.get(path).await;
        assert_eq!(status.as_u16(), code, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    assert_eq!(served.client.log().await.unwrap().size, 0);
    served.stop().await;
}

async fn send(served: &ServedApi, (event, body): &(SignedEvent, Body)) -> (StatusCode, Value) {
    let request = json!({ "event": scale_hex(event), "body": scale_hex(body) });
    served.post("/v1/events", "application/json", request.to_string()).await
}

#[tokio::test]
async fn a_paused_device_waits_from_an_event_on_until_the_pause_ends() {
    let served = serve("").await;
    let events = signed_events(2);
    assert_eq!(served.client.pause("meter", 1).await.unwrap().milliseconds, 120_000);
    assert_eq!(send(&served, &events[0]).await.0, StatusCode::OK);
    let (status, problem) = send(&served, &events[1]).await;
    assert_eq!((status, &problem["title"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("paused")));
    assert!(problem["detail"].as_str().unwrap().contains("is being changed"), "{problem}");
    assert_eq!(served.client.resume("meter").await.unwrap().milliseconds, 0);
    assert_eq!(send(&served, &events[1]).await.0, StatusCode::OK);
    assert!(matches!(served.client.pause("boat", 0).await, Err(ClientError::Problem(_))));
    served.stop().await;
}

#[tokio::test]
async fn the_openapi_document_describes_every_route() {
    let served = serve("").await;
    let (_, described) = served.get("/openapi.json").await;
    assert_eq!(described, serde_json::to_value(ApiDoc::openapi()).unwrap());
    let sources = [include_str!("routes.rs"), include_str!("tlog.rs")];
    let mut routed: Vec<_> = sources
        .iter()
        .flat_map(|source| source.split(".route(\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| *path != "/openapi.json")
        .map(|path| path.replace("{*", "{"))
        .collect();
    routed.sort_unstable();
    let mut paths: Vec<_> = described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(paths, routed);
    assert!(described["components"]["schemas"]["Problem"]["properties"]["remedy"].is_object());
    served.stop().await;
}

#[tokio::test]
async fn the_client_reports_why_a_request_failed() {
    let served = serve("").await;
    let problem = served.client.events("boat", 0, 1).await.unwrap_err();
    assert!(matches!(&problem, ClientError::Problem(problem) if problem.status == 404), "{problem}");
    let socket = served.socket();
    let client = served.client.clone();
    served.stop().await;
    for client in [client, Client::new(Path::new("/nonexistent/gateway.sock")).unwrap()] {
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::NoGateway(_)), "{error:?}");
        assert!(error.to_string().contains("streembit gateway run"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(socket.file_name().unwrap());
    std::fs::write(&file, "x").unwrap();
    let error = Client::new(&file).unwrap().status().await.unwrap_err().to_string();
    assert!(error.contains("not a socket"), "{error}");
}
