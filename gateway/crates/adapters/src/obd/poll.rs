//! Polling a connected vehicle: request the signals, check the values, send the readings.

use super::{
    answer::{Answer, ElmError},
    elm327::{Patience, Session},
    error::ObdError,
    faults::{FaultCodes, Statement},
    memory::{source, VehicleMemory, VIN_NAME},
    odometer::{self, Access, ODOMETER},
    pids::{self, Signal, SignalValue, CURRENT, FAULTS, VEHICLE, VIN},
    plausibility::{Mark, Plausibility},
    question::Question,
    vin::{self, Identity, VinAnswer},
};
use crate::{AdapterState, Observed};
use std::time::Duration;
use streembit_clock::now_ms;
use streembit_primitives::{
    reading::{Name, Unit},
    Decimal, Reading, Value,
};
use tokio::{
    sync::mpsc::Sender,
    time::{interval, Instant, MissedTickBehavior},
};

/// The number of cycles without any answer after which the vehicle is considered off, unless it still answers the
/// request that every vehicle answers.
const SILENT_CYCLES: u32 = 3;
/// The interval at which what the vehicle has not told yet is asked for again, and decisions of the operator are looked
/// for.
const RECHECK_EVERY: Duration = Duration::from_secs(30);
/// The number of times that an incomplete answer about fault codes is asked for again at once.
const FAULT_REPEATS: u32 = 1;

/// The outcome of a cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The vehicle has told values, and they were sent.
    Reading,
    /// The vehicle answers, but has told no value.
    Quiet,
    /// The vehicle has not answered in this cycle.
    Silent,
}

/// A fact about the vehicle that is reported once per connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quirk {
    /// The answer for this parameter has a wrong service byte.
    WrongService(u8),
    /// The answer to the request for the VIN is not a VIN.
    InvalidVin,
}

/// Polls the vehicle over one connection.
pub struct Poller<'a> {
    session: Session,
    memory: &'a mut VehicleMemory,
    sink: &'a Sender<Observed>,
    access: Access,
    faults: FaultCodes,
    quirks: Vec<Quirk>,
    recheck_due: Instant,
    /// The number of consecutive cycles without any answer.
    silent: u32,
    /// The speed in this cycle, in km/h.
    speed: Option<u64>,
    /// The readings of this cycle that have not been sent yet.
    readings: Vec<Reading>,
    /// The status texts that have not been sent yet.
    statuses: Vec<String>,
}

impl<'a> Poller<'a> {
    /// Starts polling: finds out whether the vehicle reports its odometer, and reads the VIN.
    pub async fn begin(
        mut session: Session,
        memory: &'a mut VehicleMemory,
        sink: &'a Sender<Observed>,
    ) -> Result<Poller<'a>, ObdError> {
        memory.connected();
        let access = odometer::access(&mut session).await?;
        let without = match access {
            Access::Absent => "; the vehicle does not report its odometer (01 A6)",
            Access::Reported | Access::Undecided => "",
        };
        let statuses = vec![format!("connected: {}{without}", session.description())];
        let mut poller = Self {
            faults: FaultCodes::new(session.framing(), session.can_units()),
            session,
            memory,
            sink,
            access,
            quirks: Vec::new(),
            recheck_due: Instant::now() + RECHECK_EVERY,
            silent: 0,
            speed: None,
            readings: Vec::new(),
            statuses,
        };
        poller.read_vin().await?;
        poller.take_decisions().await;
        Ok(poller)
    }

    /// Returns the adapter's state after a cycle in which the vehicle answered.
    pub fn state(&self, liveness: Liveness) -> AdapterState {
        if let Identity::Foreign { device, found } = &self.memory.identity {
            return AdapterState::Alarm {
                problem: format!(
                    "another vehicle is on the port: its VIN is {found}, and that of this device {device}; its odometer and fault codes are withheld"
                ),
                remedy: "connect the device's own vehicle, or name its adapter in `port` by a path in /dev/serial/by-id; to accept this vehicle, add the reading operator:vin"
                    .to_owned(),
            };
        }
        let mut detail = self.session.description();
        if liveness == Liveness::Quiet {
            detail += "; the vehicle answers, but tells none of the values that are read";
        }
        if self.memory.odometer.is_withholding() {
            detail += "; odometer withheld";
        }
        if let Some(reason) = self.faults.doubt() {
            detail += &format!("; fault codes unknown: {reason}");
        }
        AdapterState::Running { detail }
    }

    /// Polls until an error occurs. Calls `after` after every cycle in which the vehicle answered.
    pub async fn run(&mut self, every: Duration, mut after: impl FnMut(&Self, Liveness) + Send) -> ObdError {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.cycle().await {
                Ok(Liveness::Silent) => {}
                Ok(liveness) => after(self, liveness),
                Err(error) => return error,
            }
        }
    }

    async fn cycle(&mut self) -> Result<Liveness, ObdError> {
        let (mut answered, mut trouble) = (false, ElmError::NoData);
        self.speed = None;
        for signal in Signal::ALL {
            if !self.requests(signal) {
                continue;
            }
            let answer = self.session.ask(Question::current(signal.pid()), Patience::Once).await?;
            answered |= !answer.messages.is_empty();
            trouble = answer.trouble.unwrap_or(trouble);
            if let Some(value) = self.value(signal, &answer) {
                self.take(signal, value).await?;
            }
        }
        self.silent = if answered { 0 } else { self.silent.saturating_add(1) };
        let mut lost = false;
        if self.silent >= SILENT_CYCLES {
            answered = self.session.has_pulse().await?;
            lost = !answered;
            self.silent = 0;
        }
        if answered {
            self.read_slow_facts().await?;
        }
        let has_readings = !self.readings.is_empty();
        self.send().await?;
        match (lost, has_readings, answered) {
            (true, ..) => Err(ObdError::NoVehicle(trouble)),
            (_, true, _) => Ok(Liveness::Reading),
            (_, _, true) => Ok(Liveness::Quiet),
            _ => Ok(Liveness::Silent),
        }
    }

    /// Returns true if a cycle requests the signal.
    ///
    /// The speed is always requested: nearly every vehicle has it, and a cycle without any request could not detect that
    /// the vehicle is off.
    fn requests(&self, signal: Signal) -> bool {
        match signal {
            Signal::Odometer => self.access == Access::Reported && !self.memory.identity.is_foreign(),
            Signal::Speed => true,
            _ => self.session.supported().contains(signal.pid()),
        }
    }

    fn value(&mut self, signal: Signal, answer: &Answer) -> Option<Decimal> {
        match pids::value(signal, &answer.messages)? {
            SignalValue::Standard(value) => Some(value),
            SignalValue::WrongService(value, service) => {
                let pid = signal.pid();
                if self.is_new(Quirk::WrongService(pid)) {
                    tracing::warn!(pid, service, "the answer has a wrong service byte; its value is used");
                    self.statuses.push(format!(
                        "quirk: 01 {pid:02X} is answered with service byte {service:02X} instead of 41; its value is used"
                    ));
                }
                Some(value)
            }
        }
    }

    /// Remembers a quirk. Returns true if it was not known on this connection.
    fn is_new(&mut self, quirk: Quirk) -> bool {
        let is_new = !self.quirks.contains(&quirk);
        if is_new {
            self.quirks.push(quirk);
        }
        is_new
    }

    async fn take(&mut self, signal: Signal, value: Decimal) -> Result<(), ObdError> {
        match signal {
            Signal::Odometer => return self.take_odometer(value).await,
            Signal::Speed => self.speed = value.to_string().parse().ok(),
            Signal::EngineSpeed | Signal::Coolant => {}
        }
        self.push_signal(signal, value);
        Ok(())
    }

    async fn take_odometer(&mut self, first: Decimal) -> Result<(), ObdError> {
        let corrections = self.memory.corrections();
        let now = Mark { value: first, at: self.memory.now() };
        let mut judgement = self.memory.odometer.judge(now, corrections);
        if judgement == Plausibility::AskAgain {
            let answer = self.session.ask(ODOMETER, Patience::Insist).await?;
            let second = self.value(Signal::Odometer, &answer);
            judgement = self.memory.odometer.confirm(first, second, self.memory.now());
        }
        match judgement {
            Plausibility::Plausible(value) => self.push_signal(Signal::Odometer, value),
            Plausibility::Corrected(value, text) => {
                self.statuses.push(text);
                self.push_signal(Signal::Odometer, value);
            }
            Plausibility::Withheld(Some(reason)) => self.statuses.push(reason),
            Plausibility::Withheld(None) | Plausibility::AskAgain => {}
        }
        let frozen = self.memory.frozen.observe(first, self.speed.unwrap_or(0), now.at);
        self.statuses.extend(frozen);
        Ok(())
    }

    /// Asks for what rarely changes, and again for what the vehicle has not told yet.
    async fn read_slow_facts(&mut self) -> Result<(), ObdError> {
        if Instant::now() >= self.recheck_due {
            self.recheck_due = Instant::now() + RECHECK_EVERY;
            self.take_decisions().await;
            if self.memory.identity.is_open() {
                self.read_vin().await?;
            }
            if !self.session.knows_supported() {
                self.session.find_supported().await?;
            }
            if self.access != Access::Reported {
                self.find_odometer().await?;
            }
        }
        if self.faults.is_due() && !self.memory.identity.is_foreign() {
            self.read_faults().await?;
        }
        Ok(())
    }

    /// Finds out again whether the vehicle reports its odometer, and says so if the answer has changed.
    async fn find_odometer(&mut self) -> Result<(), ObdError> {
        let before = self.access;
        self.access = odometer::access(&mut self.session).await?;
        match self.access {
            Access::Reported if before == Access::Absent => {
                self.statuses.push("the vehicle reports its odometer (01 A6) now".to_owned());
            }
            Access::Absent if before == Access::Undecided => {
                self.statuses.push("the vehicle does not report its odometer (01 A6)".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    async fn read_vin(&mut self) -> Result<(), ObdError> {
        let answer = self.session.ask(Question::vehicle(VIN), Patience::Insist).await?;
        match vin::read(&answer.messages) {
            VinAnswer::Valid(vin) => self.memory.identity.told(vin),
            VinAnswer::Invalid if self.is_new(Quirk::InvalidVin) => {
                self.statuses
                    .push("the vehicle answers the request for its VIN with an invalid one".to_owned());
            }
            VinAnswer::Invalid | VinAnswer::None => {}
        }
        match self.memory.identity.clone() {
            Identity::Confirmed(vin) => self.push_vin(vin),
            Identity::Foreign { device, found } => self.statuses.push(format!(
                "another vehicle: its VIN is {found}, and that of this device {device}; its odometer and fault codes are withheld"
            )),
            Identity::Unknown | Identity::Expected(_) => {}
        }
        Ok(())
    }

    /// Takes over what the operator has decided, if there may be something to decide.
    async fn take_decisions(&mut self) {
        if !self.memory.awaits_decision() {
            return;
        }
        let was_foreign = self.memory.identity.is_foreign();
        let texts = self.memory.take_decisions().await;
        self.statuses.extend(texts);
        match self.memory.identity.clone() {
            Identity::Confirmed(vin) if was_foreign => self.push_vin(vin),
            _ => {}
        }
    }

    /// Reads the fault codes. They become a reading if they are the first of the connection or have changed.
    async fn read_faults(&mut self) -> Result<(), ObdError> {
        let mut answer = self.session.ask(Question::FAULTS, Patience::Insist).await?;
        for _ in 0..FAULT_REPEATS {
            if self.faults.is_conclusive(&answer) {
                break;
            }
            answer = self.session.ask(Question::FAULTS, Patience::Insist).await?;
        }
        match self.faults.take(&answer) {
            Statement::Codes(codes) => {
                self.push("Vehicle.OBD.DTCList", "", Value::Text(codes), FAULTS, None);
            }
            Statement::Unknown(reason) => self.statuses.push(format!("fault codes unknown: {reason}")),
            Statement::Nothing => {}
        }
        Ok(())
    }

    fn push_vin(&mut self, vin: vin::Vin) {
        self.push(VIN_NAME, "", Value::Text(vin.into()), VEHICLE, Some(VIN));
    }

    fn push_signal(&mut self, signal: Signal, value: Decimal) {
        self.push(signal.name(), signal.unit(), Value::Decimal(value), CURRENT, Some(signal.pid()));
    }

    fn push(&mut self, name: &str, unit: &str, value: Value, service: u8, pid: Option<u8>) {
        // The conversions cannot fail: all names and units of this module fit their grammar.
        if let (Ok(name), Ok(unit)) = (Name::try_from(name), Unit::try_from(unit)) {
            let source = source(service, pid);
            self.readings.push(Reading { name, unit, value, time: now_ms(), source });
        }
    }

    /// Sends the observations of the cycle. Waits while the channel is full.
    async fn send(&mut self) -> Result<(), ObdError> {
        for status in self.statuses.drain(..) {
            send_status(self.sink, status).await?;
        }
        if !self.readings.is_empty() {
            let readings = std::mem::take(&mut self.readings);
            self.sink.send(Observed::Readings(readings)).await.map_err(|_| ObdError::ReceiverGone)?;
        }
        Ok(())
    }
}

/// Sends a status text, truncated to the 256 bytes that a status can hold.
pub async fn send_status(sink: &Sender<Observed>, mut text: String) -> Result<(), ObdError> {
    while text.len() > 256 {
        text.pop();
    }
    sink.send(Observed::Status(text)).await.map_err(|_| ObdError::ReceiverGone)
}
