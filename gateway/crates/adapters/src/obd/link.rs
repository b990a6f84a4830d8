//! The byte stream to an ELM327: sending commands, collecting answers, and getting back in step.
//!
//! An answer does not name the command that it belongs to. A prompt too many, as clones send it now and then, would
//! attribute every later answer to the wrong command. Input is therefore discarded before each command, an empty answer
//! does not count, and the caller checks that an answer fits its command and calls [`Link::settle`] if it does not.

use super::{
    answer::{self, ElmError, PromptBuffer},
    error::ObdError,
    protocol::Protocol,
};
use crate::serial::Stream;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{timeout, timeout_at, Instant},
};

/// The timeout of a reset. An original ELM327 takes about a second.
const RESET_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an adapter that has answered something else is waited for to say its name.
const NAME_TIMEOUT: Duration = Duration::from_millis(1_500);
const SETTING_TIMEOUT: Duration = Duration::from_secs(3);
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(1);
/// The timeout of a write. A command has a few bytes, so a port that does not take them for seconds is blocked.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer is waited for after an empty one.
const AFTER_EMPTY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long input that has already arrived may take to be handed over by the operating system.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1);
/// The silence after which the adapter is taken to have said everything. At 9600 baud, a byte takes 1 ms.
const QUIET: Duration = Duration::from_millis(100);
/// How long silence is waited for. It is longer than an adapter takes for one answer.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The commands that make an adapter say its name, in the order in which they are tried. The first reset may be taken
/// for the rest of an incomplete command. Clones exist that answer `ATZ` with nothing but its echo; they are reset with
/// `ATWS` and `ATD`, and say their name after `ATI`.
const GREETINGS: [&str; 5] = ["ATZ", "ATZ", "ATWS", "ATD", "ATI"];

/// The connection to the adapter, with the bytes received of the next answer.
pub struct Link {
    stream: Box<dyn Stream>,
    buffer: PromptBuffer,
}

/// How an adapter answered a command that makes it say its name.
enum Greeting {
    Name(String),
    Other,
    Silence,
}

impl Link {
    /// Uses an open stream.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: PromptBuffer::default() }
    }

    /// Resets the adapter. Returns its name, or `None` if no ELM327 answers. Input that is not a name is discarded.
    pub async fn greet(&mut self) -> Result<Option<String>, ObdError> {
        for command in GREETINGS {
            match self.greet_with(command).await {
                Ok(Greeting::Name(name)) => {
                    self.settle().await?;
                    return Ok(Some(name));
                }
                Ok(Greeting::Other) => {}
                Ok(Greeting::Silence) | Err(ObdError::Flood) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn greet_with(&mut self, command: &str) -> Result<Greeting, ObdError> {
        self.send(command).await?;
        let mut greeting = Greeting::Silence;
        let mut deadline = Instant::now() + RESET_TIMEOUT;
        while let Some(lines) = self.next_answer(command, deadline).await? {
            if let Some(name) = lines.iter().find(|line| is_adapter_name(line)) {
                return Ok(Greeting::Name(name.clone()));
            }
            tracing::debug!(command, ?lines, "discarded input that is not the name of an adapter");
            greeting = Greeting::Other;
            if lines.iter().any(|line| line == "OK") {
                break;
            }
            deadline = deadline.min(Instant::now() + NAME_TIMEOUT);
        }
        Ok(greeting)
    }

    /// Sends a setting. Returns true if the adapter accepted it.
    ///
    /// A rejected setting is no error: clones know fewer settings than they claim, and none is essential. It is sent
    /// twice before it counts as rejected, because a `?` may belong to an earlier command.
    pub async fn set(&mut self, setting: &str) -> Result<bool, ObdError> {
        let is_accepted = |lines: &[String]| lines.iter().any(|line| line == "OK").then_some(());
        match self.exchange_until(setting, is_accepted).await? {
            Ok(()) => Ok(true),
            Err(lines) if lines.iter().any(|line| belongs_to_another_command(line)) => {
                Err(ObdError::OutOfStep)
            }
            Err(_) => Ok(false),
        }
    }

    /// Asks for the protocol that the adapter uses. Returns `None` if it does not say.
    pub async fn protocol(&mut self) -> Result<Option<Protocol>, ObdError> {
        let number =
            |lines: &[String]| lines.last().and_then(|line| Protocol::from_answer(&answer::compact(line)));
        match self.exchange_until("ATDPN", number).await? {
            Ok(protocol) => Ok(Some(protocol)),
            Err(lines) if lines.iter().any(|line| line == "OK" || belongs_to_another_command(line)) => {
                Err(ObdError::OutOfStep)
            }
            Err(_) => Ok(None),
        }
    }

    /// Sends a command of the adapter until `read` understands the answer, at most twice. Returns the lines of the last
    /// answer otherwise.
    async fn exchange_until<T>(
        &mut self,
        command: &str,
        read: impl Fn(&[String]) -> Option<T>,
    ) -> Result<Result<T, Vec<String>>, ObdError> {
        let lines = self.exchange(command, SETTING_TIMEOUT).await?;
        if let Some(understood) = read(&lines) {
            return Ok(Ok(understood));
        }
        tracing::debug!(command, ?lines, "not the expected answer; sending the command again");
        self.settle().await?;
        let lines = self.exchange(command, SETTING_TIMEOUT).await?;
        Ok(read(&lines).ok_or(lines))
    }

    /// Sends a command and returns the lines of its answer; none if the adapter answers with nothing but its prompt.
    ///
    /// If the answer does not arrive in time, it interrupts the adapter, which an ELM327 answers with `STOPPED`. If
    /// there is no answer to the interruption, it fails.
    pub async fn exchange(&mut self, command: &str, limit: Duration) -> Result<Vec<String>, ObdError> {
        self.send(command).await?;
        let mut deadline = Instant::now() + limit;
        let mut saw_prompt = false;
        while let Some(lines) = self.next_answer(command, deadline).await? {
            if !lines.is_empty() {
                return Ok(lines);
            }
            saw_prompt = true;
            deadline = deadline.min(Instant::now() + AFTER_EMPTY_TIMEOUT);
        }
        if saw_prompt {
            return Ok(Vec::new());
        }
        tracing::debug!(command, "no answer in time; interrupting the adapter");
        self.write(b" ").await?;
        self.next_answer(command, Instant::now() + INTERRUPT_TIMEOUT).await?.ok_or(ObdError::Silent)
    }

    /// Waits for an answer that arrives without another command, as after a control unit has asked for time. Returns no
    /// lines if none arrives in time.
    pub async fn late_answer(&mut self, limit: Duration) -> Result<Vec<String>, ObdError> {
        Ok(self.next_answer("", Instant::now() + limit).await?.unwrap_or_default())
    }

    /// Discards input until the adapter has been quiet for a moment. Then the next answer belongs to the next command.
    pub async fn settle(&mut self) -> Result<(), ObdError> {
        self.buffer.clear();
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        let mut chunk = [0u8; 512];
        while let Ok(read) = timeout(QUIET, self.stream.read(&mut chunk)).await {
            ensure_open(read?)?;
            if Instant::now() >= deadline {
                return Err(ObdError::Flood);
            }
        }
        Ok(())
    }

    /// Sends a command after discarding the input that has arrived before it.
    async fn send(&mut self, command: &str) -> Result<(), ObdError> {
        self.buffer.clear();
        let mut chunk = [0u8; 512];
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        while let Ok(read) = timeout(DRAIN_TIMEOUT, self.stream.read(&mut chunk)).await {
            let read = ensure_open(read?)?;
            let discarded = String::from_utf8_lossy(chunk.get(..read).unwrap_or_default());
            tracing::debug!(command, %discarded, "discarded input that no command asked for");
            if Instant::now() >= deadline {
                return Err(ObdError::Flood);
            }
        }
        self.write(format!("{command}\r").as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ObdError> {
        match timeout(WRITE_TIMEOUT, self.stream.write_all(bytes)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(ObdError::Blocked),
        }
    }

    /// Returns the lines before the next prompt, or `None` if the prompt does not arrive in time.
    async fn next_answer(
        &mut self,
        command: &str,
        deadline: Instant,
    ) -> Result<Option<Vec<String>>, ObdError> {
        let mut chunk = [0u8; 512];
        loop {
            if let Some(answer) = self.buffer.take() {
                tracing::trace!(command, answer = %String::from_utf8_lossy(&answer), "exchange");
                return Ok(Some(answer::lines(&answer, command)));
            }
            let Ok(read) = timeout_at(deadline, self.stream.read(&mut chunk)).await else { return Ok(None) };
            let read = ensure_open(read?)?;
            self.buffer.push(chunk.get(..read).unwrap_or_default()).map_err(|_| ObdError::Flood)?;
        }
    }
}

/// Returns the number of bytes read, or an error at the end of the stream.
fn ensure_open(read: usize) -> Result<usize, ObdError> {
    match read {
        0 => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
        read => Ok(read),
    }
}

/// Returns true if a line is a name with a version, such as `ELM327 v1.5`. It goes into the signed log, so neither noise
/// at a wrong baud rate nor the rest of an earlier answer may pass for one.
fn is_adapter_name(line: &str) -> bool {
    const MAX_LENGTH: usize = 48;
    let plain = |c: char| c.is_ascii_alphanumeric() || " .-_()/+".contains(c);
    let compact = answer::compact(line);
    let is_progress = answer::without_progress(&compact) != compact;
    let is_error = ElmError::of(line).is_some() && !compact.contains("ELM327");
    line.len() <= MAX_LENGTH
        && line.chars().all(plain)
        && line.starts_with(|c: char| c.is_ascii_alphabetic())
        && line.chars().any(|c| c.is_ascii_digit())
        && line.chars().any(|c| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit())
        && !compact.starts_with("AT")
        && !is_progress
        && !is_error
}

/// Returns true if a line cannot be the answer to a command of the adapter: data of the vehicle, an error of a request,
/// or the greeting.
fn belongs_to_another_command(line: &str) -> bool {
    let compact = answer::compact(line);
    let is_data = compact.len() >= 4 && compact.chars().all(|c| c.is_ascii_hexdigit());
    let is_request_error = ElmError::of(line).is_some_and(|error| error != ElmError::NotUnderstood);
    is_data || is_request_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_name_is_a_word_with_a_version() {
        for line in ["ELM327 v1.5", "ELM327v1.5", "OBDII v2.1", "STN1110 v4.0.1", "vLinker MC 2.2"] {
            assert!(is_adapter_name(line), "{line}");
        }
        for line in [
            "?",
            "OK",
            "",
            "ATZ1234",
            "\u{fffd}\u{fffd}x327",
            "STOPPED",
            "41 0D 37",
            "410D37",
            "DEADBEEF 01",
            "SEARCHING...41 0D 37",
            "BUS INIT: OK41 0D 37",
            "NO DATA 1",
            "ERR94",
            "<RX ERROR 1",
            "7E8 03 41 0D 37",
        ] {
            assert!(!is_adapter_name(line), "{line}");
        }
        assert!(!is_adapter_name(&format!("x{}", "1".repeat(48))));
    }

    #[test]
    fn data_and_errors_of_requests_do_not_answer_a_command_of_the_adapter() {
        for line in ["41 0D 37", "7E8 03 41 0D 32", "NO DATA", "ELM327 v1.5", "STOPPED"] {
            assert!(belongs_to_another_command(line), "{line}");
        }
        for line in ["OK", "?", "", "ERROR", "UNKNOWN", "A6"] {
            assert!(!belongs_to_another_command(line), "{line}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_accepts_no_byte_is_given_up() {
        let (near, _far) = tokio::io::duplex(2);
        let mut link = Link::new(Box::new(near));
        assert!(matches!(link.exchange("ATE0", SETTING_TIMEOUT).await, Err(ObdError::Blocked)));
        let (near, far) = tokio::io::duplex(5);
        // The command fits, but nothing reads it: then the interruption does not fit.
        let mut link = Link::new(Box::new(near));
        assert!(matches!(link.exchange("ATE0", SETTING_TIMEOUT).await, Err(ObdError::Blocked)));
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn settling_discards_what_arrives_until_there_is_silence() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut link = Link::new(Box::new(near));
        tokio::spawn(async move {
            for _ in 0..5 {
                far.write_all(b"41 0D 37\r\r>").await.unwrap();
                tokio::time::sleep(QUIET / 2).await;
            }
            let mut command = [0u8; 5];
            tokio::time::sleep(QUIET).await;
            far.read_exact(&mut command).await.unwrap();
            far.write_all(b"OK\r\r>").await.unwrap();
            std::future::pending::<()>().await;
        });
        link.settle().await.unwrap();
        assert!(link.set("ATE0").await.unwrap());
    }
}
