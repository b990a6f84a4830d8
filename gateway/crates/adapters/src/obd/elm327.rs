//! Finding an ELM327, setting it up, and sending requests through it.

use super::{
    answer::{self, Answer, ElmError, Framing, PromptBuffer},
    error::ObdError,
    pids::{Supported, CURRENT, RANGES},
};
use crate::serial::{Endpoint, Stream};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{timeout, Instant},
};

/// The baud rates to try if none is configured, the most common first.
pub const BAUD_RATES: [u32; 5] = [38_400, 9_600, 115_200, 230_400, 500_000];

/// The timeout of a reset. An original ELM327 takes about a second.
const RESET_TIMEOUT: Duration = Duration::from_secs(3);
const SETTING_TIMEOUT: Duration = Duration::from_secs(3);
/// The timeout of the first request. It makes the adapter try all protocols, and the oldest have a slow initialisation.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(25);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6);
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a vehicle through an adapter that is set up.
pub struct Session {
    link: Link,
    framing: Framing,
    adapter: String,
    protocol: &'static str,
    baud: u32,
    supported: Supported,
}

impl Session {
    /// Opens the endpoint, and finds the adapter and the vehicle behind it. On a serial port it tries the baud rates in
    /// order.
    pub async fn connect(endpoint: &Endpoint, baud_rates: &[u32]) -> Result<Self, ObdError> {
        let rates = if matches!(endpoint, Endpoint::Tcp(_)) { &[0][..] } else { baud_rates };
        for baud in rates {
            let stream = endpoint
                .open(*baud)
                .await
                .map_err(|source| ObdError::Open { endpoint: endpoint.clone(), source })?;
            let mut link = Link { stream, buffer: PromptBuffer::default() };
            if let Some(adapter) = link.greet().await? {
                return Self::set_up(link, adapter, *baud).await;
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

    async fn set_up(mut link: Link, adapter: String, baud: u32) -> Result<Self, ObdError> {
        for setting in ["ATE0", "ATL0", "ATH0", "ATSP0"] {
            link.set(setting).await?;
        }
        let mut session = Self {
            link,
            framing: Framing::Bare,
            adapter,
            protocol: "",
            baud,
            supported: Supported::default(),
        };
        session.find_vehicle().await?;
        session.use_headers().await?;
        session.find_supported().await?;
        Ok(session)
    }

    /// Sends the first request, which makes the adapter search for the protocol.
    async fn find_vehicle(&mut self) -> Result<(), ObdError> {
        let answer = self.request("0100", SEARCH_TIMEOUT).await?;
        if self.supported.add(0x00, &answer.messages) {
            return Ok(());
        }
        Err(ObdError::NoVehicle(answer.trouble.unwrap_or(ElmError::NoData)))
    }

    /// Turns on headers, which distinguish the answers of several control units. They stay off if the format of the
    /// protocol's headers is unknown, or if the adapter shows them in another format.
    async fn use_headers(&mut self) -> Result<(), ObdError> {
        let number = self.link.exchange("ATDPN", SETTING_TIMEOUT).await?;
        // The answer `A6` means that protocol 6 was found automatically.
        let digit = number.last().and_then(|line| line.chars().last());
        let (name, framing) = protocol(digit.unwrap_or('?'));
        self.protocol = name;
        if framing == Framing::Bare || !self.link.set("ATH1").await? {
            return Ok(());
        }
        self.framing = framing;
        let answer = self.request("0100", REQUEST_TIMEOUT).await?;
        if !Supported::default().add(0x00, &answer.messages) {
            tracing::debug!(
                protocol = name,
                "the adapter shows headers in an unknown format; they are turned off"
            );
            self.framing = Framing::Bare;
            self.link.set("ATH0").await?;
        }
        Ok(())
    }

    /// Reads the supported parameters. The last parameter of each range tells whether the vehicle supports the next
    /// one.
    async fn find_supported(&mut self) -> Result<(), ObdError> {
        for range in RANGES {
            if range != 0 && !self.supported.contains(range) {
                break;
            }
            let answer = self.ask(CURRENT, Some(range)).await?;
            self.supported.add(range, &answer.messages);
        }
        Ok(())
    }

    /// Returns the parameters of service 01 that the vehicle lists as supported.
    pub fn supported(&self) -> &Supported {
        &self.supported
    }

    /// Returns the baud rate at which the adapter was found, or 0 over TCP.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Describes the adapter and the protocol.
    pub fn description(&self) -> String {
        format!("{}, {}", self.adapter, self.protocol)
    }

    /// Requests a service and, if the service has parameters, one of them. If only damaged data came back, it repeats
    /// the request once.
    pub async fn ask(&mut self, service: u8, pid: Option<u8>) -> Result<Answer, ObdError> {
        let command = pid.map_or_else(|| format!("{service:02X}"), |pid| format!("{service:02X}{pid:02X}"));
        let answer = self.request(&command, REQUEST_TIMEOUT).await?;
        let damaged = match answer.trouble {
            Some(ElmError::Stopped | ElmError::BufferFull | ElmError::Damaged | ElmError::NotUnderstood) => {
                true
            }
            Some(_) => false,
            None => answer.garbled > 0,
        };
        if damaged && answer.messages.is_empty() {
            tracing::debug!(command, ?answer, "the answer is damaged; repeating the request");
            return self.request(&command, REQUEST_TIMEOUT).await;
        }
        Ok(answer)
    }

    async fn request(&mut self, command: &str, limit: Duration) -> Result<Answer, ObdError> {
        let lines = self.link.exchange(command, limit).await?;
        let answer = answer::read(&lines, self.framing);
        if answer.trouble == Some(ElmError::Restarted) {
            return Err(ObdError::Restarted);
        }
        Ok(answer)
    }
}

/// Returns the name and the framing of a protocol by its number, as `ATDPN` reports it.
fn protocol(number: char) -> (&'static str, Framing) {
    match number {
        '1' => ("SAE J1850 PWM", Framing::Legacy),
        '2' => ("SAE J1850 VPW", Framing::Legacy),
        '3' => ("ISO 9141-2", Framing::Legacy),
        '4' => ("ISO 14230-4 KWP, slow init", Framing::Legacy),
        '5' => ("ISO 14230-4 KWP, fast init", Framing::Legacy),
        '6' => ("ISO 15765-4 CAN 11 bit 500 kbit/s", Framing::Can11),
        '7' => ("ISO 15765-4 CAN 29 bit 500 kbit/s", Framing::Can29),
        '8' => ("ISO 15765-4 CAN 11 bit 250 kbit/s", Framing::Can11),
        '9' => ("ISO 15765-4 CAN 29 bit 250 kbit/s", Framing::Can29),
        'A' => ("SAE J1939", Framing::Bare),
        _ => ("unknown protocol", Framing::Bare),
    }
}

/// The connection to the adapter, with the bytes received of the next answer.
struct Link {
    stream: Box<dyn Stream>,
    buffer: PromptBuffer,
}

impl Link {
    /// Resets the adapter. Returns its name, or `None` if no ELM327 answers.
    ///
    /// The reset is tried twice, because the adapter may take the first one for the rest of an incomplete command.
    async fn greet(&mut self) -> Result<Option<String>, ObdError> {
        for _ in 0..2 {
            match self.try_exchange("ATZ", RESET_TIMEOUT).await {
                Ok(Some(lines)) => {
                    if let Some(name) = lines.iter().find(|line| is_greeting(line)) {
                        return Ok(Some(name.clone()));
                    }
                }
                Ok(None) | Err(ObdError::Flood) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Sends a setting. Returns true if the adapter accepted it.
    ///
    /// A rejected setting is no error: clones know fewer settings than they claim, and none is essential.
    async fn set(&mut self, setting: &str) -> Result<bool, ObdError> {
        let lines = self.exchange(setting, SETTING_TIMEOUT).await?;
        let accepted = lines.iter().any(|line| line == "OK");
        if !accepted {
            tracing::debug!(setting, ?lines, "the adapter rejected the setting");
        }
        Ok(accepted)
    }

    /// Sends a command and returns the lines of its answer.
    ///
    /// If the answer does not arrive in time, it interrupts the adapter, which an ELM327 answers with `STOPPED`. If
    /// there is no answer to the interruption, it fails.
    async fn exchange(&mut self, command: &str, limit: Duration) -> Result<Vec<String>, ObdError> {
        if let Some(lines) = self.try_exchange(command, limit).await? {
            return Ok(lines);
        }
        tracing::debug!(command, "no answer in time; interrupting the adapter");
        self.stream.write_all(b" ").await?;
        match self.read_answer(INTERRUPT_TIMEOUT).await? {
            Some(answer) => Ok(answer::lines(&answer, command)),
            None => Err(ObdError::Silent),
        }
    }

    /// Sends a command and returns the lines of its answer, or `None` if the prompt did not arrive in time.
    async fn try_exchange(
        &mut self,
        command: &str,
        limit: Duration,
    ) -> Result<Option<Vec<String>>, ObdError> {
        self.buffer.clear();
        let mut bytes = command.as_bytes().to_vec();
        bytes.push(b'\r');
        match timeout(limit, self.stream.write_all(&bytes)).await {
            Ok(written) => written?,
            Err(_) => return Ok(None),
        }
        let answer = self.read_answer(limit).await?;
        tracing::trace!(command, answer = ?answer.as_deref().map(String::from_utf8_lossy), "exchange");
        Ok(answer.map(|answer| answer::lines(&answer, command)))
    }

    /// Reads up to the next prompt. Returns `None` if it does not arrive in time.
    async fn read_answer(&mut self, limit: Duration) -> Result<Option<Vec<u8>>, ObdError> {
        let deadline = Instant::now() + limit;
        let mut chunk = [0u8; 512];
        loop {
            if let Some(answer) = self.buffer.take() {
                return Ok(Some(answer));
            }
            let read = match tokio::time::timeout_at(deadline, self.stream.read(&mut chunk)).await {
                Ok(read) => read?,
                Err(_) => return Ok(None),
            };
            let bytes = chunk.get(..read).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
            self.buffer.push(bytes).map_err(|_| ObdError::Flood)?;
        }
    }
}

/// Returns true if a line is a name with a version, such as `ELM327 v1.5`. At a wrong baud rate, lines are noise.
fn is_greeting(line: &str) -> bool {
    let letters = line.chars().filter(char::is_ascii_alphanumeric).count();
    line.is_ascii() && letters >= 4 && line.chars().any(|c| c.is_ascii_digit()) && !line.starts_with("AT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_a_name_with_a_version() {
        for line in ["ELM327 v1.5", "OBDII v2.1", "STN1110 v4.0.1", "vLinker MC 2.2"] {
            assert!(is_greeting(line), "{line}");
        }
        for line in ["?", "OK", "ATZ1234", "\u{fffd}\u{fffd}x327", "STOPPED", ""] {
            assert!(!is_greeting(line), "{line}");
        }
    }

    #[test]
    fn every_protocol_has_a_name() {
        for number in '1'..='9' {
            assert_ne!(protocol(number).1, Framing::Bare, "{number}");
        }
        assert_eq!(protocol('?'), ("unknown protocol", Framing::Bare));
    }
}
