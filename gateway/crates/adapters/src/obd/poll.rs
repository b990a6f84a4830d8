//! The cycle: ask, judge, send.

use super::{
    answer::{Answer, ElmError},
    dtc,
    elm327::Session,
    error::ObdError,
    odometer,
    pids::{self, Answered, Signal, CURRENT, FAULTS, VEHICLE, VIN},
    plausibility::{OdometerCheck, Plausibility},
};
use crate::Observed;
use std::time::Duration;
use streembit_clock::now_ms;
use streembit_primitives::{Decimal, Reading, Source, Text, Value};
use tokio::{
    sync::mpsc::Sender,
    time::{interval, Instant, MissedTickBehavior},
};

/// Fault codes change seldom, and asking for them is slow on old buses.
const FAULTS_EVERY: Duration = Duration::from_secs(30);
/// So many cycles without any answer mean that the vehicle is off.
const SILENT_CYCLES: u32 = 3;

/// What is remembered of the vehicle from one connection to the next.
pub struct VehicleMemory {
    /// The odometer and its last value.
    pub odometer: OdometerCheck,
    vin: Option<Text<256>>,
}

impl VehicleMemory {
    /// Knowing the odometer's last value in kilometres, or nothing.
    pub fn new(odometer: Option<Decimal>) -> Self {
        Self { odometer: OdometerCheck::new(odometer), vin: None }
    }
}

/// One connection's polling.
pub struct Poller<'a> {
    session: Session,
    memory: &'a mut VehicleMemory,
    sink: &'a Sender<Observed>,
    asks_odometer: bool,
    /// The parameters whose answers carry a wrong service byte; said once a connection.
    quirks: Vec<u8>,
    faults: Option<Text<256>>,
    faults_due: Instant,
    running: bool,
    silent: u32,
    readings: Vec<Reading>,
    remarks: Vec<String>,
}

impl<'a> Poller<'a> {
    /// Begins a connection: reads the VIN, and whether there is an odometer.
    pub async fn begin(
        mut session: Session,
        memory: &'a mut VehicleMemory,
        sink: &'a Sender<Observed>,
    ) -> Result<Poller<'a>, ObdError> {
        memory.odometer.connected();
        let asks_odometer = odometer::is_told(&mut session).await?;
        let without = if asks_odometer { "" } else { "; the vehicle does not tell its odometer (01 A6)" };
        let remarks = vec![format!("connected: {}{without}", session.description())];
        let mut poller = Self {
            session,
            memory,
            sink,
            asks_odometer,
            quirks: Vec::new(),
            faults: None,
            faults_due: Instant::now(),
            running: false,
            silent: 0,
            readings: Vec::new(),
            remarks,
        };
        poller.read_vin().await?;
        Ok(poller)
    }

    /// Adapter, protocol, and what is withheld, in a few words.
    pub fn description(&self) -> String {
        let withheld = if self.memory.odometer.withholds() { "; odometer withheld" } else { "" };
        format!("{}{withheld}", self.session.description())
    }

    /// Polls until something breaks; `after` is called after every cycle that was heard.
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
        let (mut heard, mut trouble) = (false, ElmError::NoData);
        // Unless this cycle says so, nothing turns.
        self.running = false;
        for signal in Signal::ALL {
            if !self.asks(signal) {
                continue;
            }
            let answer = self.session.ask(CURRENT, Some(signal.pid())).await?;
            heard |= !answer.messages.is_empty();
            trouble = answer.trouble.unwrap_or(trouble);
            if let Some(value) = self.value(signal, &answer) {
                self.take(signal, value).await?;
            }
        }
        if heard && Instant::now() >= self.faults_due {
            self.faults_due = Instant::now() + FAULTS_EVERY;
            self.read_faults().await?;
        }
        self.silent = if heard { 0 } else { self.silent.saturating_add(1) };
        self.send().await?;
        if self.silent >= SILENT_CYCLES {
            return Err(ObdError::NoVehicle(trouble));
        }
        Ok(())
    }

    /// Speed is always asked: every vehicle has it, and without any question silence could not be told.
    fn asks(&self, signal: Signal) -> bool {
        match signal {
            Signal::Odometer => self.asks_odometer,
            Signal::Speed => true,
            _ => self.session.supported().contains(signal.pid()),
        }
    }

    fn value(&mut self, signal: Signal, answer: &Answer) -> Option<Decimal> {
        match pids::value(signal, &answer.messages)? {
            Answered::Right(value) => Some(value),
            Answered::WrongService(value, service) => {
                let pid = signal.pid();
                if !self.quirks.contains(&pid) {
                    self.quirks.push(pid);
                    tracing::warn!(pid, service, "answers with a wrong service byte are taken as meant");
                    self.remarks.push(format!(
                        "quirk: 01 {pid:02X} is answered with service byte {service:02X} instead of 41; taken as meant"
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
            Plausibility::Withheld(Some(remark)) => self.remarks.push(remark),
            Plausibility::Withheld(None) | Plausibility::AskAgain => {}
        }
        Ok(())
    }

    async fn read_vin(&mut self) -> Result<(), ObdError> {
        let answer = self.session.ask(VEHICLE, Some(VIN)).await?;
        let Some(vin) = pids::vin(&answer.messages) else { return Ok(()) };
        match self.memory.vin.replace(vin.clone()) {
            Some(before) if before != vin => {
                self.remarks.push(format!("the VIN is {vin} and was {before}: another vehicle?"));
            }
            _ => {}
        }
        self.push("Vehicle.VehicleIdentification.VIN", "", Value::Text(vin), VEHICLE, VIN);
        Ok(())
    }

    /// A list of fault codes is a reading when it is the connection's first, or another than before.
    async fn read_faults(&mut self) -> Result<(), ObdError> {
        let answer = self.session.ask(FAULTS, None).await?;
        let Some(codes) = dtc::stored_codes(&answer.messages) else { return Ok(()) };
        let list = dtc::list(&codes);
        if self.faults.as_ref() != Some(&list) {
            self.faults = Some(list.clone());
            self.push("Vehicle.OBD.DTCList", "", Value::Text(list), FAULTS, 0);
        }
        Ok(())
    }

    fn push_signal(&mut self, signal: Signal, value: Decimal) {
        self.push(signal.name(), signal.unit(), Value::Decimal(value), CURRENT, signal.pid());
    }

    fn push(&mut self, name: &str, unit: &str, value: Value, service: u8, pid: u8) {
        // The names and units of this module are all shorter than their bounds.
        if let (Ok(name), Ok(unit)) = (Text::try_from(name), Text::try_from(unit)) {
            let source = Source::Obd { service, pid };
            self.readings.push(Reading { name, unit, value, time: now_ms(), source });
        }
    }

    /// Hands over what the cycle observed; waits while the receiver is busy.
    async fn send(&mut self) -> Result<(), ObdError> {
        for remark in self.remarks.drain(..) {
            send_status(self.sink, remark).await?;
        }
        if !self.readings.is_empty() {
            let readings = std::mem::take(&mut self.readings);
            self.sink.send(Observed::Readings(readings)).await.map_err(|_| ObdError::NobodyListens)?;
        }
        Ok(())
    }
}

/// Sends a status text, cut to the 256 bytes that a status has.
pub async fn send_status(sink: &Sender<Observed>, mut text: String) -> Result<(), ObdError> {
    while text.len() > 256 {
        text.pop();
    }
    sink.send(Observed::Status(text)).await.map_err(|_| ObdError::NobodyListens)
}
