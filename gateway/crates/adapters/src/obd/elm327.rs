//! Finding an ELM327 and the vehicle behind it, and sending requests.

use super::{
    answer::{self, Answer, ElmError, Framing},
    config::ObdConfig,
    error::ObdError,
    link::Link,
    pids::{Supported, RANGES},
    protocol::{Protocol, ORDER},
    question::{Fit, Question},
};
use crate::serial::{Endpoint, Stream};
use std::{collections::BTreeSet, future::Future, io, time::Duration};

/// The baud rates to try if none is configured, the most common first.
pub const BAUD_RATES: [u32; 5] = [38_400, 9_600, 115_200, 230_400, 500_000];

/// The timeout of the first request. It makes the adapter try all protocols, and the oldest have a slow initialisation.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(25);
/// The timeout of the first request with one protocol. The slow initialisation takes up to five seconds.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
/// The number of times that an adapter is set up before its port is opened again.
const SETUPS: u32 = 3;
/// The request that every vehicle answers, also one that has nothing else to say: the supported parameters.
const PULSE: Question = Question::current(0x00);

/// The number of times that a damaged or unrelated answer is asked for again.
const REPEATS: u32 = 1;
/// The pause before a busy control unit is asked again, and the number of repetitions. ISO 14229 leaves both open; busy
/// control units of cars answer within a second.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const BUSY_REPEATS: u32 = 4;
/// How long the answer of a control unit that asked for time is waited for, and how often. ISO 14229 gives it five
/// seconds (P2* of the server).
const PENDING_TIMEOUT: Duration = Duration::from_secs(1);
const PENDING_REPEATS: u32 = 5;

/// Opens the byte stream to an adapter.
pub trait Open: Send + Sync {
    /// Opens the stream. `baud` is the speed of a serial port.
    fn open(&self, baud: u32) -> impl Future<Output = io::Result<Box<dyn Stream>>> + Send;
}

impl Open for Endpoint {
    async fn open(&self, baud: u32) -> io::Result<Box<dyn Stream>> {
        Endpoint::open(self, baud).await
    }
}

/// How often a request is repeated if nobody answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// The next cycle asks again anyway.
    Once,
    /// Something follows from the answer: one silence is not enough.
    Insist,
}

/// Which protocols are tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// Only the search of the adapter itself.
    Automatic,
    /// The search of the adapter, then all protocols in turn: some clones search badly.
    Thorough,
    /// One protocol.
    Only(Protocol),
}

/// A connection to a vehicle through an adapter that is set up.
pub struct Session {
    link: Link,
    framing: Framing,
    adapter: String,
    protocol: Option<Protocol>,
    baud: u32,
    supported: Supported,
    /// The ranges of parameters whose list the vehicle has not told yet, although it has them.
    untold: Vec<u8>,
    /// The addresses of the control units that answered the first request with headers.
    units: BTreeSet<u32>,
}

impl Session {
    /// Opens the port, and finds the adapter and the vehicle behind it. On a serial port it tries the baud rates in
    /// order.
    pub async fn connect(
        config: &ObdConfig,
        port: &impl Open,
        baud_rates: &[u32],
        search: Search,
    ) -> Result<Self, ObdError> {
        let endpoint = &config.port;
        let rates = if matches!(endpoint, Endpoint::Tcp(_)) { &[0][..] } else { baud_rates };
        for baud in rates {
            let stream = port
                .open(*baud)
                .await
                .map_err(|source| ObdError::Open { endpoint: endpoint.clone(), source })?;
            if let Some(session) = Self::set_up(Link::new(stream), *baud, search).await? {
                return Ok(session);
            }
            tracing::debug!(%endpoint, baud, "no ELM327 answers at this baud rate");
        }
        let tried = match (endpoint, rates) {
            (Endpoint::Tcp(_), _) => String::new(),
            (_, rates) => {
                let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
                format!(" at {} baud", rates.join(", "))
            }
        };
        Err(ObdError::NoAdapter { endpoint: endpoint.clone(), tried })
    }

    /// Sets the adapter up. Starts again if its answers do not fit the commands. Returns `None` if no adapter answers.
    async fn set_up(link: Link, baud: u32, search: Search) -> Result<Option<Self>, ObdError> {
        let mut session = Self {
            link,
            framing: Framing::Bare,
            adapter: String::new(),
            protocol: None,
            baud,
            supported: Supported::default(),
            untold: Vec::new(),
            units: BTreeSet::new(),
        };
        let mut last = ObdError::OutOfStep;
        for _ in 0..SETUPS {
            match session.begin(search).await {
                Ok(found) => return Ok(found.then_some(session)),
                Err(error @ (ObdError::OutOfStep | ObdError::Restarted)) => last = error,
                Err(error) => return Err(error),
            }
            tracing::debug!(%last, "setting the adapter up again");
            session.link.settle().await?;
        }
        Err(last)
    }

    /// Finds the adapter, then the vehicle. Returns false if no adapter answers.
    async fn begin(&mut self, search: Search) -> Result<bool, ObdError> {
        let Some(name) = self.link.greet().await? else { return Ok(false) };
        self.adapter = name;
        self.supported = Supported::default();
        for setting in ["ATE0", "ATL0", "ATH0"] {
            self.link.set(setting).await?;
        }
        self.find_vehicle(search).await?;
        if self.framing == Framing::Bare {
            self.use_headers().await?;
        }
        self.untold = vec![0x00];
        self.find_supported().await?;
        Ok(true)
    }

    /// Tries protocols until the vehicle answers.
    async fn find_vehicle(&mut self, search: Search) -> Result<(), ObdError> {
        let automatic = matches!(search, Search::Automatic | Search::Thorough).then_some(None);
        let in_turn: &[Protocol] = match &search {
            Search::Automatic => &[],
            Search::Thorough => &ORDER,
            Search::Only(protocol) => std::slice::from_ref(protocol),
        };
        let mut trouble = None;
        for protocol in automatic.into_iter().chain(in_turn.iter().copied().map(Some)) {
            let command = protocol.map_or_else(|| "ATSP0".to_owned(), Protocol::command);
            self.link.set(&command).await?;
            match self.probe(protocol).await? {
                Ok(()) => return Ok(()),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        Err(ObdError::NoVehicle(trouble.unwrap_or(ElmError::NoData)))
    }

    /// Sends the first request, without and then with headers: there are clones that show data only with them.
    async fn probe(&mut self, protocol: Option<Protocol>) -> Result<Result<(), ElmError>, ObdError> {
        let limit = if protocol.is_none() { SEARCH_TIMEOUT } else { TRY_TIMEOUT };
        self.framing = Framing::Bare;
        let bare = self.request(PULSE, limit).await?;
        if self.supported.add(0x00, &bare.messages) {
            self.protocol = self.link.protocol().await?.or(protocol);
            return Ok(Ok(()));
        }
        let trouble = bare.trouble.unwrap_or(ElmError::NoData);
        if bare.messages.is_empty() && bare.garbled == 0 {
            return Ok(Err(trouble));
        }
        self.protocol = self.link.protocol().await?.or(protocol);
        self.use_headers().await?;
        Ok(if self.framing == Framing::Bare { Err(trouble) } else { Ok(()) })
    }

    /// Turns on headers, which distinguish the answers of several control units. They stay off if the protocol is
    /// unknown, or if the adapter shows them in another format.
    async fn use_headers(&mut self) -> Result<(), ObdError> {
        let Some(protocol) = self.protocol else { return Ok(()) };
        if !self.link.set("ATH1").await? {
            return Ok(());
        }
        self.framing = protocol.framing();
        let answer = self.ask(PULSE, Patience::Insist).await?;
        if self.supported.add(0x00, &answer.messages) {
            self.units = answer.messages.iter().filter_map(|message| message.ecu).collect();
            return Ok(());
        }
        tracing::debug!(%protocol, "the adapter shows headers in an unknown format; they are turned off");
        self.framing = Framing::Bare;
        self.link.set("ATH0").await?;
        Ok(())
    }

    /// Asks for the lists of supported parameters that the vehicle has not told yet. The last parameter of each range
    /// says whether the vehicle has the next one.
    pub async fn find_supported(&mut self) -> Result<(), ObdError> {
        let asked = std::mem::take(&mut self.untold);
        for range in RANGES {
            let is_next = range != 0 && self.supported.contains(range) && !self.supported.was_told(range);
            if !is_next && !asked.contains(&range) {
                continue;
            }
            let answer = self.ask(Question::current(range), Patience::Insist).await?;
            if !self.supported.add(range, &answer.messages) {
                self.untold.push(range);
            }
        }
        Ok(())
    }

    /// Returns true if the vehicle has told all that it supports.
    pub fn knows_supported(&self) -> bool {
        self.untold.is_empty()
    }

    /// Returns the parameters of service 01 that the vehicle lists as supported.
    pub fn supported(&self) -> &Supported {
        &self.supported
    }

    /// Returns the form of the lines that the adapter sends.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns the addresses of the control units on a CAN bus. Control units on older buses need not answer every
    /// service, so they are not expected to.
    pub fn can_units(&self) -> BTreeSet<u32> {
        match self.framing {
            Framing::Can11 | Framing::Can29 => self.units.clone(),
            Framing::Bare | Framing::J1850 | Framing::KLine => BTreeSet::new(),
        }
    }

    /// Returns the baud rate at which the adapter was found, or 0 over TCP.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Describes the adapter and the protocol.
    pub fn description(&self) -> String {
        let protocol = self.protocol.map_or_else(|| "unknown protocol".to_owned(), |found| found.to_string());
        format!("{}, {protocol}", self.adapter)
    }

    /// Returns true if the vehicle answers the request that every vehicle answers.
    pub async fn has_pulse(&mut self) -> Result<bool, ObdError> {
        let answer = self.ask(PULSE, Patience::Once).await?;
        Ok(PULSE.fit(&answer) == Fit::Answered)
    }

    /// Sends a request. Repeats it if the answer is damaged or belongs to another command, or if the control unit asks
    /// for it.
    pub async fn ask(&mut self, question: Question, patience: Patience) -> Result<Answer, ObdError> {
        let (mut repeats, mut busy, mut pending) = (0, 0, 0);
        let mut answer = self.request(question, REQUEST_TIMEOUT).await?;
        loop {
            match question.fit(&answer) {
                Fit::Busy if busy < BUSY_REPEATS => {
                    busy += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Fit::Pending if pending < PENDING_REPEATS => {
                    pending += 1;
                    let late = self.link.late_answer(PENDING_TIMEOUT).await?;
                    if !late.is_empty() {
                        answer = self.parse(&late)?;
                        continue;
                    }
                }
                Fit::NoData if patience == Patience::Insist && repeats < REPEATS => repeats += 1,
                Fit::Damaged | Fit::OfAnother if repeats < REPEATS => repeats += 1,
                Fit::OfAnother => return Err(ObdError::OutOfStep),
                _ => return Ok(answer),
            }
            tracing::debug!(%question, ?answer, "asking again");
            self.link.settle().await?;
            answer = self.request(question, REQUEST_TIMEOUT).await?;
        }
    }

    async fn request(&mut self, question: Question, limit: Duration) -> Result<Answer, ObdError> {
        let lines = self.link.exchange(&question.to_string(), limit).await?;
        self.parse(&lines)
    }

    fn parse(&self, lines: &[String]) -> Result<Answer, ObdError> {
        let answer = answer::read(lines, self.framing);
        if answer.trouble == Some(ElmError::Restarted) {
            return Err(ObdError::Restarted);
        }
        Ok(answer)
    }
}
