//! Parses the bytes that an ELM327 sends into messages of the vehicle's control units. Does no I/O.
//!
//! An answer is everything up to the prompt `>`. Its lines end with carriage returns, with or without line feeds, and
//! may contain NUL bytes anywhere (as the data sheet says). A line is a message in hexadecimal digits, a part of a
//! message, or words. Unreadable lines are counted and otherwise ignored.

mod checksum;

use checksum::Checksum;
use std::fmt;

/// The maximum size of one answer, in bytes. The longest ISO-TP message has 4,095 bytes, which are about 16 KiB of text
/// with headers.
const MAX_ANSWER: usize = 64 * 1024;

/// Collects received bytes until the prompt.
#[derive(Default, Debug)]
pub struct PromptBuffer {
    bytes: Vec<u8>,
}

/// More bytes arrived without a prompt than an answer can have, so the sender is not an ELM327.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FloodError;

impl PromptBuffer {
    /// Adds received bytes. If they exceed the size of an answer, it clears the buffer and fails.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FloodError> {
        if self.bytes.len().saturating_add(bytes.len()) > MAX_ANSWER {
            self.clear();
            return Err(FloodError);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Removes and returns the bytes before the next prompt, or returns `None` if there is no prompt yet.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'>')?;
        let rest = self.bytes.split_off(end.saturating_add(1));
        let mut answer = std::mem::replace(&mut self.bytes, rest);
        answer.pop();
        Some(answer)
    }

    /// Discards all received bytes.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// Splits an answer into lines, without blank lines and the echo of the command.
///
/// Bytes that are not printable ASCII become `\u{FFFD}`, so that a damaged line cannot pass for digits or words.
pub fn lines(answer: &[u8], command: &str) -> Vec<String> {
    let text: String = answer
        .iter()
        .filter(|byte| **byte != 0)
        .map(|byte| match byte {
            b'\r' | b'\n' | b' '..=b'~' => char::from(*byte),
            b'\t' => ' ',
            _ => char::REPLACEMENT_CHARACTER,
        })
        .collect();
    let mut lines: Vec<String> =
        text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.first().is_some_and(|first| compact(first) == compact(command)) {
        lines.remove(0);
    }
    lines
}

/// An error that the adapter reports in words instead of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElmError {
    /// `NO DATA`: no control unit answered in time.
    NoData,
    /// `?`: the adapter does not know the command.
    NotUnderstood,
    /// `STOPPED`: a received character interrupted the request.
    Stopped,
    /// `CAN ERROR`, `BUS ERROR`, `BUS BUSY`, `FB ERROR`, `BUS INIT: ...ERROR`: the bus does not work.
    Bus,
    /// `UNABLE TO CONNECT`: no protocol was found.
    UnableToConnect,
    /// `BUFFER FULL`: the answer arrived faster than the serial line can transfer it.
    BufferFull,
    /// `<DATA ERROR`, `<RX ERROR`: a message arrived damaged.
    Damaged,
    /// `LV RESET`, `ERR94`, or the greeting: the adapter has restarted and lost its settings.
    Restarted,
}

impl fmt::Display for ElmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoData => "no control unit answers (NO DATA)",
            Self::NotUnderstood => "the adapter does not know the command (?)",
            Self::Stopped => "the request was interrupted (STOPPED)",
            Self::Bus => "the vehicle's bus does not work",
            Self::UnableToConnect => "no protocol reaches the vehicle (UNABLE TO CONNECT)",
            Self::BufferFull => "the adapter's buffer overflowed (BUFFER FULL)",
            Self::Damaged => "the answer was damaged on the bus",
            Self::Restarted => "the adapter restarted",
        })
    }
}

impl ElmError {
    /// Returns the error that a line names, or `None` if it names none.
    pub fn of(line: &str) -> Option<Self> {
        const WORDS: [(&str, ElmError); 16] = [
            ("NODATA", ElmError::NoData),
            ("STOPPED", ElmError::Stopped),
            ("CANERROR", ElmError::Bus),
            ("BUSERROR", ElmError::Bus),
            ("BUSBUSY", ElmError::Bus),
            ("FBERROR", ElmError::Bus),
            ("FCRXTIMEOUT", ElmError::Damaged),
            ("UNABLETOCONNECT", ElmError::UnableToConnect),
            ("BUFFERFULL", ElmError::BufferFull),
            ("DATAERROR", ElmError::Damaged),
            ("RXERROR", ElmError::Damaged),
            ("LVRESET", ElmError::Restarted),
            ("LPALERT", ElmError::Restarted),
            ("ACTALERT", ElmError::Restarted),
            ("ERR94", ElmError::Restarted),
            ("ELM327V", ElmError::Restarted),
        ];
        let words = compact(line);
        if words == "?" {
            return Some(Self::NotUnderstood);
        }
        if words.contains("BUSINIT") && words.contains("ERROR") {
            return Some(Self::Bus);
        }
        WORDS.iter().find(|(word, _)| words.contains(word)).map(|(_, trouble)| *trouble)
    }
}

/// The bytes around the data of a line. They depend on the protocol and on the setting `ATH`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No header (`ATH0`). The adapter joins the frames of a message, or prints a long one in lines `0:`, `1:`, ...
    Bare,
    /// An 11-bit CAN id in three digits, then the ISO-TP control byte (ISO 15765-2).
    Can11,
    /// A 29-bit CAN id in eight digits, then the ISO-TP control byte.
    Can29,
    /// Three header bytes on every line, and a cyclic redundancy check at its end (SAE J1850).
    J1850,
    /// Three header bytes on every line, and the sum of all bytes at its end (ISO 9141-2, ISO 14230).
    KLine,
}

/// A message of one control unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The control unit's address, or `None` without headers.
    pub ecu: Option<u32>,
    /// The bytes of the message, beginning with the service byte.
    pub data: Vec<u8>,
}

/// A parsed answer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answer {
    /// The complete messages, in the order in which they were completed.
    pub messages: Vec<Message>,
    /// The last error that the adapter reported, if any.
    pub trouble: Option<ElmError>,
    /// The number of unreadable lines and incomplete messages.
    pub garbled: usize,
}

impl Answer {
    /// Returns true if nothing of the answer was lost: every line was readable, every message complete, and the adapter
    /// reported no error.
    pub fn is_intact(&self) -> bool {
        self.trouble.is_none() && self.garbled == 0
    }

    /// Returns the reason of the last refusal of a service (`7F 09 78`), or `None` if no control unit refused it.
    pub fn refusal(&self, service: u8) -> Option<u8> {
        self.messages.iter().rev().find_map(|message| match message.data.as_slice() {
            [0x7f, refused, reason] if *refused == service => Some(*reason),
            _ => None,
        })
    }
}

/// Parses the lines of an answer.
pub fn read(lines: &[String], framing: Framing) -> Answer {
    let mut answer = Answer::default();
    let mut assembly = Assembly::default();
    for line in lines {
        if let Some(trouble) = ElmError::of(line) {
            answer.trouble = Some(trouble);
            continue;
        }
        let digits = without_progress(&compact(line)).to_owned();
        if digits.is_empty() {
            continue;
        }
        let read = match framing {
            Framing::Bare => read_bare(&digits, &mut assembly),
            Framing::Can11 => read_can(&digits, 3, &mut assembly),
            Framing::Can29 => read_can(&digits, 8, &mut assembly),
            Framing::J1850 => read_checked(&digits, Checksum::Crc8, &mut assembly),
            Framing::KLine => read_checked(&digits, Checksum::Sum, &mut assembly),
        };
        if read.is_none() {
            answer.garbled = answer.garbled.saturating_add(1);
        }
    }
    answer.garbled = answer.garbled.saturating_add(assembly.open.len());
    answer.messages = assembly.complete;
    answer
}

/// Returns the line in upper case and without white space.
pub(super) fn compact(line: &str) -> String {
    line.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}

/// Strips `SEARCHING...` and `BUS INIT: ...OK`, which some adapters print on the line of the first message.
pub(super) fn without_progress(line: &str) -> &str {
    let line = line.strip_prefix("SEARCHING").unwrap_or(line).trim_start_matches('.');
    match line.strip_prefix("BUSINIT:") {
        Some(rest) => {
            let rest = rest.trim_start_matches('.');
            rest.strip_prefix("OK").unwrap_or(rest)
        }
        None => line,
    }
}

/// Assembles messages that arrive in several pieces.
#[derive(Default)]
struct Assembly {
    complete: Vec<Message>,
    open: Vec<Partial>,
}

/// A message of which pieces are missing.
struct Partial {
    ecu: Option<u32>,
    /// The length of the whole message, in bytes.
    length: usize,
    /// The number of the next piece, modulo 16.
    next: u8,
    data: Vec<u8>,
}

impl Assembly {
    fn begin(&mut self, ecu: Option<u32>, length: usize, next: u8) {
        self.open.push(Partial { ecu, length, next, data: Vec::new() });
    }

    /// Adds a piece to the oldest incomplete message of the control unit whose next piece has this number. Returns
    /// `None` if there is no such message.
    fn extend(&mut self, ecu: Option<u32>, number: u8, piece: &[u8]) -> Option<()> {
        let at = self.open.iter().position(|open| open.ecu == ecu && open.next == number)?;
        let open = self.open.get_mut(at)?;
        open.data.extend_from_slice(piece);
        open.next = (number + 1) % 16;
        if open.data.len() >= open.length {
            let mut done = self.open.remove(at);
            done.data.truncate(done.length);
            self.complete.push(Message { ecu: done.ecu, data: done.data });
        }
        Some(())
    }
}

/// Reads a line without a header: a whole message (`41 0D 37`), the length of a long message (`014`), or one of its
/// numbered pieces (`0: 49 02 01 ...`). Long messages of several control units are distinguished only by the order of
/// their pieces.
fn read_bare(digits: &str, assembly: &mut Assembly) -> Option<()> {
    if let Some((number, piece)) = digits.split_once(':') {
        let number = u8::from_str_radix(number, 16).ok().filter(|number| *number < 16)?;
        return assembly.extend(None, number, &hex::decode(piece).ok()?);
    }
    if digits.len() == 3 {
        let length = usize::from_str_radix(digits, 16).ok().filter(|length| *length > 0)?;
        assembly.begin(None, length, 0);
        return Some(());
    }
    let data = hex::decode(digits).ok()?;
    assembly.complete.push(Message { ecu: None, data });
    Some(())
}

/// Reads a CAN frame: the id, then an ISO-TP frame (`0L` single, `1L LL` first, `2N` consecutive, `3x` flow control).
fn read_can(digits: &str, id_digits: usize, assembly: &mut Assembly) -> Option<()> {
    let ecu = Some(u32::from_str_radix(digits.get(..id_digits)?, 16).ok()?);
    let frame = hex::decode(digits.get(id_digits..)?).ok()?;
    let (control, rest) = frame.split_first()?;
    let low = control & 0x0f;
    match control >> 4 {
        0 => {
            let data = rest.get(..usize::from(low)).filter(|data| !data.is_empty())?.to_vec();
            assembly.complete.push(Message { ecu, data });
            Some(())
        }
        1 => {
            let (length, piece) = rest.split_first()?;
            let length = usize::from(low) << 8 | usize::from(*length);
            if length == 0 {
                return None;
            }
            assembly.begin(ecu, length, 0);
            assembly.extend(ecu, 0, piece)
        }
        2 => assembly.extend(ecu, low, rest),
        3 => Some(()),
        _ => None,
    }
}

/// Reads a line of an older protocol, such as `48 6B 10 41 0D 37 48`. The third byte is the sender's address, and the
/// last one is the checksum of the others.
///
/// The adapter should discard a frame with a wrong checksum, but clones do not. A wrong digit in an odometer's value
/// would otherwise pass for the truth.
fn read_checked(digits: &str, checksum: Checksum, assembly: &mut Assembly) -> Option<()> {
    let frame = hex::decode(digits).ok()?;
    let (last, frame) = frame.split_last()?;
    if checksum.of(frame) != *last {
        return None;
    }
    let (header, data) = frame.split_at_checked(3).filter(|(_, data)| !data.is_empty())?;
    let ecu = header.last().map(|address| u32::from(*address));
    assembly.complete.push(Message { ecu, data: data.to_vec() });
    Some(())
}

#[cfg(test)]
mod tests;
