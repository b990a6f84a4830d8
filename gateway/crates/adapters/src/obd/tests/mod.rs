//! Dialogues with adapters and vehicles, from reports of their users: what the port answers, and what is read from it.
//!
//! The time of these tests is simulated, so that minutes pass at once. A new dialogue is an entry in one of the files in
//! `dialogues`.

mod port;

use super::*;
use crate::{History, IsWanted, Past, PastReading};
use port::{Answers, ScriptedPort, Stray};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use streembit_primitives::{
    reading::{Name, Unit},
    Reading, Source, Text, Value,
};
use tokio_util::sync::CancellationToken;

/// A file of dialogues.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dialogue: Vec<Dialogue>,
}

/// A dialogue, and what has to follow from it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dialogue {
    /// The dialogue's name.
    name: String,
    /// The vehicle that answers where `answers` says nothing.
    base: Base,
    /// The time that it takes.
    seconds: u64,
    /// Additional lines of the configuration.
    #[serde(default)]
    config: String,
    /// The readings of the log, each as name, value, unit and source.
    #[serde(default)]
    log: Vec<[String; 4]>,
    #[serde(default)]
    answers: Answers,
    /// The values that are read under a name, without repetitions.
    #[serde(default)]
    readings: BTreeMap<String, Vec<String>>,
    /// Parts of status texts. Each occurs in exactly one text.
    #[serde(default)]
    statuses: Vec<String>,
    /// Parts of status texts that must not occur.
    #[serde(default)]
    never: Vec<String>,
    /// A part of the adapter's state at the end.
    #[serde(default)]
    state: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    /// A vehicle on a CAN bus with 11-bit ids, at 50 km/h.
    Can11,
    /// A vehicle on a CAN bus with 29-bit ids, at 50 km/h.
    Can29,
    /// A vehicle on a K-line, at 50 km/h.
    Kline,
    /// A vehicle behind an adapter that does not say its protocol, so that headers stay off.
    Bare,
}

impl Base {
    fn answers(self) -> Answers {
        let greeting: &[(&str, &str)] = &[
            ("ATZ", "ATZ\r\r\rELM327 v1.5"),
            ("ATE0", "ATE0\rOK"),
            ("0100@H0", "SEARCHING...\r41 00 88 18 00 00"),
        ];
        let vehicle: &[(&str, &str)] = match self {
            Self::Can11 => &[
                ("ATDPN", "A6"),
                ("0100@H0", "SEARCHING...\r41 00 88 18 00 01"),
                ("0100@H1", "7E8 06 41 00 88 18 00 01"),
                ("0120", "7E8 06 41 20 00 00 00 01"),
                ("0140", "7E8 06 41 40 00 00 00 01"),
                ("0160", "7E8 06 41 60 00 00 00 01"),
                ("0180", "7E8 06 41 80 00 00 00 01"),
                ("01A0", "7E8 06 41 A0 04 00 00 00"),
                ("010D", "7E8 03 41 0D 32"),
                ("010C", "7E8 04 41 0C 14 5F"),
                ("0105", "7E8 03 41 05 5F"),
                ("01A6", "7E8 06 41 A6 00 00 EA 5C"),
                ("03", "7E8 02 43 00"),
            ],
            Self::Can29 => &[
                ("ATDPN", "A7"),
                ("0100@H1", "18 DA F1 11 06 41 00 88 18 00 00"),
                ("010D", "18 DA F1 11 03 41 0D 32"),
                ("03", "18 DA F1 11 02 43 00"),
            ],
            Self::Kline => &[
                ("ATDPN", "A5"),
                ("0100@H1", "86 F1 11 41 00 88 18 00 00 69"),
                ("010D", "83 F1 11 41 0D 32 05"),
                ("03", "87 F1 11 43 00 00 00 00 00 00 CC"),
            ],
            Self::Bare => &[("ATDPN", "?"), ("010D", "41 0D 32"), ("03", "43 00")],
        };
        let pairs = greeting.iter().chain(vehicle);
        pairs.map(|(command, answer)| ((*command).to_owned(), vec![(*answer).to_owned()])).collect()
    }
}

/// The readings of a log.
pub(super) struct PastReadings(Mutex<Vec<Reading>>);

impl PastReadings {
    /// A log with these readings, each as name, value, unit and source; the last is the newest.
    pub fn new(past: &[(&str, &str, &str, &str)]) -> Self {
        Self(Mutex::new(past.iter().map(|one| Self::reading(*one)).collect()))
    }

    pub fn add(&self, reading: (&str, &str, &str, &str)) {
        self.0.lock().unwrap().push(Self::reading(reading));
    }

    fn reading((name, value, unit, source): (&str, &str, &str, &str)) -> Reading {
        Reading {
            name: Name::try_from(name).unwrap(),
            unit: Unit::try_from(unit).unwrap(),
            value: value
                .parse()
                .ok()
                .filter(|_| name != memory::VIN_NAME)
                .map_or_else(|| Value::Text(Text::try_from(value).unwrap()), Value::Decimal),
            time: streembit_clock::now_ms(),
            source: Source::try_from(source).unwrap(),
        }
    }
}

#[async_trait::async_trait]
impl History for PastReadings {
    async fn newest(&self, wanted: &[IsWanted], since: u64) -> Past {
        let readings = self.0.lock().unwrap();
        let newest = |is_wanted: &IsWanted| {
            (0u64..)
                .zip(readings.iter())
                .filter(|(sequence, reading)| *sequence >= since && is_wanted(reading))
                .last()
                .map(|(sequence, reading)| PastReading { reading: reading.clone(), sequence })
        };
        Past { newest: wanted.iter().map(newest).collect(), next: readings.len() as u64 }
    }
}

/// The observations of an adapter.
struct Outcome {
    readings: BTreeMap<String, Vec<String>>,
    /// The number of events with readings.
    events: usize,
    statuses: Vec<String>,
    state: String,
}

impl Dialogue {
    fn port(&self, stray: Option<Stray>) -> ScriptedPort {
        let mut answers = self.base.answers();
        answers.extend(self.answers.clone());
        ScriptedPort::new(answers, stray)
    }

    /// Runs the adapter on the port for the time of the dialogue.
    async fn run(&self, port: &ScriptedPort) -> Outcome {
        let config = format!("port = 'tcp://127.0.0.1:35000'\n{}", self.config);
        let config: ObdConfig = toml::from_str(&config).unwrap();
        let log: Vec<_> = self.log.iter().map(|[n, v, u, s]| (&**n, &**v, &**u, &**s)).collect();
        let (observed, mut observations) = mpsc::channel(100_000);
        let (state, states) = watch::channel(AdapterState::default());
        let stop = CancellationToken::new();
        let history = Arc::new(PastReadings::new(&log));
        let context = AdapterContext { observed, state, history, stop };
        let limit = Duration::from_secs(self.seconds);
        let _ = tokio::time::timeout(limit, super::run(config, port, context)).await;
        let mut outcome =
            Outcome { readings: BTreeMap::new(), events: 0, statuses: Vec::new(), state: String::new() };
        while let Ok(observed) = observations.try_recv() {
            match observed {
                Observed::Status(text) => outcome.statuses.push(text),
                Observed::Readings(readings) => {
                    outcome.events += 1;
                    for reading in readings {
                        let values = outcome.readings.entry(reading.name.to_string()).or_default();
                        values.push(reading.value.to_string());
                        values.dedup();
                    }
                }
            }
        }
        outcome.state = format!("{:?}", &*states.borrow());
        outcome
    }

    /// Returns what does not follow from the dialogue as it should.
    fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, expected) in &self.readings {
            let found = outcome.readings.get(name).cloned().unwrap_or_default();
            if found != *expected {
                wrong.push(format!("{name} is {found:?} instead of {expected:?}"));
            }
        }
        for part in &self.statuses {
            let count = outcome.statuses.iter().filter(|text| text.contains(part)).count();
            if count != 1 {
                wrong.push(format!("{part:?} is said {count} times"));
            }
        }
        for part in &self.never {
            if outcome.statuses.iter().any(|text| text.contains(part)) {
                wrong.push(format!("{part:?} is said"));
            }
        }
        if !outcome.state.contains(&self.state) {
            wrong.push(format!("the state is not {:?}", self.state));
        }
        if !wrong.is_empty() {
            wrong.push(format!("statuses {:#?}\nstate {}", outcome.statuses, outcome.state));
        }
        wrong
    }
}

fn dialogues(file: &str) -> Vec<Dialogue> {
    toml::from_str::<File>(file).unwrap().dialogue
}

async fn check(file: &str) {
    let mut failures = String::new();
    for dialogue in dialogues(file) {
        let port = dialogue.port(None);
        let outcome = dialogue.run(&port).await;
        let wrong = dialogue.differences(&outcome);
        if !wrong.is_empty() {
            failures += &format!("\n=== {}\n{}\n", dialogue.name, wrong.join("\n"));
            failures += &format!("commands {:?}\n", port.commands().iter().take(60).collect::<Vec<_>>());
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(start_paused = true)]
async fn captured_dialogues_are_read_correctly() {
    check(include_str!("dialogues/captures.toml")).await;
}

#[tokio::test(start_paused = true)]
async fn implausible_odometers_are_withheld() {
    check(include_str!("dialogues/odometer.toml")).await;
}

#[tokio::test(start_paused = true)]
async fn incomplete_answers_do_not_say_that_there_are_no_faults() {
    check(include_str!("dialogues/faults.toml")).await;
}

#[tokio::test(start_paused = true)]
async fn another_vehicle_is_not_logged_as_this_one() {
    check(include_str!("dialogues/vin.toml")).await;
}

#[tokio::test(start_paused = true)]
async fn odd_adapters_and_vehicles_are_read() {
    check(include_str!("dialogues/adapters.toml")).await;
}

/// Every command of the set-up and of the first cycles is followed by input that nobody asked for.
#[tokio::test(start_paused = true)]
async fn a_prompt_too_many_after_any_command_costs_no_reading_and_no_truth() {
    let dialogue = dialogues(include_str!("dialogues/stray.toml")).remove(0);
    let expected = dialogue.run(&dialogue.port(None)).await;
    for text in ["\r>", "?\r\r>", "NO DATA\r\r>", "41 0D 63\r\r>", "OK\r\r>"] {
        for after in 1..40 {
            let port = dialogue.port(Some(Stray { after, text: text.to_owned() }));
            let outcome = dialogue.run(&port).await;
            let wrong = dialogue.differences(&outcome);
            assert!(
                wrong.is_empty(),
                "{text:?} after command {after}: {}\n{:?}",
                wrong.join("\n"),
                port.commands()
            );
            assert!(
                outcome.events + 20 > expected.events,
                "{text:?} after {after}: {} events",
                outcome.events
            );
        }
    }
}
