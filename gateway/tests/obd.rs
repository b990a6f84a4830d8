//! Tests of the OBD-II adapter over real pseudo-terminals and real TCP connections.
//!
//! The simulated ELM327 plays adapters that work. Scripts play adapters and vehicles that misbehave in known ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::HashMap, os::unix::fs::symlink, path::Path, sync::Arc, time::Duration};
use streembit::simulate::{
    serve::{Drive, SerialEnd, TcpEnd},
    vehicle::Vehicle,
};
use streembit_adapters::{
    obd::{Obd, ObdConfig},
    Adapter, AdapterContext, AdapterState, History, IsWanted, Observed, Past,
};
use streembit_primitives::{Decimal, Reading, Value};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_serial::{SerialPort, SerialStream};
use tokio_util::sync::CancellationToken;

const ODOMETER: &str = "Vehicle.TraveledDistance";
const TIMEOUT: Duration = Duration::from_secs(20);

/// The history of a new device.
struct EmptyHistory;

#[async_trait::async_trait]
impl History for EmptyHistory {
    async fn newest(&self, wanted: &[IsWanted], since: u64) -> Past {
        Past { newest: vec![None; wanted.len()], next: since }
    }
}

/// A running adapter and its output channels.
struct RunningAdapter {
    observed: mpsc::Receiver<Observed>,
    states: watch::Receiver<AdapterState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningAdapter {
    /// Starts an adapter with additional lines of configuration and an output channel of this capacity.
    fn start(port: &str, extra: &str, capacity: usize) -> Self {
        let config: ObdConfig = toml::from_str(&format!(
            "port = '{port}'\nevery_seconds = 0.05\nmax_speed_kmh = 1000000\n{extra}"
        ))
        .unwrap();
        let (sink, observed) = mpsc::channel(capacity);
        let (state, states) = watch::channel(AdapterState::default());
        let stop = CancellationToken::new();
        let context =
            AdapterContext { observed: sink, state, history: Arc::new(EmptyHistory), stop: stop.clone() };
        let task = tokio::spawn(Obd::run(config, context));
        Self { observed, states, stop, task }
    }

    async fn next(&mut self) -> Observed {
        timeout(TIMEOUT, self.observed.recv()).await.expect("an observation in time").unwrap()
    }

    async fn readings(&mut self) -> Vec<Reading> {
        match self.next().await {
            Observed::Readings(readings) => readings,
            Observed::Status(text) => panic!("expected readings, got the status {text:?}"),
        }
    }

    async fn status(&mut self) -> String {
        match self.next().await {
            Observed::Status(text) => text,
            Observed::Readings(readings) => panic!("expected a status, got {readings:?}"),
        }
    }

    /// Returns the next status and discards the readings before it.
    async fn next_status(&mut self) -> String {
        loop {
            if let Observed::Status(text) = self.next().await {
                return text;
            }
        }
    }

    /// Waits until the adapter reports that it retries. Returns the problem and the remedy.
    async fn retrying(&mut self) -> (String, String) {
        let is_retrying = |state: &AdapterState| matches!(state, AdapterState::Retrying { .. });
        let state =
            timeout(TIMEOUT, self.states.wait_for(is_retrying)).await.expect("a state in time").unwrap();
        match &*state {
            AdapterState::Retrying { problem, remedy } => (problem.clone(), remedy.clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(2), self.task).await.expect("the adapter stops in time").unwrap();
        assert_eq!(*self.states.borrow(), AdapterState::Stopped);
    }
}

fn fast_vehicle() -> Vehicle {
    // At 180 km/h and a time scale of 1,000, it drives 5 km in 0.1 s.
    Vehicle { odometer_km: 1_000.0, speed_kmh: 180, time_scale: 1_000.0, ..Vehicle::default() }
}

fn serve(mut end: SerialEnd, drive: Drive) -> JoinHandle<()> {
    tokio::spawn(async move { end.serve(&drive).await.unwrap() })
}

async fn stop(task: JoinHandle<()>) {
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

fn odometer(readings: &[Reading]) -> Option<Decimal> {
    readings.iter().find(|reading| reading.name.as_str() == ODOMETER).map(|reading| match reading.value {
        Value::Decimal(value) => value,
        ref other => panic!("{other:?}"),
    })
}

fn shown(readings: &[Reading]) -> Vec<String> {
    readings.iter().map(|r| format!("{} {} {} {}", r.source, r.name, r.value, r.unit)).collect()
}

fn path(link: &Path) -> &str {
    link.to_str().unwrap()
}

#[tokio::test]
async fn a_driving_vehicle_is_read_over_a_pseudo_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("vehicle");
    let drive = Drive::begin(fast_vehicle());
    let simulator = serve(SerialEnd::open(&link).unwrap(), drive.clone());
    let mut adapter = RunningAdapter::start(path(&link), "", 4);

    assert_eq!(adapter.status().await, "connected: ELM327 v1.5, ISO 15765-4 CAN 11 bit 500 kbit/s");
    let first = adapter.readings().await;
    let mut lines = shown(&first);
    let kilometres = lines.remove(4);
    assert!(kilometres.starts_with("obd:01A6 Vehicle.TraveledDistance 1") && kilometres.ends_with(" km"));
    assert_eq!(
        lines,
        [
            "obd:0902 Vehicle.VehicleIdentification.VIN WVWZZZ1JZ3W386752 ",
            "obd:010D Vehicle.Speed 180 km/h",
            "obd:010C Vehicle.Powertrain.CombustionEngine.Speed 1980 rpm",
            &format!(
                "obd:0105 Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature {} celsius",
                coolant(&first)
            ),
            "obd:03 Vehicle.OBD.DTCList P0133 ",
        ]
    );
    let mut last = odometer(&first).unwrap();
    for _ in 0..5 {
        let readings = adapter.readings().await;
        assert_eq!(readings.len(), 4, "the VIN and unchanged fault codes are not repeated: {readings:?}");
        let now = odometer(&readings).unwrap();
        assert!(now > last && now <= Decimal::new(drive.odometer_tenths().into(), -1).unwrap());
        last = now;
    }
    adapter.stop().await;
    stop(simulator).await;
    assert!(std::fs::symlink_metadata(&link).is_err(), "the link goes with the simulator");
}

fn coolant(readings: &[Reading]) -> &Value {
    &readings.iter().find(|reading| reading.source.as_str() == "obd:0105").unwrap().value
}

#[tokio::test]
async fn the_adapter_reconnects_after_the_port_disappeared() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("vehicle");
    let mut adapter = RunningAdapter::start(path(&link), "", 4);
    let (problem, remedy) = adapter.retrying().await;
    assert!(problem.contains(path(&link)) && remedy.contains("plug"), "{problem}; {remedy}");

    let mut last = Decimal::ZERO;
    let drive = Drive::begin(fast_vehicle());
    for _ in 0..2 {
        let simulator = serve(SerialEnd::open(&link).unwrap(), drive.clone());
        assert!(adapter.status().await.starts_with("connected: "));
        for _ in 0..3 {
            let now = odometer(&adapter.readings().await).unwrap();
            assert!(now > last);
            last = now;
        }
        stop(simulator).await;
        let lost = adapter.next_status().await;
        assert!(lost.starts_with("lost: the connection to the adapter broke"), "{lost}");
        assert!(adapter.retrying().await.1.contains("by itself"));
    }
    adapter.stop().await;
}

#[tokio::test]
async fn a_port_can_be_reopened_after_an_adapter_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("vehicle");
    let simulator = serve(SerialEnd::open(&link).unwrap(), Drive::begin(fast_vehicle()));
    for _ in 0..3 {
        let mut adapter = RunningAdapter::start(path(&link), "baud = 9600", 4);
        assert!(adapter.status().await.starts_with("connected: "));
        assert!(odometer(&adapter.readings().await).is_some());
        adapter.stop().await;
    }
    stop(simulator).await;
}

#[tokio::test]
async fn a_vehicle_is_read_over_tcp() {
    let mut end = TcpEnd::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = format!("tcp://{}", end.address().unwrap());
    let drive = Drive::begin(fast_vehicle());
    let simulator = tokio::spawn(async move { end.serve(&drive).await.unwrap() });
    let mut adapter = RunningAdapter::start(&port, "", 4);
    assert!(adapter.status().await.starts_with("connected: ELM327 v1.5"));
    assert!(odometer(&adapter.readings().await).is_some());
    stop(simulator).await;
    assert!(adapter.next_status().await.starts_with("lost: "));
    adapter.stop().await;
}

#[tokio::test]
async fn a_slow_receiver_slows_down_the_requests_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("vehicle");
    let simulator = serve(SerialEnd::open(&link).unwrap(), Drive::begin(fast_vehicle()));
    let mut adapter = RunningAdapter::start(path(&link), "", 1);
    adapter.status().await;
    adapter.readings().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    // One event waits in the channel and one for a place in it. The third is requested after the pause.
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(adapter.readings().await[0].time);
    }
    assert!(times[1] - times[0] < 400 && times[2] - times[1] > 400, "{times:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    // The channel is full again, but the adapter must still stop.
    adapter.stop().await;
    stop(simulator).await;
}

/// The supported parameters of the scripted vehicle, without and with headers.
const BARE: &str = "SEARCHING...\r41 00 88 18 00 01 \r\r";
const HEADERS: &str = "7E8 06 41 00 88 18 00 01 \r\r";

/// The answers of a scripted ELM327 to each command. The last answer to a command is repeated.
struct Script(HashMap<&'static str, Vec<&'static str>>);

impl Script {
    /// A vehicle on a CAN bus with 11-bit ids. `with` replaces or adds answers.
    fn can(with: &[(&'static str, &[&'static str])]) -> Self {
        let mut answers: HashMap<&str, Vec<&str>> = HashMap::from([
            ("ATZ", vec!["ATZ\r\r\rELM327 v1.5\r\r"]),
            ("ATE0", vec!["ATE0\rOK\r\r"]),
            ("0100", vec![BARE, HEADERS]),
            ("ATDPN", vec!["A6\r\r"]),
            ("0120", vec!["7E8 06 41 20 00 00 00 01 \r\r"]),
            ("0140", vec!["7E8 06 41 40 00 00 00 01 \r\r"]),
            ("0160", vec!["7E8 06 41 60 00 00 00 01 \r\r"]),
            ("0180", vec!["7E8 06 41 80 00 00 00 01 \r\r"]),
            ("01A0", vec!["7E8 06 41 A0 04 00 00 00 \r\r"]),
            ("010D", vec!["7E8 03 41 0D 32 \r\r"]),
            ("010C", vec!["7E8 04 41 0C 14 5F \r\r"]),
            ("0105", vec!["7E8 03 41 05 5F \r\r"]),
            ("01A6", vec!["7E8 06 41 A6 00 00 EA 5C \r\r"]),
            ("03", vec!["7E8 02 43 00 \r\r"]),
        ]);
        answers.extend(with.iter().map(|(command, answer)| (*command, answer.to_vec())));
        Self(answers)
    }

    /// Answers until the stream ends. Every answer is sent in two pieces, split at a different place each time.
    async fn serve(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut line = Vec::new();
        let mut cut = 0;
        while let Ok(byte) = stream.read_u8().await {
            if byte != b'\r' {
                line.push(byte);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut line)).unwrap();
            let answer = match self.0.get_mut(command.trim()) {
                Some(answers) if answers.len() > 1 => answers.remove(0),
                Some(answers) => answers[0],
                None if command.contains("AT") => "OK\r\r",
                None => "NO DATA\r\r",
            };
            let bytes = [answer.as_bytes(), b">"].concat();
            cut = (cut + 3) % bytes.len();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Serves one TCP connection, and returns the value of `port` that leads to it.
    async fn over_tcp(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = format!("tcp://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { self.serve(listener.accept().await.unwrap().0).await });
        port
    }
}

#[tokio::test]
async fn an_answer_with_a_wrong_service_byte_is_used_and_reported() {
    let port = Script::can(&[("01A6", &["7EA 06 61 A6 00 00 EA 5C \r\r"])]).over_tcp().await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    adapter.status().await;
    assert_eq!(
        adapter.status().await,
        "quirk: 01 A6 is answered with service byte 61 instead of 41; its value is used"
    );
    for _ in 0..2 {
        let readings = adapter.readings().await;
        assert_eq!(odometer(&readings).unwrap().to_string(), "5999.6");
        assert!(readings.iter().any(|reading| reading.source.as_str() == "obd:01A6"));
    }
    adapter.stop().await;
}

#[tokio::test]
async fn an_unlisted_odometer_is_requested_once_and_only_a_standard_answer_counts() {
    let unlisted = ("01A0", &["7E8 06 41 A0 00 00 00 00 \r\r"][..]);
    let port = Script::can(&[unlisted]).over_tcp().await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    assert!(!adapter.status().await.contains("odometer"));
    assert_eq!(odometer(&adapter.readings().await).unwrap().to_string(), "5999.6");
    adapter.stop().await;

    let port = Script::can(&[unlisted, ("01A6", &["7EA 06 61 A6 00 00 EA 5C \r\r"])]).over_tcp().await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    assert!(adapter.status().await.ends_with("does not report its odometer (01 A6)"));
    assert_eq!(odometer(&adapter.readings().await), None);
    adapter.stop().await;
}

#[tokio::test]
async fn implausible_odometer_values_are_withheld_and_reported_once() {
    let port = Script::can(&[(
        "01A6",
        &[
            "7E8 06 41 A6 00 00 EA 5C \r\r",
            "7E8 06 41 A6 00 00 EA 5C \r\r",
            "7E8 06 41 A6 00 00 00 00 \r\r",
            "7E8 06 41 A6 00 00 00 00 \r\r",
            "7E8 06 41 A6 00 00 EA 50 \r\r",
            "7E8 06 41 A6 00 00 EA 5E \r\r",
        ],
    )])
    .over_tcp()
    .await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    adapter.status().await;
    assert_eq!(odometer(&adapter.readings().await).unwrap().to_string(), "5999.6");
    assert_eq!(
        adapter.status().await,
        "odometer withheld: it reads 0 km, previously 5999.6 km: is the ignition off?"
    );
    for _ in 0..2 {
        let readings = adapter.readings().await;
        assert_eq!((odometer(&readings), readings.len()), (None, 3), "the other readings are still sent");
    }
    assert_eq!(
        adapter.status().await,
        "odometer withheld: it reads 5998.4 km, less than the previous 5999.6 km"
    );
    assert_eq!(odometer(&adapter.readings().await), None);
    assert_eq!(odometer(&adapter.readings().await).unwrap().to_string(), "5999.8");
    adapter.stop().await;
}

#[tokio::test]
async fn after_noise_and_interruptions_a_request_is_repeated_once() {
    let port = Script::can(&[
        ("ATZ", &["?\r\r", "\0\r\rELM327 v1.5\r\r"]),
        // The echo stays on, and so do line feeds.
        ("ATE0", &["?\r\r"]),
        ("010D", &["010D\r\nSTOPPED\r\n\r\n", "010D\r\n7E8 03 41 0D 32 \r\n\r\n"]),
        ("010C", &["7E8 04 41 \u{fffd}C 14 5F\r\r", "7E9 03 7F 01 12\r7E8 04 41 0C 14 5F\r\r"]),
        ("0105", &["BUFFER FULL\r\r", "CAN ERROR\r\r"]),
        ("0902", &["7E8 10 14 49 02 01 57 50 30\r7E8 22 53 33 39 30 30 30 30\r\r"]),
        ("03", &["7E8 04 43 01 01 33\r7E9 06 43 02 01 33 C1 00\r\r"]),
    ])
    .over_tcp()
    .await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    adapter.status().await;
    assert_eq!(
        shown(&adapter.readings().await),
        [
            "obd:010D Vehicle.Speed 50 km/h",
            "obd:010C Vehicle.Powertrain.CombustionEngine.Speed 1303.75 rpm",
            "obd:01A6 Vehicle.TraveledDistance 5999.6 km",
            "obd:03 Vehicle.OBD.DTCList P0133,U0100 ",
        ]
    );
    adapter.stop().await;
}

#[tokio::test]
async fn an_old_vehicle_is_read_over_iso_9141() {
    let vin = "48 6B 10 49 02 01 00 00 00 31 40\r48 6B 10 49 02 02 44 34 47 50 1F\r48 6B 10 49 02 03 30 30 52 35 F8\r\
               48 6B 10 49 02 04 35 42 31 32 EC\r48 6B 10 49 02 05 33 34 35 36 E5\r\r";
    let port = Script::can(&[
        ("0100", &["BUS INIT: ...OK\r41 00 08 18 00 00\r\r", "48 6B 10 41 00 08 18 00 00 24\r\r"]),
        ("ATDPN", &["A3\r\r"]),
        ("0902", &[vin]),
        ("010D", &["48 6B 10 41 0D 32 43\r\r"]),
        ("010C", &["48 6B 10 41 0C 14 5F 83\r\r"]),
        ("0105", &["48 6B 10 41 05 5F 68\r\r"]),
        ("01A6", &["NO DATA\r\r"]),
        ("03", &["48 6B 10 43 01 33 00 00 00 00 3A\r\r"]),
    ])
    .over_tcp()
    .await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    assert!(adapter.status().await.starts_with("connected: ELM327 v1.5, ISO 9141-2; "));
    let lines = shown(&adapter.readings().await);
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "obd:0902 Vehicle.VehicleIdentification.VIN 1D4GP00R55B123456 ");
    assert_eq!(lines[4], "obd:03 Vehicle.OBD.DTCList P0133 ");
    adapter.stop().await;
}

#[tokio::test]
async fn a_vehicle_that_stops_answering_is_reported_and_then_waited_for() {
    let speed = ["7E8 03 41 0D 32 \r\r", "NO DATA\r\r"];
    let until_it_is_off = [BARE, HEADERS, HEADERS, "NO DATA\r\r"];
    let port = Script::can(&[
        ("0100", &until_it_is_off),
        ("010D", &speed),
        ("010C", &["NO DATA\r\r"]),
        ("0105", &["NO DATA\r\r"]),
        ("01A6", &["NO DATA\r\r"]),
    ])
    .over_tcp()
    .await;
    let mut adapter = RunningAdapter::start(&port, "", 4);
    adapter.status().await;
    adapter.readings().await;
    assert_eq!(
        adapter.status().await,
        "lost: the vehicle does not answer: no control unit answers (NO DATA)"
    );
    assert!(adapter.retrying().await.1.contains("ignition"));
    adapter.stop().await;

    let off = Script::can(&[("0100", &["SEARCHING...\rUNABLE TO CONNECT\r\r"])]).over_tcp().await;
    let mut adapter = RunningAdapter::start(&off, "", 4);
    let (problem, remedy) = adapter.retrying().await;
    assert!(problem.contains("UNABLE TO CONNECT") && remedy.contains("ignition"), "{problem}; {remedy}");
    assert!(adapter.observed.try_recv().is_err(), "without a connection there is nothing to report");
    adapter.stop().await;
}

#[tokio::test]
async fn an_adapter_that_restarts_is_set_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("vehicle");
    let (master, slave) = SerialStream::pair().unwrap();
    symlink(slave.name().unwrap(), &link).unwrap();
    let restart = ["7E8 03 41 0D 32 \r\r", "\r\rELM327 v1.5\r\r", "7E8 03 41 0D 33 \r\r"];
    let bare_then_headers = [BARE, HEADERS, HEADERS, BARE, HEADERS];
    let script = Script::can(&[("010D", &restart), ("0100", &bare_then_headers)]);
    let serving = tokio::spawn(script.serve(master));
    let mut adapter = RunningAdapter::start(path(&link), "", 4);
    assert!(adapter.status().await.starts_with("connected: "));
    assert_eq!(shown(&adapter.readings().await)[0], "obd:010D Vehicle.Speed 50 km/h");
    assert_eq!(adapter.status().await, "lost: the adapter restarted unexpectedly");
    assert!(adapter.status().await.starts_with("connected: "));
    assert_eq!(shown(&adapter.readings().await)[0], "obd:010D Vehicle.Speed 51 km/h");
    adapter.stop().await;
    stop(serving).await;
}

#[tokio::test]
async fn the_error_of_a_port_without_an_adapter_lists_the_baud_rates_tried() {
    let (_master, slave) = SerialStream::pair().unwrap();
    let mut adapter = RunningAdapter::start(&slave.name().unwrap(), "baud = 38400", 4);
    let (problem, remedy) = adapter.retrying().await;
    assert!(problem.contains("no ELM327 answers") && problem.contains("at 38400 baud"), "{problem}");
    assert!(remedy.contains("`port`") && remedy.contains("`baud`"), "{remedy}");
    adapter.stop().await;
}
