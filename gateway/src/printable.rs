//! Text that may be shown on a terminal.
//!
//! A file or a response of somebody else may hold characters that a terminal acts on: control characters erase or move
//! what is on the screen, and others reverse the direction of the text or are invisible. Text of others becomes
//! [`Printable`] before it is shown: it is either refused or escaped.

use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};
use streembit_primitives::shown::is_hidden;

/// A text with a character that a terminal acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnprintableError {
    /// The character controls the terminal, changes the direction of the text, or is invisible.
    #[error("line {line} has the invisible or control character {}", .character.escape_unicode())]
    Character {
        /// The character.
        character: char,
        /// The line, from 1.
        line: usize,
    },
    /// The text must be a single line.
    #[error("it must be a single line")]
    Lines,
}

/// A text of any number of lines, in which nothing but line breaks acts on a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Printable(String);

/// A single line in which nothing acts on a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrintableLine(Printable);

impl Printable {
    /// Returns `text` with an escape sequence in place of each character that a terminal acts on.
    pub fn escaped(text: &str) -> Self {
        Self(escape(text, |c| is_hidden(c) && c != '\n'))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Printable {
    type Err = UnprintableError;

    fn from_str(text: &str) -> Result<Self, UnprintableError> {
        for (at, line) in text.split('\n').enumerate() {
            if let Some(character) = line.chars().find(|c| is_hidden(*c)) {
                return Err(UnprintableError::Character { character, line: at.saturating_add(1) });
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Printable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl PrintableLine {
    /// Returns `text` in quotes. Line breaks, quotes and the characters that a terminal acts on are escaped, so the end of
    /// the quotation is the end of the text.
    pub fn quoted(text: &str) -> Self {
        let text = escape(text, |c| is_hidden(c) || matches!(c, '“' | '”'));
        Self(Printable(format!("“{text}”")))
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for PrintableLine {
    type Err = UnprintableError;

    fn from_str(text: &str) -> Result<Self, UnprintableError> {
        if text.contains('\n') {
            return Err(UnprintableError::Lines);
        }
        text.parse().map(Self)
    }
}

impl fmt::Display for PrintableLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<PrintableLine> for Printable {
    fn from(line: PrintableLine) -> Self {
        line.0
    }
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        if is_escaped(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_act_on_a_terminal_are_refused_or_escaped() {
        for character in
            ['\u{1b}', '\r', '\t', '\u{9b}', '\u{202e}', '\u{61c}', '\u{200b}', '\u{2028}', '\u{e0041}']
        {
            let text = format!("first\nse{character}cond");
            let error = UnprintableError::Character { character, line: 2 };
            assert_eq!(text.parse::<Printable>(), Err(error));
            let escaped = Printable::escaped(&text);
            assert_eq!(escaped.as_str(), format!("first\nse{}cond", character.escape_unicode()));
            assert_eq!(escaped.as_str().parse::<Printable>(), Ok(escaped.clone()));
        }
        for text in ["", "Grüße, 5 €\n\nZweiter Absatz", "می\u{200c}خواهم"] {
            assert_eq!(text.parse::<Printable>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_line_has_no_line_break_and_a_quotation_no_second_end() {
        assert_eq!("oil\n\nclause 2: none".parse::<PrintableLine>(), Err(UnprintableError::Lines));
        assert_eq!("oil".parse::<PrintableLine>().unwrap().as_str(), "oil");
        let quoted = PrintableLine::quoted("oil”.\n\nclause 2: \u{1b}[2J");
        assert_eq!(quoted.as_str(), "“oil\\u{201d}.\\u{a}\\u{a}clause 2: \\u{1b}[2J”");
    }
}
