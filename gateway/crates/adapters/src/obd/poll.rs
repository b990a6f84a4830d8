//! Polling a connected vehicle: request the signals, check the values, send the readings.

use super::{
    answer::{Answer, ElmError},
    dtc,
    elm327::Session,
    error::ObdError,
    odometer,
    pids::{self, Signal, SignalValue, CURRENT, FAULTS, VEHICLE, VIN},
    plausibility::{OdometerCheck, Plausibility},
};
use crate::Observed;
use std::time::Duration;
use streembit_clock::now_ms;
use streembit_primitives::{
    reading::{Name, Unit},
    Decimal, Reading, Source, Text, Value,
};
use tokio::{
    sync::mpsc::Sender,
    time::{interval, Instant, MissedTickBehavior},
};

/// The interval between requests for fault codes. They rarely change, and requesting them is slow on old buses.
const FAULTS_EVERY: Duration = Duration::from_secs(30);
/// The number of cycles without any answer after which the vehicle is considered off.
const SILENT_CYCLES: u32 = 3;

/// Facts about the vehicle that are kept from one connection to the next.
pub struct VehicleMemory {
    /// The plausibility check of the odometer, with its last value.
    pub odometer: OdometerCheck,
    vin: Option<Text<256>>,
}

impl VehicleMemory {
    /// Creates the memory with the odometer's last value in kilometres, if it is known.
    pub fn new(odometer: Option<Decimal>) -> Self {
        Self { odometer: OdometerCheck::new(odometer), vin: None }
    }
}

/// Polls the vehicle over one connection.
pub struct Poller<'a> {
    session: Session,
    memory: &'a mut VehicleMemory,
    sink: &'a Sender<Observed>,
    has_odometer: bool,
    /// The parameters whose answers have a wrong service byte. Each is reported once per connection.
    quirks: Vec<u8>,
    /// The fault codes that were sent last.
    faults: Option<Text<256>>,
    faults_due: Instant,
    /// True if the engine or the wheels turn in this cycle.
    running: bool,
    /// The number of consecutive cycles without any answer.
    silent: u32,
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
        memory.odometer.connected();
        let has_odometer = odometer::is_available(&mut session).await?;
        let without = if has_odometer { "" } else { "; the vehicle does not report its odometer (01 A6)" };
        let statuses = vec![format!("connected: {}{without}", session.description())];
        let mut poller = Self {
            session,
            memory,
            sink,
            has_odometer,
            quirks: Vec::new(),
            faults: None,
            faults_due: Instant::now(),
            running: false,
            silent: 0,
            readings: Vec::new(),
            statuses,
        };
        poller.read_vin().await?;
        Ok(poller)
    }

    /// Describes the adapter and the protocol, with a note while the odometer is withheld.
    pub fn description(&self) -> String {
        let withheld = if self.memory.odometer.is_withholding() { "; odometer withheld" } else { "" };
        format!("{}{withheld}", self.session.description())
    }

    /// Polls until an error occurs. Calls `after` after every cycle in which the vehicle answered.
    pub async fn run(&mut self, every: Duration, mut after: impl FnMut(&Self) + Send) -> ObdError {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.cycle().await {
                Ok(()) if self.silent == 0 => after(self),
                Ok(()) => {}
                Err(error) => return error,
            }
        }
    }

    async fn cycle(&mut self) -> Result<(), ObdError> {
        let (mut answered, mut trouble) = (false, ElmError::NoData);
        self.running = false;
        for signal in Signal::ALL {
            if !self.requests(signal) {
                continue;
            }
            let answer = self.session.ask(CURRENT, Some(signal.pid())).await?;
            answered |= !answer.messages.is_empty();
            trouble = answer.trouble.unwrap_or(trouble);
            if let Some(value) = self.value(signal, &answer) {
                self.take(signal, value).await?;
            }
        }
        if answered && Instant::now() >= self.faults_due {
            self.faults_due = Instant::now() + FAULTS_EVERY;
            self.read_faults().await?;
        }
        self.silent = if answered { 0 } else { self.silent.saturating_add(1) };
        self.send().await?;
        if self.silent >= SILENT_CYCLES {
            return Err(ObdError::NoVehicle(trouble));
        }
        Ok(())
    }

    /// Returns true if a cycle requests the signal.
    ///
    /// The speed is always requested: every vehicle has it, and a cycle without any request could not detect that the
    /// vehicle is off.
    fn requests(&self, signal: Signal) -> bool {
        match signal {
            Signal::Odometer => self.has_odometer,
            Signal::Speed => true,
            _ => self.session.supported().contains(signal.pid()),
        }
    }

    fn value(&mut self, signal: Signal, answer: &Answer) -> Option<Decimal> {
        match pids::value(signal, &answer.messages)? {
            SignalValue::Standard(value) => Some(value),
            SignalValue::WrongService(value, service) => {
                let pid = signal.pid();
                if !self.quirks.contains(&pid) {
                    self.quirks.push(pid);
                    tracing::warn!(pid, service, "the answer has a wrong service byte; its value is used");
                    self.statuses.push(format!(
                        "quirk: 01 {pid:02X} is answered with service byte {service:02X} instead of 41; its value is used"
                    ));
                }
                Some(value)
            }
        }
    }

    async fn take(&mut self, signal: Signal, value: Decimal) -> Result<(), ObdError> {
        match signal {
            Signal::Odometer => return self.take_odometer(value).await,
            Signal::Speed | Signal::EngineSpeed => self.running |= value > Decimal::ZERO,
            Signal::Coolant => {}
        }
        self.push_signal(signal, value);
        Ok(())
    }

    async fn take_odometer(&mut self, first: Decimal) -> Result<(), ObdError> {
        let mut judgement = self.memory.odometer.judge(first, self.running);
        if judgement == Plausibility::AskAgain {
            let answer = self.session.ask(CURRENT, Some(Signal::Odometer.pid())).await?;
            let second = self.value(Signal::Odometer, &answer);
            judgement = self.memory.odometer.confirm(first, second);
        }
        match judgement {
            Plausibility::Plausible(value) => self.push_signal(Signal::Odometer, value),
            Plausibility::Withheld(Some(reason)) => self.statuses.push(reason),
            Plausibility::Withheld(None) | Plausibility::AskAgain => {}
        }
        Ok(())
    }

    async fn read_vin(&mut self) -> Result<(), ObdError> {
        let answer = self.session.ask(VEHICLE, Some(VIN)).await?;
        let Some(vin) = pids::vin(&answer.messages) else { return Ok(()) };
        match self.memory.vin.replace(vin.clone()) {
            Some(before) if before != vin => {
                self.statuses.push(format!("the VIN is {vin} and was {before}: is this another vehicle?"));
            }
            _ => {}
        }
        self.push("Vehicle.VehicleIdentification.VIN", "", Value::Text(vin), VEHICLE, Some(VIN));
        Ok(())
    }

    /// Reads the fault codes. They become a reading if they are the first of the connection or have changed.
    async fn read_faults(&mut self) -> Result<(), ObdError> {
        let answer = self.session.ask(FAULTS, None).await?;
        let Some(codes) = dtc::stored_codes(&answer.messages) else { return Ok(()) };
        let list = dtc::list(&codes);
        if self.faults.as_ref() != Some(&list) {
            self.faults = Some(list.clone());
            self.push("Vehicle.OBD.DTCList", "", Value::Text(list), FAULTS, None);
        }
        Ok(())
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

/// Returns the source of an answer, such as `obd:01A6` for service 01 and parameter A6.
fn source(service: u8, pid: Option<u8>) -> Source {
    let pid = pid.map_or_else(String::new, |pid| format!("{pid:02X}"));
    Source::of_adapter("obd", &format!("{service:02X}{pid}"))
}

/// Sends a status text, truncated to the 256 bytes that a status can hold.
pub async fn send_status(sink: &Sender<Observed>, mut text: String) -> Result<(), ObdError> {
    while text.len() > 256 {
        text.pop();
    }
    sink.send(Observed::Status(text)).await.map_err(|_| ObdError::ReceiverGone)
}
